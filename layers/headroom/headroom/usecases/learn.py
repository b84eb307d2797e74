"""Learning: every night the samples of the past day become part of each location's profile."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Self
from zoneinfo import ZoneInfo

from headroom.adapters.ledger import Ledger
from headroom.adapters.parts import Parts
from headroom.domain.demand.calibration import held_of, of_last_week
from headroom.domain.demand.forecasting import DAYS_KEPT, Outlook, Profile, learn, outlook, quarter_of, with_habits
from headroom.observability import logger, measure_of

DAY = timedelta(days=1)


@dataclass
class Learner:
    """Learns the past days of locations; `zone` says when a day begins."""

    ledger: Ledger
    zone: str

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """Build the use case from the shared parts."""
        return cls(parts.ledger, parts.settings.time_zone)

    def learn(self, now: datetime) -> dict[str, int]:
        """Learn every past day that is not known yet, for every location; return how many days are known for each.

        An error in one location does not stop the others; it is raised at the end.
        """
        reading = self.ledger.last_reading()
        places = [place.name for place in reading.locations if place.overflow_location] if reading else []
        known: dict[str, int] = {}
        trouble: list[Exception] = []
        for place in places:
            try:
                known[place] = self.learn_location(place, now)
            except Exception as error:  # the other locations are still learned
                logger.exception("not learned", location=place)
                trouble.append(error)
        if trouble:
            raise ExceptionGroup("Some locations were not learned", trouble)
        return known

    def learn_location(self, location: str, now: datetime) -> int:
        """Learn one location; a day that is learned again, or has no samples, changes nothing."""
        profile = self.ledger.profile(location)
        if profile is None or profile.zone != self.zone:
            profile = Profile(location=location, zone=self.zone)
        today = now.astimezone(ZoneInfo(self.zone)).date()
        newest = profile.days[0].day if profile.days else today - (DAYS_KEPT + 1) * DAY
        for number in range(1, (today - newest).days):
            profile = self._learn_day(profile, newest + number * DAY)
        self.ledger.keep_profile(with_habits(profile))
        for held in held_of(of_last_week(profile.counts, today)):
            if not held.source:
                measure_of("Location", location, {"ForecastsHeld": 100 * held.held})
        return len(profile.days)

    def _learn_day(self, profile: Profile, day: date) -> Profile:
        here = ZoneInfo(self.zone)
        begins, ends = (datetime.combine(each, time(), here) for each in (day, day + DAY))
        return learn(profile, self.ledger.samples(profile.location, begins, ends), day)


def outlooks_around(ledger: Ledger, now: datetime) -> tuple[Outlook, ...]:
    """Return what past days did around now: one outlook per location and quarter of an hour, made by the first caller."""
    quarter = quarter_of(now)
    known = ledger.outlooks(quarter)
    return tuple(known or ledger.keep_outlooks(quarter, [outlook(each, quarter) for each in ledger.profiles()]))
