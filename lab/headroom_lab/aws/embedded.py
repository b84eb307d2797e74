"""Start and stop the embedded AWS, and build and deploy the project to it with the real SAM CLI."""

import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import boto3
import psutil
import requests
from botocore.config import Config

ACCOUNT, REGION = "111122223333", "eu-central-1"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}
PASSED_ON = ("HOME", "LANG", "PATH", "TZ")  # of our own environment: handlers inherit all that the engine has
RETRIES = Config(retries={"mode": "standard", "total_max_attempts": 3})
STARTS_WITHIN = 60  # real seconds
ANSWERS_WITHIN = 300  # on a busy machine the functions' processes take long to start
STOPS_WITHIN = 10
ROOT = Path(__file__).parents[3]


class EmbeddedAwsError(Exception):
    """The embedded AWS, or the SAM CLI on it, failed; the message ends with its output."""


def free_port() -> int:
    """Return a port of this machine that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def bin_path() -> str:
    """The PATH on which `sam` finds our own python3.13 and its pip."""
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"


def family(pid: int) -> list[psutil.Process]:
    """Return a process and all that it started."""
    try:
        return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def kill(processes: list[psutil.Process]) -> None:
    """End processes at once, and wait until they are gone."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=STOPS_WITHIN)


@dataclass
class EmbeddedAws:
    """One engine. All that it writes is in `folder`, which `clean` removes; `clock` is the lab's clock file."""

    clock: Path | None = None
    port: int = field(default_factory=free_port)
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="headroom-aws-")))
    process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables with which a client speaks to this engine only."""
        return KEYS | {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
        }

    def client(self, service: str) -> Any:
        """Return a boto3 client."""
        return self._session.client(cast("Any", service), endpoint_url=self.endpoint, config=RETRIES)

    def resource(self, service: str) -> Any:
        """Return a boto3 resource."""
        return self._session.resource(cast("Any", service), endpoint_url=self.endpoint, config=RETRIES)

    @property
    def _session(self) -> boto3.Session:
        return boto3.Session(KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"], region_name=REGION)

    def start(self) -> None:
        """Start the engine and wait until it answers; after a stop it continues with the state that it kept."""
        temporary = self.folder / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        environment |= KEYS | {
            "PATH": bin_path(),
            "TMPDIR": str(temporary),
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "MINISTACK_REGION": REGION,
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self.folder / "state"),
            "LAMBDA_WARM_TTL_SECONDS": "36000",
            "LOG_LEVEL": "WARNING",
            "AUTH": "true",  # roles are enforced: a function can do what its policies say
            "AWS_EC2_METADATA_DISABLED": "true",
            "HEADROOM_ASKED": str(self._asked),
            "POWERTOOLS_TRACE_DISABLED": "true",
        }
        if self.clock:
            environment["HEADROOM_CLOCK"] = str(self.clock)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "headroom_lab.aws.engine"],
                env=environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        until = time.monotonic() + STARTS_WITHIN
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > until:
                raise EmbeddedAwsError(f"The embedded AWS did not start:\n{self._last_words(self.log)}")
            time.sleep(0.1)
        self._ask("settle")

    def warm_up(self) -> None:
        """Start every function's process ahead of its first invocation."""
        self._ask("warm")

    def asked(self) -> dict[str, set[str]]:
        """Return the actions that each role asked for and was allowed."""
        found: dict[str, set[str]] = {}
        for line in self._asked.read_text().splitlines():
            role, action, _ = line.split()
            found.setdefault(role, set()).add(action)
        return found

    def stop(self, *, gently: bool = True) -> None:
        """Stop the engine and every process it started; gently, it keeps its state for the next start."""
        if self.process is None:
            return
        processes = family(self.process.pid)
        if gently:
            self.process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(STOPS_WITHIN)
        kill(processes)
        self.process.wait()
        self.process = None

    def clean(self) -> None:
        """Stop, and leave nothing behind."""
        self.stop(gently=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def log(self) -> Path:
        """What the engine said."""
        return self.folder / "engine.log"

    @property
    def _asked(self) -> Path:
        return self.folder / "asked"

    def workers(self) -> list[psutil.Process]:
        """Return the processes that run Lambda functions."""
        if self.process is None:
            return []
        return [
            child for child in psutil.Process(self.process.pid).children() if "_worker.py" in " ".join(child.cmdline())
        ]

    def sam(self, *arguments: str, say: Callable[[str], None] = lambda _: None) -> str:
        """Run the real SAM CLI against this engine from the project's root; return what it printed."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        environment = (
            os.environ
            | self.environment
            | {
                "PATH": bin_path(),
                "SAM_CLI_TELEMETRY": "0",
                "SAM_CLI_POLL_DELAY": "1",
                "HOME": str(home),
                "TMPDIR": str(self.folder / "tmp"),
            }
        )
        said = []
        with subprocess.Popen(
            ["sam", *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        ) as running:
            try:
                for line in running.stdout or ():
                    said.append(line)
                    say(line.rstrip())
            except BaseException:
                kill(family(running.pid))
                raise
        if running.returncode:
            raise EmbeddedAwsError(f"sam {' '.join(arguments)} failed:\n{''.join(said)[-3000:]}")
        return "".join(said)

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.endpoint}/_ministack/health", timeout=1).ok
        except requests.RequestException:
            return False

    def _ask(self, what: str) -> None:
        requests.post(f"{self.endpoint}/_lab/{what}", timeout=ANSWERS_WITHIN).raise_for_status()

    @staticmethod
    def _last_words(log: Path) -> str:
        return log.read_text(errors="replace")[-2000:] if log.exists() else "(no output)"


def architecture() -> str:
    """This machine's processor, as Lambda names it."""
    return "arm64" if platform.machine() in {"aarch64", "arm64"} else "x86_64"


def build(aws: EmbeddedAws, into: Path, say: Callable[[str], None] = lambda _: None) -> None:
    """Run `sam build`, for this machine's processor, so that the handlers run here."""
    aws.sam(
        "build",
        "--build-dir",
        str(into),
        "--parameter-overrides",
        f"Architecture={architecture()}",
        "--no-cached",
        say=say,
    )


def deploy(
    aws: EmbeddedAws, built: Path, stack: str, say: Callable[[str], None] = lambda _: None, **parameters: str
) -> dict[str, str]:
    """Run `sam deploy`; return the stack's outputs."""
    overrides = [f"{name}={value}" for name, value in {"Architecture": architecture(), **parameters}.items()]
    aws.sam(
        "deploy",
        "--config-file",
        str(ROOT / "samconfig.toml"),
        "--template-file",
        str(built / "template.yaml"),
        "--stack-name",
        stack,
        "--no-confirm-changeset",
        "--no-progressbar",
        "--parameter-overrides",
        *overrides,
        say=say,
    )
    [described] = aws.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
