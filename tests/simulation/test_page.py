"""`headroom page`: it shows what there is, acts as the commands do, and lets nobody else in."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import requests
from click.testing import CliRunner

from headroom.domain.demand.forecasting import PastDay
from headroom.domain.history.events import Event, Kind
from headroom.usecases.order import Operator
from headroom_cli.main import main
from headroom_cli.page import charts
from headroom_cli.page.server import Page, page_of, serving
from headroom_lab.proof.stage import Stage
from tests.simulation.conftest import RUSH, Deployed

PARAMETERS = {"PrewarmState": "ENABLED", "PrewarmSchedule": "cron(50 8 ? * MON-FRI *)", "TimeZone": "Europe/London"}
PRESSED = {
    "order": {"do": "hold", "nodes": ["burst-2"]},
    "fields": {"reason": "a drill", "until": "02:30", "name": "Anna"},
}


@pytest.fixture
def page(deployed: Deployed) -> Iterator[Page]:
    deployed.stage.expect(*RUSH)
    deployed.stage.minutes(12)

    def operator() -> Operator:
        return deployed.operator()

    with serving(page_of(deployed.ledger, operator, lambda: "Operators/anna", PARAMETERS)) as served:
        yield served


@pytest.fixture
def reader(page: Page) -> Iterator[requests.Session]:
    """A browser that was given the address."""
    with requests.Session() as session:
        session.headers["X-Headroom-Token"] = page.address.partition("#token=")[2]
        yield session


def acts(page: Page, reader: requests.Session, **headers: str | None) -> requests.Response:
    said: Any = {"Origin": page.origin} | headers
    return reader.post(f"{page.origin}/act", json=PRESSED, headers=said, timeout=10)


def test_the_page_shows_everything_and_its_buttons_do_what_the_commands_do(
    page: Page, reader: requests.Session, deployed: Deployed
) -> None:
    shown = {what: reader.get(f"{page.origin}/show/{what}", timeout=10).text for what in ("status", "nodes", "history")}
    assert "cron(50 8 ? * MON-FRI *) in Europe/London" in shown["status"]
    assert "burst-3" in shown["nodes"]
    assert "start asked" in shown["history"]
    assert acts(page, reader).text.startswith("burst-2 to serve by")
    deployed.stage.minutes(1)
    [hold] = deployed.ledger.holds(deployed.stage.moment())
    assert (hold.reason, hold.by) == ("a drill", "Operators/anna (page; typed name: Anna)")


def test_the_secret_of_the_address_is_sent_to_no_server(page: Page) -> None:
    answer = requests.get(page.address, timeout=10)
    assert page.token not in answer.text + answer.url.partition("#")[0] + str(answer.headers)
    assert "Set-Cookie" not in answer.headers


def test_who_was_not_given_the_address_sees_nothing(page: Page) -> None:
    for what in ("status", "nodes", "history", "charts"):
        for headers in ({}, {"X-Headroom-Token": "guess"}, {"Cookie": f"headroom={page.token}"}):
            answer = requests.get(f"{page.origin}/show/{what}?token={page.token}", headers=headers, timeout=10)
            assert (answer.status_code, "headroom page" in answer.text) == (403, True)
    assert "manager.example.com" not in requests.get(page.origin, timeout=10).text


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Origin": "https://evil.example.com"}, id="another web page"),
        pytest.param({"Origin": None}, id="no web page at all"),
        pytest.param({"Origin": "http://127.0.0.1:1"}, id="another program on this host"),
        pytest.param({"X-Headroom-Token": "guess"}, id="without the token that is in the page"),
        pytest.param({"X-Headroom-Token": None}, id="as a form would send it"),
    ],
)
def test_no_other_page_can_start_a_node(
    page: Page, reader: requests.Session, deployed: Deployed, headers: dict[str, Any]
) -> None:
    assert acts(page, reader, **headers).status_code == 403
    deployed.stage.minutes(1)
    assert deployed.ledger.holds(deployed.stage.moment()) == []


def test_a_name_that_leads_to_this_host_is_no_way_in(page: Page, reader: requests.Session) -> None:
    """DNS rebinding: the browser believes that it talks to the attacker's host."""
    for path in ("/", "/show/status", "/act"):
        answer = reader.request(
            "POST" if path == "/act" else "GET",
            f"{page.origin}{path}",
            headers={"Host": f"evil.example.com:{page.port}"},
            timeout=10,
        )
        assert answer.status_code == 400


