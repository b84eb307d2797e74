"""Read Pexip's load and remember it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from botocore.exceptions import BotoCoreError, ClientError

from headroom import clock
from headroom.adapters.ledger import Ledger
from headroom.adapters.ledger.readings import Lease
from headroom.adapters.parts import Parts
from headroom.adapters.pexip.errors import PexipError
from headroom.domain.fleet.fleet import Reading, is_in_step
from headroom.domain.fleet.homes import Homes, with_since_when_out_of_step
from headroom.observability import attempt, logger, measure

if TYPE_CHECKING:
    from headroom.adapters.pexip.connection import Connection

FRESH = timedelta(seconds=10)  # a look between two ticks is left out where the newest reading is younger
WAIT, MOST = timedelta(seconds=5), timedelta(seconds=30)  # for another that reads; a reading takes 25 s at the most


@dataclass
class Observer:
    """Reads Pexip's load into the ledger."""

    ledger: Ledger
    connection: "Connection"
    stack: str

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """Build the use case from the shared parts."""
        return cls(parts.ledger, parts.pexip, parts.settings.stack)

    def observe(self, *, again: bool = False) -> None:
        """Keep one reading, and end within the minute.

        `again` says that this is a look between two ticks: it is left out if Pexip has just been read, or is being read.
        """
        began = clock.now()
        lease = self.ledger.lease("observe")
        try:
            alone = lease.take() if again else self._is_alone(lease, began)
        except Exception:  # two that read at once are better than none
            logger.exception("no lease")
            alone = True
        if not alone:
            measure("Readings", 0)
            logger.info("left alone", because="another observe has read Pexip meanwhile, or is still at work")
            return
        try:
            if again and self._has_just_read():
                logger.info("left out", because="Pexip has been read within the last seconds")
            else:
                self.read_once(lease)
        finally:
            attempt(lease.give_back, "a lease not given back", lost="LeasesLost")

    def _is_alone(self, lease: Lease, began: datetime) -> bool:
        """Take the lease; while another has it, as a tick may come late and the next one early, wait until it has ended.

        Return False if that one has read Pexip meanwhile: then the minute has its reading.
        """
        while not lease.take():
            if clock.now() - began > MOST:
                return False
            clock.sleep(WAIT.total_seconds())
        if clock.now() - began < WAIT:
            return True
        newest = self.ledger.last_reading()
        if newest and newest.read_at > began:
            lease.give_back()
            return False
        return True

    def _has_just_read(self) -> bool:
        try:
            newest = self.ledger.last_reading()
        except Exception:  # one reading more is better than none
            logger.exception("the newest reading cannot be judged")
            return False
        return newest is not None and clock.now() - newest.read_at < FRESH

    def read_once(self, lease: Lease) -> None:
        """Read Pexip once and keep the reading, or the failure."""
        try:
            reading = self._reading(lease)
            self.ledger.keep_reading(reading)
        except PexipError as error:
            logger.error("could not read Pexip", reason=str(error))
            self._failed(str(error))
            return
        except (ClientError, BotoCoreError):  # of AWS, which its own retries, and the next minute, ask again
            raise
        except Exception as error:  # nobody thought of it: the minute has its plan all the same
            logger.exception("a reading failed")
            self._failed(f"Headroom met an error of its own ({type(error).__name__}); the log of `observe` has it")
            return
        measure("Readings", 1)
        loads = Homes(reading).loads
        logger.info("observed", free={load.location: load.free for load in loads.values()}, problems=reading.problems)

    def _reading(self, lease: Lease) -> Reading:
        with self.connection.node(before_each=lease.keep) as pexip:
            reading = pexip.read(self.ledger.platform, clock.now(), stack=self.stack)
        if all(is_in_step(worker.sync_status) for worker in reading.workers):
            return reading
        return with_since_when_out_of_step(reading, self.ledger.last_reading())

    def _failed(self, why: str) -> None:
        measure("ReadingsFailed", 1)
        self.ledger.keep_failure(why, clock.now())
