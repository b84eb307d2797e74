"""DynamoDB streams: a mapping gives up a batch after its retries or its age, tells its queue, and goes on.

AWS: MaximumRetryAttempts, MaximumRecordAgeInSeconds and an on-failure destination (docs: «Configuring parameters for
DynamoDB event source mappings»). The engine would try a failing record for ever, and all mappings in one thread.

Queues: AWS polls them all the time (docs: «Using Lambda with Amazon SQS»), so that a delayed message arrives when its time
has come. The engine looks once a second, which is a minute where the lab's clock runs fast.
"""

import json
import threading
from dataclasses import dataclass, field
from typing import Any

from ministack.core.responses import set_request_account_id, set_request_region
from ministack.services import dynamodb, lambda_svc

from headroom_lab.aws.patches import replace
from headroom_lab.aws.patches.destinations import send, soon
from headroom_lab.aws.patches.time import LAB_TIME

BACKOFF_MOST = 30.0
POLLS = 0.1  # real seconds between two looks at all sources


@dataclass
class Place:
    """Where a mapping stands."""

    busy: bool = False
    tries: int = 0
    not_before: float = 0.0


@dataclass
class Mappings:
    """Every mapping's place."""

    places: dict[str, Place] = field(default_factory=dict)

    def poll(self) -> bool:
        """Start every mapping that has records waiting; return whether any had."""
        went = False
        for account, region, mapping in lambda_svc._iter_all_esms():
            if ":dynamodb:" in mapping.get("EventSourceArn", "") and mapping.get("Enabled", True):
                set_request_account_id(account)
                set_request_region(region)
                went = self._poll_one(mapping) or went
        return went

    def _poll_one(self, mapping: dict[str, Any]) -> bool:
        stream, name = mapping["EventSourceArn"], mapping["UUID"]
        place = self.places.setdefault(name, Place())
        table = stream.split("/stream/")[0].rpartition("/")[2]
        if place.busy or place.not_before > LAB_TIME.time():
            return False
        if (dynamodb._tables.get(table) or {}).get("LatestStreamArn") != stream:
            return False
        function, _ = lambda_svc._get_func_record_for_qualifier(mapping["FunctionName"], mapping.get("Qualifier"))
        if function is None:
            return False
        first, end = dynamodb.stream_start_position(table), dynamodb.stream_end_position(table)
        with lambda_svc._dynamodb_stream_positions_lock:
            positions = lambda_svc._dynamodb_stream_positions
            at_start = mapping.get("StartingPosition") == "TRIM_HORIZON"
            position = max(positions.setdefault(name, first if at_start else end), first)
            if position > end:  # the engine was restarted: it keeps positions, but not the records they count
                position = positions[name] = end
        if position >= end:
            return False
        records = dynamodb.stream_records_since(table, position, int(mapping.get("BatchSize") or 100))
        place.busy = True
        soon(self._run, mapping, place, function, position, records)
        return True

    def _run(
        self,
        mapping: dict[str, Any],
        place: Place,
        function: dict[str, Any],
        position: int,
        records: list[Any],
    ) -> None:
        done = False
        try:
            kept = lambda_svc._apply_filter_criteria(records, mapping)
            result = lambda_svc._execute_function(function, {"Records": kept}) if kept else {}
            if not result.get("error"):
                done = True
            elif self._is_over(mapping, place, kept):
                spent = place.tries >= int(mapping.get("MaximumRetryAttempts") or 0)
                condition = "RetryAttemptsExhausted" if spent else "MaxRecordAgeExceeded"
                self._tell(mapping, kept, condition)
                done = True
            else:
                place.tries += 1
                place.not_before = LAB_TIME.time() + min(2 ** (place.tries - 1), BACKOFF_MOST)
        finally:
            if done:
                with lambda_svc._dynamodb_stream_positions_lock:
                    lambda_svc._dynamodb_stream_positions[mapping["UUID"]] = position + len(records)
                place.tries = 0
            place.busy = False
            lambda_svc.esm_wake.set()

    def _tell(self, mapping: dict[str, Any], kept: list[Any], condition: str) -> None:
        destination = ((mapping.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination")
        if destination:
            batch = {"batchSize": len(kept), "streamArn": mapping["EventSourceArn"]}
            send(destination, json.dumps({"requestContext": {"condition": condition}, "DDBStreamBatchInfo": batch}))

    def _is_over(self, mapping: dict[str, Any], place: Place, kept: list[Any]) -> bool:
        most, oldest = mapping.get("MaximumRetryAttempts"), mapping.get("MaximumRecordAgeInSeconds")
        born = min(float(record["dynamodb"].get("ApproximateCreationDateTime", LAB_TIME.time())) for record in kept)
        too_often = most is not None and int(most) >= 0 and place.tries >= int(most)
        too_old = oldest is not None and int(oldest) > 0 and LAB_TIME.time() - born > int(oldest)
        return too_often or too_old


class Wake:
    """The engine's own event, on which its poller does not wait long."""

    def __init__(self, event: threading.Event) -> None:
        self.event = event
        self.set, self.clear = event.set, event.clear

    def wait(self, timeout: float) -> bool:
        """Wait until there is something, or it is time to look."""
        return self.event.wait(min(timeout, POLLS))


def apply() -> None:
    """Patch the poller."""
    mappings = Mappings()
    replace(lambda_svc, "_esm_wake", Wake)
    replace(lambda_svc, "_poll_dynamodb_streams", lambda _: mappings.poll)
