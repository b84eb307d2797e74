"""What the model is about: two overflow nodes, workflows between two of their steps, and all that bears on them.

A state holds ages instead of times, so that states that differ only in when they are look alike; all of them are in
seconds, and stop growing where nothing asks for more.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Self

import msgspec

from headroom.domain.fleet.lifecycle import Action, Wanted

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=5)
MINUTE = 60
HD = 5  # of an overflow node: less than the threshold asks for, so that a rush needs both
LONG = 10**6
OPEN, OURS, THEIRS = "open", "ours", "theirs"  # a node's door: its maintenance mode, and who closed it
UNSEEN, SEEN = 1, 2  # a call on a node, and whether Pexip's status shows it yet
GOOD, ALARM, CUT_OFF, UNSYNCED, LIES = "good", "alarm", "cut off", "unsynced", "lies"  # how Pexip sees a node
NEVER = "never heard"  # it has come up, and Pexip has not heard of that
NONE, THIS, EARLIER = "", "this", "earlier"  # the lifetime that the ledger holds open


class Did(StrEnum):
    """What a step of a workflow in the model can do; the follower of the shipped workflows names them, too."""

    LEAVES_IT_TO_THE_OTHER_WORKFLOW = "leaves it to the other workflow"
    REFUSED = "is refused"
    CLAIMS = "claims"
    CLAIMS_BY_HAND = "claims by hand"
    ENDS = "ends"
    GIVEN_UP = "is given up"
    MAY_NOT_CLOSE_IT = "may not close it"
    FINDS_IT_CLOSED = "finds it closed"
    ABOUT_TO_CLOSE_IT = "is about to close it"
    CLOSES_IT = "closes it"
    NOTES_THAT_IT_IS_CLOSED = "notes that it is closed"
    MAY_NOT_OPEN_IT = "may not open it"
    FINDS_IT_OPEN = "finds it open"
    ABOUT_TO_OPEN_IT = "is about to open it"
    OPENS_IT = "opens it"
    TURNS_ROUND = "turns round"
    LEAVES_IT_CLOSED = "leaves it closed"
    LOOKS_AGAIN = "looks again"
    LOOKS = "looks"
    FINDS_IT_NOT_EMPTY = "looks, and it is not empty"
    DONE = "is done"
    WANTED_OTHERWISE = "is wanted otherwise"
    FINDS_IT_STOPPING = "finds it stopping"
    ALLOWED_TO_STOP_IT = "is allowed to stop it"
    REFUSED_TO_STOP_IT = "is refused to stop it"
    HAS_THE_LAST_WORD = "has the last word"
    FINDS_THAT_THE_PLAN_HAS_CHANGED = "finds that the plan has changed"
    FINDS_ITS_LAST_LOOK_TOO_OLD = "finds its last look too old"
    ASKS_LAST_OF_ALL = "asks last of all whether it is closed"
    ASKS_AGAIN = "has to ask again"
    STOPS_IT = "stops it"
    SEES_THAT_IT_IS_OFF = "sees that it is off"
    SEES_THAT_SOMEBODY_STARTED_IT_AGAIN = "sees that somebody started it again"
    REFUSED_TO_START_IT = "is refused to start it"
    ABOUT_TO_START_IT = "is about to start it"
    CANNOT_START_WHAT_IS_STOPPING = "cannot start what is stopping"
    STARTS_IT = "starts it"
    TOLD_THAT_EC2_HAS_NO_ROOM = "is told that EC2 has no room"
    NO_LONGER_WANTED = "is no longer wanted"
    SERVES = "serves"
    UP_AND_CLOSED = "is up, and closed"
    DID_NOT_SERVE_IN_TIME = "did not serve in time"
    STILL_BOOTS = "still boots"


class Record(msgspec.Struct, frozen=True, gc=False):
    """What a state consists of: it is compared, hashed and changed by the million."""

    def but(self, **changes: object) -> Self:
        """Return it with some fields changed."""
        return msgspec.structs.replace(self, **changes)


class Look(Record, frozen=True, gc=False):
    """One look of a retirement: how old, and what it saw."""

    age: int
    empty: bool
    complete: bool
    synced: bool
    door: str
    alarm: bool
    lied: bool = False  # it was told that nothing is there, while EC2 sees what the node sends
    same_boot: bool = True
    up: bool = True  # by its boot_time
    off: int = 0  # how far the clock was ahead that dated it


class Node(Record, frozen=True, gc=False):
    """An overflow node as it is, and as the ledger remembers it."""

    name: str
    on: bool = False
    stopping: bool = False
    age: int = LONG  # since it was switched on
    up: bool = False
    door: str = OPEN
    since: int = LONG  # since the door last changed
    call: int = 0
    sight: str = GOOD
    tagged: bool = True
    # the ledger
    wanted: Wanted | None = None
    holder: int = 0  # the claim's token, 0 if there is none
    lease: int = 0
    rests: int = 0  # how long its workflow still only waits
    action: Action | None = None
    closed: int | None = None  # since Headroom closed it
    opened: int | None = None
    given_up: bool = False
    hung: bool = False  # its last start was taken back, so that it is a person's
    life: str = NONE
    # what the newest reading showed
    read_alarm: bool = False
    read_call: bool = False


def is_heard(node: Node) -> bool:
    """Say whether Pexip has heard that a node has come up."""
    return node.up and node.sight != NEVER


class Flow(Record, frozen=True, gc=False):
    """An execution of a workflow, between two of its steps."""

    token: int
    node: int
    kind: str
    step: str
    waited: int = 0  # in the middle of a step: since its function began
    asked: int = 0  # since it asked EC2 to start the instance, or Pexip to open or close the node
    first: Look | None = None
    second: Look | None = None
    answer: str = ""  # what the last question found the node's door to be; `asked` is its age
    stands: bool = True  # nothing has been wanted of the node since the rules were asked
    wrong: str = ""  # what forbade the stop when the rules allowed it, if anything did


class Wish(Record, frozen=True, gc=False):
    """A change of a plan that is about to be written."""

    node: int
    action: Action
    claimed: bool
    relieved: int = 0  # the token of the workflow that this one relieves
    stands: bool = True


class Late(Record, frozen=True, gc=False):
    """A change of a node's door that Pexip was asked for, and that it has not made yet: the step was given up meanwhile."""

    node: int
    door: str
    age: int = 0


class Budget(Record, frozen=True, gc=False):
    """What may still happen."""

    minutes: int = 0
    ticks: int = 0
    calls: int = 0
    strays: int = 0  # calls that dial a closed node directly
    flips: int = 0  # of the load, between calm and rush
    people: int = 0  # acts of people
    others: int = 0  # acts of Pexip's own controller, once it is enabled
    sights: int = 0  # times that Pexip's view of a node goes wrong
    faults: int = 0  # lost and doubled messages, and crashes


class State(Record, frozen=True, gc=False):
    """Everything, at one moment."""

    nodes: tuple[Node, ...]
    flows: tuple[Flow, ...] = ()
    wishes: tuple[Wish, ...] = ()
    late: tuple[Late, ...] = ()
    rush: bool = False
    paused: bool = False
    control: bool = True
    held: bool = False  # a promise covers the first node
    bursting: bool = False
    upgrading: bool = False
    read_age: int = LONG
    read_bursting: bool = False
    read_upgrading: bool = False
    plan_age: int = LONG
    left: Budget = Budget()


class BrokenError(Exception):
    """Something happened that never may."""


type Step = tuple[str, State]
