"""Isolates the lab: it reaches no network and finds no credentials, whatever its shell has."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

NOBODY = {
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


class NetworkReachedError(BaseException):
    """Something asked for an address outside the lab; nothing may catch that and go on."""


@contextmanager
def alone(is_watched: Callable[[], bool], found: Callable[[str], None]) -> Iterator[None]:
    """Inside this block there are no credentials, and watched code reaches no network; each try is reported to `found`."""
    connect, resolve = socket.socket.connect, socket.getaddrinfo

    def refused(where: object) -> None:
        if is_watched():
            found(f"the network was asked for {where}")
            raise NetworkReachedError(str(where))

    def connected(this: socket.socket, address: Any) -> None:
        refused(address)
        connect(this, address)

    def resolved(host: Any, *more: Any, **named: Any) -> Any:
        refused(host)
        return resolve(host, *more, **named)

    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    region = {"AWS_DEFAULT_REGION": os.environ.get("AWS_DEFAULT_REGION", "eu-central-1")}
    with (
        patch.dict(os.environ, kept | NOBODY | region, clear=True),
        patch.object(socket.socket, "connect", connected),
        patch.object(socket, "getaddrinfo", resolved),
    ):
        yield
