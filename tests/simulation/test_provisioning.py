"""The optional stack on the stage: a node is made from an image, serves, is converted and removed, and no call is cut."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from headroom.adapters.making import Making
from headroom.adapters.pexip.form import Form
from headroom.adapters.provisioning import parts
from headroom.domain.fleet.fleet import NodeState, Power
from headroom.domain.people.orders import Do
from headroom.domain.planning.promises import BadRequestError
from headroom.domain.policy import Mode
from headroom.usecases.order import Order
from headroom.usecases.provision_node import Planned, ProvisionNode, Ran, Wanted
from headroom_lab.proof.asl import Execution
from headroom_lab.proof.making import MACHINES, STACK, with_provisioning
from headroom_lab.proof.stage import HOSTNAME, OVERFLOW, PRINCIPAL, Stage
from tests.simulation.conftest import RUSH, Deployed

NODE = "burst-9"
WANTED = {
    "node": NODE,
    "location": OVERFLOW,
    "subnet": "subnet-1",
    "security_groups": ["sg-1"],
    "instance_type": "c6i.2xlarge",
    "key": "pexip",
    "tenancy": "dedicated",
    "by": "anna",
}


def provision(stage: Stage, name: str = "first", *, dry_run: bool = False, **more: Any) -> Execution:
    return stage.begin("provision_node", f"provision-{name}", {"wanted": WANTED | more, "dry_run": dry_run})


def ask(deployed: Deployed, do: Do, *nodes: str) -> None:
    deployed.operator().carry_out(Order(do=do, nodes=nodes, reason="a test"), "anna")


def instance_of(stage: Stage, node: str = NODE) -> str:
    return next(machine.id for machine in stage.cloud.machines.values() if machine.node.name == node)


def state_of(stage: Stage, node: str = NODE) -> NodeState:
    return next(each.state for each in stage.ledger.plan().nodes if each.name == node)


@pytest.fixture
def provisioned(deployed: Deployed) -> Deployed:
    """A stack of four overflow nodes, one of them just made."""
    with_provisioning(deployed.stage)
    deployed.stage.minutes(3)
    made = provision(deployed.stage)
    deployed.stage.minutes(45)
    assert made.ended == "SUCCEEDED", (made.error, made.cause)
    return deployed


def test_a_dry_run_says_what_it_would_do_and_does_nothing(deployed: Deployed) -> None:
    stage = deployed.stage
    cloud = with_provisioning(stage)
    stage.minutes(2)
    asked = provision(stage, dry_run=True)
    stage.minutes(2)
    assert asked.ended == "SUCCEEDED"
    assert asked.output["does"][0] == (
        "run c6i.2xlarge in subnet-1 (eu-central-1a) from ami-0123456789abcdef0, «Pexip Infinity Conferencing Node 37 "
        "(build 80989.0.0)», tenancy dedicated, key pair pexip"
    )
    assert not cloud.tokens
    assert NODE not in stage.world.nodes


def test_from_an_image_to_a_node_that_the_next_rush_uses(provisioned: Deployed) -> None:
    stage = provisioned.stage
    assert state_of(stage) is NodeState.STOPPED
    assert stage.world.nodes[NODE].deployed
    [row] = [row for row in stage.manager.platform.rows("configuration", "worker_vm") if row["name"] == NODE]
    assert (row["netmask"], row["gateway"], row["hostname"]) == ("255.255.240.0", "10.9.0.1", NODE)
    assert row["enable_distributed_database"] is False
    ask(provisioned, Do.START, NODE)
    stage.expect(*((58 + n / 8, f"meeting {n % 6}", 20.0) for n in range(34)))
    stage.minutes(20)
    assert stage.world.nodes[NODE].calls
    assert stage.findings == []
    assert not stage.cloud.cut


def test_nothing_that_a_workflow_keeps_has_a_key_in_it(provisioned: Deployed) -> None:
    """Step Functions shows an execution's input, variables and output to whoever may look."""
    stage = provisioned.stage
    [key] = stage.manager.platform.keys
    kept = [(each.variables, each.output, each.given) for each in stage.executions.values()]
    assert key not in repr((kept, stage.journal, stage.announced, stage.told, stage.table.items))


