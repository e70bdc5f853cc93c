"""What stands before every request: whose it is, how large it may be, what a browser may do."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        b"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


RECEIVED = 8  # times the largest body, before a connection is closed on who sends more


class Guard:
    """Refuses requests for other hosts, from other sites, and bodies above ``max_bytes``.

    A page of another site may send a request to this machine through its user's browser, or have
    its own name resolve to it: the host must be one of ``hosts``, and an origin the host's own.
    """

    def __init__(self, app: App, hosts: set[str], max_bytes: int) -> None:
        self._app, self._hosts, self._max_bytes = app, hosts, max_bytes

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass on what is allowed."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value for name, value in scope["headers"]}
        problem = self._find_problem(scope["method"], headers)
        if problem is not None:
            await _refuse(send, *problem)
            return
        body = await self._read(headers, receive)
        if body is None:
            await _refuse(send, 413, f"the request is larger than {self._max_bytes >> 20} MB")
            return

        async def replay() -> Message:
            nonlocal body
            if body is None:
                return await receive()
            content, body = body, None
            return {"type": "http.request", "body": content, "more_body": False}

        await self._app(scope, replay, _adding_headers(send))

    def _find_problem(self, method: str, headers: dict[str, bytes]) -> tuple[int, str] | None:
        host = headers.get("host", b"").decode("latin-1").lower()
        if find_name(host) not in self._hosts:
            return 421, "this host is not served; `fame serve --allow-host NAME` adds one"
        origin = headers.get("origin", b"").decode("latin-1").lower()
        site = headers.get("sec-fetch-site", b"same-origin").decode("latin-1")
        foreign = bool(origin) and origin.partition("://")[2] != host
        if method not in ("GET", "HEAD") and (foreign or site not in ("same-origin", "none")):
            return 403, "requests of other sites are refused"
        return None

    async def _read(self, headers: dict[str, bytes], receive: Receive) -> bytes | None:
        """The body, or None where it is too large.

        What is too large is received all the same, up to a limit, and thrown away: a client that
        still sends would not hear the answer.
        """
        told = headers.get("content-length", b"0")
        size = int(told) if told.isdigit() else self._max_bytes + 1
        parts: list[bytes] = []
        received = 0
        while received <= RECEIVED * self._max_bytes:
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            part = message.get("body", b"")
            received += len(part)
            size = max(size, received)
            if size <= self._max_bytes:
                parts.append(part)
            else:
                parts.clear()
            if not message.get("more_body"):
                break
        return b"".join(parts) if size <= self._max_bytes else None


def find_name(host: str) -> str | None:
    """The name in a header `Host`, without its port; None where it is none."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:  # brackets that do not close
        return None


async def _refuse(send: Send, status: int, sentence: str) -> None:
    content = json.dumps({"error": sentence}).encode()
    headers = [(b"content-type", b"application/json"), *HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def _adding_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *HEADERS]
        await send(message)

    return sending
