# ruff: noqa: E501 - the text of a mistake stands as it would be typed
"""Mistakes that somebody might make in what keeps a call from being cut, each with the test that notices it.

`make mutants` makes one after the other in a copy of the project and runs that test: it must fail.
"""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
PACKAGE = "layers/headroom/headroom"
COPIED = (
    "layers",
    "functions",
    "statemachines",
    "template.yaml",
    "lab",
    "cli",
    "tests",
    "pyproject.toml",
    "samconfig.toml",
)
LONGEST = 300  # seconds for one test


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """The first `old` in the file is right, and `new` in its place is wrong; `test` notices, as pytest names it."""

    what: str
    file: str
    old: str
    new: str
    test: str


def _in(file: str, test: str, *mistakes: tuple[str, str, str]) -> tuple[Mistake, ...]:
    return tuple(Mistake(what=what, file=file, old=old, new=new, test=test) for what, old, new in mistakes)


ASKING = f"{PACKAGE}/adapters/pexip/asking.py"
FETCHING = f"{PACKAGE}/adapters/pexip/fetching.py"
LEDGER = f"{PACKAGE}/adapters/ledger"
STOP = f"{PACKAGE}/usecases/stop_instance.py"
SET = f"{PACKAGE}/usecases/set_open.py"
START = "statemachines/start_node.asl.yaml"
OPEN = "statemachines/set_open.asl.yaml"
RETIRE = "statemachines/retire_node.asl.yaml"
BARRIERS = "tests/simulation/test_barriers.py"

