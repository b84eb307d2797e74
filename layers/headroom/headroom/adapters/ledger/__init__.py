"""The ledger in DynamoDB: readings, plans, what is wanted of each node, claims, holds, lifetimes and events.

One table that is only queried by key (P is the platform, all times are UTC):

    now#P                  reading | plan | bookings | pause | turns | told | lease#NAME    the newest of each
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

from datetime import datetime

from headroom.adapters.ledger.history import History
from headroom.adapters.ledger.holds import Holds
from headroom.adapters.ledger.nodes import Nodes
from headroom.adapters.ledger.plans import Plans
from headroom.adapters.ledger.readings import Readings
from headroom.adapters.ledger.turns import Turns
from headroom.domain.fleet.lifecycle import Commitments


class Ledger(Plans, Nodes, Holds, History, Readings, Turns):
    """The only access to the table: everything that Headroom remembers."""

    def commitments(self, now: datetime) -> Commitments:
        """Return what has been promised and begun."""
        holds, unread_holds = self.holds_and_unread(now)
        memories, unread_nodes = self.memories_and_unread()
        lives, unread_lives = self.lives_and_unread()
        return Commitments(
            holds=tuple(holds),
            memories=tuple(memories),
            pause=self.pause(),
            lives=tuple(lives),
            unread=(*unread_nodes, *unread_holds, *unread_lives),
        )
