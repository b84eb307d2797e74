"""`headroom provision`, `convert` and `remove`: make overflow nodes, change what they are, and end them; by an optional stack."""

from typing import Any

import click

from headroom_cli.options import stack_option


@click.command()
@click.argument("nodes", nargs=-1)
@click.option("--location", required=True, help="The overflow location that they belong to.")
@click.option("--count", default=1, type=click.IntRange(1, 20), help="How many, if they are not named.")
@click.option("--type", "instance_type", help="Instance type, as c6i.2xlarge.")
@click.option("--subnet", help="Subnet; its zone is the node's.")
@click.option("--security-group", "security_groups", multiple=True, help="Security group; may be given several times.")
@click.option("--key", help="Key pair, which cannot be added later.")
@click.option("--tenancy", type=click.Choice(["default", "dedicated"]), help="Pexip's guide used to demand dedicated.")
@click.option("--elastic-ip", default="", help="Allocation of an Elastic IP, for one node.")
@click.option("--image", default="", help="AMI; without it, Pexip's own of the Management Node's version.")
@click.option("--domain", default="", help="DNS domain; without it, that of the nodes there are.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@stack_option
def provision(stack: str, nodes: tuple[str, ...], location: str, count: int, *, dry_run: bool, **given: Any) -> None:
    """Make overflow nodes by the steps of Pexip's deployment guide, and show each step.

    What is not given is as with the newest node of the location. Given again after a failure, it goes on with what is there.
    It needs the optional stack: `headroom install --provisioning`.
    """
    from headroom_cli import provisioning
    from headroom_cli.saying import say
    from headroom_cli.stack import spoken, stack_of

    deployed = stack_of(stack)
    with spoken():
        machine = provisioning.machines_of(deployed)["ProvisionNode"]
    named = provisioning.names_of(deployed, nodes, count, location)
    pattern = provisioning.like(deployed, location)
    wanted = {name: value for name, value in given.items() if value}
    for name in ("subnet", "security_groups", "instance_type", "key", "tenancy"):
        if name not in wanted and pattern:
            wanted[name] = getattr(pattern, name)
    missing = [name for name in ("subnet", "security_groups", "instance_type") if not wanted.get(name)]
    if missing:
        options = ", ".join(
            f"--{name.removesuffix('s').removeprefix('instance_').replace('_', '-')}" for name in missing
        )
        raise click.UsageError(f"There is no node in {location} to do as: give {options}.")
    if given["elastic_ip"] and len(named) > 1:
        raise click.UsageError("An Elastic IP is for one node: name one.")
    begun = {
        name: provisioning.begun(
            machine,
            f"provision-{name}",
            {
                "wanted": {**wanted, "node": name, "location": location, "by": deployed.who()},
                "dry_run": dry_run,
            },
        )
        for name in named
    }
    done, failed = provisioning.followed(begun, deployed.zone)
    for name, made in done.items():
        if dry_run:
            say("\n".join([f"{name} would", *(f"  {n}. {step}" for n, step in enumerate(made["does"], 1))]))
        else:
            say(f"{name} ({made['instance']}): {made['reason']}.")
    if failed:
        raise click.ClickException("\n".join(f"{name}: {why}" for name, why in failed.items()))


@click.command()
@click.argument("node")
@click.option("--to", required=True, type=click.Choice(["always-on", "overflow"]), help="What it is to be.")
@click.option("--location", required=True, help="The location that it is to belong to.")
@click.option("--reason", default="", help="The reason; other operators will read it.")
@stack_option
def convert(node: str, to: str, location: str, reason: str, stack: str) -> None:
    """Make an overflow node an always-on node, or the reverse.

    An overflow node is taken out first: closed, emptied and stopped. An always-on node has to be stopped already, as Pexip's
    guide says; Headroom stops none. It needs the optional stack: `headroom install --provisioning`.
    """
    from headroom_cli import provisioning
    from headroom_cli.saying import say
    from headroom_cli.stack import spoken, stack_of

    deployed = stack_of(stack)
    with spoken():
        machine = provisioning.machines_of(deployed)["ConvertNode"]
    instance = provisioning.instance_of(deployed, node)
    provisioning.taken_out(deployed, node, reason or f"it becomes an {to} node")
    given = {
        "node": node,
        "instance": instance,
        "location": location,
        "overflow": to == "overflow",
        "by": deployed.who(),
    }
    done = provisioning.ended(provisioning.begun(machine, f"convert-{node}", given), node, deployed.zone)
    provisioning.put_back(deployed, node)
    say(f"{node}: {done['reason']}.")


@click.command()
@click.argument("node")
@click.option("--reason", default="", help="The reason; other operators will read it.")
@click.option("--yes", "typed", metavar="NODE", help="The node's name once more, instead of the question.")
@stack_option
def remove(node: str, reason: str, typed: str | None, stack: str) -> None:
    """Remove a node for ever: empty it, stop it, delete it in Pexip and terminate its instance. Nothing brings it back.

    It needs the optional stack, which terminates instances that it has made, and those that it was told of
    (`headroom install --provisioning --set InstanceArns=…`).
    """
    from headroom_cli import provisioning
    from headroom_cli.saying import say
    from headroom_cli.stack import spoken, stack_of

    deployed = stack_of(stack)
    with spoken():
        machine = provisioning.machines_of(deployed)["RemoveNode"]
    instance = provisioning.instance_of(deployed, node)
    if typed is None:
        typed = click.prompt(f"{node} is deleted in Pexip, and {instance} is terminated. Type the node's name to go on")
    if typed != node:
        raise click.ClickException(f"Nothing was removed: {typed} is not {node}.")
    provisioning.taken_out(deployed, node, reason or "it is removed for ever")
    given = {"node": node, "instance": instance, "by": deployed.who()}
    done = provisioning.ended(provisioning.begun(machine, f"remove-{node}", given), node, deployed.zone)
    provisioning.put_back(deployed, node)
    say(f"{node}: {done['reason']}.")
