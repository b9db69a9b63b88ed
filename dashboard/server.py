"""Pages and REST on one port: `streamlit run dashboard/server.py`."""

import contextlib
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import streamlit as st
from starlette.datastructures import MutableHeaders
from starlette.formparsers import MultiPartParser
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import UserError
from dashboard import api
from dashboard.loaded import MODELS

# Streamlit's pages bring their styles along, and its charts compile their formulas; all else comes from here only.
CONTENT_POLICY = {
    "default-src": "'self'",
    "script-src": "'self' 'unsafe-inline' 'unsafe-eval' blob:",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "connect-src": "'self' data: blob: ws: wss:",
    "worker-src": "'self' blob:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "frame-ancestors": "'self'",
}
# The socket that listens is among the first files a server opens.
MOST_FILES = 256
HEADERS = {
    "Content-Security-Policy": "; ".join(f"{what} {where}" for what, where in CONTENT_POLICY.items()),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


# What pages are sent passes through Streamlit, whose parser would write a film of more than a megabyte to disk.
MultiPartParser.spool_max_size = 0


class SecurityHeaders:
    """Adds HEADERS to every answer."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def send_at_once() -> None:
    """Turns Nagle's algorithm off for every connection to come: an answer would wait 40 ms for the client to stir.

    asyncio does so by itself, but not for the socket that Streamlit binds. Connections inherit it from that one.
    """
    for number in range(MOST_FILES):
        with contextlib.suppress(OSError):
            found = socket.socket(fileno=number)
            try:
                if found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            finally:
                # It is not ours to close.
                found.detach()


@contextlib.asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """The model warms up beside the first page, not before it."""
    send_at_once()
    MODELS.warm_up()
    yield
    MODELS.stop()


try:
    rest = api.app()
except UserError as error:
    sys.exit(str(error))

app = st.App(
    Path(__file__).with_name("app.py"),
    routes=[Mount("/api", app=rest)],
    middleware=[Middleware(SecurityHeaders)],
    lifespan=lifespan,
)
