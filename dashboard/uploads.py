"""Films that arrive over HTTP: within limits, and in memory only."""

import asyncio
import contextlib
import dataclasses
import logging
import os
from collections.abc import AsyncIterator, Iterator
from typing import Self

from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from core.errors import UserError

FORM = "multipart/form-data"
# Each is read as one film, whatever it is called: the film's own header decides.
RAW = (
    "image/jpeg",
    "image/png",
    "image/tiff",
    "image/bmp",
    "image/webp",
    "application/dicom",
    "application/octet-stream",
)
PREFIX = "PNEUMOSCOPE_MOST_"
# A client that is told no hears it only when it may finish its sentence; so long it may.
DRAIN_SECONDS = 5
WAIT_SECONDS = 2

# Its warnings quote what was sent.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a client may ask for, each changed by PNEUMOSCOPE_MOST_ and its name in capitals.

    file_bytes, request_bytes: of one film and of one request. files: in one request. requests: at work or waiting, of
    all clients. held_bytes: of all their films. seconds: for one request to arrive.
    """

    file_bytes: int = 50_000_000
    request_bytes: int = 200_000_000
    files: int = 32
    requests: int = 64
    held_bytes: int = 500_000_000
    seconds: int = 120

    @classmethod
    def from_environment(cls) -> Self:
        """Raises UserError where a value is no whole number above 0."""
        given = {field.name: os.environ.get(f"{PREFIX}{field.name.upper()}") for field in dataclasses.fields(cls)}
        for name, value in given.items():
            if value and not (value.isdecimal() and int(value)):
                raise UserError(
                    f"{PREFIX}{name.upper()} is {value!r}.", fix="Give it a whole number above 0, or leave it out."
                )
        return cls(**{name: int(value) for name, value in given.items() if value})


class Refusal(Exception):
    """An answer other than the one hoped for: HTTP status, one sentence, the next step, headers."""

    def __init__(self, status: int, what: str, fix: str, headers: dict[str, str] | None = None):
        super().__init__(what)
        self.status, self.what, self.fix, self.headers = status, what, fix, headers or {}


@dataclasses.dataclass(frozen=True)
class Film:
    """A file as it came. name: what its sender calls it; None for a request that is the film."""

    name: str | None
    data: bytes


class Room:
    """The requests that are at work or waiting, and the bytes they hold. For one event loop, so without a lock."""

    def __init__(self, limits: Limits):
        self.limits = limits
        self.requests = 0
        self.held = 0

    @contextlib.contextmanager
    def visit(self) -> Iterator["Visit"]:
        """As long as it lasts, the request and its bytes count. Raises Refusal where too many wait."""
        if self.requests >= self.limits.requests:
            raise _busy(f"{self.requests} requests are waiting already.")
        visit = Visit(self)
        self.requests += 1
        try:
            yield visit
        finally:
            self.requests -= 1
            self.held -= visit.held


class Visit:
    """One request in the room."""

    def __init__(self, room: Room):
        self.room = room
        self.held = 0

    def check(self, count: int, most: int) -> None:
        """Raises Refusal if that many bytes are more than may come, or than there is room for."""
        limits = self.room.limits
        if count > most:
            raise too_large("request" if most == limits.request_bytes else "film", most)
        if self.room.held - self.held + count > limits.held_bytes:
            raise _busy("The films that wait already fill the memory meant for them.")

    def take(self, count: int, most: int) -> None:
        """Counts bytes that came. Raises as `check`."""
        self.check(self.held + count, most)
        self.held += count
        self.room.held += count


class FormInMemory(MultiPartParser):
    """Starlette's parser, which would write a film of more than a megabyte to disk."""

    # No size is too large for memory: how much may come is counted elsewhere.
    spool_max_size = 0
    complete = False

    def __init__(self, headers: Headers, stream: AsyncIterator[bytes], files: int):
        """Raises Refusal, while it parses, if the form ends too soon."""
        super().__init__(headers, self._to_the_end(stream), max_files=files)

    def on_end(self) -> None:
        self.complete = True

    async def _to_the_end(self, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in stream:
            yield chunk
        if not self.complete:
            raise Refusal(400, "The form is cut short: its end is missing.", "Send it again.")


def too_large(what: str, most: int) -> Refusal:
    """The refusal of a film or request of more than that many bytes."""
    return Refusal(
        413, f"The {what} is larger than {most / 1_000_000:g} MB.", "Send less at once, or export it smaller."
    )


def _busy(what: str) -> Refusal:
    return Refusal(429, what, "Try again in a moment.", {"Retry-After": str(WAIT_SECONDS)})


def check_head(request: Request, visit: Visit) -> tuple[str, int]:
    """The kind of body and how many bytes it may have. Raises Refusal for what the headers alone rule out."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != FORM and kind not in RAW:
        raise Refusal(
            415,
            f"A body of the type {kind[:60]!r} is not read here."
            if kind
            else "The request does not say what it holds.",
            f"Send films as {FORM}, or one film as {', '.join(RAW)}.",
        )
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal(415, "A compressed body is not read here.", "Send the films as they are.")
    limits = visit.room.limits
    most = limits.request_bytes if kind == FORM else limits.file_bytes
    visit.check(int(request.headers.get("content-length") or 0), most)
    return kind, most


async def read_films(request: Request, stream: AsyncIterator[bytes], visit: Visit, kind: str, most: int) -> list[Film]:
    """The films of a request, in memory.

    stream: of its body, so that what is left of it can be drained. kind and most: as `check_head` gives them.
    Raises Refusal where the body is malformed, too large, too slow or cut off.
    """

    async def counted() -> AsyncIterator[bytes]:
        async for chunk in stream:
            visit.take(len(chunk), most)
            yield chunk

    limits = visit.room.limits
    try:
        async with asyncio.timeout(limits.seconds):
            if kind == FORM:
                films = await _read_form(FormInMemory(request.headers, counted(), limits.files))
            else:
                films = [Film(None, b"".join([chunk async for chunk in counted()]))]
    except TimeoutError:
        raise Refusal(
            408, f"The request took more than {limits.seconds} seconds to arrive.", "Send less at once."
        ) from None
    except ClientDisconnect:
        raise Refusal(400, "The request was cut off.", "Send it again.") from None
    if any(len(film.data) > limits.file_bytes for film in films):
        raise too_large("film", limits.file_bytes)
    if not films:
        raise Refusal(400, "The request holds no file.", "Send at least one, in a form field of any name.")
    return films


async def _read_form(parser: FormInMemory) -> list[Film]:
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise Refusal(400, f"The form cannot be read: {error.message}", "Send it as RFC 7578 has it.") from None
    except ValueError:
        # Of a charset that Python knows and that is none.
        raise Refusal(400, "The form cannot be read.", "Send it as RFC 7578 has it, in UTF-8.") from None
    try:
        return [Film(part.filename, part.file.read()) for _, part in form.multi_items() if not isinstance(part, str)]
    finally:
        await form.close()


async def drain(request: Request, stream: AsyncIterator[bytes]) -> None:
    """Lets a client finish, for a while: one that is cut off while it speaks may never hear the answer."""
    if request.headers.get("expect", "").lower() == "100-continue":
        # It asked first, and waits for the answer.
        return
    with contextlib.suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in stream:
                pass
