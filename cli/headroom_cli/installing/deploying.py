"""Build and deploy with the real SAM CLI, and say what went wrong in a sentence."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import boto3
import click
from botocore.exceptions import ClientError, WaiterError

from headroom_cli.saying import say

BUILT = Path(".aws-sam/build")
ARCHIVE_SAYS = "built-for"  # the file of a release that names its processor
# As SAM writes it
TABLE = re.compile(r"TableName:\n +Fn::If:\n +- Named\n +- Ref: LedgerName\n +- Ref: AWS::NoValue\n")
BUCKET = re.compile(r"s3://([^/\s]+)/")
MACHINES = {"x86_64": 0x3E, "arm64": 0xB7}  # e_machine of an ELF file's header, in which it is at byte 18
LAST = 12  # lines of what SAM said
QUOTED = str.maketrans({'"': '\\"', "\\": "\\\\"})  # as SAM reads a value
ENDED = {"CREATE_FAILED", "UPDATE_FAILED", "DELETE_FAILED"}
FOLLOWS = ("Resource creation cancelled", "Resource update cancelled", "The following resource")


def sam() -> str:
    """Return the SAM CLI; raise ClickException if there is none."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    if found := shutil.which("sam", path=path):
        return found
    raise click.ClickException(
        "The SAM CLI is not installed: use `make deploy`, which brings it, or `pipx install aws-sam-cli`."
    )


def build(template: Path, architecture: str, into: Path = BUILT) -> Path:
    """Build what Lambda gets for this processor, and compare; return the built template, or one that was built before."""
    if "s3://" in template.read_text():
        return template
    if (says := template.parent / ARCHIVE_SAYS).exists():
        if (built_for := says.read_text().strip()) != architecture:
            raise click.ClickException(
                f"This release was built for {built_for}: take the one for {architecture}, or --set Architecture={built_for}."
            )
        return template
    say(f"Building for {architecture}.")
    _run(
        "build",
        "--template-file",
        str(template),
        "--build-dir",
        str(into),
        "--parameter-overrides",
        f"Architecture={architecture}",
    )
    if wrong := built_for_another(into, architecture):
        raise click.ClickException(
            f"The packages were built for another processor than {architecture}: {wrong[0]}. Delete {into.parent} and retry."
        )
    return into / "template.yaml"


def built_for_another(folder: Path, architecture: str) -> list[Path]:
    """Return the libraries below this folder that are not for this processor."""
    return [path for path in sorted(folder.rglob("*.so")) if _machine(path) != MACHINES[architecture]]


def _machine(path: Path) -> int:
    with path.open("rb") as file:
        return int.from_bytes(file.read(20)[18:20], "little")


def deploy(stack: str, template: Path, parameters: Mapping[str, str]) -> None:
    """Deploy with these parameters; all others keep their values, or have their defaults at first."""
    say(f"Deploying {stack}.")
    given = [f'{name}="{value.translate(QUOTED)}"' for name, value in parameters.items()]
    overrides = ["--parameter-overrides", *given] if given else []
    try:
        _run(
            *(
                "deploy",
                "--template-file",
                str(template),
                "--stack-name",
                stack,
                "--resolve-s3",
                "--no-confirm-changeset",
            ),
            *("--no-fail-on-empty-changeset", "--no-progressbar", "--config-file", str(_no_config())),
            *("--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND", *overrides),
        )
    except click.ClickException:
        if why := first_failure(stack):
            raise click.ClickException(f"CloudFormation stopped at {why}") from None
        raise


def is_protected(table: str) -> bool:
    """Say whether a table is protected against deletion; raise ClickException if there is none of that name."""
    dynamodb = boto3.client("dynamodb")
    try:
        return bool(dynamodb.describe_table(TableName=table)["Table"].get("DeletionProtectionEnabled"))
    except dynamodb.exceptions.ResourceNotFoundException as error:
        raise click.ClickException(
            f"There is no table {table} in {dynamodb.meta.region_name}: leave LedgerName out for a new one."
        ) from error


