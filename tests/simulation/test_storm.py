"""What people are told when everything goes wrong at once: little, and nothing is hidden from the history."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from headroom.domain.fleet.lifecycle import Hold
from headroom_lab.proof.cloud import aws_error
from headroom_lab.proof.stage import Stage

type Make = Callable[..., Stage]
QUARTER = timedelta(minutes=15)


def promised(stage: Stage, nodes: int) -> Hold:
    now = stage.moment()
    hold = Hold(
        id="all-hands",
        reason="all-hands",
        by="anna",
        begins=now,
        ready_by=now + timedelta(minutes=10),
        until=now + timedelta(hours=1),
        nodes=tuple(node.name for node in stage.overflow[:nodes]),
    )
    stage.ledger.promise(hold)
    return hold


def most_in_a_quarter(times: list[datetime]) -> int:
    return max(sum(since <= at < since + QUARTER for at in times) for since in times)


def test_thirty_nodes_that_fail_while_pexip_comes_and_goes_are_three_messages_in_a_quarter_of_an_hour(
    make_stage: Make,
) -> None:
    stage = make_stage(nodes=30)
    stage.set_policy(mode="control")
    stage.after(0, stage.every_minute)
    stage.minutes(2)
    promised(stage, 30)
    stage.hazards.no_room = 1.0
    for _ in range(10):  # Pexip comes and goes
        stage.minutes(4)
        stage.hazards.unreachable_until = stage.now + 150
    stage.minutes(20)
    assert most_in_a_quarter(stage.told_at) <= 3
    assert len(stage.chats) == len(stage.told)
    history = stage.ledger.events("2026-03-29")
    given_up = [event for event in history if event.kind == "given up"]
    assert {event.node for event in given_up} >= {node.name for node in stage.overflow[1:30]}
    assert sum(event.kind == "issue" and event.topic == "no news" for event in history) > 5
    told = "\n".join(stage.told)
    assert "Headroom: starts given up (29 nodes)" in told
    assert "over: Pexip or EC2 cannot be read" in told
    assert [event.reason for event in given_up if event.reason not in told] == []


def test_a_message_for_a_chat_has_the_fields_that_amazon_q_developer_publishes(rush: Stage) -> None:
    """https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html, "Event schema"."""
    rush.minutes(30)
    assert rush.chats
    for chat in map(json.loads, rush.chats):
        assert set(chat) <= {"version", "source", "id", "content", "metadata"}
        assert (chat["version"], chat["source"]) == ("1.0", "custom")
        assert set(chat["content"]) <= {"textType", "title", "description", "nextSteps", "keywords"}
        assert chat["content"]["textType"] == "client-markdown"
        assert chat["content"]["description"]
        assert set(chat["metadata"]) <= {"threadId", "summary", "eventType", "relatedResources", "additionalContext"}


def test_a_morning_is_told_in_few_messages(rush: Stage) -> None:
    rush.minutes(45)
    subjects = [text.partition(":")[2].partition(":")[0].strip() for text in rush.told]
    assert subjects == [
        "a change that the ledger missed (burst-1)",
        "not enough nodes; calls are being turned away",
        "over",
        "over",
        "over",
        "3 stopped",
    ]
    assert all(text.endswith("Add the stack to commands: `headroom … --stack headroom`.") for text in rush.told)
    assert (
        "Started: burst-2, burst-3\nIt serves 5 HD connections; reason for its start: the load of Oslo rises faster"
        in rush.told[2]
    )


def test_a_topic_that_cannot_be_told_is_told_later_and_the_others_not_twice(rush: Stage) -> None:
    """People's topic refuses for a while, the chats' for good: people get everything once."""
    publish, since = rush.parts.people.client.publish, rush.now

    def refuses(**message: Any) -> None:
        if rush.now < since + 20 * 60:
            raise aws_error("AuthorizationError")
        publish(**message)

    def never(**_: str) -> None:
        raise aws_error("AuthorizationError")

    rush.parts.people.client = SimpleNamespace(publish=refuses)  # type: ignore[assignment]
    rush.parts.chats.client = SimpleNamespace(publish=never)  # type: ignore[assignment]
    rush.minutes(60)
    assert len(rush.told) == len(set(rush.told)) > 2
    assert "a change that the ledger missed" in rush.told[0]
    assert rush.told_at[0].timestamp() >= since + 20 * 60
