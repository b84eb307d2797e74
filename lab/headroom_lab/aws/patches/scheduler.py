"""EventBridge Scheduler: time zones, context attributes, refusal of bad expressions, retries and dead letters.

AWS: «the schedule is evaluated in the time zone you specify» and `<aws.scheduler.scheduled-time>` and its like are
replaced (docs: scheduler/latest/UserGuide, «Schedule types», «Adding context attributes»); RetryPolicy and
DeadLetterConfig hold for what the target's API refuses («Configuring a dead-letter queue»).
"""

import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from ministack.core.responses import (
    get_account_id,
    get_region,
    new_uuid,
    set_request_account_id,
    set_request_region,
)
from ministack.services import eventbridge, lambda_svc, scheduler, sqs, stepfunctions

from headroom_lab.aws.patches import replace
from headroom_lab.aws.patches.destinations import send, soon
from headroom_lab.aws.patches.time import LAB_TIME

TICK = 1  # lab seconds between two looks at the schedules
MOST_BACKOFF = 30

_due: dict[Any, tuple[tuple[str, str], float | None]] = {}


def next_fire(expression: str, zone: str, after: float, created: float) -> float | None:
    """Return the epoch second at which a schedule fires next; None if it never does."""
    if match := re.match(r"^\s*at\((.+)\)\s*$", expression):
        return datetime.fromisoformat(match[1]).replace(tzinfo=ZoneInfo(zone)).timestamp()
    every = eventbridge._parse_rate_seconds(expression)
    if every is not None:
        return float(created + every * (int((after - created) // every) + 1))
    fields = eventbridge._parse_cron_fields(expression)
    if not fields:
        return None
    there = datetime.fromtimestamp(after, ZoneInfo(zone)).replace(tzinfo=UTC)  # its wall clock, as the parser counts
    wall = eventbridge._cron_next_fire(fields, there)
    return wall.replace(tzinfo=ZoneInfo(zone)).timestamp() if wall else None


def why_refused(expression: str, zone: str) -> str:
    """Say why AWS refuses a schedule, which it does with one that it can never fire; empty if it does not."""
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        return f"Invalid Schedule Expression Timezone {zone}."
    readable = (
        scheduler._at_time_epoch(expression) is not None
        or eventbridge._parse_rate_seconds(expression) is not None
        or eventbridge._parse_cron_fields(expression)
    )
    return "" if readable else f"Invalid Schedule Expression {expression}."


def refuse_bad_expressions(create: Any) -> Any:
    """AWS refuses a schedule it can never fire."""

    def checked(name: str, body: dict[str, Any]) -> Any:
        wrong = why_refused(body.get("ScheduleExpression") or "", body.get("ScheduleExpressionTimezone", "UTC"))
        return scheduler._error(400, "ValidationException", wrong) if wrong else create(name, body)

    return checked


def tick() -> None:
    """Fire every schedule that is due, in its own time zone."""
    now = LAB_TIME.time()
    for key, schedule in list(scheduler._schedules._data.items()):
        if schedule.get("State") != "ENABLED":
            continue
        expression = (schedule["ScheduleExpression"], schedule.get("ScheduleExpressionTimezone") or "UTC")
        created = schedule.get("CreationDate", now)
        if _due.get(key, (None,))[0] != expression:
            _due[key] = (expression, next_fire(*expression, now, created))
        due = _due[key][1]
        if due is None or now < due:
            continue
        once = expression[0].strip().startswith("at(")
        _due[key] = (expression, None if once else next_fire(*expression, now, created))
        set_request_account_id(key[0])
        set_request_region(key[1])
        fire(schedule, due)
        if once and schedule.get("ActionAfterCompletion") == "DELETE":
            scheduler._schedules._data.pop(key, None)


def fire(schedule: dict[str, Any], due: float) -> None:
    """Call one schedule's target, with its context attributes filled in."""
    target = dict(schedule.get("Target") or {})
    moment = datetime.fromtimestamp(due, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    context = {
        "scheduled-time": moment,
        "execution-id": new_uuid(),
        "schedule-arn": schedule.get("Arn", ""),
        "attempt-number": "1",
    }
    for name, value in context.items():
        target["Input"] = (target.get("Input") or "{}").replace(f"<aws.scheduler.{name}>", value)
    event = {
        "EventId": context["execution-id"],
        "Source": "aws.scheduler",
        "DetailType": "Scheduled Event",
        "Detail": "{}",
        "Time": due,
        "Resources": [context["schedule-arn"]],
        "Account": get_account_id(),
        "Region": get_region(),
    }
    soon(deliver, schedule, target, event)


def deliver(schedule: dict[str, Any], target: dict[str, Any], event: dict[str, Any]) -> None:
    """Deliver with the schedule's retries; what cannot be delivered goes to its dead-letter queue."""
    policy = target.get("RetryPolicy") or {}
    most, oldest = (
        int(policy.get("MaximumRetryAttempts", 185)),
        float(policy.get("MaximumEventAgeInSeconds", 86400)),
    )
    began, tries = LAB_TIME.time(), 0
    while True:
        try:
            _check_target(target["Arn"])
            eventbridge._invoke_target(target, event, schedule)
        except Exception as error:
            pause = min(2**tries, MOST_BACKOFF)
            if tries < most and LAB_TIME.time() - began + pause <= oldest:
                tries += 1
                LAB_TIME.sleep(pause)
                continue
            dead_letters = (target.get("DeadLetterConfig") or {}).get("Arn")
            if dead_letters:
                send(
                    dead_letters,
                    target.get("Input") or "{}",
                    {"ERROR_MESSAGE": str(error), "RETRY_ATTEMPTS": tries},
                )
        return


def _check_target(arn: str) -> None:
    missing = (
        (":lambda:" in arn and not lambda_svc._get_func_record_for_ref(arn)[0])
        or (":states:" in arn and stepfunctions._resolve_state_machine_arn(arn) is None)
        or (":sqs:" in arn and sqs._queue_by_arn(arn) is None)
    )
    if missing:
        raise LookupError(f"Target does not exist: {arn}")


def ticker() -> None:
    """Look at the schedules for as long as the engine runs."""
    while True:
        LAB_TIME.sleep(TICK)
        tick()


def apply() -> None:
    """Patch the scheduler."""
    replace(scheduler, "_create_schedule", refuse_bad_expressions)
    replace(scheduler, "_tick_schedules", lambda _: tick)
    replace(scheduler, "_ticker_loop", lambda _: ticker)