MISTAKES: tuple[Mistake, ...] = (
    *_in(
        ASKING,
        f"{BARRIERS}::test_each_list_of_a_look_alone_shows_what_is_on_the_node",
        ("conferences are filtered by another field", '"conference_shard", node=', '"conference_shard", conference='),
        ("media are filtered by another field", '"participant", media_node=', '"participant", call_uuid='),
        ("signalling is filtered by another field", '"participant", signalling_node=', '"participant", call_uuid='),
        ("proxied calls are filtered by another field", '"participant", proxy_node=', '"participant", call_uuid='),
        ("backplanes are filtered by another field", '"backplane", media_node=', '"backplane", conference='),
        ("registrations are filtered by another field", '"registration_alias", node=', '"registration_alias", alias='),
    ),
    *_in(
        ASKING,
        f"{BARRIERS}::test_a_look_reads_the_live_status_and_the_live_configuration_not_the_minutes_reading",
        (
            "the minute's reading stands for the live status",
            "closed=bool(status.maintenance_mode),",
            "closed=bool(worker.maintenance_mode),",
        ),
        (
            "the minute's reading stands for the live configuration",
            "configured_closed=bool(configured.maintenance_mode),",
            "configured_closed=worker.maintenance_mode_configured,",
        ),
    ),
    *_in(
        ASKING,
        f"{BARRIERS}::test_a_look_is_complete_only_with_this_nodes_status_and_its_signaling_count",
        ("a look without a signaling count is complete", " and status.signaling_count is not None", ""),
        ("a look at another node's status is complete", "complete=status.name == worker.name and ", "complete="),
        ("the signaling count is not looked at", "signaling_count=status.signaling_count or 0,", "signaling_count=0,"),
    ),
    *_in(
        ASKING,
        "tests/simulation/test_late_acts.py::test_a_step_that_hangs_before_its_change_finds_that_another_workflow_has_the_node",
        (
            "the claim is not asked for right before a change",
            "        self._configuration(worker)\n        fence()",
            "        fence()\n        self._configuration(worker)",
        ),
    ),
    *_in(
        ASKING,
        "tests/integration/test_bad_input.py::test_an_id_that_belongs_to_another_node_by_now_changes_nothing",
        (
            "a change goes to the id whoever has it",
            "        self._configuration(worker)\n        fence()",
            "        fence()",
        ),
    ),
    *_in(
        ASKING,
        "tests/simulation/test_faults.py::test_a_function_whose_clock_is_two_minutes_off_makes_no_stop_come_too_early",
        (
            "no look asks for the time",
            "            clock_off=self.clock_off,\n            **carried",
            "            clock_off=0.0,\n            **carried",
        ),
    ),
    *_in(
        FETCHING,
        "tests/integration/test_pages_of_lists.py::test_every_page_of_pexips_lists_is_read",
        (
            "only the first page of Pexip's lists is read",
            "address = self._next(page.meta.next, answer, path)",
            "address = None",
        ),
    ),
    *_in(
        FETCHING,
        "tests/integration/test_odd_answers.py::"
        "test_a_list_that_is_cut_short_is_a_problem_of_a_reading_and_no_look_trusts_it",
        ("a list that is cut short is taken for whole", "if len(rows) >= told and (", "if ("),
    ),
    *_in(
        f"{LEDGER}/table.py",
        "tests/integration/test_pages_of_lists.py::test_every_page_of_the_ledgers_queries_is_read",
        ("only the first page of a query is read", 'if "LastEvaluatedKey" not in page:', "if True:"),
    ),
    *_in(
        f"{PACKAGE}/adapters/ec2.py",
        "tests/integration/test_pages_of_lists.py::test_every_page_of_ec2s_instances_is_read",
        (
            "only the first page of instances is read",
            "for page in pages for group",
            "for page in list(pages)[:1] for group",
        ),
    ),
    *_in(
        f"{LEDGER}/table.py",
        f"{BARRIERS}::test_every_read_that_a_decision_rests_on_is_consistent",
        ("an item is read with lag", "sk}, ConsistentRead=True", "sk}, ConsistentRead=False"),
        ("a query is read with lag", "=key, ConsistentRead=True", "=key, ConsistentRead=False"),
    ),
    *_in(
        f"{LEDGER}/nodes.py",
        f"{BARRIERS}::test_the_last_word_renews_the_lease",
        (
            "the last word does not renew the lease",
            '"stop_asked_at": stamp(now), "claim_until": stamp(now + LEASE)',
            '"stop_asked_at": stamp(now)',
        ),
    ),
    *_in(
        f"{LEDGER}/nodes.py",
        "tests/integration/test_ledger.py::test_the_last_word_tells_a_changed_plan_from_a_lost_claim",
        ("the last word asks for nothing", "is_the_last_word(token, version, now))", "None)"),
    ),
    *_in(
        f"{LEDGER}/nodes.py",
        "tests/integration/test_ledger.py::test_a_claim_belongs_to_one_workflow_until_its_lease_ends",
        ("a lease is renewed whoever has the claim", "at_work, is_claimed_by(token))", "at_work, None)"),
    ),
    *_in(
        f"{PACKAGE}/domain/fleet/lifecycle.py",
        "tests/unit/domain/planning/test_edges.py",
        ("a plan relieves a workflow whether it rests or not", "            and self.rests_until > now\n", ""),
    ),
    *_in(
        f"{PACKAGE}/adapters/ec2.py",
        f"{BARRIERS}::test_of_two_tagged_instances_with_one_address_none_is_stopped",
        ("the first of two instances is taken", "if len(found) != 1:", "if not found:"),
    ),
    *_in(
        f"{PACKAGE}/usecases/record.py",
        f"{BARRIERS}::test_a_node_that_is_found_closed_is_closed_since_it_was_found_not_since_its_launch",
        (
            "a node that is found closed counts as closed since its lifetime began",
            "ledger.note_if_free(node, closed_at=now)",
            "ledger.note_if_free(node, closed_at=memory.wanted_at or datetime(2026, 1, 1, tzinfo=now.tzinfo))",
        ),
    ),
    *_in(
        SET,
        f"{BARRIERS}::test_a_node_is_closed_since_pexip_has_changed_it_not_since_it_was_asked",
        (
            "a node is closed since before the change",
            "        now = clock.now()\n        self.ledger.remember(node, token, closed_at=now)",
            "        now = memory.claim.until - timedelta(minutes=5)\n        self.ledger.remember(node, token, closed_at=now)",
        ),
    ),
    *_in(
        SET,
        f"{BARRIERS}::test_a_node_that_was_opened_since_is_closed_anew",
        (
            "an older closing is kept",
            "        now = clock.now()\n        self.ledger.remember(node, token, closed_at=now)",
            "        now = memory.closed_at or clock.now()\n        self.ledger.remember(node, token, closed_at=now)",
        ),
    ),
    *_in(
        SET,
        f"{BARRIERS}::test_the_ledger_comes_before_pexip",
        (
            "an opening changes Pexip first",
            "fence = partial(self.ledger.remember, node, token, closed_at=None, opened_at=clock.now())",
            "fence = lambda: None",
        ),
        (
            "a closing changes Pexip first",
            "fence = partial(self.ledger.remember, node, token, closed_at=None)\n",
            "fence = lambda: None\n",
        ),
    ),
    *_in(
        SET,
        "tests/simulation/test_late_acts.py::test_a_closing_that_lands_after_a_need_has_opened_the_node_is_undone_in_seconds",
        ("nobody looks after a relief", "often = to_open and now < since + LONGEST_STEP", "often = False"),
    ),
    *_in(
        STOP,
        f"{BARRIERS}::test_the_second_witness_counts_from_when_every_node_knew_of_the_closing",
        (
            "the second witness counts from the closing",
            "witnessed_from(memory.closed_at, self.policy.replication)",
            "witnessed_from(memory.closed_at, 0 * self.policy.replication)",
        ),
    ),
    *_in(
        STOP,
        f"{BARRIERS}::test_the_last_looks_age_is_asked_again_after_everything_that_may_take_long",
        (
            "the last look's age is not asked again at the end",
            "if clock.now() - max(look.at for look in looks) > LOOK_AGE:",
            "if False:",
        ),
    ),
    *_in(
        STOP,
        f"{BARRIERS}::test_the_wait_for_ec2s_turn_makes_no_look_younger",
        (
            "the last look's age is not asked after the wait for EC2's turn",
            "self._judged(replace(evidence, now=now, paused=paused",
            "self._judged(replace(evidence, paused=paused",
        ),
    ),
    *_in(
        STOP,
        f"{BARRIERS}::test_the_stops_clock_is_its_own",
        (
            "the stop's clock is the second look's",
            "            now=now,\n            mode",
            "            now=max(look.at for look in looks),\n            mode",
        ),
    ),
    *_in(
        STOP,
        f"{BARRIERS}::test_an_old_reading_is_no_reading",
        (
            "the reading's age is taken as nought",
            "reading_age=now - reading.read_at,",
            "reading_age=0 * (now - reading.read_at),",
        ),
    ),
    *_in(
        STOP,
        f"{BARRIERS}::test_somebody_else_who_switches_nodes_is_asked_for_at_the_stop_too",
        ("the stop does not ask who else switches nodes", "commitments.switched_by_others(now)", "()"),
    ),
    *_in(
        STOP,
        "tests/simulation/test_faults.py::test_a_pause_that_comes_while_a_stop_waits_for_its_turn_holds_it",
        ("a pause is not read again after the turn", "paused=paused, holds=holds, asked", "holds=holds, asked"),
    ),
    *_in(
        STOP,
        "tests/simulation/test_late_acts.py::test_a_stop_that_lands_late_finds_no_node_that_was_opened_meanwhile",
        (
            "nobody waits for a stop without an answer",
            "LANDS_WITHIN = timedelta(seconds=30)",
            "LANDS_WITHIN = timedelta(seconds=0)",
        ),
    ),
    *_in(
        STOP,
        "tests/simulation/test_opened_meanwhile.py",
        (
            "the last question's age is not asked",
            "        if question and is_old(question, clock.now()):",
            "        if question and False:",
        ),
    ),
    *_in(
        RETIRE,
        f"{BARRIERS}::test_a_retirement_takes_every_step_in_its_order_and_waits_in_between",
        (
            "the workflow does not wait until every node knows",
            "    Next: Wait until every node knows",
            "    Next: Look again",
        ),
        (
            "the workflow looks once",
            "    Default: Wait before looking again",
            "    Default: Ask last of all whether it is still closed",
        ),
        (
            "the workflow does not wait between the looks",
            "    Default: Wait before looking again",
            "    Default: Look again",
        ),
        (
            "the workflow asks no last question",
            "    Default: Ask last of all whether it is still closed",
            "    Default: Stop it",
        ),
        ("the workflow does not close the node", "    Next: Close it", "    Next: Look whether it is empty"),
        (
            "the node stays closed after its stop",
            "    Default: Open it for its next start",
            "    Default: Record that it stopped",
        ),
    ),
    *_in(
        RETIRE,
        f"{BARRIERS}::test_a_look_that_finds_a_call_ends_the_retirement",
        (
            "the workflow goes on after a first look that found a call",
            "        Next: Keep it on for its calls\n    Default: Wait before looking again",
            "        Next: Wait before looking again\n    Default: Wait before looking again",
        ),
        (
            "the workflow goes on after a second look that found a call",
            "        Next: Keep it on for its calls\n    Default: Ask last",
            "        Next: Stop it\n    Default: Ask last",
        ),
    ),
    *_in(
        RETIRE,
        f"{BARRIERS}::test_a_look_at_a_node_that_is_wanted_again_turns_the_retirement_round",
        (
            "the workflow stops what is wanted again",
            '        Next: Turn round\n      - Condition: "{% $not($look.empty) %}"\n        Next: Keep it on for its calls\n    Default: Ask last',
            '        Next: Stop it\n      - Condition: "{% $not($look.empty) %}"\n        Next: Keep it on for its calls\n    Default: Ask last',
        ),
    ),
    *_in(
        START,
        f"{BARRIERS}::test_a_start_lets_the_node_boot_and_ends_when_it_serves",
        ("the workflow does not let a node boot", "    Default: Let it boot\n", "    Default: Check it\n"),
        (
            "the workflow waits on although the node serves",
            "{% $progress in ['serving', 'in reserve'] %}",
            "{% $progress in ['in reserve'] %}",
        ),
    ),
    *_in(
        START,
        f"{BARRIERS}::test_a_reserve_that_is_needed_when_it_comes_up_is_opened_before_its_start_ends",
        ("the workflow leaves a node closed that is to serve", "{% $progress = 'closed' %}", "{% false %}"),
    ),
    *_in(
        OPEN,
        f"{BARRIERS}::test_a_change_is_looked_after_until_every_node_knows_of_it",
        (
            "the workflow ends before every node knows of a change",
            "        Next: Let it reach every node",
            "        Next: Record it",
        ),
    ),
    *_in(
        f"{PACKAGE}/usecases/claim.py",
        "tests/integration/test_modes.py::test_an_execution_by_hand_is_refused_where_the_mode_forbids_it",
        ("a workflow begins whatever the mode says", "        permission.check(", "        bool("),
    ),
    *_in(
        f"{LEDGER}/nodes.py",
        "tests/integration/test_ledger.py::test_a_claim_belongs_to_one_workflow_until_its_lease_ends",
        ("a claim is taken although its lease runs", "if held and held.runs(now):", "if False:"),
        (
            "a workflow that has lost its claim releases another's",
            "NO_CLAIM, is_claimed_by(token))\n\n    def last_word",
            "NO_CLAIM, None)\n\n    def last_word",
        ),
    ),
    *_in(
        f"{LEDGER}/history.py",
        "tests/simulation/test_names.py::test_a_lifetime_that_is_opened_halfway_is_not_opened",
        ("half a lifetime is opened", "TransactItems=[row, is_on]", "TransactItems=[row]"),
    ),
    *_in(
        f"{PACKAGE}/usecases/observe.py",
        "tests/simulation/test_ticks.py::test_a_look_is_left_out_where_pexip_has_just_been_read",
        ("a look between two ticks is never left out", "if again and self._has_just_read():", "if False:"),
    ),
    *_in(
        f"{PACKAGE}/usecases/finish.py",
        "tests/integration/test_modes.py::test_a_refused_stop_is_remembered_with_its_reason_until_the_node_goes_another_way",
        (
            "a refused stop is forgotten",
            "memory = self.ledger.remember(node, token, refused_why=line(reason, TOLD))",
            "memory = self.ledger.remember(node, token, refused_since=None)",
        ),
    ),
)


