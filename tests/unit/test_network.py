"""The optional network: the guide's rules exactly, in each variant, and no lab unless it is asked for."""

from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from tests.support.template import ROOT

TEMPLATE: dict[str, Any] = yaml_parse((ROOT / "network/template.yaml").read_text())
MANAGEMENT, CORPORATE, ANYWHERE, ITSELF = "192.0.2.10/32", "10.0.0.0/8", "0.0.0.0/0", "the group itself"
# Pexip's deployment guide for AWS, «security group»: direction in, protocol, ports, source
GUIDE = {
    ("tcp", 22, 22, MANAGEMENT),
    ("tcp", 443, 443, ANYWHERE),
    ("tcp", 1720, 1720, ANYWHERE),
    ("tcp", 5060, 5060, ANYWHERE),
    ("tcp", 5061, 5061, ANYWHERE),
    ("tcp", 8443, 8443, MANAGEMENT),
    ("tcp", 33000, 49999, ANYWHERE),
    ("udp", 40000, 49999, ANYWHERE),
    ("udp", 1719, 1719, ANYWHERE),
    ("udp", 500, 500, ITSELF),
    ("50", None, None, ITSELF),
    ("icmp", -1, -1, MANAGEMENT),
}
GIVEN = {"ManagementCidr": MANAGEMENT, "CorporateCidr": CORPORATE, "Pexip": ITSELF}


def resolved(value: Any, conditions: dict[str, bool]) -> Any:
    """What CloudFormation makes of a value: its conditions decided, its parameters filled in."""
    if isinstance(value, dict) and "Fn::If" in value:
        name, yes, no = value["Fn::If"]
        return resolved(yes if conditions[name] else no, conditions)
    if isinstance(value, dict) and "Ref" in value:
        return GIVEN.get(value["Ref"]) if value["Ref"] != "AWS::NoValue" else None
    if isinstance(value, dict):
        return {key: resolved(inner, conditions) for key, inner in value.items()}
    if isinstance(value, list):
        return [found for inner in value if (found := resolved(inner, conditions)) is not None]
    return value


def rules(reach: str, *, sip_over_udp: bool = False) -> set[tuple[str, int | None, int | None, str]]:
    conditions = {"IsPrivate": reach == "private", "IsHybrid": reach == "hybrid", "WithSipOverUdp": sip_over_udp}
    made = TEMPLATE["Resources"]
    inline = resolved(made["Pexip"]["Properties"]["SecurityGroupIngress"], conditions)
    apart = [
        resolved(one["Properties"], conditions)
        for one in made.values()
        if one["Type"] == "AWS::EC2::SecurityGroupIngress"
    ]
    return {
        (
            one["IpProtocol"],
            one.get("FromPort"),
            one.get("ToPort"),
            one.get("CidrIp") or one["SourceSecurityGroupId"],
        )
        for one in [*inline, *apart]
    }


def test_the_public_cloud_has_the_guide_s_rules_and_no_other() -> None:
    assert rules("public") == GUIDE


def test_sip_over_udp_is_one_rule_more() -> None:
    assert rules("public", sip_over_udp=True) - GUIDE == {("udp", 5060, 5060, ANYWHERE)}


def test_the_private_cloud_is_called_from_the_corporate_network_only() -> None:
    found = rules("private", sip_over_udp=True)
    assert {source for *_, source in found} == {MANAGEMENT, CORPORATE, ITSELF}
    ports = {rule[:3] for rule in found}
    assert ports == {rule[:3] for rule in GUIDE} | {("udp", 5060, 5060)}


def test_a_hybrid_cloud_has_ipsec_with_the_premises_besides() -> None:
    assert rules("hybrid") - GUIDE == {("udp", 500, 500, CORPORATE), ("50", None, None, CORPORATE)}
    assert rules("hybrid") >= GUIDE


def test_everything_may_go_out_as_the_guide_says() -> None:
    [out] = TEMPLATE["Resources"]["Pexip"]["Properties"]["SecurityGroupEgress"]
    assert (out["IpProtocol"], out["CidrIp"]) == ("-1", ANYWHERE)


def test_no_instance_is_made_unless_an_image_is_named() -> None:
    made = {name: one for name, one in TEMPLATE["Resources"].items() if one["Type"] == "AWS::EC2::Instance"}
    assert {one["Condition"] for one in made.values()} == {"WithManagementNode", "WithNodes", "WithTwoNodes"}
    assert TEMPLATE["Parameters"]["ManagementImage"]["Default"] == TEMPLATE["Parameters"]["NodeImage"]["Default"] == ""


def holds(condition: Any, given: dict[str, str]) -> bool:
    """Decide a rule's condition as CloudFormation does, from those rule functions that the template uses."""
    [(function, operands)] = condition.items()
    match function:
        case "Fn::Not":
            return not holds(operands[0], given)
        case "Fn::Or":
            return any(holds(each, given) for each in operands)
        case "Fn::Equals":
            one, other = (given[each["Ref"]] if isinstance(each, dict) else each for each in operands)
            return bool(one == other)
        case _:
            raise NotImplementedError(f"The template's rules have used no {function} so far: decide it here, too")


def refused(**given: str) -> list[str]:
    """Why CloudFormation would refuse these parameters; all others have their defaults."""
    usual = {name: str(one.get("Default", "given")) for name, one in TEMPLATE["Parameters"].items()}
    known = usual | {"AWS::Partition": "aws"} | given
    return [
        assertion["AssertDescription"]
        for rule in TEMPLATE["Rules"].values()
        if "RuleCondition" not in rule or holds(rule["RuleCondition"], known)
        for assertion in rule["Assertions"]
        if not holds(assertion["Assert"], known)
    ]


LAB = {"ManagementImage": "ami-1", "NodeImage": "ami-2", "SubnetId": "subnet-1", "KeyName": "pexip"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"AWS::Partition": "aws-cn"}, "Pexip's deployment guide for AWS excludes the regions in China"),
        ({"Reach": "private"}, "give CorporateCidr"),
        ({"Reach": "hybrid"}, "give CorporateCidr"),
        (
            {"Reach": "hybrid", "CorporateCidr": CORPORATE, **LAB},
            "in a hybrid cloud the Management Node is on your premises",
        ),
        ({**LAB, "SubnetId": ""}, "give SubnetId"),
        ({"NodeImage": "ami-2", "SubnetId": "subnet-1"}, "give KeyName"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_reason(given: dict[str, str], words: str) -> None:
    [why] = refused(**given)
    assert words.lower() in why.lower()


@pytest.mark.parametrize(
    "given",
    [{}, {"AWS::Partition": "aws-us-gov"}, LAB, {"Reach": "private", "CorporateCidr": CORPORATE, **LAB}],
)
def test_what_can_be_meant_is_not_refused(given: dict[str, str]) -> None:
    assert refused(**given) == []


def test_the_guide_s_page_shows_the_same_rules() -> None:
    text = (ROOT / "docs/guide.md").read_text().partition("## The network")[2]
    for protocol, first, last, _ in GUIDE:
        if first and first > 0:
            assert (f"{first}\N{EN DASH}{last}" if first != last else str(first)) in text, (protocol, first)
