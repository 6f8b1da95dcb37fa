"""Starts a stand-in: its folder, its jobs, and the server that answers."""

import asyncio
import contextlib
import fcntl
import logging
import os
import resource
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import IO, Any

import uvicorn

from bbkit.standin.catalog import Catalog
from bbkit.standin.control_plane import ControlPlane
from bbkit.standin.errors import EngineError
from bbkit.standin.faults import CallFaults
from bbkit.standin.gateway import Gateway
from bbkit.standin.jobs import Jobs
from bbkit.standin.logs import Traces, plain
from bbkit.standin.runtime import Runtime
from bbkit.standin.s3.service import S3
from bbkit.standin.s3.store import Buckets
from bbkit.standin.s3.uploads import Uploads
from bbkit.standin.settings import BUCKET, Identity, Settings, save_identity, write_environment
from bbkit.standin.store import Store

MOST_FILES = 65_536


class FolderInUse(Exception):
    """Another stand-in runs on this folder."""


class _Server(uvicorn.Server):
    """A uvicorn server that says when it answers and leaves signals to us."""

    ready = ""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(f"ready {self.ready}", flush=True)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _stop_on_request(server: uvicorn.Server, stop_on_eof: bool) -> None:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)

    def read() -> None:
        if not os.read(0, 1 << 16):
            loop.remove_reader(0)
            stop()

    if stop_on_eof:
        loop.add_reader(0, read)


def _quiet_loggers() -> None:
    # A lost answer is asked for, and a client that went away is no news.
    quiet = ("without completing", "Unsupported upgrade", "supported WebSocket library")
    logging.getLogger("uvicorn.error").addFilter(lambda record: not any(one in record.msg for one in quiet))


def _check_engine(settings: Settings, traces: Traces) -> None:
    """Say when nothing answers where the engine should be; it may still come, so that is all."""
    from bbkit.standin.engines.openai import OpenAIEngine

    try:
        OpenAIEngine(**settings.engine_options).check()
    except EngineError as error:
        traces.log(did="miss engine", message=error.message)
        traces.print(f"{error.message} Records get this error until one does.")


def lock_folder(folder: Path) -> IO[str]:
    """Take a folder for this process; the lock goes with the process, however it ends."""
    handle = (folder / "server.lock").open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        raise FolderInUse(f"A stand-in already runs on {folder}; stop it or choose another folder.") from None
    return handle


def bind(host: str, port: int, last_port: int) -> socket.socket:
    """Bind the port asked for; when none is, the one of last time if it is free, else any free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in [port] if port else [last_port, 0]:
        # Only of sockets that name TCP does asyncio send each piece at once.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, candidate))
        except OSError:
            listener.close()
            if port or candidate == 0:
                raise
            continue
        return listener
    raise AssertionError


def allow_connections() -> None:
    """Take as many open files as the system gives without asking: many shells begin with 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def http_options() -> dict[str, Any]:
    """HTTP/2 beside HTTP/1.1 where uvicorn (0.53 and later) and zttp are there for it."""
    speaks = "http2" in signature(uvicorn.Config).parameters and find_spec("zttp")
    return {"http": "zttp", "http2": True} if speaks else {}


async def serve(
    settings: Settings,
    identity: Identity,
    listener: socket.socket,
    host: str,
    extra_hosts: list[str],
    stop_on_eof: bool,
) -> None:
    """Answer until SIGTERM, SIGINT or, if so asked, the end of standard input."""
    allow_connections()
    port = listener.getsockname()[1]
    shown = f"[{host}]" if ":" in host else "127.0.0.1" if host == "0.0.0.0" else host
    endpoint = f"http://{shown}:{port}"
    identity = replace(identity, port=port)
    save_identity(settings.folder, identity)
    traces = Traces(settings.folder, settings.quiet)
    calls = CallFaults(settings.faults)
    buckets = Buckets(settings.buckets)
    if names := ", ".join(plain(name) for name in sorted(buckets.passed_over)):
        traces.print(f"Of {buckets.folder} these folders cannot be buckets, and are left alone: {names}.")
    buckets.create_bucket(BUCKET)
    write_environment(settings.folder, identity, settings.region, endpoint)
    jobs = Jobs(settings, Store(settings.folder), buckets, traces)
    runtime = Runtime(settings, traces)
    gateway = Gateway(
        settings=settings,
        hosts=frozenset(
            f"{name}:{port}".lower() for name in ("127.0.0.1", "localhost", "[::1]", shown, *extra_hosts)
        ),
        secrets={identity.access_key: identity.secret_key},
        control_plane=ControlPlane(jobs, calls, Catalog(settings, calls.switched)),
        calls=calls,
        runtime=runtime,
        s3=S3(Uploads(buckets, settings.account, settings.region, calls.switched)),
        traces=traces,
    )
    config = uvicorn.Config(
        gateway,
        **http_options(),
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=3,
    )
    _quiet_loggers()
    server = _Server(config)
    server.ready = endpoint
    _stop_on_request(server, stop_on_eof)
    traces.log(did="start", endpoint=endpoint)
    threading.Thread(target=jobs.resume, daemon=True).start()
    if settings.waits:
        threading.Thread(target=_check_engine, args=(settings, traces), daemon=True).start()
    await server.serve([listener])
    jobs.pool.close()
    runtime.pool.close()
    traces.log(did="stop server")