def test_it_is_converted_there_and_back_and_removed_and_no_call_is_cut(provisioned: Deployed) -> None:
    stage = provisioned.stage
    stage.expect(*((48 + at, conference, lasts) for at, conference, lasts in RUSH))
    ask(provisioned, Do.TAKE_OUT, NODE)
    given = {"node": NODE, "instance": instance_of(stage), "by": "anna"}
    there = stage.begin("convert_node", "there", {**given, "location": PRINCIPAL, "overflow": False})
    stage.minutes(40)
    assert there.ended == "SUCCEEDED", (there.error, there.cause)
    node = stage.world.nodes[NODE]
    assert (node.location, node.tagged, node.closed.now, node.on) == (PRINCIPAL, False, False, True)
    ask(provisioned, Do.REINSTATE, NODE)
    stage.minutes(5)
    assert NODE not in {each.name for each in stage.ledger.plan().nodes}
    stage.cloud.switch_off(stage.cloud.machines[given["instance"]])  # by hand, as the guide says of an always-on node
    stage.minutes(2)
    back = stage.begin("convert_node", "back", {**given, "location": OVERFLOW, "overflow": True})
    stage.minutes(6)
    assert back.ended == "SUCCEEDED", (back.error, back.cause)
    assert state_of(stage) is NodeState.STOPPED
    ask(provisioned, Do.TAKE_OUT, NODE)
    gone = stage.begin("remove_node", "gone", given)
    stage.minutes(6)
    assert gone.ended == "SUCCEEDED", (gone.error, gone.cause)
    assert NODE not in stage.world.nodes
    assert stage.cloud.machines[given["instance"]].state == "terminated"
    assert stage.findings == []
    assert not stage.cloud.cut


def test_a_node_with_calls_is_removed_only_when_they_have_ended(provisioned: Deployed) -> None:
    stage = provisioned.stage
    ask(provisioned, Do.START, NODE)
    stage.expect(*((58 + n / 8, f"meeting {n % 6}", 30.0) for n in range(34)))
    stage.minutes(20)
    assert stage.world.nodes[NODE].calls
    ask(provisioned, Do.TAKE_OUT, NODE)
    given = {"node": NODE, "instance": instance_of(stage), "by": "anna"}
    gone = stage.begin("remove_node", "gone", given)
    stage.minutes(10)
    assert gone.state == "Let Headroom stop it"
    assert stage.world.nodes[NODE].calls
    stage.minutes(60)
    assert gone.ended == "SUCCEEDED", (gone.error, gone.cause)
    assert not stage.cloud.cut
    assert stage.world.tally.cut == 0


def test_an_always_on_node_is_converted_and_removed_only_when_a_person_has_stopped_it(provisioned: Deployed) -> None:
    stage = provisioned.stage
    machine = stage.cloud.add(stage.world.nodes["always-on"], launched_at=stage.now - 3600)
    machine.tagged = False
    given = {"node": "always-on", "instance": machine.id, "by": "anna"}
    wished = stage.begin("convert_node", "wished", {**given, "location": OVERFLOW, "overflow": True})
    gone = stage.begin("remove_node", "gone", given)
    stage.minutes(3)
    for refused in (wished, gone):
        assert (refused.ended, refused.error) == ("FAILED", "NotNowError")
        assert "wait until its conferences have ended, stop its instance" in refused.cause
    assert stage.world.nodes["always-on"].location == PRINCIPAL
    assert not stage.world.nodes["always-on"].closed.now


