"""The simulated platform as a process of its own: `headroom pexip`, alone or beside an embedded AWS.

What it is made of, and all it must not lose when it is killed, lies in one folder: `platform.pickle`, `ca.pem`,
`client.pem` and `journal.jsonl`.
"""

import json
import pickle
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from headroom_lab.pexip.power import Ec2Instances, OwnInstances, Power
from headroom_lab.pexip.resources import Platform
from headroom_lab.pexip.server import Access, ManagementNode, Serving, serve
from headroom_lab.pexip.traffic import Meter
from headroom_replay.bursting import Bursting
from headroom_replay.world import World

SAVES_EVERY = 0.5  # real seconds


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of one platform."""

    folder: Path

    @property
    def world(self) -> Path:
        """The world, as it was last kept."""
        return self.folder / "platform.pickle"

    @property
    def journal(self) -> Path:
        """Everything that happened in the world."""
        return self.folder / "journal.jsonl"

    def keep(self, world: World) -> None:
        """Keep the world as it is now."""
        fresh = self.world.with_suffix(".new")
        fresh.write_bytes(pickle.dumps(world))
        fresh.replace(self.world)

    def load(self) -> World:
        """Return the world as it was last kept, writing on in its journal."""
        world: World = pickle.loads(self.world.read_bytes())  # noqa: S301 - our own file, in our own folder
        world.write_to(self.writer())
        return world

    def writer(self) -> Callable[[dict[str, Any]], None]:
        """Return what appends a line to the journal."""

        def write(line: dict[str, Any]) -> None:
            with self.journal.open("a") as file:
                file.write(json.dumps(line) + "\n")

        return write

    def lines(self) -> list[dict[str, Any]]:
        """Return the journal."""
        return [json.loads(line) for line in self.journal.read_text().splitlines()] if self.journal.exists() else []

    def access(self) -> Access:
        """Return the credentials, made at the first time."""
        path = self.folder / "client.pem"
        if not path.exists():
            path.write_text(Access().private_key)
            path.chmod(0o600)
        key = serialization.load_pem_private_key(path.read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{path} is not an EC key")
        return Access(key=key)

    def authority(self) -> trustme.CA:
        """Return the CA, made at the first time."""
        certificate, key = self.folder / "ca.pem", self.folder / "ca-key.pem"
        if not certificate.exists():
            made = trustme.CA(organization_name="Simulated Pexip Infinity")
            certificate.write_bytes(made.cert_pem.bytes())
            key.write_bytes(made.private_key_pem.bytes())
            key.chmod(0o600)
        return trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes())


def _in_ec2(endpoint: str, tag_value: str) -> Ec2Instances:
    meter = Meter(boto3.client("cloudwatch", endpoint_url=endpoint))
    return Ec2Instances(boto3.client("ec2", endpoint_url=endpoint), tag_value, meter)


def run(
    home: Home, port: int, *, aws: str | None = None, tag_value: str = "", ready: Callable[[Serving], None]
) -> None:
    """Serve the platform in that folder until told to stop; `aws` is the endpoint of an embedded AWS with its instances."""
    world = home.load()
    power: Power = _in_ec2(aws, tag_value) if aws else OwnInstances(world)
    platform = Platform(world, power, hostname=tag_value or "manager.example.com")
    node = ManagementNode(platform, Bursting(world, start=power.start, stop=power.stop), home.access())
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    with serve(node, port=port, authority=home.authority()) as serving:
        ready(serving)
        while not over.wait(SAVES_EVERY):
            with node.lock:
                home.keep(world)
    with node.lock:
        home.keep(world)
