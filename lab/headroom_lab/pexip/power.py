"""How the platform's overflow nodes are switched on and off: instances of its own, or real ones in the embedded AWS."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from headroom_lab.pexip.traffic import Meter
from headroom_replay.world import Node, World

OS_BOOT = 60.0  # seconds from its launch until a new instance shows its form


class Power(Protocol):
    """What the platform needs of a cloud."""

    def start(self, node: Node) -> None:
        """Ask for a node's instance to be started."""

    def stop(self, node: Node) -> None:
        """Ask for it to be stopped."""

    def follow(self, world: World) -> None:
        """Bring the world in step with the instances."""

    def describe(self, node: Node) -> dict[str, Any]:
        """Return what the cloud says of a node's instance: state, launch time, name."""

    def is_up(self, address: str, now: float) -> bool:
        """Say whether the instance at an address, of which Pexip may know no node, is on and has booted."""


@dataclass(slots=True)
class OwnInstances:
    """Instances that exist only here and obey at once."""

    world: World
    state: dict[str, tuple[str, float | None]] = field(default_factory=dict)

    def start(self, node: Node) -> None:
        """Start it."""
        if node.launched_at is None:
            self.world.power_on(node, self.world.now)

    def stop(self, node: Node) -> None:
        """Stop it."""
        self.world.power_off(node)

    def follow(self, world: World) -> None:
        """There is nothing to follow."""

    def describe(self, node: Node) -> dict[str, Any]:
        """Return what there is to say."""
        return {
            "state": "running" if node.on else "stopped",
            "launched_at": node.launched_at,
            "name": node.name,
        }

    def is_up(self, address: str, now: float) -> bool:
        """There are no instances but the nodes'."""
        return any(node.address == address and node.on and now >= node.boots_at for node in self.world.nodes.values())


@dataclass(slots=True)
class Ec2Instances:
    """The embedded AWS's instances, read again at every step, no matter who started or stopped them."""

    ec2: Any
    tag_value: str
    meter: Meter
    seen: dict[str, Any] = field(default_factory=dict)

    def start(self, node: Node) -> None:
        """Ask EC2 to start it; a refusal is ignored, as Pexip does."""
        try:
            self.ec2.start_instances(InstanceIds=[node.instance])
        except self.ec2.exceptions.ClientError:
            return

    def stop(self, node: Node) -> None:
        """Ask EC2 to stop it."""
        try:
            self.ec2.stop_instances(InstanceIds=[node.instance])
        except self.ec2.exceptions.ClientError:
            return

    def follow(self, world: World) -> None:
        """Look at every instance and let its node boot or go down accordingly; Pexip sees those that are tagged."""
        pages = self.ec2.get_paginator("describe_instances").paginate()
        found = [one for page in pages for group in page["Reservations"] for one in group["Instances"]]
        self.seen = {one["InstanceId"]: one for one in found}
        by_address = {one.get("PrivateIpAddress"): one for one in found if one["State"]["Name"] != "terminated"}
        for node in world.nodes.values():
            instance = by_address.get(node.address)
            if not node.overflow or instance is None:
                continue
            node.instance = instance["InstanceId"]
            node.tagged = {"Key": "pexip-cloud", "Value": self.tag_value} in instance.get("Tags", [])
            self._follow_one(world, node, instance["State"]["Name"], instance["LaunchTime"])
        self.meter.count(world)

    def _follow_one(self, world: World, node: Node, state: str, launched: datetime) -> None:
        launched_at = launched.timestamp()
        if state == "running":
            if node.launched_at is not None and abs(node.launched_at - launched_at) > 1:
                world.power_off(node)  # it was stopped and started between two looks
            if node.launched_at is None:
                world.power_on(node, launched_at)
        elif node.launched_at is not None and state != "pending":
            world.power_off(node)

    def describe(self, node: Node) -> dict[str, Any]:
        """Return what EC2 said last."""
        one = self.seen.get(node.instance)
        if one is None:
            return {"state": "terminated", "launched_at": None, "name": node.name}
        return {
            "state": one["State"]["Name"],
            "launched_at": one["LaunchTime"].timestamp(),
            "name": node.name,
        }

    def is_up(self, address: str, now: float) -> bool:
        """Say what EC2 said last, and whether the operating system has had its time."""
        return any(
            one.get("PrivateIpAddress") == address
            and one["State"]["Name"] == "running"
            and now >= one["LaunchTime"].timestamp() + OS_BOOT
            for one in self.seen.values()
        )