def survives(mistake: Mistake) -> bool:
    """Make one mistake in a copy of the project; say whether its test passes all the same."""
    with TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            there = ROOT / name
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            (shutil.copytree(there, copy / name, ignore=ignored) if there.is_dir() else shutil.copy(there, copy / name))
        file = copy / mistake.file
        text = file.read_text()
        if text.count(mistake.old) < 1:
            raise ValueError(f"{mistake.file} has changed: «{mistake.old}» is not there")
        file.write_text(text.replace(mistake.old, mistake.new, 1))
        paths = os.pathsep.join(str(copy / each) for each in ("layers/headroom", "lab", "cli", "."))
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", mistake.test],
            cwd=copy,
            env=os.environ | {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
        if "passed" not in ran.stdout and "failed" not in ran.stdout:
            raise RuntimeError(f"{mistake.test} did not run:\n{ran.stdout}\n{ran.stderr}")
        return ran.returncode == 0


def survivors() -> list[Mistake]:
    """Make every mistake, on every processor; return those that no test notices."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        fates = pool.map(survives, MISTAKES)
        return [mistake for mistake, survived in zip(MISTAKES, fates, strict=True) if survived]


def table() -> list[str]:
    """Write the mistakes for docs/mutants.md: each is noticed, or `make mutants` has failed."""
    rows = [
        f"| {each.what} | {each.file.rpartition('/')[2]} | `{each.test.rpartition('::')[2]}` |" for each in MISTAKES
    ]
    return ["| mistake | in | noticed by |", "|---|---|---|", *rows]
