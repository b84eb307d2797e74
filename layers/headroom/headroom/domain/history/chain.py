"""The chain of plans: each names the one before it by its digest, so that none can be changed or taken out unseen.

The last plan of each day, its head, is kept for ever and published elsewhere. Plans themselves expire.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One plan in the chain: its number, when it was made, the digest of its record, and the plan before it."""

    number: int
    at: datetime
    content: str
    previous: str = ""
    previous_at: datetime | None = None

    @property
    def digest(self) -> str:
        """The digest that identifies this plan and all plans before it."""
        before = self.previous_at.isoformat() if self.previous_at else ""
        return digest_of(f"{self.number}|{self.at.isoformat()}|{self.content}|{self.previous}|{before}".encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The last plan of a day, or the newest of all."""

    number: int
    digest: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A plan as it is found in the ledger, with the digest that was written beside it."""

    link: Link
    digest: str


def digest_of(content: bytes) -> str:
    """Return the SHA-256 digest, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def after(head: Head | None, at: datetime, content: bytes) -> Link:
    """Return the link of a new plan after the newest."""
    if head is None:
        return Link(number=1, at=at, content=digest_of(content))
    return Link(number=head.number + 1, at=at, content=digest_of(content), previous=head.digest, previous_at=head.at)


@dataclass(slots=True)
class Examined:
    """What an examination has seen so far."""

    plans: int = 0
    first: Link | None = None
    last: Link | None = None
    expired: int = 0  # plans that expired and were deleted, as intended


def examine(
    plans: Iterable[Kept | str],
    heads: Mapping[date, Head],
    newest: Head | None,
    oldest: datetime,
    examined: Examined,
) -> Iterator[str]:
    """Yield what is wrong with the chain, in words; a text in place of a plan says which cannot be read, and why.

    `oldest` is the time before which plans have expired. An expired plan may be there or not; it is counted, and is no loss.
    A later plan that is missing is a loss. Plans may be written during the examination: those after the `newest` have no head
    yet.
    """
    for kept in plans:
        if isinstance(kept, str):
            yield f"Changed: a plan cannot be read: {kept}."
            continue
        link = kept.link
        if link.at < oldest:
            continue
        examined.plans += 1
        if link.digest != kept.digest:
            yield f"Changed: the plan of {_time(link.at)} is not the one that was written."
        if examined.last is None:
            examined.first, examined.expired = link, link.number - 1
            if link.previous_at and link.previous_at >= oldest:
                yield f"Missing: the plan of {_time(link.previous_at)}, before that of {_time(link.at)}."
        else:
            yield from _between(examined.last, link)
        is_known = newest is not None and link.number <= newest.number
        if is_known and examined.last is not None and examined.last.at.date() != link.at.date():
            yield from _at_the_end_of_a_day(examined.last, heads)
        if newest and link.number == newest.number and link.digest != newest.digest:
            yield f"Changed: the newest plan is not the one of {_time(link.at)}."
        examined.last = link
    yield from _at_the_end(examined.last, newest)


def _between(before: Link, link: Link) -> Iterator[str]:
    missing = link.number - before.number - 1
    if missing > 0:
        plans = "a plan" if missing == 1 else f"{missing} plans"
        yield f"Missing: {plans} between {_time(before.at)} and {_time(link.at)}."
    elif missing < 0 or link.previous != before.digest:
        yield f"Changed: the plan of {_time(link.at)} does not follow the plan of {_time(before.at)} that is in the ledger."


def _at_the_end_of_a_day(last: Link, heads: Mapping[date, Head]) -> Iterator[str]:
    head = heads.get(last.at.date())
    if head is None:
        yield f"Missing: the head of {last.at:%Y-%m-%d}."
    elif (head.number, head.digest) != (last.number, last.digest):
        yield f"Changed: the head of {last.at:%Y-%m-%d} does not name the last plan of that day."


def _at_the_end(last: Link | None, newest: Head | None) -> Iterator[str]:
    if newest and (last is None or last.number < newest.number):
        since = _time(last.at) if last else "the beginning"
        yield f"Missing: every plan from {since} to the newest, of {_time(newest.at)}."


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
