"""Everything that Pexip's documentation leaves open, or that differs between versions: one named switch each."""

from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Switches:
    """Each default is the likelier reading, or the harder one for a controller; times are seconds."""

    # The platform
    configuration_delay: float = 90  # newer guides say 90 s, older ones 60
    opening_delay: float = 90  # the same of an opening, which may come sooner: UNKNOWN
    reason_shows_at_once: bool = False  # UNKNOWN whether a status shows a changed reason before its flag
    status_delay: float = 5  # until a changed maintenance_mode shows in status
    activity_delay: float = 3  # until a new conference or call shows in status
    api_generation: str = "new"  # "old" gives aws_* and last_reported, and no sync_status
    powered_off_sync_status: str = "SYNCED"  # UNKNOWN; a stale row that looks healthy is the harder case
    powered_off_max_hd: str = "stale"  # UNKNOWN: "stale" | "null" | "zero"
    powered_off_row: bool = True  # INFERRED that a node that is off keeps its row; False: until it is heard from
    undeployed_sync_status: str = "OUT_OF_SYNC"  # UNKNOWN: of a node that was configured and never heard from
    form_field: str = "xml"  # UNKNOWN: what a new node's form on port 8443 calls its file
    last_updated: str = "configuration"  # recorded a day older than the last contact: "configuration" | "status"
    booting_sync_status: str = "SYNCING"  # UNKNOWN; only SYNCED is documented
    cloud_resources_without_bursting: bool = False  # UNKNOWN whether cloud_* answers when bursting is disabled
    start_command_without_bursting: bool = False  # UNKNOWN whether start_cloudnode works then
    refused_calls_in_history: bool = True  # UNKNOWN; a refused call may be absent altogether
    refused_reason: str = "Call failed: capacity exceeded"  # UNKNOWN text
    connectivity_alarm: str = "connectivity_lost"  # UNKNOWN name; empty raises none
    command_failure: str = "status"  # UNKNOWN: "status" | "error"
    command_code: int = 202  # 202 recorded, 200 in third-party clients
    missing_slash: int = 301  # INFERRED: Django redirects a GET; 404 is the other reading
    oauth_audience: str = ""  # empty accepts the token URL as it was called; else the node's own FQDN
    rate_limit: int = 1000  # requests a minute
    unknown_filter: str = "error"  # INFERRED: "error" | "everything", as Tastypie ignores a field that it does not know
    says_the_time: bool = True  # INFERRED: its answers carry a Date, as those of almost every web server
    manager_clock: float = 0.0  # seconds by which the Management Node's clock is ahead

    # Where calls land
    least_loaded: bool = True  # False fills one node up before the next
    closed_keeps_its_conferences: bool = True  # a conference on a closed node may go on growing there
    closed_takes_direct_calls: bool = True  # UNKNOWN whether a closed node refuses a call to its own address
    media_nodes_per_location: int = 3  # that one conference may use
    backplane_hd: int = 0  # HD connections that each conference reserves on each of its nodes

    # Nodes
    boot_mean: float = 300
    boot_jitter: float = 25
    os_boot: float = 60  # launch to boot_time

    # Pexip's own bursting, where the guide leaves it open
    bursting_every: float = 15  # UNKNOWN; its page refreshes every 15 s
    bursting_waits_for_pending: bool = True  # INFERRED: else it would start the whole location at once
    bursting_overflow_rule: str = "overflow only"  # or "either": a principal location may start nodes, too
