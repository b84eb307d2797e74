"""From the subnets that somebody names to what the template wants to know of the network."""

from collections.abc import Callable, Iterable
from typing import Any

import boto3
import click
from botocore.exceptions import ClientError

AWAY = ("NatGatewayId", "GatewayId", "TransitGatewayId", "NetworkInterfaceId", "VpcPeeringConnectionId")


class NetworkError(click.ClickException):
    """The network that was named cannot be used; the message says why and what to do."""


def parameters_for(subnets: list[str], groups: list[str]) -> tuple[dict[str, str], list[str]]:
    """Return the parameters for functions in these subnets, and in sentences what they make; raise NetworkError.

    What the subnets reach already, through a gateway or an endpoint, is not made.
    """
    ec2 = boto3.client("ec2")
    vpc = _vpc_of(ec2, subnets, groups)
    _check_names(ec2, vpc)
    routes = _route_tables(ec2, vpc, subnets)
    leads_away = bool(routes) and all(any(_is_way_out(route) for route in table["Routes"]) for table in routes)
    there = [(one["ServiceName"].rpartition(".")[2], one) for one in _endpoints(ec2, vpc)]
    with_dynamodb = {table for name, one in there if name == "dynamodb" for table in one.get("RouteTableIds", ())}
    made = {"SubnetIds": ",".join(subnets), "SecurityGroupIds": ",".join(groups), "VpcId": vpc}
    said = [f"The functions run in {vpc}; it must lead them to the Management Node (TCP 443)."]
    if leads_away:
        return made, [*said, "The subnets' routes lead to AWS, so no endpoint is made."]
    wanted = sorted({table["RouteTableId"] for table in routes} - with_dynamodb)
    if wanted:
        made["RouteTableIds"] = ",".join(wanted)
        said.append(f"DynamoDB's gateway endpoint is made in {', '.join(wanted)}, free of charge.")
    if "secretsmanager" not in dict(there):
        made["CreateSecretsEndpoint"] = "yes"
        said.append(
            f"An endpoint for Secrets Manager is made, about ${7.5 * len(subnets):g} a month; the whole VPC then uses it."
        )
    return made, said


def _vpc_of(ec2: Any, subnets: list[str], groups: list[str]) -> str:
    """Return the VPC of all these; a subnet in each zone at the most, as an interface endpoint has."""
    found = _asked(lambda: ec2.describe_subnets(SubnetIds=subnets)["Subnets"])
    vpcs = {one["VpcId"] for one in found}
    if len(vpcs) != 1:
        raise NetworkError(f"The subnets are in several VPCs ({', '.join(sorted(vpcs))}): name those of one.")
    zones = [one["AvailabilityZone"] for one in found]
    if len(set(zones)) != len(zones):
        raise NetworkError(f"Name one subnet in each Availability Zone: these are in {', '.join(sorted(zones))}.")
    [vpc] = vpcs
    if not groups:
        raise NetworkError("Functions in a VPC need a security group: name at least one of the VPC's.")
    others = [
        one["GroupId"]
        for one in _asked(lambda: ec2.describe_security_groups(GroupIds=groups)["SecurityGroups"])
        if one["VpcId"] != vpc
    ]
    if others:
        raise NetworkError(
            f"{', '.join(others)} belong to another VPC than the subnets ({vpc}): name groups of that one."
        )
    return str(vpc)


def _check_names(ec2: Any, vpc: str) -> None:
    """An endpoint with private DNS needs both of the VPC's DNS switches, and so does an address by name."""
    for attribute, title in (("enableDnsSupport", "DNS resolution"), ("enableDnsHostnames", "DNS hostnames")):
        said = ec2.describe_vpc_attribute(VpcId=vpc, Attribute=attribute)
        if not said[attribute[0].upper() + attribute[1:]]["Value"]:
            raise NetworkError(f"{title} is disabled in {vpc}: enable it there (VPC > Actions > Edit VPC settings).")


def _route_tables(ec2: Any, vpc: str, subnets: Iterable[str]) -> list[dict[str, Any]]:
    """Return the route table of each subnet, which is the VPC's main one where it has none of its own."""
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]
    own = {at.get("SubnetId"): table for table in tables for at in table.get("Associations", [])}
    main = next((table for table in tables for at in table.get("Associations", []) if at.get("Main")), None)
    found = {table["RouteTableId"]: table for subnet in subnets if (table := own.get(subnet, main))}
    return list(found.values())


def _is_way_out(route: dict[str, Any]) -> bool:
    """Whether everything else goes this way: to a NAT gateway, or to a network that has one."""
    leads = any(route.get(target, "local") != "local" for target in AWAY) and route.get("State") != "blackhole"
    return (
        route.get("DestinationCidrBlock") == "0.0.0.0/0" and leads and not route.get("GatewayId", "").startswith("igw-")
    )


def _endpoints(ec2: Any, vpc: str) -> list[dict[str, Any]]:
    found = ec2.describe_vpc_endpoints(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["VpcEndpoints"]
    return [one for one in found if one.get("State", "available").lower() in {"available", "pending"}]


def _asked[T](ask: Callable[[], T]) -> T:
    try:
        return ask()
    except ClientError as error:
        if ".NotFound" in error.response["Error"]["Code"] or "Malformed" in error.response["Error"]["Code"]:
            raise NetworkError(
                f"AWS says: {error.response['Error']['Message']}. Look at the id and the region."
            ) from error
        raise