@pytest.mark.parametrize("machine", ["convert_node", "remove_node"])
def test_an_instance_that_is_another_node_s_is_refused_before_anything_is_changed(
    provisioned: Deployed, machine: str
) -> None:
    """As in an input by hand: the node that is named may be on, and carry calls."""
    stage = provisioned.stage
    ask(provisioned, Do.TAKE_OUT, NODE)
    other = instance_of(stage, "burst-1")
    given = {"node": NODE, "instance": other, "by": "anna", "location": PRINCIPAL, "overflow": False}
    refused = stage.begin(machine, "refused", given)
    stage.minutes(3)
    assert (refused.ended, refused.error) == ("FAILED", "BadRequestError")
    assert f"so {other} is not its instance: nothing was changed" in refused.cause
    assert stage.world.nodes[NODE].location == OVERFLOW
    assert stage.cloud.machines[other].state == "stopped"


def test_a_move_asks_pexip_itself_whose_instance_it_is(provisioned: Deployed) -> None:
    """The newest reading may be a minute old."""
    stage = provisioned.stage
    doing = ProvisionNode.of(parts())
    with pytest.raises(BadRequestError, match="is not its instance"):
        doing.move(NODE, instance_of(stage, "burst-1"), PRINCIPAL, overflow=False, by="anna")
    with pytest.raises(BadRequestError, match="is not its instance"):
        doing.delete(NODE, instance_of(stage, "burst-1"))
    assert stage.world.nodes[NODE].location == OVERFLOW


def test_a_node_that_a_person_has_closed_meanwhile_is_not_opened(provisioned: Deployed) -> None:
    stage = provisioned.stage
    stage.world.set_closed(stage.world.nodes[NODE], closed=True, reason="cabling")
    assert "as others want it: cabling" in ProvisionNode.of(parts()).open(NODE)
    assert stage.world.nodes[NODE].closed.now


def test_a_node_that_pexip_has_heard_of_is_never_created_again_whatever_it_shows(provisioned: Deployed) -> None:
    """It is not known whether a node's form is gone once it is configured."""
    stage = provisioned.stage
    ask(provisioned, Do.START, NODE)
    stage.minutes(9)
    stage.manager.platform.configured.clear()
    stage.world.set_closed(stage.world.nodes[NODE], closed=True, reason=f"Headroom: {NODE} is being provisioned")
    before = stage.world.nodes[NODE].id
    doing, instance = ProvisionNode.of(parts()), instance_of(stage)
    wanted = msgspec.convert(WANTED, Wanted)
    ran = Ran(instance=instance, state="running", address=stage.world.nodes[NODE].address)
    assert doing.form.is_there(ran.address)
    assert "Pexip has heard of it" in doing.introduce(wanted, Planned(does=()), ran)
    assert stage.world.nodes[NODE].id == before


@pytest.mark.parametrize("reason", ["", "cabling", f"Headroom: [{STACK}] {NODE} is being converted"])
def test_a_node_that_is_no_longer_being_provisioned_is_never_taken_for_one_that_was_begun(
    provisioned: Deployed, reason: str
) -> None:
    """Its instance was made here and has no tag, as after a conversion: it may be an always-on node, and carry calls."""
    stage = provisioned.stage
    node, instance = stage.world.nodes[NODE], instance_of(stage)
    stage.world.set_closed(node, closed=bool(reason), reason=reason)
    stage.cloud.machines[instance].tagged, node.location, before = False, PRINCIPAL, node.id
    doing, wanted = ProvisionNode.of(parts()), msgspec.convert(WANTED, Wanted)
    with pytest.raises(BadRequestError, match=f"Pexip has a node {NODE} already"):
        doing.plan(wanted)
    stage.manager.platform.configured.clear()
    ran = Ran(instance=instance, state="running", address=node.address)
    with pytest.raises(BadRequestError, match=f"Pexip has a node {NODE} already"):
        doing.introduce(wanted, Planned(does=()), ran)
    assert stage.world.nodes[NODE].id == before


