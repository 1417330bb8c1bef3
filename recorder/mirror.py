"""The process that makes second copies: one file at a time, read back and compared, answered with one word.

Why a process of its own: a place that hangs (a dead network disk) blocks whoever touches it, beyond any time-out; here
that is nobody whom a hearing needs, and control may kill it. It is niced below the media; it keeps nothing in mind, so
it can die at any moment: what is to be copied, and when to try again, control knows from the ledger.

Rules
* A source that is not what the ledger says is never copied over a good copy (``source_changed``).
* A bag is copied file by file, its ``tagmanifest-sha256.txt`` last: a bag that has it there is whole there.
* Reply codes: '' = it is there and was read back | copy_unreachable | copy_refused | copy_full | copy_no_bucket |
  copy_library_missing | copy_damaged (other bytes came back) | source_missing | source_changed | not_sealed.

Messages: ``courtroom.channel.messages`` (ToMirror, FromMirror). End of the control socket ends the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import socket
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NoReturn

from courtroom.channel.framing import Decoder, encode
from courtroom.channel.messages import (
    VERSION,
    CopyBag,
    CopySegment,
    FromMirror,
    MirrorMoves,
    MirrorReady,
    Reply,
    ToMirror,
    WelcomeMirror,
)
from courtroom.errors import BadMessage, CourtroomError, Unavailable
from recorder.bag import LAST
from recorder.bagcheck import list_bag, parse_manifest, read_inside
from recorder.names import PART, checked_take, segment_number
from recorder.places import Place, Told, file_digest, place_of

NICE: Final = 10
MOVES_S: Final = 2.0
MAX_ORDERS: Final = 16


class Mirror:
    """Blocking; ``told`` is called while bytes move."""

    def __init__(self, place: Place, captures: Path, archives: Path, told: Told) -> None:
        self._place = place
        self._captures = captures
        self._archives = archives
        self._told = told

    def segment(self, take: str, segment: str, sha256: str) -> None:
        checked_take(take)
        if segment_number(segment) is None or segment.endswith(PART):
            raise BadMessage("segment_name")
        self._copy(self._captures / take / segment, f"captures/{take}/{segment}", sha256)

    def bag(self, hearing: str) -> None:
        checked_take(hearing)
        root = self._archives / hearing
        try:
            listing = list_bag(root)
        except BadMessage as error:
            raise Unavailable("source_missing") from error
        if LAST not in listing.files:
            raise Unavailable("not_sealed")
        tags = read_inside(root, LAST)
        digests = {**self._listed(root, "manifest-sha256.txt", "data/"), **parse_manifest(tags, "")[0]}
        if listing.unsafe or digests.keys() != listing.files.keys() - {LAST}:
            raise Unavailable("source_changed")
        for name, sha256 in sorted(digests.items()):
            self._copy(root / name, f"archives/{hearing}/{name}", sha256)
        self._copy(root / LAST, f"archives/{hearing}/{LAST}", hashlib.sha256(tags).hexdigest())

    def _listed(self, root: Path, name: str, inside: str) -> dict[str, str]:
        try:
            return parse_manifest(read_inside(root, name), inside)[0]
        except (OSError, BadMessage) as error:
            raise Unavailable("source_changed") from error

    def _copy(self, source: Path, name: str, sha256: str) -> None:
        if self._place.digest(name, self._told) == sha256:
            return
        try:
            real = file_digest(source, self._told)
        except OSError as error:
            raise Unavailable("source_missing") from error
        if real != sha256:
            raise Unavailable("source_changed")
        self._place.put(name, source, self._told)
        if self._place.digest(name, self._told) != sha256:
            raise Unavailable("copy_damaged")


class _Moves:
    """Tells control now and then that bytes move; called from the copying thread."""

    def __init__(self, send: Callable[[FromMirror], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._send = send
        self._told_at = 0.0

    def __call__(self) -> None:
        now = time.monotonic()
        if now - self._told_at >= MOVES_S:
            self._told_at = now
            self._loop.call_soon_threadsafe(self._send, MirrorMoves())


async def serve(fd: int) -> int:
    """Answer control's orders, one after the other, until it is gone; the exit code, 2 for a wrong beginning."""
    control = socket.socket(fileno=fd)
    control.setblocking(False)
    reader, stream = await asyncio.open_connection(sock=control)
    orders: asyncio.Queue[ToMirror] = asyncio.Queue(MAX_ORDERS)

    def send(message: FromMirror) -> None:
        if not stream.is_closing():
            stream.write(encode(message))

    tasks = {asyncio.create_task(_read(reader, orders)), asyncio.create_task(_work(orders, send))}
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    try:
        return done.pop().result()
    except (BadMessage, asyncio.QueueFull):
        return 2


async def _read(reader: asyncio.StreamReader, orders: asyncio.Queue[ToMirror]) -> int:
    decoder: Decoder[ToMirror] = Decoder(ToMirror)
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            for message in decoder.feed(data):
                orders.put_nowait(message)
    return 0


async def _work(orders: asyncio.Queue[ToMirror], send: Callable[[FromMirror], None]) -> int:
    loop, copying = asyncio.get_running_loop(), ThreadPoolExecutor(1, "copy")
    welcome = await orders.get()
    if not isinstance(welcome, WelcomeMirror) or welcome.version != VERSION:
        return 2
    mirror = Mirror(place_of(welcome), Path(welcome.captures), Path(welcome.archives), _Moves(send))
    send(MirrorReady(VERSION, os.getpid()))
    while not isinstance(order := await orders.get(), WelcomeMirror):
        send(await loop.run_in_executor(copying, _obey, mirror, order))
    return 2


def _obey(mirror: Mirror, order: CopySegment | CopyBag) -> Reply:
    try:
        if isinstance(order, CopySegment):
            mirror.segment(order.take, order.segment, order.sha256)
        else:
            mirror.bag(order.hearing)
    except CourtroomError as error:
        return Reply(order.request, error.code)
    except OSError:
        return Reply(order.request, "source_missing")  # a place's own troubles have codes
    return Reply(order.request)


def main(fd: int) -> NoReturn:
    with contextlib.suppress(OSError):
        os.nice(NICE)
    code = 1
    try:
        code = asyncio.new_event_loop().run_until_complete(serve(fd))
    finally:
        sys.stderr.flush()
        os._exit(code)  # at once: a copy that hangs may not keep the process
