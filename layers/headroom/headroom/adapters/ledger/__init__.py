"""The ledger in DynamoDB: readings, plans, what is wanted of each node, claims, holds, lifetimes and events.

One table that is only queried by key (P is the platform, all times are UTC):

    now#P                  reading | plan | bookings | findings | pause | turns | told | lease#NAME    the newest
    snapshot#P             TIME                                     every reading; its INSERT triggers `decide`
    plan#P                 TIME                                     observation, commitments, policy and plan, in a chain
    heads#P                DAY                                      the last plan of each day in that chain, for ever
    nodes#P                NODE                                     wanted state and version, claim, what is remembered
    holds#P                ID                                       promises of capacity
    lifetimes#P#NODE       LAUNCHED                                 power-on to power-off
    on#P                   INSTANCE                                 its lifetime that is open, and what its node was called
    events#P#DAY           TIME#ID      (index by_node: P#NODE)     what happened, why, who
    samples#P#LOCATION     TIME                                     load of a location, and what was booked there
    profiles#P             LOCATION                                 its past days, learned every night
    outlooks#P             QUARTER#LOCATION                         what past days did around that quarter of an hour
    refused#P              TIME                                     calls that Pexip recorded as turned away until then
    series#P               ID                                       how large past instances of a meeting were
"""

from collections.abc import Callable
from datetime import datetime

from botocore.exceptions import BotoCoreError, ClientError

from headroom.adapters.ledger.history import History
from headroom.adapters.ledger.holds import Holds
from headroom.adapters.ledger.nodes import Nodes
from headroom.adapters.ledger.plans import Plans
from headroom.adapters.ledger.readings import Readings
from headroom.adapters.ledger.turns import Turns
from headroom.domain.fleet.lifecycle import Commitments, Pause, Record, Unread
from headroom.domain.texts import TOLD, line


class Ledger(Plans, Nodes, Holds, History, Readings, Turns):
    """The only access to the table: everything that Headroom remembers."""

    def commitments(self, now: datetime) -> Commitments:
        """Return what has been promised and begun. There is a plan without promises and lifetimes, but none without claims."""
        holds, unread_holds = _or_unread(lambda: self.holds_and_unread(now), Record.PROMISE)
        memories, unread_nodes = self.memories_and_unread()
        lives, unread_lives = _or_unread(self.lives_and_unread, Record.LIFETIME)
        return Commitments(
            holds=tuple(holds),
            memories=tuple(memories),
            pause=self._pause(now),
            lives=tuple(lives),
            unread=(*unread_nodes, *unread_holds, *unread_lives),
        )

    def _pause(self, now: datetime) -> Pause | None:
        """Return the pause; for an error that nobody thought of, one of everything."""
        try:
            return self.pause(now)
        except (ClientError, BotoCoreError):
            raise
        except Exception as error:  # it may be a pause of everything
            return Pause(reason=f"whether Headroom is paused cannot be read ({type(error).__name__})")


def _or_unread[T](read: Callable[[], tuple[list[T], list[Unread]]], what: Record) -> tuple[list[T], list[Unread]]:
    """Read records of a kind; for an error that nobody thought of, say that none of them can be read."""
    try:
        return read()
    except (ClientError, BotoCoreError):  # of AWS, which is asked again
        raise
    except Exception as error:  # one kind of record must not cost the plan
        return [], [Unread(what=what, name="", why=f"{type(error).__name__}: {line(str(error), TOLD)}")]