def test_an_address_is_the_same_however_it_is_written(provisioned: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = provisioned.stage
    doing, instance = ProvisionNode.of(parts()), instance_of(stage)
    here = replace(doing.making.instance(instance), private_ip="2001:db8::9", power=Power.STOPPED)
    monkeypatch.setattr(Making, "instance", lambda *_: here)
    stage.world.nodes[NODE].address = "2001:DB8:0::9"
    assert doing.delete(NODE, instance) == "it is deleted in Pexip"


def test_while_a_promise_cannot_be_read_it_is_not_said_that_somebody_put_the_node_back(provisioned: Deployed) -> None:
    stage = provisioned.stage
    stage.table.items.setdefault("holds#manager.example.com", {})["odd"] = {
        "pk": "holds#manager.example.com",
        "sk": "odd",
        "v": 1,
        "body": b"odd",
    }
    gone = stage.begin("remove_node", "gone", {"node": NODE, "instance": instance_of(stage), "by": "anna"})
    stage.minutes(3)
    assert "Whether burst-9 is taken out is not known" in gone.cause


def test_a_node_that_is_put_back_meanwhile_stays(provisioned: Deployed) -> None:
    stage = provisioned.stage
    gone = stage.begin("remove_node", "gone", {"node": NODE, "instance": instance_of(stage), "by": "anna"})
    stage.minutes(3)
    assert (gone.ended, gone.error) == ("FAILED", "NotNowError")
    assert "somebody has put it back" in gone.cause
    assert NODE in stage.world.nodes


def steps_of(machine: str) -> int:
    text = (STACK / "statemachines" / f"{machine}.asl.yaml").read_text()
    return text.count("Type: Task") + 2


def crash(stage: Stage, execution: Execution, step: int) -> None:
    """Let an execution die while its function of that number runs: the function answers, and nobody hears it."""
    taken: list[str] = []

    def count(name: str, payload: Any) -> None:
        if payload.get("token") == execution.name:
            taken.append(name)
            if len(taken) == step:
                stage.after(0.01, execution.abort)

    stage.watchers.append(count)
    stage.minutes(20)
    stage.watchers.remove(count)
    assert execution.ended == "ABORTED"


@pytest.mark.parametrize("step", range(1, steps_of("provision_node")))
def test_with_a_crash_at_any_step_it_goes_on_when_it_is_begun_again(
    make_stage: Callable[..., Stage], step: int
) -> None:
    stage = make_stage(step)
    cloud = with_provisioning(stage)
    stage.after(0, stage.every_minute)
    stage.minutes(2)
    crash(stage, provision(stage), step)
    again = provision(stage, "again")
    stage.minutes(45)
    assert again.ended == "SUCCEEDED", (again.error, again.cause, again.history)
    assert len(cloud.tokens) == 1
    assert state_of(stage) is NodeState.STOPPED
    assert stage.findings == []


@pytest.mark.parametrize("step", range(1, steps_of("convert_node")))
def test_a_conversion_that_crashed_at_any_step_goes_on_when_it_is_begun_again(provisioned: Deployed, step: int) -> None:
    """Its first steps wait until the node is off; the last ones wait for it to come up."""
    stage = provisioned.stage
    ask(provisioned, Do.TAKE_OUT, NODE)
    given = {"node": NODE, "instance": instance_of(stage), "by": "anna", "location": PRINCIPAL, "overflow": False}
    crash(stage, stage.begin("convert_node", "first", given), step)
    again = stage.begin("convert_node", "again", given)
    stage.minutes(30)
    assert again.ended == "SUCCEEDED", (again.error, again.cause, again.history)
    node = stage.world.nodes[NODE]
    assert (node.location, node.tagged, node.on, node.closed.now) == (PRINCIPAL, False, True, False)
    assert stage.findings == []
    assert not stage.cloud.cut


@pytest.mark.parametrize("step", range(1, 4))
def test_a_conversion_back_that_crashed_at_any_step_goes_on_when_it_is_begun_again(
    provisioned: Deployed, step: int
) -> None:
    stage = provisioned.stage
    given = {"node": NODE, "instance": instance_of(stage), "by": "anna", "location": OVERFLOW, "overflow": True}
    stage.cloud.machines[instance_of(stage)].tagged = False
    stage.world.move(stage.world.nodes[NODE], PRINCIPAL)
    stage.minutes(3)
    assert NODE not in {each.name for each in stage.ledger.plan().nodes}
    crash(stage, stage.begin("convert_node", "first", given), step)
    again = stage.begin("convert_node", "again", given)
    stage.minutes(10)
    assert again.ended == "SUCCEEDED", (again.error, again.cause, again.history)
    assert state_of(stage) is NodeState.STOPPED
    assert stage.findings == []


@pytest.mark.parametrize("step", range(1, 4))
def test_a_removal_that_crashed_at_any_step_goes_on_when_it_is_begun_again(provisioned: Deployed, step: int) -> None:
    stage = provisioned.stage
    ask(provisioned, Do.TAKE_OUT, NODE)
    given = {"node": NODE, "instance": instance_of(stage), "by": "anna"}
    crash(stage, stage.begin("remove_node", "first", given), step)
    again = stage.begin("remove_node", "again", given)
    stage.minutes(10)
    assert again.ended == "SUCCEEDED", (again.error, again.cause)
    assert NODE not in stage.world.nodes
    assert stage.cloud.machines[given["instance"]].state == "terminated"
    assert stage.findings == []


def test_a_crash_between_creating_a_node_and_giving_it_its_xml_is_mended_by_creating_it_again(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The XML is told once."""
    stage = deployed.stage
    with_provisioning(stage)
    stage.minutes(2)
    upload, tries = Form.upload, []

    def dies_once(form: Form, address: str, xml: bytes) -> None:
        tries.append(address)
        if len(tries) == 1:
            assert stage.running
            stage.running.dies = True
            stage.touch("form")
        upload(form, address, xml)

    monkeypatch.setattr(Form, "upload", dies_once)
    made = provision(stage)
    stage.minutes(45)
    assert made.ended == "SUCCEEDED", (made.error, made.cause)
    assert len(tries) == 2
    assert len(stage.manager.platform.keys) == 2


def until_it_succeeds(stage: Stage, begin: Callable[[str], Execution], minutes: float) -> None:
    """Begin it again as often as a patient operator would."""
    for number in range(6):
        begun = begin(f"{number}")
        stage.minutes(minutes)
        if begun.ended == "SUCCEEDED":
            return
    pytest.fail(f"{begun.error}: {begun.cause}")


@pytest.mark.parametrize("seed", range(6))
def test_under_faults_it_ends_or_says_why_and_no_call_is_cut(make_stage: Callable[..., Stage], seed: int) -> None:
    stage = make_stage(seed)
    cloud = with_provisioning(stage)
    stage.hazards.dies, stage.hazards.delayed, stage.hazards.answer_lost = 0.02, 0.02, 0.03
    stage.hazards.rates = {"EC2": 0.05, "DynamoDB": 0.02}
    stage.hazards.lands_late, stage.hazards.given_up = 0.05, 0.02
    stage.after(0, stage.every_minute)
    stage.expect(*((10 + at, conference, lasts) for at, conference, lasts in RUSH))
    stage.minutes(2)
    until_it_succeeds(stage, lambda name: provision(stage, name), 60)
    assert len([one for one in stage.cloud.machines.values() if one.node.name == NODE]) == 1, cloud.tokens
    out = Order(do=Do.TAKE_OUT, nodes=(NODE,), reason="it is not needed")
    Deployed(stage, Mode.CONTROL).operator().carry_out(out, "anna")
    given = {"node": NODE, "instance": instance_of(stage), "by": "anna"}
    until_it_succeeds(stage, lambda name: stage.begin("remove_node", f"remove {name}", given), 40)
    assert not stage.cloud.cut
    assert stage.findings == []


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"node": "Burst 9"}, "cannot be a node's name"),
        ({"node": "burst-1"}, "Pexip has a node burst-1 already"),
        ({"location": "Nowhere"}, "Nowhere is the primary overflow location of no location"),
        ({"location": PRINCIPAL}, "used; those that are: Cloud"),
    ],
)
def test_what_cannot_be_made_is_refused_before_anything_is_made(
    deployed: Deployed, given: dict[str, Any], why: str
) -> None:
    cloud = with_provisioning(deployed.stage)
    deployed.stage.minutes(2)
    refused = provision(deployed.stage, **given)
    deployed.stage.minutes(5)
    assert (refused.ended, refused.error) == ("FAILED", "BadRequestError")
    assert why in refused.cause
    assert not cloud.tokens


def test_a_node_that_is_whole_is_left_as_it_is(provisioned: Deployed) -> None:
    stage = provisioned.stage
    launched = stage.cloud.machines[instance_of(stage)].launched_at
    again = provision(stage, "again")
    stage.minutes(5)
    assert again.ended == "SUCCEEDED"
    assert again.history[-1] == "Done"
    assert stage.cloud.machines[instance_of(stage)].launched_at == launched
    would = provision(stage, "would", dry_run=True)
    stage.minutes(2)
    assert would.output["does"] == ["nothing: burst-9 is an overflow node already"]


def test_an_instance_that_ec2_ends_at_once_is_told_of_and_not_waited_for(deployed: Deployed) -> None:
    stage = deployed.stage
    cloud = with_provisioning(stage)
    stage.minutes(2)
    made = provision(stage)
    stage.run_until(stage.now + 8)
    while not cloud.tokens:
        stage.run_until(stage.now + 1)
    stage.cloud.switch_off(stage.cloud.machines[instance_of(stage)], terminate=True)
    stage.minutes(5)
    assert (made.ended, made.error) == ("FAILED", "BadRequestError")
    assert "EC2 has ended the instance at once" in made.cause
    again = provision(stage, "again")
    stage.minutes(45)
    assert again.ended == "SUCCEEDED", (again.error, again.cause)


def test_a_name_that_is_taken_out_is_put_back_first(deployed: Deployed) -> None:
    stage = deployed.stage
    with_provisioning(stage)
    stage.minutes(2)
    ask(deployed, Do.TAKE_OUT, "burst-1")
    refused = provision(stage, node="burst-1")
    stage.minutes(3)
    assert "put it back first" in refused.cause


def test_where_headroom_stops_nothing_the_new_node_stays_on_and_closed_and_that_is_said(deployed: Deployed) -> None:
    deployed.set_mode(Mode.OBSERVE)
    stage = deployed.stage
    with_provisioning(stage)
    stage.minutes(2)
    made = provision(stage)
    stage.minutes(30)
    assert made.ended == "SUCCEEDED", (made.error, made.cause)
    assert "so stop it yourself" in made.output["reason"]
    node = stage.world.nodes[NODE]
    assert (node.on, node.closed.now) == (True, True)


def test_an_instance_that_never_shows_its_form_ends_with_a_sentence(deployed: Deployed) -> None:
    stage = deployed.stage
    with_provisioning(stage)
    stage.minutes(2)
    stage.manager.platform.configured.add("10.9.0.10")
    made = provision(stage)
    stage.minutes(60)
    assert (made.ended, made.error) == ("FAILED", "NotReadyError")
    assert "does not show its form on port 8443" in made.cause


def test_a_node_that_never_connects_is_told_of_and_can_be_removed_or_gone_on_with(deployed: Deployed) -> None:
    stage = deployed.stage
    with_provisioning(stage)
    stage.minutes(2)
    made = provision(stage)
    stage.minutes(2)
    stage.world.nodes[NODE].never_boots = True
    stage.minutes(10)
    assert any("burst-9 is being provisioned" in issue.what for issue in stage.ledger.plan().issues)
    stage.minutes(35)
    assert (made.ended, made.error) == ("FAILED", "NodeDidNotConnect")
    assert "Pexip has not heard of it since its launch" in made.cause
    stage.world.nodes[NODE].never_boots = False
    again = provision(stage, "again")
    stage.minutes(45)
    assert again.ended == "SUCCEEDED", (again.error, again.cause)


def test_every_workflow_of_the_optional_stack_is_played_here() -> None:
    assert {path.name.removesuffix(".asl.yaml") for path in (STACK / "statemachines").iterdir()} == set(MACHINES)
    assert HOSTNAME
