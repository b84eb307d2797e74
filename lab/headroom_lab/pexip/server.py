"""The Management Node's HTTPS server: authentication, Tastypie's ways, and commands."""

import base64
import binascii
import json
import re
import secrets
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlencode

import jwt
import trustme
import uvicorn
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from headroom import clock
from headroom_lab.pexip.form import Forms
from headroom_lab.pexip.resources import CONFIGURATION, HISTORY, LONGEST, SMALLEST, STATUS, Platform, Row
from headroom_replay.bursting import Bursting

KINDS = {"status": STATUS, "history": HISTORY, "configuration": CONFIGURATION}
COMMANDS = {
    "platform": {"start_cloudnode": ("instance_id",)},
    "conference": {"disconnect": ("conference_id",)},
    "participant": {"disconnect": ("participant_id",)},
}
REQUIRED = {
    # TF resource_infinity_worker_vm.go; the password is taken, and never shown
    "worker_vm": ("name", "hostname", "domain", "address", "netmask", "gateway", "password", "system_location"),
    "system_location": ("name",),
}
SINGLE = {"global", "management_vm"}  # of which there is one; the second is changed by nobody here
DEFAULT_LIMIT = 20
TOKEN_LIFE = 3600
WINDOW = 60.0
LEAVES_WITHIN = 1.0  # real seconds
OPERATORS: dict[str, Callable[[Any, str], bool]] = {
    "exact": lambda value, text: _text(value) == text,
    "iexact": lambda value, text: _text(value).lower() == text.lower(),
    "contains": lambda value, text: text in _text(value),
    "icontains": lambda value, text: text.lower() in _text(value).lower(),
    "startswith": lambda value, text: _text(value).startswith(text),
    "istartswith": lambda value, text: _text(value).lower().startswith(text.lower()),
    "endswith": lambda value, text: _text(value).endswith(text),
    "iendswith": lambda value, text: _text(value).lower().endswith(text.lower()),
    "regex": lambda value, text: re.search(text, _text(value)) is not None,
    "iregex": lambda value, text: re.search(text, _text(value), re.IGNORECASE) is not None,
    "in": lambda value, text: _text(value) in text.split(","),
    "lt": lambda value, text: _order(value, text, lambda a, b: a < b),
    "lte": lambda value, text: _order(value, text, lambda a, b: a <= b),
    "gt": lambda value, text: _order(value, text, lambda a, b: a > b),
    "gte": lambda value, text: _order(value, text, lambda a, b: a >= b),
}


def _text(value: Any) -> str:
    return str(value) if not isinstance(value, bool) else str(value).lower()


def _order(value: Any, text: str, compare: Callable[[Any, Any], bool]) -> bool:
    if value is None:
        return False
    return compare(value, float(text)) if isinstance(value, int | float) else compare(str(value), text)


class RefusedError(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, body: Any = None, **headers: str) -> None:
        super().__init__(status)
        self.response = (
            Response(status_code=status, headers=headers)
            if body is None
            else JSONResponse(body, status_code=status, headers=headers)
        )


