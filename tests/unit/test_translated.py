"""What `sam translate` makes of the template: rules of AWS's that no engine here enforces."""

import re
from typing import Any

import pytest

from tests.support import template as stack

REGIONS = ("eu-central-1", "us-gov-west-1")
# Names that AWS wants to be unique, by type: in an account and region, in it whatever the region, or in a schedule group.
# Of other types CloudFormation makes a name of the stack's and the logical id.
NAMED = {
    "AWS::StepFunctions::StateMachine": "StateMachineName",
    "AWS::Events::EventBus": "Name",
    "AWS::Events::Rule": "Name",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Lambda::LayerVersion": "LayerName",
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::SecretsManager::Secret": "Name",
    "AWS::EC2::SecurityGroup": "GroupName",
    "AWS::Scheduler::ScheduleGroup": "Name",
    "AWS::Scheduler::Schedule": "Name",
}
OF_A_GROUP = "AWS::Scheduler::Schedule"
IN_EVERY_REGION = {"AWS::CloudWatch::Dashboard", "AWS::IAM::Role", "AWS::IAM::ManagedPolicy"}
NAMELESS = {  # known by what they belong to
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::VPCEndpoint",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Permission",
    "AWS::Logs::MetricFilter",
    "AWS::SNS::Subscription",
    "AWS::SQS::QueuePolicy",
}
LAYER = "HeadroomLayer"  # SAM names it by its content's hash, and two stacks with one version each have their own


def resources(region: str = REGIONS[0]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(name, one["Type"], one.get("Properties", {})) for name, one in stack.translated(region).items()]


@pytest.mark.parametrize("region", REGIONS)
def test_two_stacks_in_one_account_share_no_name(region: str) -> None:
    group = {"Ref": "Schedules"}
    for name, kind, properties in resources(region):
        assert kind in NAMED or kind in NAMELESS, f"{name}: say whether AWS wants a unique name of {kind}"
        given = properties.get(NAMED.get(kind, ""))
        if kind == OF_A_GROUP:
            assert properties["GroupName"] == group, name
        elif given is not None and not name.startswith(LAYER):
            assert "${AWS::StackName}" in stack.text_in(given), name
            assert kind not in IN_EVERY_REGION or "${AWS::Region}" in stack.text_in(given), name
    assert "Name" not in stack.translated(region)["Schedules"].get("Properties", {}), (
        "CloudFormation makes a unique one"
    )


def test_the_layer_s_versions_share_a_name_and_are_known_by_their_number() -> None:
    """AWS: «each time you call PublishLayerVersion with the same layer name, a new version is created» (its API reference)."""
    [layer] = [one for name, one in stack.translated().items() if name.startswith(LAYER)]
    assert layer["Properties"]["LayerName"] == LAYER
    assert layer["DeletionPolicy"] == "Delete"


def test_no_arn_and_no_endpoint_is_of_one_partition_only() -> None:
    texts = [(stack.ROOT / "template.yaml").read_text(), *(stack.text_of(name) for name in stack.MACHINES)]
    for text in texts:
        assert re.findall(r"arn:aws[:-]", text) == []
        assert set(re.findall(r"arn:(\$\{[\w:]+\}|[\w-]+)", text)) <= {"${AWS::Partition}", "${Partition}"}
    for name in stack.MACHINES:
        assert stack.machine_properties(name)["DefinitionSubstitutions"]["Partition"] == {"Ref": "AWS::Partition"}


def test_what_sam_adds_for_govcloud_is_govcloud_s() -> None:
    added = {
        arn
        for _, kind, role in resources("us-gov-west-1")
        if kind == "AWS::IAM::Role"
        for arn in role.get("ManagedPolicyArns", [])
    }
    assert added
    assert {arn.split(":")[1] for arn in added} == {"aws-us-gov"}


def test_functions_in_a_vpc_reach_the_ledger_and_their_secret_whatever_groups_are_given() -> None:
    made = stack.translated()
    inside = [one["Properties"]["VpcConfig"] for one in made.values() if "VpcConfig" in one.get("Properties", {})]
    assert len(inside) == 6
    for network in inside:
        condition, within, without = network["Fn::If"]
        assert (condition, without) == ("InVpc", {"Ref": "AWS::NoValue"})
        assert within["SubnetIds"] == {"Ref": "SubnetIds"}
        assert "${Given},${SecretsEndpointClients}" in stack.text_in(within["SecurityGroupIds"])
    secrets, ledger = made["SecretsEndpoint"]["Properties"], made["LedgerEndpoint"]["Properties"]
    assert (secrets["SubnetIds"], secrets["PrivateDnsEnabled"]) == ({"Ref": "SubnetIds"}, True)
    assert (ledger["VpcEndpointType"], ledger["RouteTableIds"]) == ("Gateway", {"Ref": "RouteTableIds"})
    [entrance] = made["SecretsEndpointAccess"]["Properties"]["SecurityGroupIngress"]
    way_out = made["SecretsEndpointIsReached"]["Properties"]
    assert entrance["SourceSecurityGroupId"] == way_out["GroupId"] == {"Ref": "SecretsEndpointClients"}
    assert way_out["DestinationSecurityGroupId"] == {"Ref": "SecretsEndpointAccess"}


def test_an_endpoint_that_others_share_lets_through_what_is_this_account_s() -> None:
    """By private DNS and by routes others come this way, too: what they have in this account stays in their reach."""
    for name, service in (("SecretsEndpoint", "secretsmanager"), ("LedgerEndpoint", "dynamodb")):
        [statement] = stack.translated()[name]["Properties"]["PolicyDocument"]["Statement"]
        assert statement["Action"] == f"{service}:*"
        assert statement["Condition"] == {"StringEquals": {"aws:ResourceAccount": {"Ref": "AWS::AccountId"}}}
