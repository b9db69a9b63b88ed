"""The REST routes on a port of their own, in this process: tests may look and reach into them."""

import contextlib
import http.client
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import requests
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from core import model_store
from dashboard import api
from dashboard.uploads import Limits
from tests.conftest import PROJECT
from tests.helpers import wait_for

NAME = "phantoms"
PATIENCE = 30


class Client:
    """Asks one server."""

    def __init__(self, port: int):
        self.port = port

    def ask(self, method: str, path: str, **what) -> requests.Response:
        return requests.request(method, f"http://127.0.0.1:{self.port}/api{path}", timeout=PATIENCE, **what)

    def predict(self, *films: tuple[str, bytes], query: str = "", **what) -> requests.Response:
        """films: names and contents, sent as a form."""
        return self.ask("POST", f"/predict{query}", files=[("file", film) for film in films], **what)

    def say(self, *lines: str) -> tuple[int, bytes]:
        """Sends these lines as the head of a request and nothing more; status and body of what comes back."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as line:
            line.sendall("\r\n".join([*lines, "Host: here", "", ""]).encode())
            with http.client.HTTPResponse(line) as answer:
                answer.begin()
                return answer.status, answer.read()


@contextlib.contextmanager
def serving(limits: Limits | None = None, token: str = "") -> Iterator[Client]:
    """REST with these limits, until the end of the block."""
    app = Starlette(routes=[Mount("/api", app=api.app(limits or Limits(), token))])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_for(lambda: server.started, bool)
        yield Client(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()


def put_model(name: str = NAME) -> Path:
    """A copy of the phantoms' model among the promoted ones."""
    return Path(shutil.copytree(PROJECT / "models" / NAME, model_store.models_folder() / name))
