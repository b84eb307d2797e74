"""EC2: state changes take time and send events, a start gives a new launch time and public address, and may be refused.

AWS: StartInstances answers `pending`, StopInstances `stopping` (docs: «Instance lifecycle»); every change of state is
an «EC2 Instance State-change Notification»; an instance that is stopping cannot be started (IncorrectInstanceState);
LaunchTime is the newest power-on; a public address that is not Elastic goes with the stop and a new one comes with the
start. Faults are injected by tags, which AWS does not know: `lab:refuse-start` = `CODE:TIMES` and
`lab:fall-back` = `REASON:TIMES`; `lab:elastic` gives an instance an Elastic IP. Policies see an instance's tags as
`aws:ResourceTag` (docs: «Control access to AWS resources using tags»).
"""

import json
import random
import re
from collections.abc import Iterator
from typing import Any

from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import ec2, eventbridge, tagging

from headroom_lab.aws.patches import replace
from headroom_lab.aws.patches.destinations import soon
from headroom_lab.aws.patches.time import LAB_TIME

TAKES = {"pending": 8.0, "stopping": 20.0, "shutting-down": 5.0}  # lab seconds
CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
REFUSED = 400
SHORT_OF_CAPACITY = 500


def become(instance_id: str, state: str) -> None:
    """Change an instance's state and tell EventBridge."""
    instance = ec2._instances[instance_id]
    instance["State"] = {"Code": CODES[state], "Name": state}
    if state == "stopped" and not is_elastic(instance_id):
        instance["PublicIpAddress"] = ""
    eventbridge._dispatch_event(
        {
            "EventId": new_uuid(),
            "Source": "aws.ec2",
            "DetailType": "EC2 Instance State-change Notification",
            "Detail": json.dumps({"instance-id": instance_id, "state": state}),
            "EventBusName": "default",
            "Time": LAB_TIME.time(),
            "Resources": [f"arn:aws:ec2:{get_region()}:{get_account_id()}:instance/{instance_id}"],
            "Account": get_account_id(),
            "Region": get_region(),
        }
    )


def settle(instance_id: str, passing: str, final: str) -> None:
    """After a while, end a passing state, unless something else has happened to the instance."""
    LAB_TIME.sleep(TAKES[passing])
    instance = ec2._instances.get(instance_id)
    if instance and instance["State"]["Name"] == passing:
        become(instance_id, final)


def state_of(instance_id: str) -> str:
    """Return an instance's state, empty if there is none."""
    return str((ec2._instances.get(instance_id) or {}).get("State", {}).get("Name", ""))


def is_elastic(instance_id: str) -> bool:
    """Say whether an instance keeps its public address."""
    return any(tag["Key"] == "lab:elastic" for tag in ec2._tags.get(instance_id) or [])


def take_fault(instance_id: str, kind: str) -> str:
    """Return the fault that is injected for this instance now, if any is left, and count it down."""
    for tag in ec2._tags.get(instance_id) or []:
        if tag["Key"] == f"lab:{kind}":
            what, _, times = tag["Value"].rpartition(":")
            if int(times) > 0:
                tag["Value"] = f"{what}:{int(times) - 1}"
                return str(what)
    return ""


def in_time(change: Any, *, allowed: set[str], passing: str, final: str) -> Any:
    """Wrap StartInstances or StopInstances so that it takes time and sends events as on AWS."""

    def changed(parameters: Any) -> Any:
        ids = ec2._parse_member_list(parameters, "InstanceId")
        for one in ids:
            if state_of(one) and state_of(one) not in allowed:
                verb = "started" if final == "running" else "stopped"
                message = f"The instance '{one}' is not in a state from which it can be {verb}."
                return ec2._error("IncorrectInstanceState", message, REFUSED)
            fault = take_fault(one, "refuse-start") if final == "running" else ""
            if fault:
                status = SHORT_OF_CAPACITY if "Insufficient" in fault else REFUSED
                return ec2._error(
                    fault, "We currently do not have sufficient capacity in this Availability Zone.", status
                )
        before = {one: state_of(one) for one in ids}
        status, headers, body = change(parameters)
        if status >= REFUSED:
            return status, headers, body
        for one, state in before.items():
            if state == final:
                continue
            ec2._instances[one]["State"] = {
                "Code": CODES[state],
                "Name": state,
            }  # the engine has changed it already
            _set_out(one, passing, final)
        text = body.decode() if isinstance(body, bytes) else body
        text = re.sub(
            r"(<currentState><code>)\d+(</code><name>)[\w-]+",
            lambda match: f"{match[1]}{CODES[passing]}{match[2]}{passing}",
            text,
        )
        return status, headers, text.encode()

    return changed


