"""Write down what EC2 says happened to a node's instance, and who did it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from headroom.adapters.ec2 import Ec2
from headroom.adapters.ledger import Event, Ledger
from headroom.domain.fleet import Power
from headroom.working import ME

SOMEONE = "someone else"
OURS_FOR = timedelta(minutes=10)  # how long after Headroom asked a change of state is taken to be its own doing


@dataclass
class Recorder:
    """The ledger and EC2."""

    ledger: Ledger
    ec2: Ec2

    def state_changed(self, instance_id: str, state: str, at: datetime) -> str:
        """Record one change of state; return the node's name, empty if the instance is not one of ours."""
        found = self.ec2.instances(instance_id=instance_id)
        if not found:
            return ""
        [instance] = found
        reading = self.ledger.last_reading()
        workers = {worker.address: worker.name for worker in reading.workers} if reading else {}
        node = workers.get(instance.private_ip or "", instance.name or instance.id)
        memory = self.ledger.memory(node)
        going_on = state in {Power.PENDING, Power.RUNNING}
        asked_at = memory.start_asked_at if going_on else memory.stop_asked_at
        ours = asked_at is not None and at - asked_at < OURS_FOR
        by, reason = (ME, memory.reason) if ours else (SOMEONE, "not asked for by Headroom")
        self.ledger.tell(Event(at=at, kind=f"instance {state}", node=node, reason=reason, by=by))
        if going_on and self.ledger.lifetime_began(node, instance.launched_at, by, reason):
            self.ledger.note(node, lifetime=instance.launched_at)
        if state in {Power.STOPPED, Power.TERMINATED} and memory.lifetime and at >= memory.lifetime:
            self.ledger.lifetime_note(node, memory.lifetime, stopped_at=at, stopped_by=by, stop_reason=reason)
            self.ledger.note(node, lifetime=None)
        return node
