"""Settings, read once from the environment, named exactly as template.yaml names them."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Self

import msgspec

from headroom.domain.policy import Mode, Policy

MOST = 1_000_000  # of any number
PEXIPS = "pexip"  # Pexip's own figure


class SettingsError(Exception):
    """The environment differs from what template.yaml sets: deploy the stack again."""


def read(env: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Return variables by these names in small letters; raise one SettingsError that names everything that is missing."""
    wanted = {name: name.upper() for name in names}
    if missing := [variable for variable in wanted.values() if variable not in env]:
        raise SettingsError(f"Not set: {', '.join(missing)}. Deploy the stack again, or set them as its template does.")
    return {name: env[variable] for name, variable in wanted.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One field per variable: `pexip_url` comes from `PEXIP_URL`. Every variable must be set; some may be empty."""

    stack: str
    pexip_url: str
    pexip_secret_arn: str
    tag_value: str
    table_name: str
    mode: str
    threshold: str
    location_thresholds: str
    minimum_lifetime_minutes: str
    max_nodes: str
    boot_limit_minutes: str
    replication_seconds: str
    check_registrations: str
    idle_kilobytes: str
    time_zone: str
    forecasting: str
    call_turned_away_cost: str
    confidence: str
    max_forecast_nodes: str
    boot_drill_days: str
    meeting_size: str
    capacity_reasons: str
    licence_reasons: str
    looks_queue_url: str
    start_node_arn: str
    set_open_arn: str
    retire_node_arn: str
    prewarm_arn: str
    topic_arn: str
    heads_topic_arn: str
    chat_topic_arn: str
    bus_name: str
    prewarm_state: str
    prewarm_schedule: str
    node_hour_price: str

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Self:
        """Read the environment; raise one SettingsError that names everything that is missing."""
        return cls(**read(env, [field.name for field in fields(cls)]))

    @property
    def platform(self) -> str:
        """The Management Node's hostname, which names this platform in the ledger."""
        return self.tag_value

    @property
    def expected_meeting(self) -> float:
        """HD connections expected for a booked meeting whose series was not seen before."""
        return self._number("meeting_size")

    @property
    def price(self) -> float:
        """The price of an overflow node per hour, 0 if it is not set."""
        return self._number("node_hour_price")

    @property
    def policy(self) -> Policy:
        """The operator's policy; an empty threshold means Pexip's own."""
        try:
            thresholds = msgspec.json.decode(self.location_thresholds or "{}", type=dict[str, int])
        except msgspec.MsgspecError as error:
            raise SettingsError(f'LOCATION_THRESHOLDS must look like {{"Stockholm": 12}}: {error}') from error
        if self.mode not in set(Mode):
            raise SettingsError(f"MODE is {self.mode!r}, which is none of {', '.join(Mode)}: deploy the stack again.")
        return Policy(
            mode=Mode(self.mode),
            zone=self.time_zone,
            threshold=self._whole("threshold") if self.threshold else None,
            thresholds=thresholds,
            minimum_lifetime=(
                None
                if self.minimum_lifetime_minutes in {"", PEXIPS}
                else timedelta(minutes=self._whole("minimum_lifetime_minutes"))
            ),
            pexips_lifetime=self.minimum_lifetime_minutes == PEXIPS,
            max_nodes=self._whole("max_nodes"),
            boot_limit=timedelta(minutes=self._whole("boot_limit_minutes")),
            replication=timedelta(seconds=self._whole("replication_seconds")),
            idle_out=1000 * self._number("idle_kilobytes"),
            forecasting=self.forecasting == "true",
            call_turned_away_cost=self._number("call_turned_away_cost"),
            confidence=self._number("confidence") if self.confidence else None,
            max_forecast_nodes=self._whole("max_forecast_nodes"),
            boot_drill=timedelta(days=self._whole("boot_drill_days")),
        )

    def _number(self, name: str) -> float:
        text = getattr(self, name)
        try:
            number = float(text)
        except ValueError:
            number = -1
        if not 0 <= number <= MOST:
            raise SettingsError(
                f"{name.upper()} is {text!r}, which is no number from 0 to {MOST:,}: deploy the stack again."
            )
        return number

    def _whole(self, name: str) -> int:
        number = self._number(name)
        if not number.is_integer():
            raise SettingsError(
                f"{name.upper()} is {getattr(self, name)!r}, which is no whole number: deploy the stack again."
            )
        return int(number)
