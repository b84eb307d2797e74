"""Somebody answers oddly in the Management Node's place: what can be read is read, and nothing is lost, leaked or endless."""

import base64
import copy
import gzip
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from headroom.adapters.pexip import fetching
from headroom.adapters.pexip.asking import ManagementNode
from headroom.adapters.pexip.credentials import Credentials
from headroom.adapters.pexip.errors import PexipAnswerError, PexipDeniedError, PexipError, PexipUnreachableError
from headroom.domain.fleet.fleet import Reading

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
AUTHORITY = trustme.CA()
CERTIFICATE = AUTHORITY.issue_cert("127.0.0.1")
CA = AUTHORITY.cert_pem.bytes().decode()
PLACE = "/api/admin/configuration/v1/system_location/{}/"
STATUS, CONFIGURATION = "status/v1/worker_vm", "configuration/v1/worker_vm"
SETTINGS, ALARMS = "configuration/v1/global", "status/v1/alarm"
Answers = dict[str, Any]


def status(number: int, name: str, place: str) -> dict[str, Any]:
    return {
        "id": number,
        "name": name,
        "configuration_id": number,
        "system_location": place,
        "boot_time": "2026-03-02T06:00:00.123456",
        "sync_status": "SYNCED",
        "maintenance_mode": False,
        "max_hd_calls": 15,
        "max_media_tokens": 150,
        "media_tokens_used": 30,
    }


def configuration(number: int, name: str) -> dict[str, Any]:
    place = PLACE.format(number)
    return {
        "id": number,
        "name": name,
        "address": f"10.0.0.{number}",
        "maintenance_mode": False,
        "system_location": place,
    }


USUAL: Answers = {
    STATUS: [status(1, "conf-1", "Oslo"), status(2, "burst-1", "AWS burst")],
    CONFIGURATION: [configuration(1, "conf-1"), configuration(2, "burst-1")],
    "configuration/v1/system_location": [
        {"name": "Oslo", "resource_uri": PLACE.format(1), "overflow_location1": PLACE.format(2)},
        {"name": "AWS burst", "resource_uri": PLACE.format(2), "overflow_location1": None},
    ],
    SETTINGS: [{"bursting_enabled": False, "bursting_threshold": 5, "bursting_min_lifetime": 50}],
    "status/v1/management_vm": [{"upgrade_status": "IDLE"}],
    "status/v1/conference_shard": [],
    ALARMS: [],
}


