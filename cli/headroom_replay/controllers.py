"""The controllers that Headroom is compared with: Pexip's own rule as it may be read, and what others do."""

from collections.abc import Callable
from datetime import datetime, time
from zoneinfo import ZoneInfo

from headroom_replay.bursting import Bursting
from headroom_replay.site import Site

MINIMUM_LIFETIME = 50  # minutes, Pexip's default
PREWARM_AT, SATURDAY = time(8, 50), 5
TARGET, TARGET_FOR_LESS, SCALE_IN_AFTER = (
    0.55,
    0.9,
    900.0,
)  # as AWS's target tracking: scale out at once, scale in after 15 calm minutes

Step = Callable[[], None]


def nothing(_: Site) -> Step:
    """No node is ever started."""
    return lambda: None


def always_on(site: Site) -> Step:
    """Every node is on, all the time."""

    def step() -> None:
        for node in site.overflow:
            if not node.on:
                site.start(node)

    return step


def native(site: Site, *, overflow_rule: str = "overflow only", waits: bool = True) -> Step:
    """Pexip's own bursting. The guide does not say whether it waits for a booting node, and which location counts."""
    site.world.settings |= {"bursting_enabled": True, "bursting_min_lifetime": MINIMUM_LIFETIME}
    site.world.switches.bursting_overflow_rule = overflow_rule
    site.world.switches.bursting_waits_for_pending = waits
    return Bursting(site.world, start=site.ask_to_start, stop=site.world.power_off).step


def native_either(site: Site) -> Step:
    """Pexip's rule, if a principal location at its threshold keeps starting nodes."""
    return native(site, overflow_rule="either")


def native_impatient(site: Site) -> Step:
    """Pexip's rule, if it does not wait for a booting node."""
    return native(site, waits=False)


def native_0850(site: Site) -> Step:
    """The guide's recipe: Pexip's rule, and every node started at 08:50 on weekdays."""
    rule, zone = native(site), ZoneInfo(site.work.zone)
    started: set[object] = set()

    def step() -> None:
        local = datetime.fromtimestamp(site.now, zone)
        if local.time() >= PREWARM_AT and local.hour == PREWARM_AT.hour and local.date() not in started:
            started.add(local.date())
            for node in site.overflow if local.weekday() < SATURDAY else ():
                if not node.on:
                    site.start(node)
        rule()

    return step


def target_tracking(site: Site) -> Step:
    """Keep 55 % of the capacity that is on in use. Start nodes at once; stop one idle node at a time after 15 calm minutes."""
    below_since: list[float] = []

    def step() -> None:
        world = site.world
        size = site.work.platform
        on = [node for node in site.overflow if node.on]
        used = sum(map(world.used, (*site.principals, *on)))
        capacity = size.always_on + size.node_hd * len(on)
        missing = used / TARGET - capacity
        if missing > 0:
            below_since.clear()
            for node in [node for node in site.overflow if not node.on][: int(-(-missing // size.node_hd))]:
                site.start(node)
        elif used < TARGET_FOR_LESS * TARGET * capacity:
            below_since[:] = below_since or [site.now]
            idle = [node for node in on if node.ready(site.now) and not node.calls]
            if idle and site.now - below_since[0] >= SCALE_IN_AFTER:
                world.power_off(idle[0])
        else:
            below_since.clear()

    return step