def take_back(stack: str, template: Path, parameters: Mapping[str, str]) -> None:
    """Deploy a stack for the first time with a table that an earlier one has kept.

    CloudFormation takes what is there only where its name is written as it is, and not by a `Ref` («Import AWS resources into a
    CloudFormation stack automatically»); SAM cannot ask it to. Meanwhile the table is protected: whatever fails, it stays.
    """
    table, cloudformation = parameters["LedgerName"], boto3.client("cloudformation")
    dynamodb, was_protected = boto3.client("dynamodb"), is_protected(table)
    if not was_protected:
        dynamodb.update_table(TableName=table, DeletionProtectionEnabled=True)
    say(f"Deploying {stack} with the table {table}.")
    packed = BUILT.parent / "packaged.yaml"
    packed.parent.mkdir(exist_ok=True)
    _run("package", "--template-file", str(template), "--resolve-s3", "--output-template-file", str(packed.absolute()))
    written, found = TABLE.subn(f"TableName: {table}\\n", packed.read_text())
    bucket = BUCKET.search(written)
    if found != 1 or not bucket:
        raise click.ClickException(f"{template} is no template of Headroom's that SAM has built.")
    key = f"{stack}-with-{table}.template"
    s3 = boto3.client("s3")
    s3.put_object(Bucket=bucket[1], Key=key, Body=written.encode())
    made = cloudformation.create_change_set(
        StackName=stack,
        ChangeSetName="take-back",
        ChangeSetType="CREATE",
        TemplateURL=f"{s3.meta.endpoint_url}/{bucket[1]}/{key}",
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        ImportExistingResources=True,
    )
    try:
        cloudformation.get_waiter("change_set_create_complete").wait(ChangeSetName=made["Id"])
        cloudformation.execute_change_set(ChangeSetName=made["Id"])
        cloudformation.get_waiter("stack_create_complete").wait(StackName=stack)
    except WaiterError as error:
        why = first_failure(stack) or error.last_response.get("StatusReason", "its first step")
        raise click.ClickException(
            f"CloudFormation stopped at {why}. The table {table} is kept, and protected."
        ) from error
    if was_protected:
        say(f"The table {table} stays protected against deletion, as it was.")
    else:
        dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)


def _no_config() -> Path:
    """Return a SAM configuration with nothing in it: parameters in samconfig.toml would put back what was switched meanwhile."""
    own = Path("samconfig.toml")
    if own.exists() and "parameter_overrides" in own.read_text():
        say(
            "The parameter_overrides in samconfig.toml are not used: the stack keeps its own (give new ones with --set)."
        )
    empty = BUILT.parent / "no-samconfig.toml"
    empty.parent.mkdir(exist_ok=True)
    empty.write_text("version = 0.1\n")
    return empty.absolute()


def first_failure(stack: str) -> str:
    """Return the first thing at which the newest change of a stack failed, and why; empty if none is known."""
    pages = boto3.client("cloudformation").get_paginator("describe_stack_events").paginate(StackName=stack)
    found = ""
    try:
        events = [event for page in pages for event in page["StackEvents"]]
    except ClientError:  # there is no such stack, or it may not be asked: what SAM said is all there is
        return ""
    for event in events:  # the newest first
        reason = event.get("ResourceStatusReason", "")
        if event["ResourceStatus"] in ENDED and not reason.startswith(FOLLOWS):
            found = f"{event['LogicalResourceId']}: {reason}"
        if event["LogicalResourceId"] == stack and event["ResourceStatus"] in {
            "CREATE_IN_PROGRESS",
            "UPDATE_IN_PROGRESS",
        }:
            break
    return found


def _run(*arguments: str) -> None:
    """Run the SAM CLI, show what it does in the end if it fails."""
    environment = os.environ | {
        "SAM_CLI_TELEMETRY": "0",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run(  # noqa: S603 - the SAM CLI, with arguments of our own
        [sam(), *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        said = "\n".join([line for line in done.stdout.splitlines() if line.strip()][-LAST:])
        raise click.ClickException(f"`sam {arguments[0]}` failed; its last words:\n{said}")
