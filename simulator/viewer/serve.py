"""``audition view``: the viewer as a process, until Ctrl-C."""

from __future__ import annotations

import ipaddress
import logging
import secrets
import socket
from contextlib import closing, suppress

import uvicorn
from anyio import to_thread

from ..errors import InputError
from ..storage.store import Store
from .app import create_app
from .index import Index, place
from .security import Gate
from .view import View
from .work import Work

FIRST_PORT, PORTS = 8400, 20
BACKLOG = 128
EVERY_INTERFACE = ("0.0.0.0", "::")


class _Server(uvicorn.Server):
    """Whoever waits for a task is told that there is no more of it before the server waits for
    its last answers."""

    def __init__(self, config: uvicorn.Config, work: Work) -> None:
        super().__init__(config)
        self._work = work

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await to_thread.run_sync(self._work.close)
        await super().shutdown(sockets)


def serve(store: Store, *, host: str, port: int | None, token: str | None, start: str = "") -> None:
    """Answer until interrupted. ``start``: the path that is printed; ``port`` None: the first
    free one from 8400. Raises InputError for an address that cannot be listened at."""
    local = _is_local(host)
    gate = Gate(hosts=_names(host), token=token or ("" if local else secrets.token_urlsafe(18)))
    listener = _listen(host, port)
    number = listener.getsockname()[1]
    view = View(store, Index(place(store.name)))
    config = uvicorn.Config(
        create_app(view, gate),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    shown = "127.0.0.1" if host in EVERY_INTERFACE else host
    query = f"?token={gate.token}" if gate.token else ""
    print(f"Viewer: http://{_bracketed(shown)}:{number}{start or '/'}{query}", flush=True)
    print("Ctrl-C ends it.", flush=True)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    with closing(listener), suppress(KeyboardInterrupt):  # which is how it is ended
        _Server(config, view.work).run(sockets=[listener])


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _names(host: str) -> tuple[str, ...]:
    """What a browser may call this machine, beside the address it reached it at."""
    known = ("127.0.0.1", "localhost", "::1")
    if host not in EVERY_INTERFACE:
        return (*known, host.lower())
    return (*known, socket.gethostname().lower(), socket.getfqdn().lower())


def _listen(host: str, port: int | None) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    wanted = range(FIRST_PORT, FIRST_PORT + PORTS) if port is None else [port]
    problem: OSError | None = None
    for number in wanted:
        # With the protocol named, asyncio sends small parts of an answer at once (TCP_NODELAY).
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, number))
            listener.listen(BACKLOG)  # who follows the printed address at once is not refused
        except (OSError, OverflowError) as error:
            listener.close()
            problem = error if isinstance(error, OSError) else OSError(str(error))
            continue
        listener.set_inheritable(True)
        return listener
    where = f"{host}:{port}" if port is not None else f"{host}, {FIRST_PORT} to {wanted[-1]}"
    said = "" if problem is None else f" ({problem.strerror or problem})"
    raise InputError("--port", found=f"{where}{said}", allowed="a free port", fix="--port 0")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
