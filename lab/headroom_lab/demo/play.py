"""Play a morning: start everything, run the clock, watch, compare the history with the world, clean up."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time as real_time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from headroom.adapters.ledger import Ledger
from headroom.domain.fleet.lifecycle import Action
from headroom_lab.aws.embedded import REGION, EmbeddedAws, build, deploy, free_port
from headroom_lab.clock import LabClock
from headroom_lab.demo import scenario as scenes
from headroom_lab.demo.scenario import HOSTNAME, NAT_NODE, SEED, Scenario
from headroom_lab.pexip.alone import Home
from headroom_replay.world import World

STACK = "headroom"
SETUP_SPEED = 20.0
HOURS_BEFORE = 3  # setting up happens on the morning's clock, too, but long before
FAILING_NODE = "burst-03"  # EC2 refuses to start it for longer than its workflow tries
REFUSALS = 6
PLATFORM_STARTS_WITHIN = 20.0
SOON, ASKED = timedelta(seconds=40), timedelta(minutes=5)
LOOKS_AGAIN = 0.2


class DemoError(Exception):
    """The demo could not be set up; the message says why."""


@dataclass
class Stage:
    """Everything that runs: the clock, the embedded AWS, the platform, the deployed stack."""

    scenario: Scenario
    clock: LabClock
    aws: EmbeddedAws
    home: Home
    port: int = field(default_factory=free_port)
    built: Path = Path()
    outputs: dict[str, str] = field(default_factory=dict)
    platform: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The Management Node's address."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment with which a command works on the stack in its own time, and curl on the Management Node."""
        access = self.home.access()
        return self.aws.environment | {
            "AWS_REGION": REGION,
            "HEADROOM_CLOCK": str(self.clock.path),
            "PEXIP_URL": self.url,
            "PEXIP_USER": f"{access.username}:{access.password}",
            "PEXIP_CA": str(self.home.folder / "ca.pem"),
        }

    @property
    def ledger(self) -> Ledger:
        """The stack's own ledger."""
        return Ledger(self.outputs["Ledger"], HOSTNAME, self.aws.resource("dynamodb").Table(self.outputs["Ledger"]))

    def make_instances(self) -> None:
        """Create the overflow nodes' instances, tagged and stopped; EC2 will refuse to start one of them."""
        ec2 = self.aws.client("ec2")
        made = {}
        for number in range(1, scenes.BURST_NODES + 1):
            name = f"burst-{number:02}"
            tags = [{"Key": "Name", "Value": name}, {"Key": "pexip-cloud", "Value": HOSTNAME}]
            if name == FAILING_NODE:
                tags.append({"Key": "lab:refuse-start", "Value": f"InsufficientInstanceCapacity:{REFUSALS}"})
            if name != NAT_NODE:
                tags.append({"Key": "lab:elastic", "Value": "yes"})
            [instance] = ec2.run_instances(
                ImageId="ami-0123456789abcdef0",
                InstanceType="c6i.2xlarge",
                MinCount=1,
                MaxCount=1,
                TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
            )["Instances"]
            made[name] = instance
        ids = [instance["InstanceId"] for instance in made.values()]
        ec2.stop_instances(InstanceIds=ids)
        while any(state != "stopped" for state in self._states(ids)):
            real_time.sleep(0.1)
        addresses = {name: instance["PrivateIpAddress"] for name, instance in made.items()}
        locations, nodes = scenes.platform_of(addresses)
        world = World(locations, nodes, now=self.clock.seconds(), seed=SEED, strays=1)
        world.settings |= {
            "bursting_threshold": self.scenario.threshold,
            "bursting_min_lifetime": self.scenario.minimum_lifetime,
        }
        world.expect(scenes.in_progress(self.scenario))
        scenes.book(world, self.scenario)
        self.home.keep(world)

    def _states(self, ids: list[str]) -> list[str]:
        found = self.aws.client("ec2").describe_instances(InstanceIds=ids)["Reservations"]
        return [instance["State"]["Name"] for group in found for instance in group["Instances"]]

    def start_platform(self) -> None:
        """Start the simulated platform as a process of its own."""
        environment = os.environ | self.aws.environment | {"HEADROOM_CLOCK": str(self.clock.path)}
        with (self.home.folder / "platform.log").open("ab") as log:
            self.platform = subprocess.Popen(
                [
                    *(sys.executable, "-m", "headroom_cli", "pexip", "--port", str(self.port)),
                    *("--folder", str(self.home.folder), "--ec2", self.aws.endpoint, "--hostname", HOSTNAME),
                ],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        until = real_time.monotonic() + PLATFORM_STARTS_WITHIN
        for line in self.platform.stdout or ():
            if self.url.encode() in line:
                return
            if real_time.monotonic() > until:
                break
        said = (self.home.folder / "platform.log").read_text()[-1000:]
        raise DemoError(f"The simulated platform did not start: {said}")

    def stop_platform(self, how: int = signal.SIGTERM) -> None:
        """Stop the platform; with SIGKILL it loses at most half a second."""
        if self.platform:
            self.platform.send_signal(how)
            self.platform.wait(10)
            if self.platform.stdout:
                self.platform.stdout.close()
            self.platform = None

    def deploy(self, say: Callable[[str], None], **parameters: str) -> None:
        """Run the real `sam deploy`, and put the credentials where the README says."""
        self.outputs = deploy(
            self.aws,
            self.built,
            STACK,
            say,
            PexipUrl=self.url,
            TagValue=HOSTNAME,
            Mode="control",
            TimeZone=str(scenes.ZONE),
            PrewarmCount=str(self.scenario.prewarm_count),
            **parameters,
        )
        self.aws.client("secretsmanager").put_secret_value(
            SecretId=self.outputs["PexipCredentials"], SecretString=self.secret
        )

    @property
    def secret(self) -> str:
        """What the platform's people would put into the stack's secret."""
        access = self.home.access()
        ca = (self.home.folder / "ca.pem").read_text()
        fields = {"client_id": access.client_id, "private_key": access.private_key, "ca": ca}
        return msgspec.json.encode(fields).decode()

    def remember_the_past(self) -> None:
        """Put the weeks before into the ledger, and have the deployed function learn from them."""
        ledger, morning = self.ledger, datetime.fromtimestamp(self.scenario.at(self.scenario.begins), UTC)
        ledger.keep_samples(self.scenario.past)
        ledger.keep_series(scenes.series_of(self.scenario), morning)
        self.clock.run(SETUP_SPEED)  # the first reading, which names the locations, comes with the first minute
        until = real_time.monotonic() + PLATFORM_STARTS_WITHIN
        while ledger.last_reading() is None:
            if real_time.monotonic() > until:
                raise DemoError("Headroom has not read the simulated platform: nothing can be learned.")
            real_time.sleep(LOOKS_AGAIN)
        said = self.aws.client("lambda").invoke(FunctionName=self.outputs["Learn"], Payload=b"{}")
        if said.get("FunctionError") or not all(msgspec.json.decode(said["Payload"].read()).values()):
            raise DemoError("Headroom has learned nothing from the weeks before.")

    def is_near_a_stop(self) -> bool:
        """Whether a retirement looks for the second time, or will soon: its last question may be ten seconds old at the stop."""
        now = datetime.fromtimestamp(self.clock.seconds(), UTC)
        for memory in self.ledger.commitments(now).memories:
            retires = memory.claim is not None and memory.claim.action is Action.STOP
            is_asked = memory.stop_asked_at is not None and now - memory.stop_asked_at < ASKED
            if retires and not is_asked and (memory.rests_until is None or memory.rests_until - now < SOON):
                return True
        return False

    def executions(self) -> list[dict[str, Any]]:
        """Return every execution of every workflow, newest first."""
        states = self.aws.client("stepfunctions")
        found: list[dict[str, Any]] = []
        for machine in ("StartNode", "SetOpen", "RetireNode", "Prewarm"):
            pages = states.get_paginator("list_executions").paginate(stateMachineArn=self.outputs[machine])
            found += [one | {"machine": machine} for page in pages for one in page["executions"]]
        return sorted(found, key=lambda one: str(one["startDate"]), reverse=True)

    def close(self) -> None:
        """Stop everything that was started, and leave nothing behind."""
        self.stop_platform(signal.SIGKILL)
        self.aws.clean()
        shutil.rmtree(self.home.folder, ignore_errors=True)


def set_scene(scenario: Scenario, stack: ExitStack, *, tell: Callable[[str], None]) -> Stage:
    """Start the embedded AWS and the platform, with nothing deployed yet; `stack` takes it all down again."""
    folder = Path(tempfile.mkdtemp(prefix="headroom-demo-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    begin = scenario.at(scenario.begins)
    clock = LabClock(folder / "clock.json", begin - HOURS_BEFORE * 3600, SETUP_SPEED)
    home = Home(folder / "platform")
    home.folder.mkdir()
    stage = Stage(scenario=scenario, clock=clock, aws=EmbeddedAws(clock=clock.path), home=home, built=folder / "built")
    stack.callback(stage.close)
    tell("Starting the embedded AWS")
    stage.aws.start()
    tell(f"The embedded AWS answers at {stage.aws.endpoint}")
    tell("Making the overflow nodes' instances and the simulated Pexip platform")
    stage.make_instances()
    stage.start_platform()
    clock.run(1)
    return stage


def set_stage(scenario: Scenario, stack: ExitStack, *, tell: Callable[[str], None], **parameters: str) -> Stage:
    """Set the scene, build and deploy; `stack` takes it all down again."""
    stage = set_scene(scenario, stack, tell=tell)
    tell("Building with the real SAM CLI: sam build")
    build(stage.aws, stage.built)
    tell("Deploying with the real SAM CLI: sam deploy")
    stage.deploy(say=lambda _: None, **parameters)
    tell("Warming up the functions")
    stage.aws.warm_up()
    if scenario.past:
        tell("Learning from the weeks before")
        stage.remember_the_past()
    return stage
