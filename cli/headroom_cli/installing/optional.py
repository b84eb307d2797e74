"""The optional stack, by which Headroom may make, convert and remove nodes: deployed beside a stack, with that one's answers."""

from collections.abc import Mapping
from pathlib import Path

import boto3
import click
from botocore.exceptions import ClientError

from headroom_cli.installing import deploying
from headroom_cli.installing.guide import ARCHITECTURE
from headroom_cli.provisioning import OWN
from headroom_cli.saying import say
from headroom_cli.stack import Deployed, spoken, stack_of

BUILT = deploying.BUILT.parent / "provisioning"
SAME = ("PexipUrl", "TagValue", "SubnetIds", "LogRetentionDays", "Architecture")  # as in Headroom's own stack


def install(stack: str, template: Path, given: Mapping[str, str]) -> None:
    """Deploy it, or update it; raise ClickException that says what to do."""
    if not template.exists():
        raise click.ClickException(
            f"There is no {template} here: run this in a checkout of Headroom, or give --template."
        )
    deployed = stack_of(stack)
    name = f"{stack}{OWN}"
    say(
        f"{name} may run instances with its own tag from Pexip's images, tag them pexip-cloud, and terminate them; and it "
        "creates, changes and deletes nodes in Pexip, for which the credentials in the secret must suffice."
    )
    with spoken():
        parameters = answers(deployed) | dict(given)
        built = deploying.build(template, parameters.get("Architecture", ARCHITECTURE), BUILT)
        deploying.deploy(name, built, parameters)
    say(
        f"Deployed. `headroom provision --location … --dry-run` says what it would do. `sam delete --stack-name {name}` ends it."
    )


def answers(deployed: Deployed) -> dict[str, str]:
    """Return the parameters that follow from Headroom's own stack."""
    same = {name: deployed.parameters[name] for name in SAME if name in deployed.parameters}
    groups = [group for group in deployed.parameters.get("SecurityGroupIds", "").split(",") if group]
    return {
        **same,
        "HeadroomStack": deployed.name,
        "LedgerTable": deployed.outputs["Ledger"],
        "PexipSecretArn": deployed.outputs["PexipCredentials"],
        "SecurityGroupIds": ",".join([*groups, *_of_the_endpoint(deployed)]),
    }


def _of_the_endpoint(deployed: Deployed) -> list[str]:
    """Return the group by which functions reach the stack's own endpoint for Secrets Manager, if it has one."""
    if deployed.parameters.get("CreateSecretsEndpoint") != "yes":
        return []
    try:
        found = boto3.client("cloudformation").describe_stack_resource(
            StackName=deployed.name, LogicalResourceId="SecretsEndpointClients"
        )
    except ClientError as error:
        raise click.ClickException(f"{deployed.name} does not say which group its functions have: {error}") from error
    return [found["StackResourceDetail"]["PhysicalResourceId"]]
