"""A reading whose texts are cut, so that it fits into an item of the table."""

from dataclasses import replace

from headroom.domain.fleet.fleet import Reading
from headroom.domain.fleet.signature import OURS
from headroom.domain.texts import line

SIGNATURE = 145  # characters that a reason of Headroom's own begins with, with the longest name of a stack
MOST_PROBLEMS = 20  # of a reading that is too large


def shortened(reading: Reading, most: int) -> Reading:
    """Return a reading whose alarms and reasons have at most so many characters each, and which says so.

    Of a reason of Headroom's own, what says which stack it is of is kept, too.
    """
    workers = tuple(
        replace(
            worker,
            alarm=line(worker.alarm, most),
            maintenance_mode_reason=line(
                worker.maintenance_mode_reason,
                most + (SIGNATURE if worker.maintenance_mode_reason.startswith(OURS) else 0),
            ),
        )
        for worker in reading.workers
    )
    told = f"Pexip's alarms and the reasons of maintenance mode are long: they are cut after {most} characters"
    left = len(reading.problems) - MOST_PROBLEMS
    more = (f"and {left} more that cannot be read",) if left > 0 else ()
    problems = (told, *(line(each, most) for each in reading.problems[:MOST_PROBLEMS]), *more)
    return replace(reading, workers=workers, problems=problems)
