"""The optional stack for provisioning on a stage: its functions, its workflows, and what EC2 and new nodes do for it."""

import importlib
from typing import Any

import requests
from requests.adapters import BaseAdapter

from headroom.adapters import provisioning
from headroom.adapters.making import Making
from headroom.adapters.pexip.form import Form
from headroom.adapters.pexip.provisioning import ProvisioningNode
from headroom_lab.proof.cloud import Cloud, Machine, aws_error
from headroom_lab.proof.stage import HOSTNAME, OVERFLOW, ROOT, Stage, machine_of, with_clients
from headroom_replay.world import Node

STACK = ROOT / "provisioning"
FUNCTIONS = tuple(sorted(path.parent.name for path in (STACK / "functions").glob("*/app.py")))
MACHINES = ("provision_node", "convert_node", "remove_node")
OWNER, IMAGE = "686087431763", "ami-0123456789abcdef0"
NETWORK = "10.9.0."


class MakingCloud:
    """EC2's client, as far as provisioning calls it: instances are made in 10.9.0.0/20."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.tokens: dict[str, str] = {}  # EC2's idempotency: which instance was made with a token

    def describe_images(self, **_: Any) -> dict[str, Any]:
        """Return the image of the platform's version."""
        self.cloud.touched("DescribeImages")
        version, build = self.cloud.world.version.rstrip(")").split(" (")
        name = f"Pexip Infinity Conferencing Node {version} (build {build})"
        return {"Images": [{"ImageId": IMAGE, "Name": name, "CreationDate": "2026-01-01T00:00:00.000Z"}]}

    def describe_subnets(self, *, SubnetIds: list[str]) -> dict[str, Any]:
        """Return the subnet."""
        self.cloud.touched("DescribeSubnets")
        return {
            "Subnets": [{"SubnetId": SubnetIds[0], "CidrBlock": f"{NETWORK}0/20", "AvailabilityZone": "eu-central-1a"}]
        }

    def describe_instances(self, *, Filters: Any = (), InstanceIds: Any = ()) -> dict[str, Any]:
        """Return those with all these tags, or these ids."""
        self.cloud._read("DescribeInstances")
        wanted = {each["Name"].removeprefix("tag:"): each["Values"][0] for each in Filters}
        found = [
            self.cloud._described(machine)
            for machine in self.cloud.machines.values()
            if (machine.id in InstanceIds if InstanceIds else wanted.items() <= machine.made_by.items())
        ]
        return {"Reservations": [{"Instances": found}]}

    def run_instances(self, *, ClientToken: str, TagSpecifications: Any, **_: Any) -> None:
        """Make an instance that runs; with a token that was used before nothing is made."""
        self.cloud._request("RunInstances")
        tags = {tag["Key"]: tag["Value"] for tag in TagSpecifications[0]["Tags"]}
        self.cloud.acts(lambda: self._make(ClientToken, tags))

    def _make(self, token: str, tags: dict[str, str]) -> None:
        if token in self.tokens:
            return
        number = 10 + len(self.tokens)
        self.tokens[token] = instance = f"i-{number:017x}"
        node = Node(
            id=0,
            name=tags["Name"],
            address=f"{NETWORK}{number}",
            location=OVERFLOW,
            hd=5,
            overflow=True,
            instance=instance,
        )
        node.tagged = node.deployed = False
        machine = Machine(id=instance, node=node, tagged=False, made_by=tags)
        self.cloud.machines[instance] = machine
        self.cloud.switch_on(machine)

    def associate_address(self, **_: Any) -> None:
        """Nothing has a public address here."""
        self.cloud.touched("AssociateAddress")

    def create_tags(self, *, Resources: list[str], **_: Any) -> None:
        """Tag one."""
        self.cloud._request("CreateTags")
        self.cloud.machines[Resources[0]].tagged = True

    def delete_tags(self, *, Resources: list[str], **_: Any) -> None:
        """Untag one."""
        self.cloud._request("DeleteTags")
        self.cloud.machines[Resources[0]].tagged = False

    def start_instances(self, *, InstanceIds: list[str]) -> None:
        """Start one."""
        self.cloud._request("StartInstances")
        machine = self.cloud.machines[InstanceIds[0]]
        if machine.state in {"stopping", "shutting-down", "terminated"}:
            raise aws_error("IncorrectInstanceState", f"The instance is {machine.state}")
        self.cloud.acts(lambda: self.cloud.switch_on(machine))

    def terminate_instances(self, *, InstanceIds: list[str]) -> None:
        """End one: a moment at which a call would be cut."""
        self.cloud._request("TerminateInstances")
        self.cloud.acts(lambda: self._terminate(self.cloud.machines[InstanceIds[0]]))

    def _terminate(self, machine: Machine) -> None:
        if machine.node.calls:
            self.cloud.cut.append(f"{machine.node.name} was terminated under {len(machine.node.calls)} calls")
        if machine.state in {"pending", "running"}:
            self.cloud.switch_off(machine, terminate=True)
        elif machine.state == "stopped":
            machine.state = "terminated"
            self.cloud.changed(machine, "terminated")


class _Forms(BaseAdapter):
    """Carries a request to a new node's form."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        """Answer one request; nobody answers where nothing runs."""
        self.stage.touch("form")
        address = (request.url or "").split("/")[2].partition(":")[0]
        body = request.body if isinstance(request.body, bytes) else b""
        kind = str(request.headers.get("Content-Type", ""))
        answer = self.stage.manager.answer_as_node(request.method or "GET", address, kind, body)
        if answer.status_code == requests.codes.bad_gateway:
            raise requests.ConnectionError("Connection refused")
        response = requests.Response()
        response.status_code, response.url, response.request = answer.status_code, request.url or "", request
        response._content = bytes(answer.body)
        vars(response)["_content_consumed"] = True
        return response

    def close(self) -> None:
        """There is nothing to close."""


def with_provisioning(stage: Stage) -> MakingCloud:
    """Deploy the optional stack beside the stage's own."""
    cloud = MakingCloud(stage.cloud)
    parts = provisioning.ProvisioningParts()
    form = Form("https://{address}:8443/")
    form.session.mount("https://", _Forms(stage))
    given: dict[str, Any] = {
        "settings": provisioning.ProvisioningSettings(
            stack=stage.settings.stack,
            pexip_url=stage.settings.pexip_url,
            pexip_secret_arn="none",  # noqa: S106 - there is none
            tag_value=HOSTNAME,
            table_name="ledger",
            image_owner=OWNER,
            form_url=form.url,
        ),
        "ledger": stage.ledger,
        "making": with_clients(Making(stage.settings.stack, HOSTNAME), client=cloud, acting=cloud),
        "pexip": _Lent(stage),
        "form": form,
    }
    vars(parts).update(given)
    stage._stack.enter_context(provisioning.using(parts))
    for name in FUNCTIONS:
        stage.apps[name] = importlib.import_module(f"provisioning.functions.{name}.app")
        stage.folders[name.title().replace("_", "")] = name
    stage.machines |= {name: machine_of(STACK, name) for name in MACHINES}
    return cloud


class _Lent:
    """What provisioning takes for its connection to Pexip: the stage's, asked with its own questions."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def node(self) -> Any:
        """Lend the shipped client."""
        client = self.stage.pexip.client
        node = ProvisioningNode(client.url, client.credentials)
        vars(node).update(session=client.session, auth=client.auth)
        return _Managed(node)


class _Managed:
    def __init__(self, node: ProvisioningNode) -> None:
        self.given = node

    def __enter__(self) -> ProvisioningNode:
        return self.given

    def __exit__(self, *_: object) -> None:
        """Nothing is held."""
