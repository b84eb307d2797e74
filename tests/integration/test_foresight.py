"""What is known beforehand reaches a plan: booked meetings through Pexip, past days through the ledger."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from headroom import clock
from headroom.adapters.ledger.codec import pack
from headroom.adapters.pexip.asking import ManagementNode as Client
from headroom.adapters.pexip.errors import PexipDeniedError, PexipUnreachableError
from headroom.domain.demand.turned_away import Sample
from headroom.domain.planning.planning import plan
from headroom.usecases.learn import Learner, outlooks_around
from headroom_lab.pexip import resources
from headroom_replay.world import Call, Location
from tests.integration.conftest import Desk

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ROOM = "Anna's room"


class Exchange:
    """Books meetings as VMR Scheduling for Exchange does: through Pexip's own API."""

    def __init__(self, desk: Desk, ca: Path) -> None:
        assert desk.serving
        access = desk.node.access
        ca.write_text(desk.serving.ca)
        self.root = f"{desk.serving.url}/api/admin/configuration/v1"
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify, self.session.auth = str(ca), (access.username, access.password)
        self.room = self._post("conference", name=ROOM)

    def _post(self, resource: str, **row: Any) -> str:
        answer = self.session.post(f"{self.root}/{resource}/", json=row, timeout=5)
        assert answer.status_code == 201, answer.text
        return answer.headers["Location"]

    def book(self, begins: datetime, ends: datetime, series: int | None = None) -> None:
        recurring = f"/api/admin/configuration/v1/recurring_conference/{series}/" if series else None
        times = {"start_time": f"{begins:%Y-%m-%dT%H:%M:%S}", "end_time": f"{ends:%Y-%m-%dT%H:%M:%S}"}
        self._post(
            "scheduled_conference", conference=self.room, subject="Salaries", recurring_conference=recurring, **times
        )


def read_bookings(desk: Desk) -> int:
    read: int = desk.call("read_bookings")["meetings"]
    return read


@pytest.fixture
def exchange(desk: Desk, tmp_path: Path) -> Iterator[Exchange]:
    made = Exchange(desk, tmp_path / "ca.pem")
    yield made
    made.session.close()


def test_a_large_meeting_that_is_booked_has_nodes_started_before_it_begins(desk: Desk, exchange: Exchange) -> None:
    now = clock.now()
    for _ in range(8):
        exchange.book(now + 2 * MINUTE, now + HOUR)

    assert read_bookings(desk) == 8
    made = desk.tick()

    assert [change.action.starts for change in made.changes] == [True, True]
    assert "booked meetings in Oslo bring at most 50" in made.changes[0].reason


def test_a_series_is_expected_to_draw_what_it_drew(desk: Desk, exchange: Exchange) -> None:
    now = clock.now()
    desk.world.expect(Call(desk.world.now + n / 10, ROOM, "Oslo", 5000) for n in range(1, 10))
    desk.world.advance(desk.world.now + 10)
    exchange.book(now - 20 * MINUTE, now + 20 * MINUTE, series=7)
    exchange.book(now + 2 * HOUR, now + 3 * HOUR, series=7)

    read_bookings(desk)

    assert [booking.hd for booking in desk.ledger.bookings()[0]] == [9, 9]


def test_nothing_of_a_meeting_is_kept_but_its_times_and_its_size(desk: Desk, exchange: Exchange) -> None:
    now = clock.now()
    exchange.book(now - 20 * MINUTE, now + 20 * MINUTE)
    read_bookings(desk)
    kept = [desk.ledger.bookings()[0], list(desk.ledger.series(["conference/1"]).values())]
    text = repr(kept)
    assert "conference/1" in text
    assert "Salaries" not in text
    assert "Anna" not in text
    assert pack(kept)


def test_a_meeting_that_is_over_does_not_count_the_next_one_s_people(desk: Desk, exchange: Exchange) -> None:
    now = clock.now()
    exchange.book(now - HOUR, now - 2 * MINUTE, series=1)
    exchange.book(now - 2 * MINUTE, now + HOUR, series=2)
    desk.world.expect(Call(desk.world.now + n / 10, ROOM, "Oslo", 5000) for n in range(1, 10))
    desk.world.advance(desk.world.now + 10)
    read_bookings(desk)
    known = desk.ledger.series(["recurring_conference/1", "recurring_conference/2"])
    assert {series.id: series.most for series in known.values()} == {"recurring_conference/2": 9}


@pytest.mark.parametrize(
    ("resource", "kind", "kept"),
    [
        pytest.param("conference", "CONFIGURATION", 1, id="rooms cannot be named"),
        pytest.param("participant", "STATUS", 1, id="nobody can be counted"),
        pytest.param("mjx_meeting", "STATUS", 1, id="no room systems"),
    ],
)
def test_what_one_list_refuses_costs_only_that(
    desk: Desk, exchange: Exchange, monkeypatch: pytest.MonkeyPatch, resource: str, kind: str, kept: int
) -> None:
    now = clock.now()
    exchange.book(now - 5 * MINUTE, now + HOUR)
    monkeypatch.delitem(getattr(resources, kind), resource)
    assert read_bookings(desk) == kept
    assert len(desk.ledger.bookings()[0]) == kept