def test_the_page_runs_its_own_script_and_no_other(page: Page, reader: requests.Session) -> None:
    policy = reader.get(page.origin, timeout=10).headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'" in policy
    scripts = re.findall(r"<script.*?</script>", reader.get(page.origin, timeout=10).text, re.DOTALL)
    assert scripts == ['<script src="/page.js" defer></script>']


def test_what_cannot_be_done_is_said_and_leaves_the_page_standing(page: Page, reader: requests.Session) -> None:
    headers = {"Origin": page.origin}
    for pressed, words in {
        '{"order": {"do": "close", "nodes": ["burst-9"]}, "fields": {}}': "No overflow node is called burst-9",
        '{"order": {"do": "close"}}': "The request cannot be read: Object missing required field `fields`",
        "nonsense": "The request cannot be read",
    }.items():
        answer = reader.post(f"{page.origin}/act", data=pressed, headers=headers, timeout=10)
        assert (answer.status_code, words in answer.text) == (400, True)
    assert reader.get(f"{page.origin}/show/nodes", timeout=10).status_code == 200


def test_charts_show_load_capacity_and_the_nodes_that_came_and_went(page: Page, reader: requests.Session) -> None:
    drawn = reader.get(f"{page.origin}/show/charts", timeout=30).text
    assert drawn.count("<figure>") == 2
    assert 'aria-label="The last 24 hours: at 00:' in drawn
    assert 'aria-label="Overflow nodes on in the last 24 hours: 3 of 3' in drawn
    assert "currentColor" in drawn
    assert "#010203" not in drawn


def test_the_lifetimes_on_the_chart_are_those_of_the_ledger(page: Page, stage: Stage) -> None:
    record = stage.ledger.decision_at(stage.moment())
    assert record
    now = stage.moment()
    lives = charts.lifetimes(stage.ledger, record.plan.nodes, now - timedelta(days=1), timedelta(minutes=15))
    assert {life.node for life in lives} == {"burst-1", "burst-2", "burst-3"}
    [known] = [life for life in lives if life.node == "burst-2"]
    assert known.up
    assert known.serves_at(now)
    assert not known.serves_at(known.began)
    assert not replace(known, ended=now).serves_at(now)


def test_a_reserve_is_no_capacity_until_it_is_opened_nor_a_closed_node_any_more(stage: Stage) -> None:
    at = [stage.moment() + timedelta(minutes=minute) for minute in range(50)]
    kinds = {5: Kind.IN_RESERVE, 20: Kind.OPENED, 40: Kind.CLOSED}
    doors = [Event(at=at[minute], kind=kind, reason="") for minute, kind in kinds.items()]
    reserve = charts.Bar(node="burst-2", began=at[0], up=at[5], ended=None, hd=5)
    assert list(charts._open(reserve, doors)) == [(at[20], at[40])]
    assert list(charts._open(reserve, doors[:2])) == [(at[20], None)]
    assert list(charts._open(replace(reserve, up=None), doors)) == []
    open_at_once = replace(reserve, open=tuple(charts._open(reserve, [])))
    assert [open_at_once.serves_at(at[minute]) for minute in (4, 5, 49)] == [False, True, True]


def test_the_week_is_drawn_from_the_days_that_were_learned(stage: Stage) -> None:
    day = PastDay(day=stage.moment().date(), used=(None,) * 480 + (30.0,) * 60 + (None,) * 900)
    drawn = charts.week("Oslo", [day])
    assert "Oslo: mean load of each hour of the week, from 1 days; the busiest hour had 30" in drawn
    assert charts.week("Oslo", [replace(day, used=(None,) * 1440)]) == ""


def test_before_anything_is_known_the_charts_say_so(stage: Stage) -> None:
    assert "Nothing to draw yet" in charts.all_of(stage.ledger, stage.moment())


def test_a_port_that_is_taken_is_said(page: Page, deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployed, "parameters", PARAMETERS, raising=False)
    monkeypatch.setattr("headroom_cli.stack.stack_of", lambda _: deployed)
    said = CliRunner().invoke(main, ["page", "--port", str(page.port)])
    assert said.exit_code == 1
    assert f"Port {page.port} cannot be used: Address already in use." in said.output