@dataclass
class Access:
    """Who may use the API."""

    username: str = "admin"
    password: str = "pexip-demo"  # noqa: S105 - the simulated platform's own, printed at its start
    client_id: str = "headroom"
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    basic_disabled: bool = False
    revoked: bool = False
    tokens: dict[str, float] = field(default_factory=dict)

    @property
    def private_key(self) -> str:
        """The OAuth2 client's private key, which Pexip shows once."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()


class ManagementNode:
    """The API in front of a platform; `lock` keeps the world still while a request looks at it.

    `seconds` tells its time: the clock of this process unless it is given.
    """

    def __init__(
        self,
        platform: Platform,
        bursting: Bursting,
        access: Access | None = None,
        seconds: Callable[[], float] | None = None,
    ) -> None:
        self.seconds = seconds or clock.seconds
        self.platform = platform
        self.world = platform.world
        self.bursting = bursting
        self.access = access or Access()
        self.lock = threading.RLock()
        self.forms = Forms(platform)
        self.requests: deque[float] = deque()
        self.served = 0
        self.trouble = ""  # how it misbehaves, for tests: "html" | "silent" | "error" | "garbage"
        self.app = Starlette(
            routes=[
                Route("/oauth/token/", self.token, methods=["POST"]),
                Route("/nodes/{address}/{rest:path}", self.form, methods=["GET", "POST"]),
                Route(
                    "/api/admin/{path:path}",
                    self.api,
                    methods=["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"],
                ),
            ]
        )

    # The world's time

    def step(self, now: float) -> None:
        """Move the world on, and with it Pexip's own bursting."""
        with self.lock:
            self.platform.power.follow(self.world)
            self.world.advance(now)
            self.bursting.step()

    # OAuth2

    async def token(self, request: Request) -> Response:
        """Give a token for an hour to a client that proves itself with a signed assertion."""
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        url = str(request.url)
        audience = self.world.switches.oauth_audience or url
        if form.get("grant_type") != "client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"}, status_code=400)
        if self.access.revoked:
            return JSONResponse({"error": "invalid_client", "error_description": "unknown client"}, status_code=401)
        try:
            claims = jwt.decode(
                form.get("client_assertion", ""),
                self.access.key.public_key(),
                algorithms=["ES256"],
                audience=audience,
                options={
                    "verify_exp": False,
                    "verify_iat": False,
                    "require": ["iss", "sub", "aud", "exp", "jti"],
                },
            )
        except jwt.PyJWTError as error:
            body = {"error": "invalid_client", "error_description": f"invalid_claim: {error}"}
            return JSONResponse(body, status_code=401)
        if claims["iss"] != self.access.client_id or claims["exp"] < self.seconds():
            return JSONResponse({"error": "invalid_client", "error_description": "unknown client"}, status_code=401)
        token = secrets.token_urlsafe(24)
        self.access.tokens[token] = self.seconds() + TOKEN_LIFE
        return JSONResponse({"access_token": token, "expires_in": TOKEN_LIFE, "token_type": "Bearer"})

    def _authenticate(self, request: Request) -> None:
        kind, _, value = request.headers.get("authorization", "").partition(" ")
        if kind == "Bearer" and self.access.tokens.get(value, 0) > self.seconds() and not self.access.revoked:
            return
        if kind == "Basic" and not self.access.basic_disabled:
            try:
                given = base64.b64decode(value).decode()
            except (binascii.Error, UnicodeDecodeError):
                given = ""
            if secrets.compare_digest(given.encode(), f"{self.access.username}:{self.access.password}".encode()):
                return
        raise RefusedError(401, **{"WWW-Authenticate": 'Basic Realm="Pexip Infinity"'})

    def _count(self) -> None:
        now = self.seconds()
        self.requests.append(now)
        self.served += 1
        while self.requests[0] < now - WINDOW:
            self.requests.popleft()
        if len(self.requests) > self.world.switches.rate_limit:
            raise RefusedError(429, {"error": "Too many requests"}, **{"Retry-After": "10"})

    # Requests

    async def form(self, request: Request) -> Response:
        """Answer as a new node's own form on port 8443 would: in the lab all are served here."""
        address, kind = request.path_params["address"], request.headers.get("content-type", "")
        body = await request.body()
        return await run_in_threadpool(self.answer_as_node, request.method, address, kind, body)

    def answer_as_node(self, method: str, address: str, content_type: str, body: bytes) -> Response:
        """Answer one request to a node's form."""
        self.step(self.seconds())
        with self.lock:
            return self.forms.answer(method, address, content_type, body)

    async def api(self, request: Request) -> Response:
        """Answer one request of the Management API."""
        body = await request.body()
        return await run_in_threadpool(self._answer, request, body)

    def _answer(self, request: Request, body: bytes) -> Response:
        """Answer with the Management Node's own time: RFC 9110, 6.6.1, has every server with a clock say it."""
        response = self._answered(request, body)
        if self.world.switches.says_the_time:
            response.headers["Date"] = formatdate(self.seconds() + self.world.switches.manager_clock, usegmt=True)
        return response

    def _answered(self, request: Request, body: bytes) -> Response:
        if self.trouble == "silent":
            time.sleep(30)
        if self.trouble == "html":
            return Response("<!DOCTYPE html><html><body>Sign in to continue</body></html>", media_type="text/html")
        if self.trouble == "garbage":
            return Response('{"meta": {"limit": 20', media_type="application/json")
        if self.trouble == "error":
            text = "Sorry, this request could not be processed. Please try again later."
            return JSONResponse({"error_message": text}, status_code=500)
        try:
            self._count()
            path = request.path_params["path"]
            if not path.endswith("/"):
                return self._without_slash(request, path)
            self._authenticate(request)
            self.step(self.seconds())
            with self.lock:
                return self._route(request, path.strip("/").split("/"), body)
        except RefusedError as refused:
            return refused.response

    def _without_slash(self, request: Request, path: str) -> Response:
        if request.method == "GET" and self.world.switches.missing_slash == HTTPStatus.MOVED_PERMANENTLY:
            return RedirectResponse(f"/api/admin/{path}/", status_code=301)
        raise RefusedError(404)

    def _route(self, request: Request, parts: list[str], body: bytes) -> Response:  # noqa: PLR0911 - a table of routes
        match parts:
            case [kind, "v1"] if kind in KINDS:
                return self._discover(request, f"/api/admin/{kind}/v1", KINDS[kind])
            case ["command", "v1", group] if group in COMMANDS:
                return self._discover(request, f"/api/admin/command/v1/{group}", COMMANDS[group])
            case ["command", "v1", group, action] if action in COMMANDS.get(group, {}):
                return self._command(request, group, action, body)
            case ["command", "v1", group, action, "schema"] if action in COMMANDS.get(group, {}):
                return self._get_only(request, self._command_schema(COMMANDS[group][action]))
            case [kind, "v1", resource, "schema"] if resource in KINDS.get(kind, {}):
                return self._get_only(request, self._schema(kind, resource))
            case [kind, "v1", resource] if resource in KINDS.get(kind, {}):
                return self._list(request, kind, resource, body)
            case [kind, "v1", resource, key, "statistics"] if kind == "status" and resource in {
                "worker_vm",
                "system_location",
            }:
                row = self._find(kind, resource, key)
                return self._get_only(request, {"media_load": float(row["media_load"])})
            case [kind, "v1", resource, key] if resource in KINDS.get(kind, {}):
                return self._object(request, kind, resource, key, body)
            case _:
                raise RefusedError(404)

    def _get_only(self, request: Request, found: Any) -> Response:
        if request.method not in {"GET", "HEAD"}:
            raise RefusedError(405, Allow="GET")
        return JSONResponse(found)

    def _discover(self, request: Request, base: str, resources: Any) -> Response:
        found = {
            name: {"list_endpoint": f"{base}/{name}/", "schema": f"{base}/{name}/schema/"} for name in sorted(resources)
        }
        return self._get_only(request, found)

    def _schema(self, kind: str, resource: str) -> Row:
        writable = kind == "configuration"
        single = resource in SINGLE
        methods = ["get", "patch"] if single else ["get", "post", "put", "patch", "delete"]
        described = {
            name: {
                "blank": False,
                "default": "No default provided.",
                "help_text": "",
                "nullable": kind_of.endswith("?"),
                "readonly": not writable or name in {"id", "resource_uri", "cloud_bursting"},
                "type": kind_of.rstrip("?"),
                "unique": name in {"id", "resource_uri"},
            }
            for name, kind_of in KINDS[kind][resource].items()
        }
        return {
            "allowed_detail_http_methods": methods if writable else ["get"],
            "allowed_list_http_methods": methods if writable else ["get"],
            "default_format": "application/json",
            "default_limit": DEFAULT_LIMIT,
            "fields": described,
            "filtering": dict.fromkeys(self._filterable(kind, resource), 1),
            "ordering": list(self._filterable(kind, resource)),
        }

    @staticmethod
    def _command_schema(arguments: tuple[str, ...]) -> Row:
        return {
            "allowed_detail_http_methods": ["post"],
            "allowed_list_http_methods": ["post"],
            "default_format": "application/json",
            "default_limit": DEFAULT_LIMIT,
            "fields": {name: {"type": "string", "nullable": False, "readonly": False} for name in arguments},
        }

    @staticmethod
    def _filterable(kind: str, resource: str) -> list[str]:
        return [
            name for name, kind_of in KINDS[kind][resource].items() if kind_of not in {"list", "related", "related?"}
        ]

    def _rows(self, kind: str, resource: str) -> list[Row]:
        return self.platform.rows(kind, resource)

    def _find(self, kind: str, resource: str, key: str) -> Row:
        for row in self._rows(kind, resource):
            if row["resource_uri"].rstrip("/").rpartition("/")[2] == key:
                return row
        raise RefusedError(404)

    def _list(self, request: Request, kind: str, resource: str, body: bytes) -> Response:
        if request.method in {"GET", "HEAD"}:
            return JSONResponse(self._page(request, kind, resource))
        if kind != "configuration" or resource in SINGLE or request.method not in {"POST", "PATCH"}:
            raise RefusedError(405, Allow="GET")
        given = self._body(resource, body)
        if request.method == "PATCH":
            for row in given.get("objects", []):
                key = str(row.get("resource_uri", "")).rstrip("/").rpartition("/")[2]
                self._find(kind, resource, key)
                self.platform.change(resource, key, self._checked(resource, row))
            return Response(status_code=202)
        row = self._checked(resource, given)
        missing = [name for name in REQUIRED.get(resource, ()) if name not in given]
        if missing:
            raise RefusedError(400, {resource: {name: ["This field is required."] for name in missing}})
        if row.get("name") and any(other.get("name") == row["name"] for other in self._rows(kind, resource)):
            raise RefusedError(409, {"error": f"{resource} with this Name already exists."})
        created = self.platform.create(resource, row)
        location = {"Location": f"/api/admin/configuration/v1/{resource}/{created}/"}
        if resource == "worker_vm":
            return Response(self.platform.bootstrap(created), status_code=201, media_type="text/xml", headers=location)
        return Response(status_code=201, headers=location)

    def _page(self, request: Request, kind: str, resource: str) -> Row:
        query = dict(request.query_params)
        query.pop("format", None)
        try:
            limit, offset = int(query.pop("limit", DEFAULT_LIMIT)), int(query.pop("offset", 0))
        except ValueError:
            raise RefusedError(400, {"error": "Invalid limit or offset: a number is needed."}) from None
        order = query.pop("order_by", "")
        filterable = self._filterable(kind, resource)
        rows = self._rows(kind, resource)
        for asked, text in query.items():
            name, _, operator = asked.partition("__")
            if name not in KINDS[kind][resource] and self.world.switches.unknown_filter == "everything":
                continue
            if name not in filterable or (operator or "exact") not in OPERATORS:
                raise RefusedError(400, {"error": f"The '{asked}' field does not allow filtering."})
            rows = [row for row in rows if OPERATORS[operator or "exact"](row[name], text)]
        if order:
            name = order.lstrip("-")
            if name not in filterable:
                raise RefusedError(400, {"error": f"No matching '{name}' field for ordering on."})
            rows.sort(key=lambda row: (row[name] is not None, row[name]), reverse=order.startswith("-"))
        chosen = rows[offset:] if limit == 0 else rows[offset : offset + limit]
        path = f"/api/admin/{kind}/v1/{resource}/"

        def at(where: int) -> str:
            ordered = {"order_by": order} if order else {}
            return f"{path}?{urlencode({**query, **ordered, 'limit': limit, 'offset': where})}"

        return {
            "meta": {
                "limit": limit,
                "next": at(offset + limit) if limit and offset + limit < len(rows) else None,
                "offset": offset,
                "previous": at(max(0, offset - limit)) if limit and offset else None,
                "total_count": len(rows),
            },
            "objects": chosen,
        }

    def _object(self, request: Request, kind: str, resource: str, key: str, body: bytes) -> Response:
        row = self._find(kind, resource, key)
        if request.method in {"GET", "HEAD"}:
            return JSONResponse(row)
        if kind != "configuration" or request.method == "POST" or resource == "management_vm":
            raise RefusedError(405, Allow="GET")
        if request.method == "DELETE":
            if resource in SINGLE:
                raise RefusedError(405, Allow="GET,PATCH")
            self.platform.delete(resource, key)
            return Response(status_code=204)
        self.platform.change(resource, key, self._checked(resource, self._body(resource, body)))
        return Response(status_code=202 if request.method == "PATCH" else 204)

    @staticmethod
    def _body(resource: str, body: bytes) -> Row:
        try:
            given = json.loads(body)
        except ValueError:
            raise RefusedError(400, {"error": f"The body of this {resource} is not JSON."}) from None
        if not isinstance(given, dict):
            raise RefusedError(400, {"error": "An object is needed."})
        return given

    @staticmethod
    def _checked(resource: str, given: Row) -> Row:
        """Return the known fields of a change; refuse wrong types as Tastypie does, by field."""
        known = CONFIGURATION[resource]
        types = {
            "string": str,
            "boolean": bool,
            "integer": int,
            "list": list,
            "related": str,
            "datetime": str,
        }
        wrong: dict[str, list[str]] = {}
        row = {name: value for name, value in given.items() if name in known and name not in {"id", "resource_uri"}}
        for name, value in row.items():
            kind_of = known[name]
            if value is None and kind_of.endswith("?"):
                continue
            wanted: type = types[kind_of.rstrip("?")]
            if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
                wrong[name] = [f"Enter a valid {kind_of.rstrip('?')}."]
            elif isinstance(value, str) and len(value) > LONGEST.get(name, 10_000):
                wrong[name] = [f"Ensure this value has at most {LONGEST[name]} characters (it has {len(value)})."]
            elif isinstance(value, int) and value < SMALLEST.get(name, value):
                wrong[name] = [f"Ensure this value is greater than or equal to {SMALLEST[name]}."]
        if wrong:
            raise RefusedError(400, {resource: wrong})
        return row

    def _command(self, request: Request, group: str, action: str, body: bytes) -> Response:
        if request.method != "POST":
            raise RefusedError(405, Allow="POST")
        given = self._body(action, body)
        for name in COMMANDS[group][action]:
            if not isinstance(given.get(name), str):
                raise RefusedError(400, {action: {name: ["This field is required."]}})
        if action == "start_cloudnode":
            self._start_cloudnode(given["instance_id"])
        return JSONResponse({"data": None, "status": "success"}, status_code=self.world.switches.command_code)

    def _start_cloudnode(self, instance_id: str) -> None:
        node = next(
            (node for node in self.world.nodes.values() if node.overflow and node.instance == instance_id),
            None,
        )
        allowed = self.world.settings["bursting_enabled"] or self.world.switches.start_command_without_bursting
        if node is None or not allowed:
            why = "Unknown cloud node" if node is None else "Cloud bursting is not enabled"
            shape = (
                {"status": "failure", "error": why}
                if self.world.switches.command_failure == "status"
                else {"error": why}
            )
            raise RefusedError(400, shape)
        self.world.tell(node, "start", "pending", "Started by an administrator", "manual")
        self.platform.power.start(node)


