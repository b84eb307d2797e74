"""Headroom itself in the replay: the production planner, fed with what a tick sees, and simplified workflows."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from headroom.domain.demand.forecasting import (
    AFTER,
    BEFORE,
    MINUTE,
    SOON,
    Booking,
    Outlook,
    Profile,
    Window,
    learn,
    near,
    outlook,
    with_habits,
)
from headroom.domain.demand.lately import Demand
from headroom.domain.demand.turned_away import Sample
from headroom.domain.fleet.fleet import Instance, Location, Observation, PexipSettings, Power, Reading, Worker
from headroom.domain.fleet.lifecycle import BOOTS_KEPT, Action, Claim, Commitments, Hold, Memory, Wanted
from headroom.domain.fleet.signature import OURS
from headroom.domain.planning.planning import plan
from headroom.domain.planning.plans import Change, Plan
from headroom.domain.policy import Mode, Policy
from headroom.domain.safety.safety import GAP, witnessed_at
from headroom_replay.site import Site
from headroom_replay.work import OVERFLOW, Work, samples_of
from headroom_replay.world import TOKENS_PER_HD, Node

SETTINGS = PexipSettings()
LEASE = timedelta(minutes=3)
STATUS_AFTER = 10.0  # seconds between a look at a node and the next step of its workflow
LONGEST = timedelta(hours=12)  # the longest booked meeting


def policy_for(work: Work) -> Policy:
    """The one setting that all replays use."""
    return Policy(
        mode=Mode.CONTROL,
        threshold=work.platform.threshold,
        expected_hd=work.platform.node_hd,
        minimum_lifetime=timedelta(minutes=5),
    )


class Headroom:
    """One Headroom at one site."""

    def __init__(self, site: Site, policy: Policy, *, holds: Sequence[Hold] = ()) -> None:
        self.site = site
        self.policy = policy
        self.holds = tuple(holds)
        self.memories: dict[str, Memory] = {node.name: Memory(node=node.name) for node in site.overflow}
        self.trail: tuple[Demand, ...] = ()
        self.profiles = profiles_of(site.work)
        homes = (Location(name=name, overflow_location=OVERFLOW) for name in site.work.platform.homes)
        self.places = (*homes, Location(name=OVERFLOW))
        self.bookings = sorted(site.work.bookings, key=lambda booking: booking.begins)
        self.samples: list[Sample] = []
        self.sampled_at: datetime | None = None
        self.today = self._local(site.now).date()
        self.cut: tuple[Outlook, ...] = ()
        self.nodes = {node.name: node for node in site.overflow}
        self.last: Plan | None = None

    def _local(self, at: float) -> datetime:
        return datetime.fromtimestamp(at, ZoneInfo(self.site.work.zone))

    @property
    def now(self) -> datetime:
        """The site's time."""
        return datetime.fromtimestamp(self.site.now, UTC)

    def step(self) -> None:
        """One tick: observe, plan, begin what is to be changed."""
        now = self.now
        self._learn_at_night()
        made = plan(self.observe(now), self.commitments(now), self.policy, now)
        self.last, self.trail = made, made.trail
        self._sample(made)
        for change in made.changes:
            self.begin(change, now)

    def _sample(self, made: Plan) -> None:
        """Remember the load; there are no samples for nights whose ticks are skipped."""
        if self.sampled_at:
            skipped = int((made.at - self.sampled_at) / MINUTE) - 1
            self.samples += (
                Sample(at=self.sampled_at + number * MINUTE, location=profile.location, used=0.0)
                for number in range(1, skipped + 1)
                for profile in self.profiles
            )
        self.samples += made.samples()
        self.sampled_at = made.at

    def _learn_at_night(self) -> None:
        day = self._local(self.site.now).date()
        if day != self.today:
            self.profiles = [with_habits(learn(each, self.samples, self.today)) for each in self.profiles]
            self.samples, self.today = [], day

    def near(self, now: datetime) -> tuple[Booking, ...]:
        """Return the meetings that are in progress, or begin soon."""
        over = bisect_left(self.bookings, now - LONGEST, key=lambda booking: booking.begins)
        soon = bisect_right(self.bookings, now + SOON, key=lambda booking: booking.begins)
        return near(self.bookings[over:soon], now)

    def commitments(self, now: datetime) -> Commitments:
        """What this Headroom has promised and begun."""
        memories = (
            replace(memory, claim=None) if memory.claim and not memory.claim.runs(now) else memory
            for memory in self.memories.values()
        )
        return Commitments(memories=tuple(memories), holds=tuple(hold for hold in self.holds if not hold.is_over(now)))

    def outlooks(self, now: datetime) -> tuple[Outlook, ...]:
        """Return what past days did around now; renewed every quarter of an hour."""
        if not self.cut or now - self.cut[0].begins >= timedelta(minutes=30):
            self.cut = tuple(outlook(profile, now) for profile in self.profiles)
        return self.cut

    def observe(self, now: datetime) -> Observation:
        """What `observe` and `decide` would read."""
        workers = [self._worker(node) for node in self.site.principals]
        instances = []
        for node in self.site.overflow:
            workers.append(self._worker(node))
            launched = datetime.fromtimestamp(node.launched_at or 0, UTC)
            power = Power.RUNNING if node.on else Power.STOPPED
            instances.append(Instance(id=node.instance, power=power, private_ip=node.address, launched_at=launched))
        reading = Reading(
            platform="replay", read_at=now, workers=tuple(workers), locations=self.places, settings=SETTINGS
        )
        return Observation(
            reading=reading,
            instances=tuple(instances),
            trail=self.trail,
            homes=self.last.homes if self.last else (),
            outlooks=self.outlooks(now),
            bookings=self.near(now),
        )

    def _worker(self, node: Node) -> Worker:
        world, at = self.site.world, self.site.now
        up = node.ready(at)
        seen = node.closed.seen(at, world.switches.status_delay)
        boot = node.boots_at if up else 0.0
        return Worker(
            id=node.id,
            status_id=node.id,
            name=node.name,
            address=node.address,
            location=node.location,
            boot_time=datetime.fromtimestamp(boot, UTC),
            sync_status="SYNCED",
            upgrade_status="IDLE",
            maintenance_mode=seen,
            maintenance_mode_configured=node.closed.now,
            maintenance_mode_reason=node.closed_reason,
            max_hd_calls=node.hd,
            max_media_tokens=TOKENS_PER_HD * node.hd,
            media_tokens_used=TOKENS_PER_HD * world.used(node),
            shards=len(node.conferences),
        )

    # Workflows

    def begin(self, change: Change, now: datetime) -> None:
        """Remember what is wanted, and run the workflow unless one is at work on the node."""
        memory = self.memories[change.node]
        held = memory.claim if memory.is_at_work(now) else None
        claim = held or Claim(token=f"{change.action}-{change.node}", action=change.action, until=now + LEASE)
        self._remember(change.node, wanted=change.action.wanted, wanted_at=now, version=memory.version + 1, claim=claim)
        node = self.nodes[change.node]
        match change.action:
            case Action.START | Action.START_CLOSED:
                self._start(node, reserve=change.action is Action.START_CLOSED)
            case Action.OPEN | Action.CLOSE if not (held and held.action.starts):
                self._set_open(node, is_open=change.action is Action.OPEN)
            case Action.STOP:
                self.site.after(STATUS_AFTER, lambda: self._look(node, 1))

    def _remember(self, name: str, **facts: object) -> None:
        self.memories[name] = replace(self.memories[name], **facts)  # type: ignore[arg-type]

    def _start(self, node: Node, *, reserve: bool) -> None:
        asked = self.site.now
        if not self.site.start(node):
            self._remember(node.name, failed_at=self.now, claim=None, **self._boots(node, None, asked))
            return
        if reserve:
            self.site.world.set_closed(node, closed=True, reason=f"{OURS} reserve")
            self._remember(node.name, closed_at=self.now)
        self._remember(node.name, start_asked_at=self.now)
        self._keep_claim(node)
        self.site.after(STATUS_AFTER, lambda: self._check_start(node, asked))

    def _check_start(self, node: Node, asked: float) -> None:
        if node.closed.now and self.memories[node.name].wanted is Wanted.OPEN:
            self._open(node)
        if node.ready(self.site.now):
            boots = self._boots(node, self.site.now - asked, asked)
            self._remember(node.name, claim=None, up_at=self.now, hung=0, **boots)
        elif self.site.now - asked > self.policy.boot_limit.total_seconds():
            boots = self._boots(node, None, asked)
            self._remember(node.name, failed_at=self.now, given_up_at=self.now, claim=None, **boots)
        else:
            self._keep_claim(node)
            self.site.after(STATUS_AFTER, lambda: self._check_start(node, asked))

    def _boots(self, node: Node, seconds: float | None, asked: float) -> dict[str, object]:
        memory, at = self.memories[node.name], datetime.fromtimestamp(asked, UTC)
        return {
            "boots": (*memory.boots, seconds)[-BOOTS_KEPT:],
            "started_at": (*memory.started_at, at)[-BOOTS_KEPT:],
        }

    def _keep_claim(self, node: Node) -> None:
        claim = self.memories[node.name].claim
        if claim is not None:
            self._remember(node.name, claim=replace(claim, until=self.now + LEASE))

    def _set_open(self, node: Node, *, is_open: bool) -> None:
        if is_open:
            self._open(node)
        else:
            self.site.world.set_closed(node, closed=True, reason=f"{OURS} not needed")
            self._remember(node.name, closed_at=self.memories[node.name].closed_at or self.now)
        self._remember(node.name, claim=None)

    def _open(self, node: Node) -> None:
        self.site.world.set_closed(node, closed=False, reason="")
        self._remember(node.name, opened_at=self.now, closed_at=None)

    def _look(self, node: Node, looks: int) -> None:
        """A simplified `retire_node`: stop a node that was closed long enough, found empty twice, and is still wanted off."""
        memory = self.memories[node.name]
        if memory.wanted is not Action.STOP.wanted or node.calls or not node.closed.now or not node.on:
            if memory.claim and memory.claim.action is Action.STOP:
                self._remember(node.name, claim=None)
            return
        self._keep_claim(node)
        wait = (memory.closed_at or self.now) + self.policy.replication - self.now
        if wait > timedelta():
            self.site.after(wait.total_seconds() + 1, lambda: self._look(node, 1))
        elif looks == 1:
            self.site.after(GAP.total_seconds() + 1, lambda: self._look(node, looks + 1))
        elif memory.closed_at and self.now < witnessed_at(memory.closed_at, self.policy.replication):
            self._remember(node.name, claim=None)
        elif not node.ready(self.site.now):  # it has never come up: a start that hung
            self.site.world.power_off(node)
            self.site.world.set_closed(node, closed=False, reason="")
            again = {"hung": memory.hung + 1, "failed_at": self.now}
            self._remember(node.name, closed_at=None, given_up_at=None, claim=None, **again)
        else:
            self.site.world.power_off(node)
            self.site.world.set_closed(node, closed=False, reason="")
            self._remember(node.name, closed_at=None, given_up_at=None, claim=None)


