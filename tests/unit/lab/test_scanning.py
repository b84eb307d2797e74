"""What scanners find fails without a reason, and a reason fails without a finding."""

import subprocess
import sys
from pathlib import Path

import pytest

from headroom_lab.aws.translated import ROOT, translated
from headroom_lab.security import scanning
from headroom_lab.security.scanning import Finding

KNOWN = [Finding(scanner, rule, "a title", "a resource") for scanner, rule in scanning.REASONS]


def test_a_finding_without_a_reason_is_named_and_one_with_a_reason_is_not() -> None:
    fresh = Finding("checkov", "CKV_AWS_1", "no star", "OrderFunctionRole")
    assert scanning.unexplained([*KNOWN, fresh]) == [fresh]


def test_a_reason_whose_finding_is_gone_is_named() -> None:
    assert scanning.unneeded(KNOWN) == set()
    assert scanning.unneeded(KNOWN[1:]) == {(KNOWN[0].scanner, KNOWN[0].rule)}


def test_the_page_has_a_row_for_each_rule_with_its_reason() -> None:
    rows = [line for line in scanning.page(KNOWN).splitlines() if line.startswith(("| checkov", "| policy_sentry"))]
    assert len(rows) == len(scanning.REASONS)
    assert all(why in "\n".join(rows) for why in scanning.REASONS.values())


@pytest.mark.parametrize(
    ("actions", "resource", "said"),
    [
        ("dynamodb:PutItem", "table", []),
        ("dynamodb:PutItems", "table", ["no such action"]),
        ("dynamodb:PutItem", "*", ["could be narrowed to a resource"]),
        ("ec2:DescribeInstances", "table", ["cannot be narrowed to a resource"]),
        ("ec2:DescribeInstances", "*", []),
    ],
)
def test_policies_are_held_against_what_aws_publishes(
    actions: str, resource: str, said: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As the scanner's data would answer, without its environment."""
    (tmp_path / "policy_sentry/querying").mkdir(parents=True)
    for folder in ("policy_sentry", "policy_sentry/querying"):
        (tmp_path / folder / "__init__.py").touch()
    (tmp_path / "policy_sentry/querying/actions.py").write_text(ACTIONS)
    (tmp_path / "policy_sentry/querying/conditions.py").write_text("get_condition_keys_for_service = lambda _: []\n")
    given = {"Effect": "Allow", "Action": actions, "Resource": resource}
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    template = tmp_path / "template.json"
    template.write_text(TEMPLATE.replace("STATEMENT", str(given).replace("'", '"')))
    script = Path(scanning.__file__).with_name("policies.py")
    done = subprocess.run([sys.executable, script, template], capture_output=True, text=True, check=True)
    assert [each[0] for each in eval(done.stdout)] == said


ACTIONS = """
KNOWN = {"dynamodb": {"PutItem": ["table", "*"]}, "ec2": {"DescribeInstances": ["*"]}}

def get_action_data(service, name):
    found = KNOWN.get(service, {}).get(name)
    rows = [{"resource_arn_format": each, "condition_keys": []} for each in found or ()]
    return {service: rows} if found else False
"""
TEMPLATE = """
{"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": {"Policies": [{"PolicyDocument": {"Statement": [STATEMENT]}}]}}}}
"""


def test_cfn_lint_reads_the_state_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    """`DefinitionUri` alone it would not open."""
    made = scanning.with_machines(translated())
    states = [one["Properties"]["Definition"] for one in made["Resources"].values() if "Machine" in one["Type"]]
    assert len(states) == 4
    states[0]["StartAt"] = "Nowhere"
    monkeypatch.setattr(scanning, "REGIONS", ("eu-central-1",))
    monkeypatch.setattr(scanning, "with_machines", lambda *_: made)
    assert "Nowhere" in "".join(found.title for found in scanning.of_cfn_lint(ROOT))
