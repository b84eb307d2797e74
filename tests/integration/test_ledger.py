"""Claims, last words and promises in DynamoDB: who may change a node, and when the answer is no."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from headroom.adapters.ec2 import Ec2
from headroom.adapters.ledger import Ledger
from headroom.adapters.ledger.codec import stamp
from headroom.adapters.ledger.errors import ClaimLostError, PlanChangedError
from headroom.domain.demand.told import Told
from headroom.domain.demand.turned_away import Sample
from headroom.domain.fleet.lifecycle import Action
from headroom.domain.planning.plans import Change
from headroom.domain.safety.claims import token_for
from headroom.settings import Settings
from headroom.usecases.claim import Claim
from tests.integration.conftest import Desk, make_instance, make_table
from tests.support.builders import NOW, hold


def test_long_names_that_begin_alike_get_tokens_of_their_own() -> None:
    changes = [Change(node=f"pexip-overflow-conferencing-node-0{n}", action=Action.START, reason="") for n in (1, 2)]
    tokens = {token_for(change.node, change.action, 1, NOW) for change in changes}
    assert len(tokens) == 2
    assert all(len(token) <= 80 for token in tokens)


def test_a_claim_belongs_to_one_workflow_until_its_lease_ends() -> None:
    with mock_aws():
        ledger = Ledger("ledger", "manager", make_table())
        ledger.claim("burst-1", "one", Action.START, "first", NOW)
        with pytest.raises(ClaimLostError, match="one is at work on burst-1"):
            ledger.claim("burst-1", "two", Action.STOP, "second", NOW + timedelta(minutes=4))
        later = NOW + timedelta(minutes=6)
        assert ledger.claim("burst-1", "two", Action.STOP, "second", later).wanted == "off"
        with pytest.raises(ClaimLostError):
            ledger.renew("burst-1", "one", later)
        ledger.release("burst-1", "one")
        claim = ledger.memory("burst-1").claim
        assert claim
        assert claim.token == "two"


def test_the_last_word_tells_a_changed_plan_from_a_lost_claim() -> None:
    with mock_aws():
        ledger = Ledger("ledger", "manager", make_table())
        memory = ledger.claim("burst-1", "one", Action.STOP, "idle", NOW)
        ledger.last_word("burst-1", "one", memory.version, NOW)
        ledger.remember("burst-1", "one", wanted="open", version=memory.version + 1)
        with pytest.raises(PlanChangedError):
            ledger.last_word("burst-1", "one", memory.version, NOW)
        with pytest.raises(ClaimLostError):
            ledger.last_word("burst-1", "two", memory.version, NOW)


def test_a_promise_is_kept_once() -> None:
    with mock_aws():
        ledger = Ledger("ledger", "manager", make_table())
        assert [ledger.promise(hold()), ledger.promise(hold())] == [True, False]
        assert ledger.holds(NOW + timedelta(hours=2)) == []


def test_a_plan_of_many_nodes_is_written_in_chunks_and_claims_every_one(desk: Desk) -> None:
    from headroom.domain.fleet.fleet import Observation  # noqa: PLC0415
    from headroom.domain.fleet.lifecycle import Commitments  # noqa: PLC0415
    from headroom.domain.history.record import Decision  # noqa: PLC0415

    decided = desk.tick()
    reading = desk.ledger.last_reading()
    last = desk.ledger.last_plan()
    assert reading
    assert last
    changes = [Change(node=f"n{n}", action=Action.START, reason="the rush") for n in range(230)]
    record = Decision(
        version="1",
        observation=Observation(reading=reading, instances=()),
        commitments=Commitments(),
        policy=desk.settings.policy,
        plan=decided,
    )
    written = desk.ledger.keep_plan(
        record, last, [(change, token_for(change.node, change.action, 1, NOW)) for change in changes]
    )
    assert len(written) == 230
    assert len(desk.ledger.commitments(decided.at).memories) >= 230


def test_the_second_witness_counts_by_the_minute_and_only_whole_periods() -> None:
    with mock_aws():
        cloudwatch = boto3.client("cloudwatch")
        dimensions: Any = [{"Name": "InstanceId", "Value": "i-1"}]
        for minutes, sent in ((30, 9e9), (15, 50e6), (0, 9e9)):  # too early, whole, still running
            at = NOW - timedelta(minutes=minutes)
            point: Any = {"MetricName": "NetworkOut", "Dimensions": dimensions, "Timestamp": at, "Value": sent}
            cloudwatch.put_metric_data(Namespace="AWS/EC2", MetricData=[point])
        since, now = NOW - timedelta(minutes=20), NOW + timedelta(minutes=2)
        assert Ec2("m").network_out("i-1", since, now) == 10e6
        assert Ec2("m").network_out("i-2", since, now) is None


def test_the_second_witness_never_asks_for_more_than_cloudwatch_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """1,440 points at the most: a node that was closed for a week could otherwise never be stopped."""
    with mock_aws():
        ec2 = Ec2("m")
        asked: list[dict[str, Any]] = []

        def answer(**given: Any) -> dict[str, Any]:
            asked.append(given)
            return {"Datapoints": []}

        monkeypatch.setattr(ec2.cloudwatch, "get_metric_statistics", answer)
        ec2.network_out("i-1", NOW - timedelta(days=7), NOW)
    assert (asked[0]["EndTime"] - asked[0]["StartTime"]).total_seconds() / asked[0]["Period"] <= 1440


def test_what_a_start_that_hung_has_sent_is_told_for_every_period_or_not_at_all() -> None:
    def sent(*minutes_ago: int) -> tuple[float, ...] | None:
        with mock_aws():
            cloudwatch = boto3.client("cloudwatch")
            dimensions: Any = [{"Name": "InstanceId", "Value": "i-1"}]
            for minutes in minutes_ago:
                at = NOW - timedelta(minutes=minutes)
                point: Any = {
                    "MetricName": "NetworkOut",
                    "Dimensions": dimensions,
                    "Timestamp": at,
                    "Value": 5.0 * minutes,
                }
                cloudwatch.put_metric_data(Namespace="AWS/EC2", MetricData=[point])
            return Ec2("m").sent_since("i-1", NOW - timedelta(minutes=22), NOW)

    assert sent(25, 20, 15, 10, 5, 0) == (20.0, 15.0, 10.0), "neither before, nor one whose figure may still grow"
    assert sent(20, 15, 10) == (20.0, 15.0, 10.0), (
        "the newest has no figure yet, two minutes after its end at the latest"
    )
    assert sent(20, 10, 5) is None
    assert sent(15, 10, 5) is None
    assert sent() is None


def test_ec2_says_why_a_start_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    with mock_aws():
        ec2 = Ec2("m")
        instance = make_instance(ec2.client, "burst-1", running=True)["InstanceId"]
        assert ec2.health(instance).startswith(
            "its system status check is ok, its instance status check ok, its console "
        )
        output = "booting\nKernel panic - not syncing: no root file system\n\n"
        monkeypatch.setattr(ec2.client, "get_console_output", lambda **_: {"Output": output})
        assert ec2.health(instance).endswith("its console ends with «Kernel panic - not syncing: no root file system»")
        monkeypatch.setattr(ec2.client, "get_console_output", lambda **_: {})
        assert ec2.health(instance).endswith("its console says nothing")
        monkeypatch.undo()
        assert ec2.health("i-0123456789abcdef0").startswith(
            "EC2 does not say why (An error occurred (InvalidInstanceID."
        )


def test_a_person_who_starts_a_node_that_was_given_to_them_has_it_counted_anew(desk: Desk) -> None:
    desk.tick()
    desk.ledger.claim("burst-1", "before", Action.STOP, "", NOW)
    desk.ledger.remember("burst-1", "before", hung=3, hung_why="impaired")
    desk.ledger.release("burst-1", "before")
    Claim(desk.ledger, desk.parts.ec2, desk.settings.policy).take("start_node", {"node": "burst-1"}, "by-hand")
    memory = desk.ledger.memory("burst-1")
    assert (memory.hung, memory.hung_why) == (0, "")


def test_what_headroom_closed_may_be_opened_by_hand_in_every_mode(desk: Desk) -> None:
    desk.tick()
    policy = Settings.from_env({**_environment(), "MODE": "observe"}).policy
    given = {"node": "burst-1", "open": True, "reason": "mode change"}
    taken = Claim(desk.ledger, Ec2("manager.example.com"), policy).take("set_open", given, "by-hand")
    assert taken.node == "burst-1"


def _environment() -> dict[str, str]:
    from tests.conftest import ENVIRONMENT  # noqa: PLC0415

    return ENVIRONMENT


@mock_aws
def test_a_sample_brings_back_what_was_said_of_its_minute_and_is_there_without_it() -> None:
    """What cannot be read of it, or no plan can have said, spoils nothing but itself."""
    make_table()
    ledger = Ledger("ledger", "manager.example.com")
    told = Told(source="bookings", minutes=6, mean=27.3, deviation=7.1, most=44.4, sure=0.9919, booked=27.3)
    samples = [
        Sample(at=NOW, location="Oslo", used=50, told=told),
        Sample(at=NOW + timedelta(minutes=1), location="Oslo", used=51, said=120.0),
        Sample(at=NOW + timedelta(minutes=2), location="Oslo", used=52, told=replace(told, minutes=10**12)),
        Sample(at=NOW + timedelta(minutes=3), location="Oslo", used=53, told=told),
    ]
    ledger.keep_samples(samples)
    key = {"pk": "samples#manager.example.com#Oslo", "sk": stamp(samples[3].at)}
    spoilt: Any = {"told": {"Value": "no JSON", "Action": "PUT"}}
    boto3.resource("dynamodb").Table("ledger").update_item(Key=key, AttributeUpdates=spoilt)
    found = list(ledger.samples("Oslo", NOW, NOW + timedelta(hours=1)))
    assert found == [*samples[:2], *(replace(each, told=None) for each in samples[2:])]
