"""Reads fields and times as people write them, and writes times and durations for people."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from headroom.domain.texts import REASON

MINUTE, HOUR, DAY = 60, 3600, 86400


def ago(seconds: float) -> str:
    """Say how long something lasts: `40 s`, `12 min`, `3 h 05`, `2 d 4 h`."""
    whole = int(seconds)
    if whole < 2 * MINUTE:
        return f"{whole} s"
    if whole < 2 * HOUR:
        return f"{whole // MINUTE} min"
    if whole < 2 * DAY:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE:02}"
    return f"{whole // DAY} d {whole % DAY // HOUR} h"


def typed(fields: Mapping[str, str], name: str) -> str:
    """Return what was typed into a field, empty if nothing was; of what is too long for any field, so much as shows that."""
    return fields.get(name, "").strip()[: REASON + 1]


def time_of(text: str, zone: str, now: datetime) -> datetime | None:
    """Read a time: ISO 8601, in the site's zone unless it names one, or `8:55` for today's; None if the text is not a time."""
    here = ZoneInfo(zone)
    for form in ("%H:%M", "%H:%M:%S"):
        try:
            clock = datetime.strptime(text, form)  # noqa: DTZ007 - the zone comes with the day
        except ValueError:
            continue
        return datetime.combine(now.astimezone(here).date(), clock.time(), here)
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=here)


def next_time_of(text: str, zone: str, now: datetime) -> datetime | None:
    """Read a time that is still to come: `14:00` is tomorrow's once today's is past."""
    when = time_of(text, zone, now)
    is_of_day = ":" in text and "-" not in text
    return when + timedelta(days=1) if when and is_of_day and when <= now else when


def schedule_of(state: str, schedule: str, zone: str) -> str:
    """Say when nodes are pre-warmed by schedule, from the stack's parameters; empty if they are not."""
    return f"{schedule} in {zone}" if state == "ENABLED" else ""
