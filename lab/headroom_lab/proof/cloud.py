"""EC2, CloudWatch, Step Functions and SNS in memory, as far as the adapters call them, on simulated time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from headroom_lab.pexip.power import OS_BOOT
from headroom_lab.pexip.traffic import PERIOD, sent_in_a_minute
from headroom_replay.world import Node, World

PENDING_FOR, STOPPING_FOR = 12.0, 45.0
SIMULATED = "Simulated"  # the operation that errors of this account name
READ_TRIES = 4  # the SDK's, as headroom.adapters.ec2 configures it


def aws_error(code: str, message: str = "") -> ClientError:
    """Make the error that the SDK raises."""
    return ClientError({"Error": {"Code": code, "Message": message or code}}, SIMULATED)


def dynamodb_error(code: str) -> ClientError:
    """Make the error as boto3 does where DynamoDB's model names it: of a class of its own, whose name Lambda reports."""
    modelled: type[ClientError] = type(code, (ClientError,), {})
    return modelled({"Error": {"Code": code, "Message": code}}, SIMULATED)


def conflict_error(request: str) -> ClientError:
    """Make the error of a write that met another one's transaction once too often; of a transaction, at its first item."""
    error = dynamodb_error(f"Transaction{'Canceled' if request == 'TransactWriteItems' else 'Conflict'}Exception")
    error.response["CancellationReasons"] = [{"Code": "TransactionConflict"}]
    return error


# EC2's own token buckets, by its developer guide: how many requests at once, and how many more a second.
BUCKETS = {
    "StartInstances": (5, 2.0),
    "StopInstances": (50, 5.0),
    "DescribeInstances": (100, 20.0),
    "RunInstances": (5, 2.0),
    "TerminateInstances": (50, 5.0),
}
OTHERS = (50, 10.0)


@dataclass(slots=True)
class Machine:
    """An instance; its power-ons are the truth that the ledger's lifetimes are compared with."""

    id: str
    node: Node
    state: str = "stopped"
    launched_at: float = 0.0
    tagged: bool = True
    protected: bool = False  # against being stopped
    has_two_networks: bool = False  # and Pexip knows the node by its address in the second
    lifetimes: list[list[float]] = field(default_factory=list)  # [launched, stopped], the last without its end while on
    sent: dict[int, float] = field(default_factory=dict)  # by period
    stopped_by_us: list[float] = field(default_factory=list)
    made_by: dict[str, str] = field(default_factory=dict)  # the tags that it was made with


def _addresses(machine: Machine) -> dict[str, Any]:
    own = machine.node.address
    if not machine.has_two_networks:
        return {"PrivateIpAddress": own, "NetworkInterfaces": [{"PrivateIpAddresses": [{"PrivateIpAddress": own}]}]}
    first = f"172.16.{own.split('.', 2)[2]}"
    interfaces = [{"PrivateIpAddresses": [{"PrivateIpAddress": address}]} for address in (first, own)]
    return {"PrivateIpAddress": first, "NetworkInterfaces": interfaces}


