"""What the operator wants: mode, thresholds, lifetimes and limits."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

FRESH = timedelta(seconds=120)  # Headroom acts on no older reading or plan
OLD = timedelta(seconds=180)  # people are told when a reading or plan is older than this


class Mode(StrEnum):
    """How much Headroom may do."""

    OBSERVE = "observe"  # decides and records, touches nothing
    ASSIST = "assist"  # Pexip's bursting stays on; Headroom only starts, through Pexip
    CONTROL = "control"  # Pexip's bursting is off; Headroom starts, closes, opens and stops


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The operator's settings; HD connections unless the name says otherwise.

    `threshold` None means Pexip's own `bursting_threshold`; `thresholds` overrules it for a location. `max_nodes` 0
    means no limit. `minimum_lifetime` None means a few minutes, or Pexip's own `bursting_min_lifetime` in assist
    mode and with `pexips_lifetime`. `call_turned_away_cost` is how many node-hours a call turned away is worth: it
    says how sure a forecast must be, unless `confidence` does. With `forecasting` False only the threshold rule and
    holds ask for capacity. With `reserve`, nodes that are started for a later need come up closed until then.
    `max_forecast_nodes` is the most nodes that a forecast may ask for in an overflow location, 0 means no limit.
    `zone` is the IANA time zone in which reasons give times of day.
    """

    mode: Mode = Mode.OBSERVE
    zone: str = "UTC"
    threshold: int | None = None
    thresholds: dict[str, int] = field(default_factory=dict)
    hysteresis: int = 2
    minimum_lifetime: timedelta | None = None
    pexips_lifetime: bool = False
    max_nodes: int = 0
    max_starts_per_plan: int = 50
    max_closes_per_plan: int = 8
    max_stops_per_plan: int = 10  # limits the damage that one wrong plan can do
    expected_hd: int = 10  # for a node that Pexip and the ledger know nothing about
    forecasting: bool = True
    reserve: bool = True
    call_turned_away_cost: float = 3.0
    confidence: float | None = None
    max_forecast_nodes: int = 0
    boot_time: timedelta = timedelta(minutes=5)  # until measured boot times take its place
    tick: timedelta = timedelta(seconds=60)  # from one plan to the next
    boot_limit: timedelta = timedelta(minutes=15)
    replication: timedelta = timedelta(seconds=90)  # how long a configuration change takes to reach every node
    calm_before_closing: timedelta = timedelta(minutes=3)  # how long closing waits after that location needed more
    idle_out: float = 300_000  # bytes a minute that an empty node may send: one call with audio alone sends more
    failure_cooldown: timedelta = timedelta(minutes=5)
    boot_drill: timedelta = timedelta(days=14)  # how often a node that is off is proved bootable; 0: never
    freshness: timedelta = FRESH

    def on_the_day(self, moment: datetime) -> str:
        """Write a day and a time of day as the operator's calendar and clock show them."""
        return f"{moment.astimezone(ZoneInfo(self.zone)):%a %d %b} {self.on_the_clock(moment)}"

    def when(self, moment: datetime, now: datetime) -> str:
        """Write a time of day, with its day unless that is today."""
        here = ZoneInfo(self.zone)
        today = moment.astimezone(here).date() == now.astimezone(here).date()
        return self.on_the_clock(moment) if today else self.on_the_day(moment)

    def on_the_clock(self, moment: datetime) -> str:
        """Write a time of day as the operator's clock shows it."""
        return f"{moment.astimezone(ZoneInfo(self.zone)):%H:%M}" + (" UTC" if self.zone == "UTC" else "")
