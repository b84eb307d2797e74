"""The first installation by five answers, and later ones by none: what is deployed keeps its answers itself."""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

import click
import msgspec

from headroom_cli import waiting
from headroom_cli.installing import deploying, manager, network, secret
from headroom_cli.installing.account import LONGEST_NAME, Account
from headroom_cli.saying import say
from headroom_cli.stack import Deployed, spoken, stack_of

ARCHITECTURE = "arm64"  # the template's default: cheaper, and it needs no thought
READS_WITHIN = 240.0  # real seconds until the first reading
FAILS_AFTER = 70.0  # if Pexip could not be read by then: twice, as a rule
LOOKS_EVERY = 2.0
NOTHING_READ = "its function `observe` has not answered; look at its log (docs/operating.md, «No fresh load»)."
EMAIL = re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
LONGEST_PATTERN = 200
MOST_REPEATS = 3
ESCAPED = re.compile(r"\\[^0-9]|\[[^\]]*\]")  # a character by itself, or one of a few
# A group that is repeated, as (a+)+ or (a|aa)*, and what refers back: a match may take for ever
MAY_RUN_FOR_EVER = re.compile(r"\)[*+{]|\\[0-9]|\(\?P=")
REPEATS = re.compile(r"[*+]|\{\d+,")  # each multiplies how long a match may take
PATTERNS = ("CapacityReasons", "LicenceReasons")


def install(stack: str, template: Path, given: Mapping[str, str], credentials: Path | None) -> None:
    """Deploy a stack for the first time, or again; raise ClickException that says what to do."""
    _check(stack, template, given)
    known = secret.read(credentials) if credentials else None
    with spoken():
        account = Account.here()
        found = account.stack(stack)
        say(
            f"{'Updating' if found else 'Installing'} {stack} in {account.region} of account {account.number}, as {account.who}."
        )
        if found:
            update(stack, template, given, found, known)
        else:
            first(account, stack, template, given, known)


def _check(stack: str, template: Path, given: Mapping[str, str]) -> None:
    """Raise ClickException for what can be known to be wrong without asking anybody."""
    if not template.exists():
        raise click.ClickException(
            f"There is no {template} here: run this in a checkout of Headroom, or give --template."
        )
    if not re.fullmatch(rf"[A-Za-z][A-Za-z0-9-]{{0,{LONGEST_NAME - 1}}}", stack):
        raise click.ClickException(
            f"{stack} cannot be a stack's name: letters, digits and hyphens, at most {LONGEST_NAME}, beginning with a letter."
        )
    if (processor := given.get("Architecture", ARCHITECTURE)) not in deploying.MACHINES:
        raise click.ClickException(f"Architecture={processor} is none: write {' or '.join(deploying.MACHINES)}.")
    if (zone := given.get("TimeZone")) and zone not in available_timezones():
        raise click.ClickException(f"TimeZone={zone} is no IANA time zone: write Europe/Oslo, for example.")
    for name in PATTERNS:
        try:
            re.compile(given.get(name, ""))
        except re.error as error:
            raise click.ClickException(f"{name} is no regular expression: {error}.") from error
        if _may_run_for_ever(given.get(name, "")):
            raise click.ClickException(
                f"{name} may keep the Management Node busy for ever: it repeats a group, refers back, repeats more than "
                f"{MOST_REPEATS} times, or has more than {LONGEST_PATTERN} characters. Write the words with | between them: "
                "capacity exceeded|no resources."
            )
    try:
        msgspec.json.decode(given.get("LocationThresholds") or "{}", type=dict[str, int])
    except msgspec.MsgspecError as error:
        raise click.ClickException(
            f'LocationThresholds is not what it should be ({error}): write {{"Stockholm": 12}}, for example.'
        ) from error


def _may_run_for_ever(pattern: str) -> bool:
    """Say whether a match of a regular expression may take so long that it never ends; a few harmless ones are refused, too."""
    bare = ESCAPED.sub("x", pattern)
    many = len(REPEATS.findall(bare)) > MOST_REPEATS
    return len(pattern) > LONGEST_PATTERN or many or MAY_RUN_FOR_EVER.search(bare) is not None


