"""`fame serve`: the page and the API on this machine."""

import argparse
import ipaddress
import signal
import sys
from pathlib import Path

from fame.runtime.errors import InputError
from fame.serving.predict import HISTORY, add_history

LOCAL = {"127.0.0.1", "localhost", "::1"}
LAST_PORT = 65_535
SECONDS_TO_FINISH = 30  # for requests under way when the server is told to end


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at")
    parser.add_argument("--port", type=int, default=8000, help="port, 0 for any that is free")
    parser.add_argument(
        "--models", type=Path, default=Path("models"), help="folder or archive of a trained run"
    )
    parser.add_argument("--history", type=Path, help=HISTORY)
    parser.add_argument(
        "--allow-host", action="append", default=[], help="another name that it is reached by"
    )
    parser.add_argument(
        "--any-versions", action="store_true", help="accept other versions of the libraries"
    )


def run(arguments: argparse.Namespace) -> None:
    """Load, listen, answer until SIGTERM or Ctrl-C; what is under way is answered first.

    To end so is no failure: the exit status is 0.
    """
    if not 0 <= arguments.port <= LAST_PORT:
        raise InputError(f"--port {arguments.port}: allowed: 0 .. {LAST_PORT}")
    import uvicorn

    from fame.serving.api import make_app
    from fame.serving.predictor import Predictor

    predictor = Predictor.load(arguments.models, any_versions=arguments.any_versions)
    if arguments.history is not None:
        add_history(predictor, arguments.history)
    hosts = LOCAL | {name.lower() for name in arguments.allow_host} | list_hosts(arguments.host)
    config = uvicorn.Config(
        make_app(predictor, hosts),
        host=arguments.host,
        port=arguments.port,
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=SECONDS_TO_FINISH,
    )
    try:
        listener = config.bind_socket()
    except SystemExit:
        raise InputError(
            f"{arguments.host}:{arguments.port}: cannot listen there; choose another --port"
        ) from None
    listener.listen(config.backlog)  # who asks from now on waits for the answer
    port = listener.getsockname()[1]
    print(f"serve: http://{arguments.host}:{port}, Ctrl-C ends it", flush=True)
    for each in (signal.SIGINT, signal.SIGTERM):  # uvicorn raises it again when all is answered
        signal.signal(each, lambda *_: sys.exit(0))
    uvicorn.Server(config).run(sockets=[listener])


def list_hosts(host: str) -> set[str]:
    """Names under which an address is reached; of all addresses none in particular."""
    try:
        return set() if ipaddress.ip_address(host).is_unspecified else {host}
    except ValueError:
        return {host.lower()}
