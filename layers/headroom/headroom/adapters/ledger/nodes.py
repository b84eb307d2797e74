"""What is remembered of each node, and the claims on it."""

from contextlib import suppress
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from headroom.adapters.ledger.codec import FORMAT, as_condition, moment, read, readable, stamp, time, words
from headroom.adapters.ledger.errors import (
    ClaimLostError,
    PlanChangedError,
    UnreadableRecordError,
    is_condition_failed,
)
from headroom.adapters.ledger.table import Rows
from headroom.domain.fleet.lifecycle import Action, Claim, Memory, Record, Unread, Wanted
from headroom.domain.safety.claims import (
    LEASE,
    Condition,
    is_claimed_by,
    is_free,
    is_the_last_word,
    is_the_same,
    is_unclaimed,
)

NO_CLAIM = dict.fromkeys(("claim_token", "claim_action", "claim_until", "rests_until"))


class Nodes(Rows):
    """What is remembered of each node, and the claims on it."""

    def memory(self, node: str) -> Memory:
        """Return what is remembered of a node."""
        item = self._get(f"nodes#{self.platform}", node)
        return read(item, _memory) if item else Memory(node=node)

    def memories_and_unread(self) -> tuple[list[Memory], list[Unread]]:
        """Return what is remembered of every node, and of which it cannot be read."""
        found, unread = readable(self._query(f"nodes#{self.platform}"), _memory)
        return found, [Unread(what=Record.NODE, name=each.name, why=each.why) for each in unread]

    def claim(self, node: str, token: str, action: Action, reason: str, now: datetime) -> Memory:
        """Take the claim that a plan wrote for this token, or a free one; raise ClaimLostError if another has it."""
        memory = self.memory(node)
        held = memory.claim
        if held and held.token == token:
            return self.renew(node, token, now)
        if held and held.runs(now):
            raise ClaimLostError(f"The workflow {held.token} is at work on {node}; wait until it has ended.")
        self._update(
            node,
            {
                "node": node,
                "wanted": str(action.wanted),
                "version": memory.version + 1,
                "wanted_at": stamp(now),
                "reason": reason,
                "claim_token": token,
                "claim_action": str(action),
                "claim_until": stamp(now + LEASE),
            },
            is_free(now),
        )
        return self.memory(node)

    def memory_or_anew(self, node: str, action: Action, now: datetime) -> Memory:
        """Return what is remembered of a node; a record that cannot be read is written anew where a person gives capacity."""
        try:
            return self.memory(node)
        except UnreadableRecordError:
            item = self._get(f"nodes#{self.platform}", node) or {}
            if action.takes_away or str(item.get("claim_until", "")) > stamp(now):
                raise
        self._put(f"nodes#{self.platform}", node, {"node": node})
        return Memory(node=node)

    def renew(self, node: str, token: str, now: datetime) -> Memory:
        """Renew the claim's lease, and return what is remembered; raise ClaimLostError if another workflow has the claim."""
        at_work = {"claim_until": stamp(now + LEASE), "rests_until": None}
        return read(self._update(node, at_work, is_claimed_by(token)), _memory)

    def remember(self, node: str, token: str, **facts: datetime | int | str | list[int | None] | None) -> Memory:
        """Note facts of a node while this workflow has the claim; a fact that is None is removed."""
        values = {name: stamp(fact) if isinstance(fact, datetime) else fact for name, fact in facts.items()}
        return read(self._update(node, values, is_claimed_by(token)), _memory)

    def rest(self, node: str, token: str, until: datetime) -> None:
        """Say that the workflow only waits until then, so that another may relieve it; its next step ends that."""
        self.remember(node, token, rests_until=until)

    def note(self, node: str, **facts: datetime | int | None) -> None:
        """Note facts that need no claim, because they can be seen from outside."""
        values = {name: stamp(fact) if isinstance(fact, datetime) else fact for name, fact in facts.items()}
        self._update(node, {"node": node, **values}, None)

    def note_if_free(self, node: str, **facts: datetime | None) -> None:
        """Note facts unless a workflow has claimed the node: that one keeps them itself."""
        values = {name: stamp(fact) if fact else None for name, fact in facts.items()}
        with suppress(ClaimLostError):
            self._update(node, {"node": node, **values}, is_unclaimed())

    def take_back(self, node: str, token: str, now: datetime) -> None:
        """Free the claim of a workflow that ended without reporting a result, unless it has renewed the claim since."""
        with suppress(ClaimLostError):
            self._update(node, NO_CLAIM, (*is_claimed_by(token), *is_free(now)))

    def free(self, memory: Memory) -> bool:
        """Free the claim of a workflow that has ended, unless it has given a sign of life since; say whether it is free now."""
        try:
            self._update(memory.node, NO_CLAIM, is_the_same(memory))
        except ClaimLostError:
            return False
        return True

    def shorten(self, node: str, token: str, until: datetime) -> None:
        """Let the claim of a workflow that may never have begun end sooner; its first step renews it if it has."""
        with suppress(ClaimLostError):
            self._update(node, {"claim_until": stamp(until)}, is_claimed_by(token))

    def release(self, node: str, token: str) -> None:
        """Release the claim, if this workflow still has it."""
        with suppress(ClaimLostError):
            self._update(node, NO_CLAIM, is_claimed_by(token))

    def last_word(self, node: str, token: str, version: int, now: datetime) -> None:
        """The conditional write before StopInstances: raise if claim, wanted state or version has changed.

        It renews the lease: while the stop is on its way to EC2 nobody else may open the node.
        """
        spoken = {"stop_asked_at": stamp(now), "claim_until": stamp(now + LEASE), "rests_until": None}
        try:
            self._update(node, spoken, is_the_last_word(token, version, now))
        except ClaimLostError:
            claim = self.memory(node).claim
            if claim and claim.token == token and claim.runs(now):
                raise PlanChangedError(f"The newest plan wants something else of {node}") from None
            raise

    def _update(self, node: str, values: dict[str, Any], condition: Condition | None) -> dict[str, Any]:
        values = {"v": FORMAT, **values}
        sets = {name: value for name, value in values.items() if value is not None}
        removes = [name for name, value in values.items() if value is None]
        expression = ("SET " + ", ".join(f"#{name} = :{name}" for name in sets) if sets else "") + (
            " REMOVE " + ", ".join(f"#{name}" for name in removes) if removes else ""
        )
        more: dict[str, Any] = {"ConditionExpression": as_condition(condition)} if condition else {}
        if sets:
            more["ExpressionAttributeValues"] = {f":{name}": value for name, value in sets.items()}
        try:
            return self.table.update_item(
                Key={"pk": f"nodes#{self.platform}", "sk": node},
                UpdateExpression=expression.strip(),
                ExpressionAttributeNames={f"#{name}": name for name in values},
                ReturnValues="ALL_NEW",
                **more,
            )["Attributes"]
        except ClientError as error:
            if is_condition_failed(error):
                raise ClaimLostError(f"The claim on {node} is lost, or the plan has changed") from error
            raise