# Again


def update(
    stack: str,
    template: Path,
    given: Mapping[str, str],
    found: Mapping[str, Any],
    credentials: dict[str, str] | None,
) -> None:
    """Build for the processor that is deployed, and deploy; whatever is not given stays as it is in the stack.

    A first installation that was broken off before its credentials is ended here.
    """
    there = {each["ParameterKey"]: each["ParameterValue"] for each in found.get("Parameters", [])}
    if given.get("LedgerName", there.get("LedgerName", "")) != there.get("LedgerName", ""):
        raise click.ClickException(
            "LedgerName is for the first deployment: another one would leave this stack's ledger behind."
        )
    built = deploying.build(template, given.get("Architecture", there.get("Architecture", ARCHITECTURE)))
    deploying.deploy(stack, built, given)
    say("Updated. Workflows that were under way go on.")
    deployed = stack_of(stack)
    is_empty = secret.is_empty(deployed.outputs["PexipCredentials"])
    if credentials or is_empty:
        secret.put(deployed.outputs["PexipCredentials"], credentials or secret.ask())
        say("The credentials are in the stack's secret.")
    ticks = deployed.parameters["TickState"] == "ENABLED"
    if is_empty and not ticks and "TickState" not in given:
        deployed.set_parameters(TickState="ENABLED")
        say("Waiting for the first reading.")
        say(_first_words(deployed))
    elif not ticks:
        say("TickState is DISABLED: Headroom reads nothing. `headroom install --set TickState=ENABLED` has it read.")


# The first time


def first(
    account: Account, stack: str, template: Path, given: Mapping[str, str], credentials: dict[str, str] | None
) -> None:
    """Ask, build, deploy without ticks, put the credentials, tick, and say what Headroom sees."""
    if taken := account.taken(stack):
        raise click.ClickException(
            f"These have the new stack's names already: {', '.join(taken)}. Choose another name with --stack."
        )
    if table := given.get("LedgerName"):
        deploying.is_protected(table)  # which says so if there is no such table
    answers, ca = _five_answers(account, given)
    parameters = {"Architecture": ARCHITECTURE, **answers, **given}
    say("Everything else has its default (docs/parameters.md).")
    if given.get("Mode", "observe") == "observe":
        say("In observe mode Headroom decides and records, and touches nothing.")
    if not click.confirm(f"Deploy {stack} to {account.region}?", default=True):
        raise click.Abort
    built = deploying.build(template, parameters["Architecture"])
    # Nothing ticks, and no alarm fires, while there are no credentials
    deployed_by = deploying.take_back if parameters.get("LedgerName") else deploying.deploy
    deployed_by(stack, built, {**parameters, "TickState": "DISABLED"})
    deployed = stack_of(stack)
    secret.put(deployed.outputs["PexipCredentials"], credentials or secret.ask(ca))
    deployed.set_parameters(TickState=given.get("TickState", "ENABLED"))
    say("Waiting for the first reading.")
    say(_first_words(deployed))


