"""Small worlds for tests: a principal location, an overflow location, and nodes in any state."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from headroom.domain.fleet.fleet import Instance, Location, Observation, PexipSettings, Power, Reading, Worker
from headroom.domain.fleet.lifecycle import Action, Claim, Commitments, Hold, Memory, Pause
from headroom.domain.policy import Mode, Policy

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=2)
CONTROL = Policy(mode=Mode.CONTROL, threshold=5, minimum_lifetime=timedelta(minutes=50))


def principal(free: int, hd: int = 80, name: str = "Stockholm") -> Worker:
    """An always-on node that has so many HD connections free."""
    return Worker(
        id=1,
        status_id=101,
        name=f"conf-{name}",
        address="10.1.0.1",
        location=name,
        boot_time=LONG_AGO,
        sync_status="SYNCED",
        upgrade_status="IDLE",
        max_hd_calls=hd,
        max_media_tokens=19 * hd,
        media_tokens_used=19 * (hd - free),
    )


def node(
    number: int, power: Power = Power.STOPPED, *, used: int = 0, location: str = "AWS burst", **more: Any
) -> tuple[Worker, Instance]:
    """An overflow node of 15 HD connections and its instance; a running one serves unless `more` says otherwise."""
    launched = more.pop("launched_at", LONG_AGO)
    instance = Instance(
        id=f"i-{number:017x}",
        power=power,
        private_ip=f"10.20.1.{number}",
        public_ip=more.pop("public_ip", None),
        launched_at=launched,
    )
    worker = Worker(
        id=10 + number,
        status_id=110 + number,
        name=f"burst-{number}",
        address=f"10.20.1.{number}",
        location=location,
        boot_time=launched + timedelta(minutes=1),
        sync_status="SYNCED",
        upgrade_status="IDLE",
        max_hd_calls=15,
        max_media_tokens=15 * 19,
        media_tokens_used=19 * used,
        shards=1 if used else 0,
    )
    return replace(worker, **more), instance


def closed(number: int, *, used: int = 0, **more: Any) -> tuple[Worker, Instance]:
    """A running node that Headroom has closed."""
    reason = {
        "maintenance_mode": True,
        "maintenance_mode_configured": True,
        "maintenance_mode_reason": "Headroom: spare",
    }
    return node(number, more.pop("power", Power.RUNNING), used=used, **{**reason, **more})


def observe(*nodes: tuple[Worker, Instance], free: int = 40, **more: Any) -> Observation:
    """What a tick sees: one principal location with so many connections free, and these overflow nodes."""
    settings = more.pop("settings", PexipSettings())
    overflow = more.pop("locations", ("AWS burst",))
    reading = Reading(
        platform="manager.example.com",
        read_at=more.pop("read_at", NOW),
        workers=(principal(free), *(worker for worker, _ in nodes)),
        locations=(
            Location(name="Stockholm", overflow_location=overflow[0]),
            *(Location(name=f"beside {place}", overflow_location=place) for place in overflow[1:]),
            *(Location(name=place) for place in overflow),
        ),
        settings=settings,
        upgrading=more.pop("upgrading", False),
        clock_off=more.pop("clock_off", None),
    )
    return Observation(reading=reading, instances=tuple(instance for _, instance in nodes), **more)


def hold(**more: Any) -> Hold:
    """A hold that covers now."""
    given: dict[str, Any] = {
        "id": "hold-1",
        "begins": NOW - timedelta(minutes=5),
        "ready_by": NOW + timedelta(minutes=5),
        "until": NOW + timedelta(hours=1),
        "reason": "the nine o'clock rush",
        "by": "the schedule",
    }
    return Hold(**(given | more))


def claimed(number: int, action: Action, *, left: timedelta = timedelta(minutes=3), **more: Any) -> Memory:
    """What is remembered of a node that a workflow is at work on."""
    claim = Claim(token=f"{action}-{number}", action=action, until=NOW + left)
    given: dict[str, Any] = {
        "node": f"burst-{number}",
        "wanted": action.wanted,
        "wanted_at": NOW if action.starts else None,
        "version": 1,
        "claim": claim,
    }
    return Memory(**(given | more))


def promised(*holds: Hold, memories: tuple[Memory, ...] = (), pause: Pause | None = None) -> Commitments:
    """What was promised and begun."""
    return Commitments(holds=holds, memories=memories, pause=pause)