@dataclass
class Serving:
    """A Management Node that answers on this machine."""

    node: ManagementNode
    url: str
    ca: str


@contextmanager
def serve(
    node: ManagementNode,
    *,
    port: int = 0,
    pace: float = 0.2,
    authority: trustme.CA | None = None,
    expired: bool = False,
) -> Iterator[Serving]:
    """Serve over HTTPS with a CA of its own, and let the world's time pass every `pace` real seconds."""
    authority = authority or trustme.CA(organization_name="Simulated Pexip Infinity")
    since, until = (datetime(2019, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)) if expired else (None, None)
    certificate = authority.issue_cert("127.0.0.1", "localhost", not_before=since, not_after=until)
    config = uvicorn.Config(
        node.app,
        host="127.0.0.1",
        port=port,
        log_level="critical",
        lifespan="off",
        date_header=False,  # that would be the real time
        timeout_graceful_shutdown=1,
    )
    config.load()
    config.ssl = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    certificate.configure_cert(config.ssl)
    server = uvicorn.Server(config)
    over = threading.Event()

    def pass_time() -> None:
        while not over.wait(pace):
            node.step(node.seconds())

    threads = [
        threading.Thread(target=server.run, daemon=True),
        threading.Thread(target=pass_time, daemon=True),
    ]
    threads[0].start()
    while not server.started:
        if not threads[0].is_alive():
            raise OSError(f"Port {port} cannot be used: is something else listening there?")
        time.sleep(0.01)
    threads[1].start()
    actual = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Serving(node=node, url=f"https://127.0.0.1:{actual}", ca=authority.cert_pem.bytes().decode())
    finally:
        over.set()
        patience = time.monotonic() + LEAVES_WITHIN
        while server.server_state.connections and time.monotonic() < patience:
            time.sleep(0.01)
        server.should_exit = True
        for thread in threads:
            thread.join(5)
