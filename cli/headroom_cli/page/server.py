"""Serve the page on 127.0.0.1, only to those who know the printed address.

Any web page that is open in the same browser can send requests to localhost, and any program on this host can. So every
request must name this host and carry a token. Only the printed address has the token, in the part that browsers do not send.
The page keeps it in its tab's own storage and sends it as a header. (A cookie would not do: browsers send it to every port of
a host.) To act, a request must also come from the page itself.
"""

import hmac
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import jinja2
import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from headroom import clock
from headroom.adapters.ledger import Ledger
from headroom.domain.planning.promises import BadRequestError
from headroom.usecases.order import Operator
from headroom.widgets import Browser, Pages
from headroom.widgets.pressed import order_of, signed
from headroom.widgets.words import schedule_of
from headroom_cli.page import charts
from headroom_cli.stack import spoken

HERE = Path(__file__).parent
TEMPLATES = jinja2.Environment(loader=jinja2.FileSystemLoader(HERE), autoescape=True, undefined=jinja2.StrictUndefined)
HOST = "127.0.0.1"
ADDRESS = "Open the address that `headroom page` printed. It is valid for one run only."
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Pressed(msgspec.Struct, forbid_unknown_fields=True):
    """What the page's script sends: the order of the button, and the fields of its section."""

    order: dict[str, Any]
    fields: dict[str, str]


@dataclass
class Page:
    """The page. `pages` shows, `operator` acts, `by` returns who acts as AWS knows them; the token is new for each run."""

    pages: Pages
    operator: Callable[[], Operator]
    by: Callable[[], str]
    port: int = 0
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    every: float = 15  # seconds between two redraws
    one_at_a_time: threading.Lock = field(default_factory=threading.Lock)  # boto3's tables are not for several threads

    @property
    def ledger(self) -> Ledger:
        """The ledger that the page shows."""
        return self.pages.ledger

    @property
    def origin(self) -> str:
        """Where the page itself is from."""
        return f"http://{HOST}:{self.port}"

    @property
    def address(self) -> str:
        """The address to open; it is valid for this run only."""
        return f"{self.origin}/#token={self.token}"

    def app(self) -> Starlette:
        """Return the application."""
        routes = [
            Route("/", self._page),
            Route("/page.css", self._file("page.css", "text/css")),
            Route("/page.js", self._file("page.js", "text/javascript")),
            Route("/show/{what}", self._show),
            Route("/act", self._act, methods=["POST"]),
        ]
        return Starlette(routes=routes, middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=[HOST])])

    def _knows(self, request: Request) -> bool:
        said = request.headers.get("x-headroom-token", "")
        return hmac.compare_digest(said.encode(), self.token.encode())

    def _page(self, _: Request) -> Response:
        """Return the empty page; its content is only sent to requests with the token."""
        return HTMLResponse(TEMPLATES.get_template("page.html").render(every=self.every), headers=HEADERS)

    def _file(self, name: str, kind: str) -> Callable[[Request], Response]:
        def send(_: Request) -> Response:
            return Response((HERE / name).read_text(), media_type=kind, headers=HEADERS)

        return send

    def _show(self, request: Request) -> Response:
        if not self._knows(request):
            return _refused(ADDRESS)
        what = request.path_params["what"]
        try:
            with spoken(), self.one_at_a_time:
                if what == "charts":
                    return HTMLResponse(charts.all_of(self.ledger, clock.now()), headers=HEADERS)
                return HTMLResponse(self.pages.show(what, dict(request.query_params)), headers=HEADERS)
        except click.ClickException as error:
            return PlainTextResponse(error.message, 503, HEADERS)

    async def _act(self, request: Request) -> Response:
        if request.headers.get("origin") != self.origin:
            return _refused("Only the page itself may send orders.")
        if not self._knows(request):
            return _refused(ADDRESS)
        try:
            pressed = msgspec.json.decode(await request.body(), type=Pressed)
        except msgspec.MsgspecError as error:
            return PlainTextResponse(f"The request cannot be read: {error}.", 400, HEADERS)
        return await run_in_threadpool(self._carry_out, pressed)

    def _carry_out(self, pressed: Pressed) -> Response:
        try:
            with spoken(), self.one_at_a_time:
                operator = self.operator()
                order = order_of(pressed.order, pressed.fields, operator.policy.zone, clock.now())
                done = operator.carry_out(order, signed(self.by(), "page", pressed.fields))
        except BadRequestError as error:
            return PlainTextResponse(str(error), 400, HEADERS)
        except click.ClickException as error:
            return PlainTextResponse(error.message, 503, HEADERS)
        return PlainTextResponse(f"{done.sentence}.", headers=HEADERS)


def _refused(why: str) -> Response:
    return PlainTextResponse(why, 403, HEADERS)


def page_of(
    ledger: Ledger,
    operator: Callable[[], Operator],
    by: Callable[[], str],
    parameters: dict[str, str],
    every: float = 15,
) -> Page:
    """Return the page of a stack that was deployed with these parameters."""
    schedule = schedule_of(*(parameters.get(name, "") for name in ("PrewarmState", "PrewarmSchedule", "TimeZone")))
    price = float(parameters.get("NodeHourPrice") or 0)
    return Page(Pages(ledger, Browser(), schedule=schedule, price=price), operator, by, every=every)


@contextmanager
def serving(page: Page, port: int = 0) -> Iterator[Page]:
    """Serve it in the background, on a free port if none is named; raise OSError if that port is taken."""
    listening = socket.create_server((HOST, port))
    page.port = int(listening.getsockname()[1])
    config = uvicorn.Config(page.app(), log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield page
    finally:
        server.should_exit = True
        thread.join(5)
        listening.close()