def _set_out(instance_id: str, passing: str, final: str) -> None:
    instance = ec2._instances[instance_id]
    if final == "running":
        moment = LAB_TIME.time()
        instance["LaunchTime"] = LAB_TIME.strftime("%Y-%m-%dT%H:%M:%S.000Z", LAB_TIME.gmtime(moment))
        instance.pop("StateReason", None)
        if not instance.get("PublicIpAddress"):
            instance["PublicIpAddress"] = f"198.51.100.{random.randint(1, 254)}"
        reason = take_fault(instance_id, "fall-back")
        if reason:
            instance["StateReason"] = reason
            final = "stopped"
    become(instance_id, passing)
    soon(settle, instance_id, passing, final)


def terminating(terminate: Any) -> Any:
    """Wrap TerminateInstances likewise."""

    def terminated(parameters: Any) -> Any:
        ids = [
            one for one in ec2._parse_member_list(parameters, "InstanceId") if state_of(one) not in {"", "terminated"}
        ]
        answer = terminate(parameters)
        if answer[0] < REFUSED:
            for one in ids:
                become(one, "shutting-down")
                soon(settle, one, "shutting-down", "terminated")
        return answer

    return terminated


def more_filters(matches: Any) -> Any:
    """The engine ignores filters it does not know; AWS has these, and a client that uses them must not get more."""
    fields = {"private-ip-address": "PrivateIpAddress", "instance-id": "InstanceId"}

    def matched(instance: dict[str, Any], filters: dict[str, list[str]]) -> bool:
        known = all(instance[field] in filters[name] for name, field in fields.items() if name in filters)
        return known and bool(matches(instance, filters))

    return matched


def more_xml(describe: Any) -> Any:
    """DescribeInstances says why an instance is in its state, and whose its public address is."""

    def described(instance: dict[str, Any]) -> str:
        text = str(describe(instance)).replace("<ipAddress></ipAddress>", "")
        owner = get_account_id() if is_elastic(instance["InstanceId"]) else "amazon"
        address = instance.get("PublicIpAddress")
        extra = (
            f"<stateReason><code>Server</code><message>{instance['StateReason']}</message></stateReason>"
            if instance.get("StateReason")
            else ""
        )
        if address:
            extra += (
                "<networkInterfaceSet><item><association>"
                f"<publicIp>{address}</publicIp><ipOwnerId>{owner}</ipOwnerId>"
                "</association></item></networkInterfaceSet>"
            )
        head, _, tail = text.rpartition("</item>")
        return f"{head}{extra}</item>{tail}"

    return described


def settle_after_restart() -> None:
    """Complete the state changes of instances that a killed engine left unfinished."""
    finals = {"pending": "running", "stopping": "stopped", "shutting-down": "terminated"}
    for key, instance in list(ec2._instances._data.items()):
        passing = instance["State"]["Name"]
        if passing in finals:
            from ministack.core.responses import set_request_account_id, set_request_region  # noqa: PLC0415

            set_request_account_id(key[0])
            if len(key) > 2:  # noqa: PLR2004 - account, region, id
                set_request_region(key[1])
            soon(settle, instance["InstanceId"], passing, finals[passing])


def tagged_instances() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Yield every instance's ARN, with its tags as the engine's evaluation of policies takes them."""
    for instance_id in ec2._instances:
        arn = f"arn:aws:ec2:{get_region()}:{get_account_id()}:instance/{instance_id}"
        yield arn, list(ec2._tags.get(instance_id, []))


def apply() -> None:
    """Patch EC2."""
    replace(tagging, "_RESOURCE_TAG_COLLECTORS", lambda known: known | {"ec2": tagged_instances})
    actions = ec2._ACTION_MAP
    actions["StartInstances"] = in_time(
        actions["StartInstances"],
        allowed={"stopped", "running", "pending"},
        passing="pending",
        final="running",
    )
    actions["StopInstances"] = in_time(
        actions["StopInstances"],
        allowed={"running", "stopped", "stopping", "pending"},
        passing="stopping",
        final="stopped",
    )
    actions["TerminateInstances"] = terminating(actions["TerminateInstances"])
    replace(ec2, "_matches_filters", more_filters)
    replace(ec2, "_instance_xml", more_xml)
