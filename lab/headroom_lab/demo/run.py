"""`headroom demo`: play the morning on the screen and leave a report."""

import os
import signal
import time as real_time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from headroom import clock
from headroom.domain.policy import Policy
from headroom.usecases.order import Operator
from headroom_cli.page.server import Page, page_of, serving
from headroom_lab.demo import report, running
from headroom_lab.demo.play import STACK, Stage, set_stage
from headroom_lab.demo.scenario import BURST_NODES, ZONE, Outcome, Scenario, with_foresight, with_pexips_own_rule
from headroom_lab.demo.screen import View, draw, say_briefly

LOOKS_EVERY = 0.3  # real seconds
SETTLES_WITHIN = 15 * 60  # lab seconds for what is still at work when the morning ends
BUSY_FROM, BUSY_FOR, BUSY_SLOWDOWN = 2, 120, 6  # workflows begun within so many lab seconds; how much slower then
STAYS_AT = 10  # times as fast as real, after the morning: people type now
BRIEF_EVERY = 300  # lab seconds between two lines where there is no terminal


def run(scenario: Scenario, speed: float, console: Console, folder: Path, *, stay: bool = False) -> int:
    """Play it all, and stay until Ctrl-C if asked; return the exit code."""
    began = real_time.monotonic()
    os.environ.pop("HEADROOM_CLOCK", None)  # of another demo, for which this terminal was set up
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with ExitStack() as stack:
        if console.is_terminal:
            status = stack.enter_context(console.status("Setting up"))
            tell: Callable[[str], None] = status.update
        else:
            status, tell = None, console.print
        stack.enter_context(running.announced({}))
        native, oracle = with_pexips_own_rule(scenario), with_foresight(scenario)
        stage = set_stage(scenario, stack, tell=tell)
        if status:
            status.stop()
        page = stack.enter_context(_page(stage, speed))
        stack.enter_context(running.announced(stage.environment))
        console.print(f"The page, live: {page.address}", soft_wrap=True)
        console.print(f"For the command line, in another terminal: {running.eval_line()}", soft_wrap=True, markup=False)
        play(stage, speed, console, page.address)
        found = report.write(_morning(stage, native, oracle, real_time.monotonic() - began), folder)
        _summarise(found, native, oracle, console, folder)
        problems = report.failures(found)
        for problem in problems:
            console.print(f"[bold red]{problem}")
        if stay:
            console.print("The stack stays until Ctrl-C.")
            _stay(stage, min(speed, STAYS_AT), page.address)
    return 1 if problems else 0


def _stay(stage: Stage, speed: float, address: str) -> None:
    """Continue at that speed, slower while many workflows begin, until Ctrl-C."""
    with suppress(KeyboardInterrupt):
        while True:
            real_time.sleep(LOOKS_EVERY)
            pace_of_now(stage, speed, look(stage, address))


@contextmanager
def _page(stage: Stage, speed: float) -> Iterator[Page]:
    """Serve the page as `headroom page` does, by the lab's clock and redrawn as much sooner as that runs faster."""
    machines = {"prewarm": stage.outputs["Prewarm"], "set_open": stage.outputs["SetOpen"]}
    ledger, states = stage.ledger, stage.aws.client("stepfunctions")
    [found] = stage.aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    parameters = {each["ParameterKey"]: each["ParameterValue"] for each in found["Parameters"]}

    def operator() -> Operator:
        record = ledger.decision_at(clock.now())
        return Operator(ledger, states, machines, record.policy if record else Policy())

    os.environ["HEADROOM_CLOCK"] = str(stage.clock.path)
    try:
        with serving(page_of(ledger, operator, lambda: "the demo", parameters, every=max(1.0, 15 / speed))) as page:
            yield page
    finally:
        del os.environ["HEADROOM_CLOCK"]