def _memory(item: dict[str, Any]) -> Memory:
    until = moment(item.get("claim_until"))
    return Memory(
        node=item["sk"],
        wanted=Wanted(item["wanted"]) if item.get("wanted") else None,
        version=int(item.get("version", 0)),
        reason=words(item, "reason"),
        claim=(
            Claim(token=words(item, "claim_token"), action=Action(item["claim_action"]), until=until)
            if until and item.get("claim_token")
            else None
        ),
        rests_until=moment(item.get("rests_until")),
        wanted_at=moment(item.get("wanted_at")),
        closed_at=moment(item.get("closed_at")),
        opened_at=moment(item.get("opened_at")),
        failed_at=moment(item.get("failed_at")),
        failed_why=words(item, "failed_why"),
        given_up_at=moment(item.get("given_up_at")),
        start_asked_at=moment(item.get("start_asked_at")),
        start_due_at=moment(item.get("start_due_at")),
        stop_asked_at=moment(item.get("stop_asked_at")),
        stopped_at=moment(item.get("stopped_at")),
        refused_since=moment(item.get("refused_since")),
        refused_why=words(item, "refused_why"),
        lifetime=moment(item.get("lifetime")),
        switched_by_others_at=moment(item.get("switched_by_others_at") or item.get("meddled_at")),
        up_at=moment(item.get("up_at")),
        hung=int(item.get("hung", 0)),
        hung_why=words(item, "hung_why"),
        hd=int(item["hd"]) if item.get("hd") else None,
        boots=tuple(None if boot is None else float(boot) for boot in item.get("boots", ())),
        started_at=tuple(time(at) for at in item.get("started_at", ())),
    )