def _five_answers(account: Account, given: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """Return parameters; and the certificate that the Management Node signed itself, if it did and that is trusted."""
    url, ca = _address(given)
    answers = {"PexipUrl": url, "TagValue": _tag(account, given, urlsplit(url).hostname or "")}
    answers["TimeZone"] = _valid("3. Time zone of the site", _zone, default=_zone_here(), given=given.get("TimeZone"))
    answers |= _network(given)
    email = "5. E-mail address for notifications and alarms (empty for none)"
    answers["AlarmEmail"] = _valid(email, _email, default="", given=given.get("AlarmEmail"))
    return answers, ca


def _valid(question: str, check: Callable[[str], str], *, default: str | None = None, given: str | None = None) -> str:
    """Ask until the answer passes: `check` returns what is wrong with it, or an empty text. What is given is not asked for."""
    if given is not None:
        if wrong := check(given):
            raise click.ClickException(wrong)
        return given
    while True:
        answer: str = click.prompt(question, default=default, show_default=bool(default)).strip()
        if not (wrong := check(answer)):
            return answer
        say(f"   {wrong}")


def _address(given: Mapping[str, str]) -> tuple[str, str]:
    url = _valid("1. Address of the Management Node", _url, given=given.get("PexipUrl"))
    answer = manager.ask(url)
    say(f"   {answer.sentence}")
    if not answer.answers:
        say("   That is fine if only your subnets reach it. Headroom's first reading will tell.")
    if not answer.certificate:
        return url, ""
    say(f"   It has signed its certificate itself; SHA-256 {answer.fingerprint}")
    trusted = click.confirm(
        "   Is that the fingerprint that your browser shows there? Then Headroom trusts it", default=False
    )
    return url, answer.certificate if trusted else ""


def _url(text: str) -> str:
    return (
        ""
        if manager.ADDRESS.match(text)
        else "Write it as https://manager.example.com, without a path and without a user."
    )


def _tag(account: Account, given: Mapping[str, str], hostname: str) -> str:
    tagged = account.tagged()
    likely = hostname if hostname in tagged or not tagged else tagged.most_common(1)[0][0]
    while True:
        question = "2. The Management Node's hostname, as Pexip shows it beside «tag value»"
        value = _valid(question, _hostname, default=likely, given=given.get("TagValue"))
        if count := tagged[value]:
            say(f"   {count} instances in {account.region} carry pexip-cloud={value}.")
            return value
        others = ", ".join(f"{count} carry pexip-cloud={each}" for each, count in tagged.most_common(5))
        say(f"   No instance in {account.region} carries pexip-cloud={value}{f'; {others}' if others else ''}.")
        if click.confirm(
            "   Are the overflow nodes still to be made there (no: answer again, or set AWS_REGION to theirs)?"
        ):
            return value
        if "TagValue" in given:
            raise click.Abort


def _hostname(text: str) -> str:
    return "" if re.fullmatch(r"[A-Za-z0-9.-]+", text) else "A hostname has letters, digits, dots and hyphens."


def _zone(text: str) -> str:
    return "" if text in available_timezones() else "Write an IANA time zone, such as Europe/Oslo."


def _zone_here() -> str:
    """This machine's zone, where it says so by name."""
    _, _, name = os.path.realpath("/etc/localtime").partition("zoneinfo/")
    return name if name in available_timezones() and not name.startswith("Etc/") else "Europe/London"


def _email(text: str) -> str:
    return "" if not text or EMAIL.match(text) else "That is no e-mail address."


def _network(given: Mapping[str, str]) -> dict[str, str]:
    """Ask for subnets, and find out the rest of the network."""
    if {"SubnetIds", "SecurityGroupIds"} & set(given):
        return {}  # whoever gives one of them gives all
    while True:
        said = click.prompt(
            "4. Subnets from which the Management Node is reached, by commas (empty: by the internet)",
            default="",
            show_default=False,
        )
        subnets = [each.strip() for each in said.split(",") if each.strip()]
        if not subnets:
            return {}
        groups = click.prompt("   Security groups for the functions there, by commas", default="", show_default=False)
        try:
            found, sentences = network.parameters_for(
                subnets, [each.strip() for each in groups.split(",") if each.strip()]
            )
        except network.NetworkError as error:
            say(f"   {error.message}")
            continue
        for sentence in sentences:
            say(f"   {sentence}")
        return found


def _first_words(deployed: Deployed) -> str:
    """Wait for a reading and a plan; return what they say, or why there is none."""
    ledger, problem = deployed.ledger, ""
    for look in range(round(READS_WITHIN / LOOKS_EVERY)):
        if (
            (planned := ledger.last_plan())
            and (reading := ledger.last_reading())
            and planned.plan.read_at >= reading.read_at
        ):
            nodes = len(planned.plan.nodes)
            return f"Headroom reads Pexip and sees {nodes} overflow nodes. {planned.plan.reason}\n`headroom status` shows more."
        problem = ledger.last_problem() or problem
        if problem and look * LOOKS_EVERY > FAILS_AFTER:
            break
        waiting.wait(LOOKS_EVERY)
    raise click.ClickException(f"Headroom is deployed, but has read nothing: {problem or NOTHING_READ}")
