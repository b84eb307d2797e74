"""What `sam translate` makes of the template: rules of AWS's that no engine here enforces."""

import re
from fnmatch import fnmatch
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
OF_A_GROUP, ROLE, MACHINE = "AWS::Scheduler::Schedule", "AWS::IAM::Role", "AWS::StepFunctions::StateMachine"
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
        if kind == "AWS::DynamoDB::Table":
            assert given == {"Fn::If": ["Named", {"Ref": "LedgerName"}, {"Ref": "AWS::NoValue"}]}, (
                "only if it is asked for"
            )
            continue
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


# Roles: what SAM adds is wide, and the boundary takes back what Headroom does not need

ADDED = {  # AWS's own policies, with all that each allows (https://docs.aws.amazon.com/aws-managed-policy/latest/reference/)
    "AWSLambdaBasicExecutionRole": {"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"},
    "AWSLambdaDynamoDBExecutionRole": {
        *("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"),
        *("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
    },
    "AWSLambdaSQSQueueExecutionRole": {
        *("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
        *("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
    },
    "AWSLambdaVPCAccessExecutionRole": {
        *("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
        *("ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"),
        *("ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"),
    },
}
OWN = (
    {"logs:CreateLogStream": "FunctionLogs", "logs:PutLogEvents": "FunctionLogs"}
    | {f"dynamodb:{each}": "Ledger" for each in ("DescribeStream", "GetRecords", "GetShardIterator")}
    | {f"sqs:{each}": "Looks" for each in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")}
)
ANY = {"dynamodb:ListStreams"}  # DynamoDB has no narrower way
IN_A_VPC = {action for action in ADDED["AWSLambdaVPCAccessExecutionRole"] if action.startswith("ec2:")}


def of_functions() -> dict[str, dict[str, Any]]:
    made = stack.translated()
    names = {
        one["Properties"]["Role"]["Fn::GetAtt"][0] for one in made.values() if one["Type"] == "AWS::Lambda::Function"
    }
    return {name: made[name]["Properties"] for name in names}


def bounds() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stack.translated()["Bounds"]["Properties"]["PolicyDocument"]["Statement"]
    return found


def test_every_function_is_within_the_bounds_and_has_no_other_policy_of_aws_s() -> None:
    assert len(of_functions()) == 22
    for name, role in of_functions().items():
        assert role["PermissionsBoundary"] == {"Ref": "Bounds"}, name
        assert {arn.rpartition("/")[2] for arn in role["ManagedPolicyArns"]} <= set(ADDED), name


def test_what_aws_s_policies_allow_is_allowed_within_the_stack_alone() -> None:
    everything, *narrow = bounds()
    plain = [one for one in narrow if "Fn::If" not in one and one["Effect"] == "Allow"]
    for action in set.union(*ADDED.values()):
        assert any(fnmatch(action, pattern) for pattern in everything["NotAction"]), f"{action} is not narrowed"
        granted = [one["Resource"] for one in plain if action in one["Action"]]
        if action in OWN:
            assert [resource["Fn::GetAtt"][0] for resource in granted] == [OWN[action]]
        else:
            assert granted == (["*"] if action in ANY else [])


def test_interfaces_are_made_in_a_vpc_alone_and_never_by_a_function_s_own_code() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html, «Security best practices»."""
    [(condition, inside, outside)] = [one["Fn::If"] for one in bounds() if "Fn::If" in one]
    assert (condition, outside) == ("InVpc", {"Ref": "AWS::NoValue"})
    assert set(inside["Action"]) == IN_A_VPC
    [denied] = [one for one in bounds() if one.get("Effect") == "Deny"]
    assert set(denied["Action"]) == IN_A_VPC
    assert denied["Condition"] == {"Null": {"lambda:SourceFunctionArn": "false"}}


def test_nothing_that_a_role_says_is_taken_back_by_the_bounds() -> None:
    everything = bounds()[0]
    for name, properties in stack.functions().items():
        for action in {each for one in stack.statements(properties) for each in stack.actions_of(one)}:
            assert not any(fnmatch(action, pattern) for pattern in everything["NotAction"]), (name, action)


def test_a_function_writes_only_partitions_that_are_its_own() -> None:
    """Which, `make chaos` and tests/simulation/test_plays.py tell: here, that none may write all."""
    for name, properties in stack.functions().items():
        for one in stack.statements(properties):
            writes = {
                each for each in stack.actions_of(one) if re.match(r"dynamodb:(Put|Update|Delete|BatchWrite)", each)
            }
            if writes:
                [partitions] = one["Condition"]["ForAllValues:StringLike"].values()
                assert partitions, name
                assert all(re.fullmatch(r"[a-z]+#\*", each) for each in partitions), name


def statements_of(role: dict[str, Any]) -> set[tuple[str, str]]:
    """Each action with its resource, of the policies that stand in a role."""
    found = set()
    for policy in role["Policies"]:
        for one in policy["PolicyDocument"]["Statement"]:
            actions = one["Action"] if isinstance(one["Action"], list) else [one["Action"]]
            resources = one["Resource"] if isinstance(one["Resource"], list) else [one["Resource"]]
            found |= {(action, stack.text_in(resource)) for action in actions for resource in resources}
    return found


def arn(name: str) -> str:
    return stack.text_in({"Fn::GetAtt": [name, "Arn"]})


def test_the_schedules_role_may_call_their_targets_and_keep_dead_letters_and_nothing_else() -> None:
    made = stack.translated()
    schedules = {name: one["Properties"]["Target"] for name, one in made.items() if one["Type"] == OF_A_GROUP}
    assert len(schedules) == 7
    wanted = {("sqs:SendMessage", arn("DeadLetters"))}
    for name, target in schedules.items():
        call = "states:StartExecution" if name.startswith("Prewarm") else "lambda:InvokeFunction"
        wanted.add((call, stack.text_in(target["Arn"])))
    [role] = {target["RoleArn"]["Fn::GetAtt"][0] for target in schedules.values()}
    assert statements_of(made[role]["Properties"]) == wanted
    assert made[role]["Properties"].get("ManagedPolicyArns", []) == []


def test_a_state_machine_s_role_may_invoke_its_functions_and_deliver_logs_and_nothing_else() -> None:
    made = stack.translated()
    for name in stack.MACHINES:
        logical = "".join(part.title() for part in name.split("_"))
        role = made[made[logical]["Properties"]["RoleArn"]["Fn::GetAtt"][0]]["Properties"]
        used = {hole.removesuffix("Arn") for hole in stack.holes(name) if hole.endswith("FunctionArn")}
        invoked = {(action, where) for action, where in statements_of(role) if not action.startswith("logs:")}
        assert {action for action, _ in invoked} == {"lambda:InvokeFunction"}
        assert {re.findall(r"\w+Function", where)[0] for _, where in invoked} == used
        assert role.get("ManagedPolicyArns", []) == []


def test_no_service_takes_a_role_for_another_account_or_another_stack() -> None:
    """«Prevent cross-service confused deputy issue»: the developer guides of Step Functions and EventBridge Scheduler.

    Lambda's names no such condition for an execution role, and one that Lambda does not send would stop everything; IAM hands
    a role to a function of its own account alone (iam:PassRole).
    """
    machines = {
        one["RoleArn"]["Fn::GetAtt"][0]: one["StateMachineName"] for _, kind, one in resources() if kind == MACHINE
    }
    seen = set()
    for name, kind, role in resources():
        if kind != ROLE:
            continue
        [statement] = role["AssumeRolePolicyDocument"]["Statement"]
        service = stack.text_in(statement["Principal"]["Service"])
        if "lambda.amazonaws.com" in service:
            continue
        condition = statement["Condition"]
        assert condition["StringEquals"]["aws:SourceAccount"] == {"Ref": "AWS::AccountId"}, name
        if "scheduler.amazonaws.com" in service:
            assert condition["StringEquals"]["aws:SourceArn"] == {"Fn::GetAtt": ["Schedules", "Arn"]}
        else:
            named = machines[name]["Fn::Sub"]
            assert condition["ArnLike"]["aws:SourceArn"]["Fn::Sub"].endswith(f":stateMachine:{named}")
        seen.add(name)
    assert seen == {*machines, "SchedulesRole"}
