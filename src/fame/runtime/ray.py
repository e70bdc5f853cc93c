"""Ray, set up: a cluster that is there already, or one of this machine alone."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fame.runtime.errors import InputError
from fame.runtime.processes import kill, list_started

SECONDS_TO_CONNECT = 10


@contextmanager
def connect(address: str | None, instead: str) -> Iterator[Any]:
    """The module ray, connected; all that was started through it ends with the context.

    Args:
        address: host:port of the cluster; None: one of this machine alone.
        instead: the parameter and value that do without a cluster, for the error.

    Raises:
        InputError: there is no cluster.
    """
    if address:
        _reach(address, instead)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # reports to its makers
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # what it warns of otherwise
    import ray

    others = list_started()
    try:
        with keep_sigterm():
            ray.init(
                address=address,
                include_dashboard=False,
                log_to_driver=False,
                logging_level="ERROR",
            )
        yield ray
    finally:
        started = list_started() - others
        ray.shutdown()
        kill(started)  # agents of a cluster that was stopped as it began go on for minutes


@contextmanager
def keep_sigterm() -> Iterator[None]:
    """Whatever Ray does, the handler of SIGTERM stays what it was: Ray's ends without a word."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit:
        if callable(handler):
            handler(signal.SIGTERM, None)
        raise
    finally:
        signal.signal(signal.SIGTERM, handler)


def count_places(ray: Any, cores: int) -> int:
    """Processes of so many cores that the cluster's nodes have room for."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return sum(int(node.get("CPU", 0)) // cores for node in nodes)


def _reach(address: str, instead: str) -> None:
    """Ask for the cluster's port: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), SECONDS_TO_CONNECT).close()
    except OSError as error:
        raise InputError(
            f"params.yaml: runtime.ray_address: no cluster at {address!r} ({error}); start one "
            f"with `ray start --head`, or use {instead}"
        ) from None
