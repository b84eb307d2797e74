"""Show what the doctor found: for people, for programs, and as a file of facts without names."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from headroom.domain.doctor.facts import Facts
from headroom.domain.fleet.finding import WORST, Finding, Severity
from headroom.domain.fleet.signature import signer
from headroom.domain.fleet.tags import TAG
from headroom_cli.showing import plain

MARKS = {
    Severity.ERROR: ("✗ error", "bold red"),
    Severity.WARNING: ("! warning", "yellow"),
    Severity.NOTE: ("· note", "cyan"),
    Severity.OK: ("✓ ok", "green"),
    Severity.UNKNOWN: ("? not seen", "dim"),
}
OF_AWS = re.compile(r"arn:\S+|\b\d{12}\b|\bi-[0-9a-f]{8,17}\b")  # who asks, in which account, of which instance
SHORTEST = 3  # characters of a name that is replaced: a shorter one stands in too many words


def page_of(findings: Sequence[Finding]) -> RenderableType:
    """Return the page: what is wrong first, with what to do; what is well in a line each; a sentence at the end."""
    wrong = [each for each in findings if each.severity in {Severity.ERROR, Severity.WARNING}]
    wrong.sort(key=lambda finding: WORST.index(finding.severity))
    parts: list[RenderableType] = [_lines(wrong)] if wrong else []
    for about, group in groupby([each for each in findings if each not in wrong], key=lambda finding: finding.about):
        parts += [Text(about, style="bold"), _lines(group)]
    return Group(*parts, Text(""), Text(sentence_of(findings), style="bold"))


def _lines(findings: Iterable[Finding]) -> Table:
    """Return a line a finding: how bad, which check, what was seen, and below it what to do."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, width=12)
    table.add_column(style="bold", width=20)
    table.add_column()
    for each in findings:
        mark, style = MARKS[each.severity]
        told = Text(plain(each.evidence))
        if each.advice:
            told.append(f"\nWhat to do: {plain(each.advice)}", style="italic")
        table.add_row(Text(f"  {mark}", style=style), each.check, told)
    return table


def sentence_of(findings: Sequence[Finding]) -> str:
    """Say in one sentence how things stand."""
    count = {severity: sum(each.severity is severity for each in findings) for severity in Severity}
    if count[Severity.ERROR]:
        begins = f"{_many(count[Severity.ERROR], 'error')} to mend first"
    elif count[Severity.WARNING]:
        begins = f"{_many(count[Severity.WARNING], 'warning')}, no error"
    else:
        begins = "Nothing is wrong"
    return f"{begins}; {count[Severity.OK]} of {len(findings)} checks are well, {count[Severity.UNKNOWN]} could not be looked at."


def _many(number: int, what: str) -> str:
    return f"{number} {what}" + ("s" if number != 1 else "")


def facts_of(facts: Facts, findings: Iterable[Finding]) -> str:
    """Return the facts and findings as JSON in which every name, address and number of this site is replaced."""
    told: dict[str, Any] = {
        "reading": msgspec.to_builtins(facts.reading),
        "monitored": msgspec.to_builtins(facts.monitored),
        "machines": msgspec.to_builtins(facts.machines),
        "versions": facts.versions,
        "answers": facts.answers,
        "unknown": facts.unknown,
        "findings": msgspec.to_builtins(list(findings)),
    }
    names = sorted(_names(facts), key=lambda name: (-len(name), name))
    return json.dumps(
        _without(told, {name: f"name-{number}" for number, name in enumerate(names, 1)}), indent=1, default=str
    )


def _without(value: Any, names: Mapping[str, str]) -> Any:
    """Return a value with every name in its texts replaced; the names of fields stay."""
    match value:
        case str():
            value = OF_AWS.sub("name", value)
            for name, other in names.items():
                value = value.replace(name, other)
            return value
        case dict():
            return {
                _without(str(key), names) if key in names else key: _without(each, names) for key, each in value.items()
            }
        case list() | tuple():
            return [_without(each, names) for each in value]
        case _:
            return value


def _names(facts: Facts) -> set[str]:
    """Return what identifies the site."""
    found: set[str | None] = {facts.tag_value, facts.host, *(facts.versions or {})}
    if facts.reading:
        found |= {place.name for place in facts.reading.locations} | {facts.reading.platform}
        for worker in facts.reading.workers:
            found |= {
                worker.read_by,
                signer(worker.maintenance_mode_reason),
                worker.name,
                worker.address,
                worker.static_nat_address,
                worker.maintenance_mode_reason,
                worker.alarm,
            }
    for machine in facts.machines or ():
        one = machine.instance
        found |= {
            one.id,
            one.name,
            one.private_ip,
            one.public_ip,
            machine.key_name,
            *one.more_addresses,
            *machine.volume_keys,
        }
        found |= {*machine.tags, *machine.tags.values(), *machine.volume_keys} - {TAG}
    return {name for name in found if name and len(name) >= SHORTEST}