def profiles_of(work: Work) -> list[Profile]:
    """Learn each location's days before."""
    return [_profile_of(work, name) for name in work.platform.homes]


def _profile_of(work: Work, location: str) -> Profile:
    profile = Profile(location=location, zone=work.zone)
    by_day: dict[object, list[Sample]] = {}
    zone = ZoneInfo(work.zone)
    for sample in work.history:
        by_day.setdefault(sample.at.astimezone(zone).date(), []).append(sample)
    for day in sorted(by_day):  # type: ignore[type-var]
        profile = learn(profile, by_day[day], day)  # type: ignore[arg-type]
    return with_habits(profile)


def headroom(policy: Policy | None = None) -> Callable[[Site], Callable[[], None]]:
    """Headroom as a controller."""
    return lambda site: Headroom(site, policy or policy_for(site.work)).step


class Foreseeing(Headroom):
    """The same planner with the true future load as a certain forecast: the most that forecasts can gain."""

    def __init__(self, site: Site, policy: Policy) -> None:
        super().__init__(site, replace(policy, confidence=0.5))  # the mean, as the true load does not vary
        self.true = {
            name: {sample.at: sample.used for sample in samples_of(site.work.calls, (), name)}
            for name in site.work.platform.homes
        }
        self.bookings = []

    def outlooks(self, now: datetime) -> tuple[Outlook, ...]:
        """Return the day to come as the outlook."""
        begins = now.replace(second=0, microsecond=0) - BEFORE * MINUTE
        today, minutes = self._local(self.site.now).date(), [begins + n * MINUTE for n in range(BEFORE + 15 + AFTER)]
        return tuple(
            Outlook(
                location=name,
                begins=begins,
                windows=(Window(day=today, weight=1.0, loads=tuple(true.get(at, 0.0) for at in minutes)),),
            )
            for name, true in self.true.items()
        )


def perfect_forecast(site: Site) -> Callable[[], None]:
    """Headroom with a perfect forecast of the next minutes as a controller."""
    return Foreseeing(site, policy_for(site.work)).step
