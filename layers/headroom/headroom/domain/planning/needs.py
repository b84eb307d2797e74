"""How much free capacity each overflow location needs: the most that any of six sources asks for.

Pexip's threshold rule and holds say what is needed now. What people announce, bookings, past days and the trend of the last
minutes say what will be needed when a node that is started now serves.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise
from math import ceil, sqrt
from statistics import NormalDist

from headroom.domain.demand.forecasting import MEAN_CALL, MINUTE, expected, rise
from headroom.domain.demand.told import Told
from headroom.domain.fleet.lifecycle import many
from headroom.domain.planning.leads import LATER
from headroom.domain.planning.situation import Situation
from headroom.domain.planning.worth import Worth

TREND_OVER = timedelta(minutes=5)
TREND_READINGS = 4  # readings needed to see a trend
TREND_MARGIN = 0.5  # share of the usual safety margin that a trend gets, as trends end abruptly
CLEARLY = 2.0  # deviations from the usual rise beyond which a trend is more than chance
LIKELY = Worth(0.6)  # how sure a forecast is that decides whether existing capacity stays


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """How far the load of a principal location may rise within a boot, in HD connections, and what that is made of.

    The deviations are of what is booked, of how past days differ, and of chance.
    """

    location: str
    told: Told
    booked_deviation: float
    days_deviation: float
    chance_deviation: float

    @property
    def parts(self) -> str:
        """What the forecast is made of, in an operator's words."""
        unbooked = self.told.mean - self.told.booked - self.told.said
        said = f"said {self.told.said:.0f}, " if self.told.said else ""
        booked = f"booked {self.told.booked:.0f} ± {self.booked_deviation:.0f}"
        return (
            f"{said}{booked}, unbooked {unbooked:.0f} ± {self.days_deviation:.0f}, chance ± {self.chance_deviation:.0f}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What an overflow location must have, and the rule that asks for the most.

    Free HD connections: `hd` by the time a node started now serves, `open_hd` by the time a closed node is open again;
    `keep_hd` must be left when a node is stopped, `keep_open_hd` when one is closed, each with what is likely soon.
    `nodes` and `names` are held, by number and by name; `forecasts` say what is expected in each principal location.
    """

    location: str
    hd: int
    open_hd: int
    keep_hd: int
    keep_open_hd: int
    nodes: int
    names: tuple[str, ...]
    rule: str
    reason: str
    forecasts: tuple[Forecast, ...] = ()

    @property
    def why_kept(self) -> str:
        """Why `keep_hd` and `keep_open_hd` are needed: what is likely soon may ask although nothing asks now."""
        return "they are likely to be needed soon" if self.rule == "none" else self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What one source asks for."""

    rule: str
    hd: float
    reason: str
    forecasts: tuple[Forecast, ...] = ()


NOTHING = Ask(rule="none", hd=0, reason="")


@dataclass(frozen=True, slots=True)
class Trend:
    """A rise in HD connections that goes on: what is expected, and the most."""

    mean: float
    most: float


def needs_of(situation: Situation) -> Iterator[Need]:
    """Yield what each overflow location needs."""
    for location in situation.overflows:
        yield _need(situation, location)


def _need(situation: Situation, location: str) -> Need:
    rule_now = _blind_rule(situation, location) if situation.may.stale else _threshold_rule(situation, location)
    nearly = _threshold_rule(situation, location, margin=situation.policy.hysteresis)
    to_boot, to_open = situation.leads.to_boot(location), situation.leads.to_open
    forecast = _forecast(situation, location, to_boot, situation.starting(location))
    soon = _forecast(situation, location, to_open, situation.opening(location))
    likely = _forecast(situation, location, to_boot, LIKELY)
    later = _forecast(situation, location, to_boot + LATER, LIKELY)
    most = max(rule_now, forecast, key=lambda ask: ask.hd)
    names = situation.held.names(location)
    count, hold = situation.held.count(location)
    rule, reason = (most.rule, most.reason) if most.hd > 0 else ("none", "nothing asks for capacity")
    if count or names:
        held = many(count) if count else ", ".join(names)
        why = hold.reason if hold else next(h.reason for h in situation.held.holds if set(h.nodes) & set(names))
        rule, reason = "hold", f"{held} held: {why}" + (f"; {most.reason}" if most.hd > 0 else "")
    hd = ceil(most.hd)
    open_hd = min(hd, ceil(max(rule_now.hd, soon.hd)))
    keep_hd = ceil(max(hd, later.hd, nearly.hd))
    return Need(
        location=location,
        hd=hd,
        open_hd=open_hd,
        keep_hd=keep_hd + situation.policy.hysteresis if keep_hd else 0,
        keep_open_hd=max(open_hd, ceil(nearly.hd), ceil(likely.hd)),
        nodes=count,
        names=names,
        rule=rule,
        reason=reason,
        forecasts=forecast.forecasts,
    )


def _threshold_rule(situation: Situation, location: str, margin: int = 0) -> Ask:
    """Pexip's rule, but for one case: a principal location at its threshold, or an overflow location that carries its calls.

    By the guide an overflow location at its threshold needs the next node whatever is free at home. Here the second half asks
    for nothing while the principal locations could take those calls themselves and stay above their thresholds: new calls go
    there first (docs/policy.md). With a `margin` the rule asks that much earlier.
    """
    if situation.may.stale:
        return NOTHING
    loads = [situation.principals[name] for name in situation.prospects.sources_of(location)]
    left = {load.location: load.free - situation.cut_off(load.location) for load in loads}
    asking = [(free, name) for name, free in left.items() if free <= situation.threshold(name) + margin]
    needed = situation.threshold(location) + 1
    if asking:
        _, name = min(asking)
        hd = needed + sum(max(0.0, -free) for free in left.values())
        return Ask(rule="threshold", hd=hd, reason=_why_asking(situation, name))
    carried = situation.overflows[location].used
    room_at_home = sum(free - situation.threshold(name) - margin for name, free in left.items())
    if carried > room_at_home:
        why = f"{location} carries {carried} HD connections, more than its principal locations have room for"
        why += f"; its threshold is {situation.threshold(location)}"
        return Ask(rule="threshold", hd=needed, reason=why)
    return NOTHING


def _blind_rule(situation: Situation, location: str) -> Ask:
    """While Pexip cannot be read: what its bookings and the same weekday of past weeks ask for, as the load is not known.

    Every node that is on is taken for open, but for those that were closed when Pexip was last read.
    """
    if not (situation.policy.forecasting and situation.may.blind):
        return NOTHING
    asking = [
        ask for name in situation.prospects.sources_of(location) if (ask := _blind_for(situation, name, location))
    ]
    if not asking:
        return NOTHING
    leading = max(asking, key=lambda ask: ask.hd)
    needed = _within_limits(situation, location, sum(ask.hd for ask in asking) + situation.threshold(location) + 1)
    short = needed - sum(node.hd for node in situation.nodes[location] if situation.is_taken_for_open(node))
    load = situation.overflows[location]
    return replace(leading, hd=short + load.free + load.coming) if short > 0 else NOTHING


def _blind_for(situation: Situation, name: str, location: str) -> Ask | None:
    ahead = situation.leads.to_boot(location)
    usual, bookings = situation.prospects.usual_peak(name, ahead), situation.prospects.bookings_of(name)
    booked = max(expected(bookings, situation.now + step * MINUTE) for step in range(ceil(ahead / MINUTE) + 1))
    home = situation.principals[name]
    most = max(booked, usual or 0.0)
    if most < home.hd - situation.threshold(name):
        return None
    by = situation.policy.on_the_clock(situation.now + ahead)
    if booked >= most:
        why = f"booked meetings in {name} bring {most:.0f} HD connections until {by}"
    else:
        why = f"{name} had up to {most:.0f} HD connections in use until {by} on the same weekday of past weeks"
    reason = f"{why}; {home.hd} are there by the last reading"
    return Ask(rule="bookings" if booked >= most else "profile", hd=max(0.0, most - home.hd), reason=reason)


def _why_asking(situation: Situation, name: str) -> str:
    load, cut_off = situation.principals[name], situation.cut_off(name)
    why = f"{name} has {load.free} HD connections free, its threshold is {situation.threshold(name)}"
    if load.hd == 0:
        why = f"{name} has no always-on node that can be counted on"
    return why + (f", and {ceil(cut_off)} HD connections that it carried may be dialled again" if cut_off else "")


def _forecast(situation: Situation, location: str, ahead: timedelta, worth: Worth) -> Ask:
    """What bookings, profile and trend ask for: the rise of each principal location beyond what it has free."""
    if situation.may.stale or not situation.policy.forecasting:
        return NOTHING
    asks = [_forecast_for(situation, name, ahead, worth) for name in situation.prospects.sources_of(location)]
    asking = [ask for ask in asks if ask.hd > 0]
    told = tuple(forecast for ask in asks for forecast in ask.forecasts)
    if not asking:
        return replace(NOTHING, forecasts=told)
    leading = max(asking, key=lambda ask: ask.hd)
    total = _within_limits(situation, location, sum(ask.hd for ask in asking))
    return Ask(rule=leading.rule, hd=total, reason=leading.reason, forecasts=told)


def _within_limits(situation: Situation, location: str, hd: float) -> float:
    """Return what a forecast asks for, within MaxForecastNodes."""
    most = situation.policy.max_forecast_nodes
    return min(hd, most * max((node.hd for node in situation.nodes[location]), default=0)) if most else hd


def _forecast_for(situation: Situation, name: str, ahead: timedelta, worth: Worth) -> Ask:
    """Return what the forecast asks for one principal location."""
    load = situation.principals[name]
    foresight = situation.prospects.foresight(name)
    foreseen = foresight.within(ahead)
    most = foreseen.at_most(worth.sure) if foresight.informed else 0.0
    trend = _trend(situation, name, ahead, worth)
    source = "bookings" if foreseen.announced > most / 2 else "profile"
    source = "said" if foreseen.said > most / 2 else source
    believed = (foresight.trust.bookings, foresight.trust.profile)
    mean, known, said = foreseen.mean, foreseen.announced - foreseen.said, foreseen.said
    if trend and trend.most > most:
        source, most, believed = "trend", trend.most, (1.0, foresight.trust.trend)
        mean, known = trend.mean, foreseen.mean - said
    told = Told(
        source=source,
        minutes=ceil(ahead / MINUTE),
        mean=round(mean, 1),
        deviation=round(foreseen.deviation, 1),
        most=round(most, 1),
        sure=round(worth.sure, 4),
        booked=round(known, 1),
        said=round(said, 1),
        believed=believed,
    )
    leaving = situation.prospects.carried_of(name) * foresight.leavers(ahead)
    return Ask(
        rule=source,
        hd=most + leaving + situation.cut_off(name) - load.free,
        reason=_why_expected(situation, name, told, worth, foreseen.days),
        forecasts=()
        if not foresight.informed
        else (
            Forecast(
                location=name,
                told=told,
                booked_deviation=round(foreseen.booked_deviation, 1),
                days_deviation=round(foreseen.days_deviation, 1),
                chance_deviation=round(foreseen.chance_deviation, 1),
            ),
        ),
    )


def _why_expected(situation: Situation, name: str, told: Told, worth: Worth, days: float) -> str:
    by = situation.policy.on_the_clock(situation.now + told.minutes * MINUTE)
    has = f"{situation.principals[name].free} are free there"
    match told.source:
        case "trend":
            return f"the load of {name} rises faster than usual, by {told.most:.0f} until {by}; {has}"
        case "said":
            sayers = {each.said_by for each in situation.prospects.bookings_of(name) if each.said_by}
            comes = f"{name} gets at most {told.most:.0f} HD connections more until {by} ({worth.sentence})"
            return f"{comes}, as {', '.join(sorted(sayers))} said; {has}"
        case "bookings":
            brings = f"booked meetings in {name} bring at most {told.most:.0f} HD connections"
            return f"{brings} until {by} ({worth.sentence}); {has}"
        case _:
            alike = f"as on {days:.0f} similar days, {worth.sentence}"
            return f"the load of {name} rises by at most {told.most:.0f} until {by} ({alike}); {has}"


def _trend(situation: Situation, name: str, ahead: timedelta, worth: Worth) -> Trend | None:
    """Return the rise if the load keeps rising faster than usual, as in the last minutes; None if it does not rise so."""
    begin = situation.now - TREND_OVER - MINUTE / 2
    lately = [demand for demand in situation.prospects.trails[name] if demand.at >= begin]
    if len(lately) < TREND_READINGS:
        return None
    first, last = lately[0], lately[-1]
    took = last.at - first.at
    rises = sum(later.used > earlier.used for earlier, later in pairwise(lately))
    if took < TREND_OVER / 2 or rises < len(lately) / 2:
        return None
    usual = rise(
        situation.prospects.outlooks.get(name),
        first.used,
        situation.prospects.bookings_of(name),
        first.at,
        took,
        first.lately,
    )
    beyond = last.used - first.used - max(0.0, usual.mean)
    clear = CLEARLY * usual.deviation
    if beyond <= clear:
        return None
    lasting = beyond * (1 - (clear / beyond) ** 2)  # reduced by what may be chance
    chance = sqrt(2 * last.used * (ahead / MEAN_CALL)) * NormalDist().inv_cdf(worth.sure)
    foresight = situation.prospects.foresight(name)
    mean = max(0.0, foresight.within(ahead).mean) + foresight.trust.trend * lasting * (ahead / took)
    return Trend(mean, mean + TREND_MARGIN * chance)
