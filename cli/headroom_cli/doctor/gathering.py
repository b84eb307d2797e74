"""Look at a site: its Management Node and its instances. What cannot be looked at is written down, and spoils nothing else."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from headroom import clock
from headroom.adapters.pexip.asking import ManagementNode
from headroom.adapters.pexip.credentials import Credentials
from headroom.adapters.pexip.errors import PexipError
from headroom.adapters.site import Looking, Site
from headroom.domain.doctor.facts import Facts, Monitored
from headroom.domain.fleet.fleet import Worker
from headroom.domain.policy import Policy
from headroom_cli.installing import manager

SAMPLES = 3  # rows of each list that a file of facts has
OF_PEXIP = ("reading", "monitored", "versions", "licences", "alarms")
LISTS = ("status/v1/worker_vm", "status/v1/cloud_node", "status/v1/cloud_monitored_location", "status/v1/alarm")
OF_ALARMS = {"identifier", "name", "level"}  # what an alarm's details say may name anybody
OF_ROWS = {  # fields that say how this platform answers, and name nobody
    *("boot_time", "sync_status", "maintenance_mode", "upgrade_status", "version", "node_type", "deploy_status"),
    *("max_hd_calls", "max_sd_calls", "max_full_hd_calls", "max_audio_calls", "max_media_tokens", "media_tokens_used"),
    *("media_load", "signaling_count", "last_updated", "last_attempted_contact", "cpu_count", "cpu_capabilities"),
    *("cloud_instance_state", "cloud_instance_launch_time", "aws_instance_state", "free_hd_calls"),
}
CALLS = ("port", "audio")  # the kinds of licences that a call takes


class Asked(ManagementNode):
    """The Management Node, asked for rows as it gives them."""

    def rows(self, path: str) -> list[dict[str, Any]]:
        """Return the objects of a list; raise PexipError where it is not given."""
        self._begin()
        rows, _ = self._rows(path)
        return [row for row in rows if isinstance(row, dict)]


def gathered(
    *,
    stack: str,
    tag_value: str,
    url: str,
    credentials: Credentials | None,
    parameters: Mapping[str, str] | None,
    policy: Policy,
    peaks: Callable[[], Mapping[str, float]] | None = None,
) -> Facts:
    """Look at everything. Without `credentials` Pexip is not asked; `stack` is empty before there is one.

    `peaks` tells the most that past days had in use, by principal location.
    """
    looking, now = Looking(), clock.now()
    answer = manager.ask(url)
    if parameters is None:
        looking.unknown["parameters"] = "There is no stack yet."
    looking.seen["address"] = (answer.sentence, answer.answers, not answer.certificate)
    workers: Sequence[Worker] = ()
    if credentials is None:
        looking.unknown |= dict.fromkeys(OF_PEXIP, "No credentials were given: use --secret.")
    else:
        asked = Asked(url, credentials)
        try:
            looking.at("reading", lambda: asked.read(tag_value, now, stack=stack))
            looking.at("answers", lambda: _samples(asked))
            looking.at("monitored", lambda: _monitored(asked))
            looking.at("versions", lambda: _versions(asked))
            looking.at("licences", lambda: _licences(asked))
            looking.at("alarms", lambda: [str(row.get("name") or "") for row in asked.rows("status/v1/alarm")])
        finally:
            asked.close()
        workers = looking.seen["reading"].workers if "reading" in looking.seen else ()
    Site(tag_value).look(looking, workers)
    if peaks is not None:
        looking.at("peaks", peaks)
    else:
        looking.unknown["peaks"] = "There is no stack yet, so no past day is known."
    return Facts(
        now=now,
        tag_value=tag_value,
        host=urlsplit(url).hostname or "",
        policy=policy,
        parameters=parameters,
        unknown=looking.unknown,
        **looking.seen,
    )


# Pexip


def _samples(asked: Asked) -> dict[str, list[dict[str, Any]]]:
    """Return some rows of each list that a file of facts has; an empty list says that it was not given."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in LISTS:
        try:
            kept = OF_ALARMS if path.endswith("alarm") else OF_ROWS
            found[path] = [
                {name: value if name in kept else "there" for name, value in row.items()}
                for row in asked.rows(path)[:SAMPLES]
            ]
        except PexipError as error:
            found[path] = [{"not given": str(error)}]
    return found


def _monitored(asked: Asked) -> tuple[Monitored, ...]:
    rows = asked.rows("status/v1/cloud_monitored_location")
    return tuple(
        Monitored(
            name=str(row.get("name")),
            free_hd_calls=_whole(row, "free_hd_calls"),
            max_hd_calls=_whole(row, "max_hd_calls"),
        )
        for row in rows
    )


def _versions(asked: Asked) -> dict[str, str]:
    rows = [*asked.rows("status/v1/management_vm"), *asked.rows("status/v1/worker_vm")]
    return {str(row.get("name")): str(row["version"]) for row in rows if row.get("version")}


def _licences(asked: Asked) -> dict[str, tuple[int, int]]:
    """Return the licences in use and there that calls take, by kind; a total of 0 is none of this platform's."""
    rows = asked.rows("status/v1/licensing")
    return {
        kind: (_whole(row, f"{kind}_count") or 0, there)
        for row in rows
        for kind in CALLS
        if (there := _whole(row, f"{kind}_total"))
    }


def _whole(row: Mapping[str, Any], name: str) -> int | None:
    value = row.get(name)
    return value if isinstance(value, int) else None