class Odd:
    """A server with a certificate that is trusted; `answers` may be rows, a page, or a function of the request."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.heard: list[str] = []  # bodies that were posted
        odd = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                odd.asked.append(self.path)
                url = urlsplit(self.path)
                found = odd.answers.get(url.path.removeprefix("/api/admin/").strip("/"), [])
                if callable(found):
                    found(self)
                    return
                self.send(found if isinstance(found, dict) else page(found, self.path))

            def do_POST(self) -> None:
                odd.asked.append(self.path)
                odd.heard.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
                found = odd.answers.get(self.path)
                if callable(found):
                    found(self)
                else:
                    self.send(found)

            def send(self, value: object, code: int = 200, **headers: str) -> None:
                body = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(code)
                for name, told in headers.items():
                    self.send_header(name.replace("_", "-"), told)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        CERTIFICATE.configure_cert(context)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"https://127.0.0.1:{self.server.server_port}"

    def node(self, **secret: Any) -> ManagementNode:
        given = {"username": "a", "password": "s3cret"} | secret
        return ManagementNode(self.url, Credentials.parse(json.dumps({"ca": CA} | given)))

    def read(self, **secret: Any) -> Reading:
        node = self.node(**secret)
        try:
            return node.read("manager.example.com", NOW)
        finally:
            node.close()


def page(rows: list[Any], path: str) -> dict[str, Any]:
    asked = parse_qs(urlsplit(path).query)
    offset, limit = int(asked.get("offset", ["0"])[0]), int(asked.get("limit", ["20"])[0])
    rest = offset + limit < len(rows)
    more = f"{urlsplit(path).path}?limit={limit}&offset={offset + limit}" if rest else None
    return {"meta": {"next": more, "total_count": len(rows)}, "objects": rows[offset : offset + limit]}


@pytest.fixture
def odd() -> Iterator[Callable[[Answers], Odd]]:
    made: list[Odd] = []

    def make(answers: Answers) -> Odd:
        made.append(Odd(answers))
        return made[-1]

    yield make
    for each in made:
        each.server.shutdown()
        each.server.server_close()


def changed(path: str, number: int, **values: object) -> Answers:
    answers = copy.deepcopy(USUAL)
    answers[path][number] |= values
    return answers


BOTH = [("burst-1", "AWS burst", 15), ("conf-1", "Oslo", 15)]
READABLE = {
    "a capacity of 15.0": changed(STATUS, 1, max_hd_calls=15.0),
    "a capacity as a text": changed(STATUS, 1, max_hd_calls="15"),
    "a capacity as a text with a point": changed(STATUS, 1, max_hd_calls="15.0"),
    "an id as a text": changed(STATUS, 1, configuration_id="2"),
    "a reason that is null": changed(CONFIGURATION, 1, maintenance_mode_reason=None),
    "a signaling count that is null": changed(STATUS, 1, signaling_count=None),
    "an enumeration of another version": changed(STATUS, 1, sync_status="DREAMING", node_type=7),
    "a maintenance mode that is null, and the configuration says that it is open": changed(
        STATUS, 1, maintenance_mode=None
    ),
    "a maintenance mode as a text": changed(STATUS, 1, maintenance_mode="false"),
    "a maintenance mode as a number": changed(CONFIGURATION, 1, maintenance_mode=0),
    "an upgrade status that is a number": changed("status/v1/management_vm", 0, upgrade_status=1),
}


@pytest.mark.parametrize("answers", READABLE.values(), ids=READABLE)
def test_what_can_be_read_is_read(odd: Callable[[Answers], Odd], answers: Answers) -> None:
    found = odd(answers).read()
    assert [(each.name, each.location, each.max_hd_calls) for each in found.workers] == BOTH
    assert not any(each.closed for each in found.workers)
    assert found.problems == ()


ODD_ROWS = {
    "a row that is no object": (ALARMS, ["what?"], "Pexip's alarm 'what?' cannot be read"),
    "a shard without its node": ("status/v1/conference_shard", [{"id": 1}], "it has no node"),
    "a location without a name": ("configuration/v1/system_location", [{"id": 3}], "it has no name"),
    "an upgrade status that is a list": (
        "status/v1/management_vm",
        [{"upgrade_status": [1]}],
        "its upgrade_status is '[1]'",
    ),
}


@pytest.mark.parametrize(("path", "rows", "words"), ODD_ROWS.values(), ids=ODD_ROWS)
def test_one_odd_row_is_a_problem_and_the_reading_is_kept(
    odd: Callable[[Answers], Odd], path: str, rows: list[Any], words: str
) -> None:
    found = odd(USUAL | {path: [*USUAL[path], *rows]}).read()
    assert len(found.workers) == 2
    assert any(words in problem for problem in found.problems)


def test_an_odd_capacity_costs_that_figure_alone(odd: Callable[[Answers], Odd]) -> None:
    found = odd(changed(STATUS, 1, max_hd_calls="many")).read()
    assert [(each.name, each.max_hd_calls) for each in found.workers] == [("burst-1", None), ("conf-1", 15)]
    assert any("'burst-1' cannot be read in full: its max_hd_calls is 'many'" in each for each in found.problems)


SETTINGS_NAMES = ["bursting_enabled", "bursting_threshold", "bursting_min_lifetime"]


@pytest.mark.parametrize("name", SETTINGS_NAMES)
@pytest.mark.parametrize("value", [None, "a lot", [], "gone"])
def test_a_setting_that_pexip_does_not_tell_is_named(odd: Callable[[Answers], Odd], name: str, value: object) -> None:
    answers = changed(SETTINGS, 0, **{name: value})
    if value == "gone":
        del answers[SETTINGS][0][name]
    found = odd(answers).read()
    assert (found.untold, found.problems) == ((name,), ())


@pytest.mark.parametrize("rows", [[], ["what?"], [{}, {}], [{"bursting_enabled": []}]])
def test_settings_that_cannot_be_read_at_all_cost_no_reading(odd: Callable[[Answers], Odd], rows: list[Any]) -> None:
    found = odd(USUAL | {SETTINGS: rows}).read()
    assert len(found.workers) == 2
    assert found.untold == tuple(SETTINGS_NAMES)


def test_an_upgrade_that_cannot_be_read_is_named(odd: Callable[[Answers], Odd]) -> None:
    assert odd(USUAL | {"status/v1/management_vm": [{"upgrade_status": [1]}]}).read().untold == ("upgrade_status",)


@pytest.mark.parametrize("value", [None, "perhaps", [], 7])
def test_a_node_of_which_nobody_says_whether_it_is_closed_is_not_counted_on(
    odd: Callable[[Answers], Odd], value: object
) -> None:
    answers = changed(STATUS, 1, maintenance_mode=value)
    answers[CONFIGURATION][1]["maintenance_mode"] = value
    [burst, home] = odd(answers).read().workers
    assert burst.closed
    assert not burst.closed_by_us
    assert not home.closed


def test_no_change_is_made_to_a_node_that_does_not_say_whether_it_is_closed(odd: Callable[[Answers], Odd]) -> None:
    server = odd(USUAL)
    node = server.node()
    [burst, _] = node.read("manager.example.com", NOW).workers
    server.answers = USUAL | {f"{CONFIGURATION}/2": configuration(2, "burst-1") | {"maintenance_mode": None}}
    with pytest.raises(PexipAnswerError, match="does not say whether burst-1 is in maintenance mode"):
        node.configure(burst, lambda: None, maintenance_mode=True)
    node.close()


ELSEWHERE = [
    "@127.0.0.1:9/elsewhere",
    "//127.0.0.1:9/x",
    "https://example.com/x",
    "/other/",
    "http:/x",
    "\\\\127.0.0.1\\x",
]


@pytest.mark.parametrize("address", ELSEWHERE)
def test_a_list_that_continues_elsewhere_is_not_followed(odd: Callable[[Answers], Odd], address: str) -> None:
    server = odd(USUAL | {ALARMS: {"meta": {"next": address}, "objects": []}})
    with pytest.raises(PexipAnswerError, match="continues at another address"):
        server.read()
    assert all(path.startswith("/api/admin/") for path in server.asked)


def test_a_list_without_an_end_is_given_up(odd: Callable[[Answers], Odd], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "MOST_PAGES", 5)
    with pytest.raises(PexipAnswerError, match="more than 5 pages"):
        odd(USUAL | {ALARMS: {"meta": {"next": f"/api/admin/{ALARMS}/?offset=1"}, "objects": []}}).read()


def test_a_server_that_gives_fewer_rows_a_page_is_read_to_its_end(odd: Callable[[Answers], Odd]) -> None:
    rows = [{"id": n, "name": f"alarm {n}"} for n in range(7)]

    def by_two(handler: Any) -> None:
        at = int(parse_qs(urlsplit(handler.path).query).get("offset", ["0"])[0])
        more = f"/api/admin/{ALARMS}/?limit=2&offset={at + 2}" if at + 2 < len(rows) else None
        handler.send({"meta": {"next": more, "total_count": len(rows)}, "objects": rows[at : at + 2]})

    server = odd(USUAL | {ALARMS: by_two})
    server.read()
    assert len([path for path in server.asked if ALARMS in path]) == 4


def test_a_list_that_shifts_between_two_pages_is_read_again(odd: Callable[[Answers], Odd]) -> None:
    rows = [{"id": n, "node": "10.0.0.1"} for n in range(4)]
    path = "status/v1/conference_shard"

    def shifts(handler: Any) -> None:
        at = int(parse_qs(urlsplit(handler.path).query).get("offset", ["0"])[0])
        again = sum(path in each for each in server.asked) > 2
        shown = rows if again or not at else [rows[0], *rows]  # one came before those of the first page
        more = f"/api/admin/{path}/?limit=2&offset=2" if not at else None
        handler.send({"meta": {"next": more, "total_count": len(rows)}, "objects": shown[at : at + 2]})

    server = odd(USUAL | {path: shifts})
    found = server.read()
    assert next(each.shards for each in found.workers if each.name == "conf-1") == 4
    assert len([each for each in server.asked if path in each]) == 4


def test_a_list_that_is_cut_short_is_a_problem_of_a_reading_and_no_look_trusts_it(
    odd: Callable[[Answers], Odd],
) -> None:
    cut = {"meta": {"next": None, "total_count": 9}, "objects": []}
    server = odd(USUAL | {ALARMS: cut})
    assert any("0 of 9 objects" in problem for problem in server.read().problems)
    node = server.node()
    with pytest.raises(PexipAnswerError, match="0 of 9 objects"):
        node._every(ALARMS, dict)
    node.close()


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(odd: Callable[[Answers], Odd], code: int) -> None:
    other = odd({})
    server = odd(USUAL | {STATUS: lambda handler: handler.send(b"", code, Location=f"{other.url}/stolen")})
    with pytest.raises(PexipAnswerError, match=f"answers {code}"):
        server.read()
    assert other.asked == []


def test_an_answer_is_bounded_after_unpacking(odd: Callable[[Answers], Odd]) -> None:
    bomb = gzip.compress(b" " * 200_000_000, compresslevel=9)
    server = odd(USUAL | {ALARMS: lambda handler: handler.send(bomb, Content_Encoding="gzip")})
    with pytest.raises(PexipAnswerError, match="more than 20 MB"):
        server.read()


def test_an_answer_that_drips_is_bounded_in_time(
    odd: Callable[[Answers], Odd], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "WITHIN", 1.0)
    monkeypatch.setattr(fetching, "CHUNK", 1)

    def drips(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(30):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.1)

    began = time.monotonic()
    with pytest.raises(PexipUnreachableError, match="does not answer in time"):
        odd(USUAL | {ALARMS: drips}).read()
    assert time.monotonic() - began < 10


def test_in_a_lab_that_runs_fast_a_question_has_its_real_time(
    odd: Callable[[Answers], Odd], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pace = tmp_path / "clock.json"
    pace.write_text(json.dumps({"real": time.time(), "virtual": time.time(), "speed": 4000}))
    monkeypatch.setenv("HEADROOM_CLOCK", str(pace))
    assert len(odd(USUAL).read().workers) == 2


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"meta":' * 50_000, b"\xff\xfe", b"", b"<html>", b"null", b"[]"])
def test_whatever_is_no_page_is_one_error(odd: Callable[[Answers], Odd], body: bytes) -> None:
    with pytest.raises(PexipAnswerError, match="instead of the Management API's JSON"):
        odd(USUAL | {ALARMS: lambda handler: handler.send(body)}).read()


@pytest.mark.parametrize(
    "form", ["<html>{}</html>", '{{"error": "no entry for {}"}}', '{{"error_message": "Authorization: {}"}}']
)
@pytest.mark.parametrize("code", [400, 418, 500])
def test_an_error_never_quotes_what_a_proxy_echoes(odd: Callable[[Answers], Odd], form: str, code: int) -> None:
    def echoes(handler: Any) -> None:
        handler.send(form.format(handler.headers["Authorization"]).encode(), code)

    with pytest.raises(PexipError) as caught:
        odd(USUAL | {ALARMS: echoes}).read()
    assert base64.b64encode(b"a:s3cret").decode() not in str(caught.value)


def test_an_error_quotes_what_pexip_says_is_wrong(odd: Callable[[Answers], Odd]) -> None:
    server = odd(
        USUAL | {ALARMS: lambda handler: handler.send({"error": "Invalid resource lookup data provided"}, 400)}
    )
    with pytest.raises(PexipError, match="Invalid resource lookup data provided"):
        server.read()


# OAuth2


def oauth() -> dict[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return {"username": "", "password": "", "client_id": "headroom", "private_key": pem}


TOKEN = {"access_token": "abc.def", "expires_in": 3600}


@pytest.mark.parametrize("lasts", [3600, "3600", None, -5, 0, 1e300, "inf", "nan", [], True, 10**400])
def test_whatever_a_token_says_of_its_lifetime_it_is_used(odd: Callable[[Answers], Odd], lasts: object) -> None:
    assert len(odd(USUAL | {"/oauth/token/": TOKEN | {"expires_in": lasts}}).read(**oauth()).workers) == 2


NO_TOKENS: list[Any] = [None, 7, "", "a\nb", "a b", "é", "x" * 9000, []]


@pytest.mark.parametrize("answer", [{}, [], None, 7, "x", *({"access_token": each} for each in NO_TOKENS)])
def test_an_answer_without_a_token_is_one_error(odd: Callable[[Answers], Odd], answer: object) -> None:
    with pytest.raises(PexipError, match="request for a token") as caught:
        odd(USUAL | {"/oauth/token/": answer}).read(**oauth())
    assert "a\nb" not in str(caught.value)


def test_a_token_is_asked_for_at_the_management_node_alone(odd: Callable[[Answers], Odd]) -> None:
    other = odd({})
    server = odd(
        USUAL | {"/oauth/token/": lambda handler: handler.send(b"", 307, Location=f"{other.url}/oauth/token/")}
    )
    with pytest.raises(PexipAnswerError, match="answers 307"):
        server.read(**oauth())
    assert other.asked == []


@pytest.mark.parametrize("code", [400, 401, 403])
def test_a_client_that_is_refused_is_named(odd: Callable[[Answers], Odd], code: int) -> None:
    server = odd(USUAL | {"/oauth/token/": lambda handler: handler.send({"error": "invalid_client"}, code)})
    with pytest.raises(PexipDeniedError, match=rf"client headroom no token \({code}, invalid_client\)"):
        server.read(**oauth())