@dataclass
class Cloud:
    """The account: its instances, and what happens when they are switched."""

    tag_value: str
    world: World
    now: Callable[[], float]
    after: Callable[[float, Callable[[], None]], None]
    touched: Callable[[str], None]
    changed: Callable[[Machine, str], None]  # EC2's message of a change of state
    acts: Callable[[Callable[[], None]], None]  # does what EC2 was asked for: at once, or late and without an answer
    machines: dict[str, Machine] = field(default_factory=dict)
    cut: list[str] = field(default_factory=list)  # nodes that Headroom stopped under a call
    requests: list[tuple[float, str]] = field(default_factory=list)
    throttled: int = 0  # by EC2's own buckets
    published_after: float = 0.0  # seconds from the end of a period to its figure
    tokens: dict[str, tuple[float, float]] = field(default_factory=dict)  # by request: how many were left, and when

    # The truth

    def add(self, node: Node, *, launched_at: float | None = None) -> Machine:
        """Add a node's instance, running if it was launched."""
        machine = self.machines[node.instance] = Machine(id=node.instance, node=node)
        if launched_at is not None:
            machine.state, machine.launched_at = "running", launched_at
            machine.lifetimes.append([launched_at])
        return machine

    def switch_on(self, machine: Machine) -> None:
        """Launch the instance, no matter who asks."""
        if machine.state != "stopped":
            return
        machine.state, machine.launched_at = "pending", float(int(self.now()))  # EC2 tells whole seconds
        machine.lifetimes.append([machine.launched_at])
        self.world.power_on(machine.node, machine.launched_at)
        self._become(machine, "pending")
        self.after(PENDING_FOR, lambda: self._become(machine, "running", only_from="pending"))

    def switch_off(self, machine: Machine, *, terminate: bool = False) -> None:
        """Stop or terminate the instance, no matter who asks."""
        if machine.state not in {"pending", "running"}:
            return
        self._count_traffic(machine)
        machine.state = "shutting-down" if terminate else "stopping"
        machine.lifetimes[-1].append(self.now())
        self.world.power_off(machine.node)
        self._become(machine, machine.state)
        self.after(STOPPING_FOR, lambda: self._become(machine, "terminated" if terminate else "stopped"))

    def _become(self, machine: Machine, state: str, only_from: str = "") -> None:
        if not only_from or machine.state == only_from:
            machine.state = state
            self.changed(machine, state)

    def follow(self, world: World) -> None:
        """Pexip comes to know nodes whose instances were made before them, and of which instance carries the tag."""
        by_address = {node.address: node for node in world.nodes.values()}
        for machine in self.machines.values():
            node = by_address.get(machine.node.address)
            if node is None or machine.state == "terminated":
                continue
            if node is not machine.node:
                before, machine.node = machine.node, node
                node.instance, node.launched_at = machine.id, before.launched_at
                node.boots_at, node.ready_at = before.boots_at, before.ready_at
            node.tagged = machine.tagged

    def is_up(self, address: str, now: float) -> bool:
        """Say whether the instance at an address is on and has booted."""
        there = (each for each in self.machines.values() if each.node.address == address)
        return any(each.state == "running" and now >= each.launched_at + OS_BOOT for each in there)

    def sample(self) -> None:
        """Once a minute: what each instance sends."""
        for machine in self.machines.values():
            if machine.state == "running":
                self._count_traffic(machine)

    def _count_traffic(self, machine: Machine) -> None:
        period = int(self.now() // PERIOD)
        machine.sent[period] = machine.sent.get(period, 0.0) + sent_in_a_minute(len(machine.node.calls))

    # EC2's client

    def describe_instance_status(self, *, InstanceIds: list[str]) -> dict[str, Any]:
        """Return the two checks of instances that are on."""
        self._read("DescribeInstances")
        machine = self.machines[InstanceIds[0]]
        checks = {"SystemStatus": "ok", "InstanceStatus": "impaired" if machine.node.never_boots else "ok"}
        return {"InstanceStatuses": [{name: {"Status": status} for name, status in checks.items()}]}

    def get_console_output(self, *, InstanceId: str) -> dict[str, Any]:
        """Return nothing: EC2 leaves the output out while there is none."""
        self._read("DescribeInstances")
        return {"InstanceId": InstanceId}

    def get_paginator(self, _: str) -> "Cloud":
        """Describe instances, page by page."""
        return self

    def paginate(self, *, Filters: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Return one page."""
        self._read("DescribeInstances")
        wanted = {each["Name"]: each["Values"][0] for each in Filters}
        found = [
            self._described(machine)
            for machine in self.machines.values()
            if machine.tagged and wanted.get("instance-id", machine.id) == machine.id
        ]
        yield {"Reservations": [{"Instances": found}]}

    def _read(self, request: str) -> None:
        """Reading is tried again by the SDK, as its configuration says."""
        for left in reversed(range(READ_TRIES)):
            try:
                self._request(request)
            except ClientError:
                if not left:
                    raise
            else:
                return

    def _request(self, request: str) -> None:
        """Take a token for a request, or throttle it as EC2 would."""
        self.requests.append((self.now(), request))
        self.touched(request)
        size, refill = BUCKETS.get(request, OTHERS)
        left, at = self.tokens.get(request, (float(size), self.now()))
        left = min(float(size), left + refill * (self.now() - at))
        self.tokens[request] = (max(0.0, left - 1), self.now())
        if left < 1:
            self.throttled += 1
            raise aws_error("RequestLimitExceeded")

    def _described(self, machine: Machine) -> dict[str, Any]:
        given = (
            {"Name": machine.node.name} | machine.made_by | ({"pexip-cloud": self.tag_value} if machine.tagged else {})
        )
        tags = [{"Key": key, "Value": value} for key, value in given.items()]
        return {
            "InstanceId": machine.id,
            **_addresses(machine),
            "State": {"Name": machine.state},
            "LaunchTime": datetime.fromtimestamp(machine.launched_at, UTC),
            "Tags": tags,
            "Placement": {"AvailabilityZone": "eu-central-1a"},
        }

    def start_instances(self, *, InstanceIds: list[str]) -> None:
        """Start one."""
        self._request("StartInstances")
        machine = self._tagged(InstanceIds[0])
        if machine.state in {"stopping", "shutting-down", "terminated"}:
            raise aws_error("IncorrectInstanceState", f"The instance is {machine.state}")
        self.acts(lambda: self.switch_on(machine))

    def stop_instances(self, *, InstanceIds: list[str]) -> None:
        """Stop one: the moment at which a call would be cut."""
        self._request("StopInstances")
        machine = self._tagged(InstanceIds[0])
        if machine.protected:
            raise aws_error("OperationNotPermitted", "The instance has stop protection")
        self.acts(lambda: self._stop(machine))

    def _stop(self, machine: Machine) -> None:
        calls = {*machine.node.calls, *(call.id for call in self.world.signalled(machine.node))}
        if machine.state in {"pending", "running"} and calls:
            self.cut.append(f"{machine.node.name} was stopped under {len(calls)} calls")
        if machine.state in {"pending", "running"}:
            machine.stopped_by_us.append(self.now())
        self.switch_off(machine)

    def _tagged(self, instance_id: str) -> Machine:
        machine = self.machines[instance_id]
        if not machine.tagged:
            raise aws_error("UnauthorizedOperation", "the role's condition on the tag")
        return machine

    # CloudWatch's client

    def get_metric_statistics(self, *, Dimensions: list[dict[str, str]], **_: Any) -> dict[str, Any]:
        """Return what an instance sent."""
        self.touched("GetMetricStatistics")
        sent = self.machines[Dimensions[0]["Value"]].sent
        points = [
            {"Timestamp": datetime.fromtimestamp(period * PERIOD, UTC), "Sum": total}
            for period, total in sent.items()
            if (period + 1) * PERIOD + self.published_after <= self.now()
        ]
        return {"Datapoints": points}