def play(stage: Stage, speed: float, console: Console, address: str) -> None:
    """Run the clock from the beginning of the morning to its end, and show it."""
    scenario = stage.scenario
    stage.clock.jump(scenario.at(scenario.begins), speed)
    end = scenario.at(scenario.ends)
    with ExitStack() as stack:
        live = (
            stack.enter_context(Live(console=console, auto_refresh=False, screen=True)) if console.is_terminal else None
        )
        next_brief = 0.0
        while stage.clock.seconds() < end or (_at_work(stage) and stage.clock.seconds() < end + SETTLES_WITHIN):
            real_time.sleep(LOOKS_EVERY)
            view = look(stage, address)
            pace_of_now(stage, speed, view)
            if live:
                live.update(draw(view), refresh=True)
            elif stage.clock.seconds() >= next_brief:
                next_brief = stage.clock.seconds() + BRIEF_EVERY
                say_briefly(console, view)


def pace_of_now(stage: Stage, speed: float, view: View) -> None:
    """Slow down while workflows begin and near a stop, so that a desk with few cores keeps up with them."""
    fresh = [one for one in view.executions if (view.now - one["startDate"]).total_seconds() < BUSY_FOR]
    is_busy = len(fresh) > BUSY_FROM or stage.is_near_a_stop()
    wanted = max(1.0, speed / BUSY_SLOWDOWN) if is_busy else speed
    if stage.clock.pace.speed != wanted:
        stage.clock.run(wanted)


def _at_work(stage: Stage) -> bool:
    return any(one["status"] == "RUNNING" for one in stage.executions())


def look(stage: Stage, address: str) -> View:
    """Read what Headroom's own ledger says, and the world's counters."""
    now = datetime.fromtimestamp(stage.clock.seconds(), ZONE)
    ledger, journal = stage.ledger, stage.home.lines()
    planned = ledger.last_plan()
    samples = [line for line in journal if line["what"] == "sample"]
    return View(
        now=now,
        speed=stage.clock.pace.speed,
        endpoint=stage.aws.endpoint,
        page=address,
        title=stage.scenario.title,
        plan=planned.plan if planned else None,
        events=ledger.events(f"{now.astimezone(UTC):%Y-%m-%d}", newest=40),
        executions=stage.executions(),
        offered=samples[-1]["offered"] if samples else 0,
        rejected=sum(line["what"] == "rejected" for line in journal),
        cut=sum(line["what"] == "cut" for line in journal),
    )


def _morning(stage: Stage, native: Outcome, oracle: Outcome, wall_seconds: float) -> report.Morning:
    begin, end = (
        datetime.fromtimestamp(stage.scenario.at(at), UTC) for at in (stage.scenario.begins, stage.scenario.ends)
    )
    names = [f"burst-{number:02}" for number in range(1, BURST_NODES + 1)]
    executions = stage.executions()
    states = stage.aws.client("stepfunctions")
    for one in executions:
        if one["status"] == "FAILED":
            one["error"] = states.describe_execution(executionArn=one["executionArn"]).get("error")
    events, lifetimes = report.read_history(stage.ledger, names, begin, end)
    return report.Morning(
        scenario=stage.scenario,
        journal=stage.home.lines(),
        events=events,
        lifetimes=lifetimes,
        executions=executions,
        native=native,
        oracle=oracle,
        wall_seconds=wall_seconds,
    )


def _summarise(found: dict[str, object], native: Outcome, oracle: Outcome, console: Console, folder: Path) -> None:
    table = Table(title="The morning", title_justify="left")
    for title in ("", "Headroom", "Pexip's own rule", "knowing every call beforehand"):
        table.add_column(title, justify="right" if title else "left")
    rows = (
        ("calls offered", found["calls_offered"], native.offered, oracle.offered),
        ("calls turned away", found["calls_rejected"], native.rejected, oracle.rejected),
        ("calls cut", found["calls_cut"], native.cut, oracle.cut),
        ("overflow node-hours", found["node_hours"], found["native_node_hours"], found["oracle_node_hours"]),
        ("nodes started", found["nodes_started"], native.starts, oracle.starts),
        ("nodes serving at 09:00", found["nodes_serving_at_0900"], "", ""),
        ("stops refused or reversed", found["stops_refused_or_reversed"], "", ""),
    )
    for row in rows:
        table.add_row(*map(str, row))
    console.print(table)
    console.print(f"{folder / 'report.html'} shows the morning, {folder / 'report.json'} has its numbers.")