def test_what_cannot_be_read_of_a_meeting_is_counted_and_never_named(
    desk: Desk, exchange: Exchange, caplog: pytest.LogCaptureFixture
) -> None:
    now = clock.now()
    exchange.book(now - 20 * MINUTE, now + HOUR)
    desk.world.scheduled[9] = dict(desk.world.scheduled[1]) | {"conference": [7], "subject": "Board: takeover of Acme"}
    read_bookings(desk)
    [said] = [vars(record) for record in caplog.records if record.message == "read bookings"]
    assert said["problems"] == ["1 of Pexip's scheduled_conference objects cannot be read in full"]
    assert "Acme" not in repr(said)


@pytest.mark.parametrize("broken", ["outlooks", "bookings", "keep_samples"])
def test_no_plan_fails_for_a_forecast(desk: Desk, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    """The threshold rule and holds go on whatever is wrong with what was learned, booked or sampled."""

    def fails(*_: object) -> None:
        raise ValueError("an item that nobody can read")

    monkeypatch.setattr(desk.ledger, broken, fails)
    now = desk.world.now
    desk.world.expect(Call(now + 1 + n / 100, f"c{n}", "Oslo", 5000) for n in range(17))
    desk.world.advance(now + 10)
    assert [change.action.starts for change in desk.tick().changes] == [True]


def test_room_systems_that_will_be_made_to_join_are_expected(desk: Desk) -> None:
    begins, ends = (f"{clock.now() + ahead:%Y-%m-%dT%H:%M:%S}" for ahead in (HOUR, 2 * HOUR))
    row = dict.fromkeys(resources.STATUS["mjx_meeting"], "") | {"start_time": begins, "end_time": ends}
    desk.world.room_joins += [row | {"meeting_id": "AAMk1"}] * 3
    read_bookings(desk)
    assert [booking.hd for booking in desk.ledger.bookings()[0]] == [3]


def test_a_pexip_that_knows_no_meetings_has_none(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(resources.STATUS, "mjx_meeting")
    monkeypatch.delitem(resources.CONFIGURATION, "scheduled_conference")
    assert read_bookings(desk) == 0
    assert desk.ledger.bookings()[0] == ()


def test_a_pexip_that_will_not_filter_by_time_sends_all(
    desk: Desk, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.now()
    exchange.book(now + HOUR, now + 2 * HOUR)
    exchange.book(now - 9 * HOUR, now - 8 * HOUR)
    monkeypatch.setattr(type(desk.node), "_filterable", staticmethod(lambda *_: ["id"]))
    assert read_bookings(desk) == 1


def test_what_was_booked_stays_known_while_pexip_cannot_be_read(desk: Desk, exchange: Exchange) -> None:
    now = clock.now()
    exchange.book(now + HOUR, now + 2 * HOUR)
    read_bookings(desk)
    before = desk.ledger.bookings()
    desk.node.trouble = "html"
    assert read_bookings(desk) == 0
    assert desk.ledger.bookings() == before


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        pytest.param(PexipUnreachableError("no answer in time"), 1, id="a list that does not answer"),
        pytest.param(PexipDeniedError("not for this account"), 0, id="a list that the account may not read"),
    ],
)
def test_half_of_what_is_booked_does_not_replace_what_was_known(
    desk: Desk, exchange: Exchange, monkeypatch: pytest.MonkeyPatch, error: Exception, kept: int
) -> None:
    """The room systems are listed, the booked conferences are not: only a list that is never to be had is given up."""
    now = clock.now()
    exchange.book(now + HOUR, now + 2 * HOUR)
    read_bookings(desk)
    asked = Client._all

    def one_list_fails(self: Client, path: str, *more: Any, **options: Any) -> Any:
        if path.endswith("scheduled_conference"):
            raise error
        return asked(self, path, *more, **options)

    monkeypatch.setattr(Client, "_all", one_list_fails)
    read_bookings(desk)
    assert len(desk.ledger.bookings()[0]) == kept


def keep_a_rush(desk: Desk, at: datetime, height: int) -> None:
    """A day whose load leaps at that time of day, sampled every minute for two hours around it."""
    moments = ((at + minutes * MINUTE, height if minutes >= 0 else 2) for minutes in range(-120, 120))
    desk.ledger.keep_samples(Sample(at=moment, location="Oslo", used=float(used)) for moment, used in moments)


def learner(desk: Desk) -> Learner:
    """In a zone where it is about noon, so that a rush around now is not cut by midnight."""
    return Learner(ledger=desk.ledger, zone=f"Etc/GMT{clock.now().hour - 12:+d}")


def test_what_past_days_did_at_this_time_has_nodes_ready_for_it(desk: Desk) -> None:
    desk.tick()
    soon = clock.now() + 4 * MINUTE
    for back in (7, 14, 21):
        keep_a_rush(desk, soon - back * DAY, height=45)

    assert learner(desk).learn(clock.now()) == {"Oslo": 3}
    made = desk.tick()

    assert [change.action.starts for change in made.changes] == [True, True]
    assert "as on 3 similar days" in made.changes[0].reason


def test_learning_again_changes_nothing_and_a_missed_night_is_made_good(desk: Desk) -> None:
    desk.tick()
    now = clock.now()
    for back in (3, 2):
        keep_a_rush(desk, now - back * DAY, height=30)
    assert learner(desk).learn(now - DAY) == {"Oslo": 2}
    once = desk.ledger.profile("Oslo")
    learner(desk).learn(now - DAY)
    assert desk.ledger.profile("Oslo") == once
    keep_a_rush(desk, now - DAY, height=30)
    assert learner(desk).learn(now) == {"Oslo": 3}


def test_how_surprises_continue_is_learned_at_night_and_known_to_every_plan(desk: Desk) -> None:
    desk.tick()
    now = clock.now()
    for back in range(1, 7):
        keep_a_rush(desk, now - back * DAY, height=20 + 5 * back)
    learner(desk).learn(now)
    profile = desk.ledger.profile("Oslo")
    assert profile
    assert profile.habits
    assert {each.habits for each in outlooks_around(desk.ledger, now)} == {profile.habits}
    assert desk.tick().trail[-1].lately is not None


def test_a_sample_remembers_demand_and_bookings(desk: Desk, exchange: Exchange) -> None:
    now = clock.now()
    exchange.book(now - 5 * MINUTE, now + HOUR)
    read_bookings(desk)
    desk.world.expect([Call(desk.world.now + 1, "c", "Oslo", 5000)])
    desk.world.advance(desk.world.now + 10)
    made = desk.tick()
    [forecast] = made.needs[0].forecasts
    assert list(desk.ledger.samples("Oslo", now - HOUR, now + HOUR)) == [
        Sample(at=made.read_at, location="Oslo", used=1.0, booked=5.0, hd=20, told=forecast.told)
    ]


def test_every_plan_kept_is_made_again_from_its_record_bit_for_bit(desk: Desk) -> None:
    desk.tick()
    for back in (7, 14):
        keep_a_rush(desk, clock.now() + 4 * MINUTE - back * DAY, height=45)
    learner(desk).learn(clock.now())
    desk.tick()
    desk.tick()

    records = list(desk.ledger.decisions(clock.now() - HOUR, clock.now()))

    assert len(records) == 3
    assert records[-1].observation.outlooks
    for record in records:
        again = plan(record.observation, record.commitments, record.policy, record.plan.at)
        assert pack(again) == pack(record.plan)


def test_two_functions_that_wake_up_in_the_same_quarter_of_an_hour_see_the_same_past(desk: Desk) -> None:
    desk.tick()
    now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    keep_a_rush(desk, now - 7 * DAY, height=45)
    Learner(ledger=desk.ledger, zone="UTC").learn(now)
    first = outlooks_around(desk.ledger, now)
    assert first
    keep_a_rush(desk, now - DAY, height=99)
    Learner(ledger=desk.ledger, zone="UTC").learn(now)
    assert outlooks_around(desk.ledger, now) == first == tuple(desk.ledger.outlooks(now))


def test_outlooks_that_were_cut_in_part_are_completed_before_they_are_used(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.tick()
    now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    keep_a_rush(desk, now - 7 * DAY, height=45)
    Learner(ledger=desk.ledger, zone="UTC").learn(now)
    put = desk.ledger._put_new

    def dies_before_the_mark(pk: str, sk: str, attributes: dict[str, Any], or_if: Any = None) -> bool:
        if "complete" in attributes:
            raise TimeoutError("the function's time is over")
        return put(pk, sk, attributes, or_if)

    monkeypatch.setattr(desk.ledger, "_put_new", dies_before_the_mark)
    with pytest.raises(TimeoutError):
        outlooks_around(desk.ledger, now)
    assert desk.ledger.outlooks(now) == []
    monkeypatch.undo()
    assert [each.location for each in outlooks_around(desk.ledger, now)] == ["Oslo"]


def test_a_location_that_cannot_be_learned_does_not_keep_the_others_from_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.world.locations["Bergen"] = Location(id=9, name="Bergen", overflow1="Cloud")
    desk.observe()
    keep_a_rush(desk, clock.now() - DAY, height=30)
    profile = desk.ledger.profile

    def unreadable(location: str) -> Any:
        if location == "Bergen":
            raise ValueError("an item that nobody can read")
        return profile(location)

    monkeypatch.setattr(desk.ledger, "profile", unreadable)
    with pytest.raises(ExceptionGroup, match="Some locations were not learned"):
        learner(desk).learn(clock.now())
    assert profile("Oslo")
