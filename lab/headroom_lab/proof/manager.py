"""The simulated Management Node without a network: requests go from the shipped client into its API, and back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter
from starlette.requests import Request
from starlette.responses import Response

from headroom.adapters.pexip.asking import ManagementNode as Client
from headroom.adapters.pexip.credentials import Credentials
from headroom.adapters.pexip.fetching import nothing
from headroom_lab.pexip.server import ManagementNode

PASSING = {429, 500, 502, 503, 504}
URL = "https://manager.example.com"


class Directly(BaseAdapter):
    """Carries a request to the API; `trouble` may raise, or answer in its place."""

    def __init__(self, node: ManagementNode, trouble: Callable[[requests.PreparedRequest], Response | None]) -> None:
        super().__init__()
        self.node, self.trouble = node, trouble

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        """Answer one request."""
        tries = 3 if request.method == "GET" else 1  # as the client's own adapter does over a network
        while (answer := self.trouble(request) or self.answer(request)).status_code in PASSING and tries > 1:
            tries -= 1
        response = requests.Response()
        response.status_code = answer.status_code
        response.headers.update(answer.headers)
        response._content = bytes(answer.body)
        vars(response)["_content_consumed"] = True
        response.url, response.request, response.reason = request.url or "", request, ""
        return response

    def answer(self, request: requests.PreparedRequest) -> Response:
        """Have the API answer a request."""
        url = urlsplit(request.url or "")
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        scope = {
            "type": "http",
            "method": request.method,
            "path": url.path,
            "query_string": url.query.encode(),
            "headers": [(name.lower().encode(), str(value).encode()) for name, value in request.headers.items()],
            "scheme": "https",
            "server": (url.hostname, 443),
            "path_params": {"path": url.path.removeprefix("/api/admin/")},
        }
        if url.path == "/oauth/token/":
            return _run(self.node.token(Request(scope, receive)))
        return self.node._answer(Request(scope), bytes(body))

    def close(self) -> None:
        """There is nothing to close."""


def _run(waiting: Any) -> Response:
    """Run a coroutine that never really waits."""
    try:
        waiting.send(None)
    except StopIteration as done:
        answer: Response = done.value
        return answer
    raise RuntimeError("it waits for something")


class Direct:
    """What handlers take for their connection to Pexip."""

    def __init__(self, node: ManagementNode, trouble: Callable[[requests.PreparedRequest], Response | None]) -> None:
        access = node.access
        self.client = Client(URL, Credentials(client_id=access.client_id, private_key=access.private_key))
        self.carrier = Directly(node, trouble)
        self.client.session.mount("https://", self.carrier)
        self.client.session.trust_env = False  # whoever runs the lab may have a proxy

    def deliver(self, request: requests.PreparedRequest) -> Response:
        """Bring a request, as one that nobody waits for any more; return its answer."""
        return self.carrier.answer(request)

    @contextmanager
    def node(self, before_each: Callable[[], object] = nothing) -> Iterator[Client]:
        """Lend the shipped client, to each function one of its own; the secret does not change here."""
        lent = replace(self.client, before_each=before_each)
        vars(lent).update(session=self.client.session, auth=self.client.auth)
        yield lent
