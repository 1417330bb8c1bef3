"""The second place: a directory on another file system, or a bucket behind the S3 API.

Rules
* A file gets its name there only when it is whole; writing it again is harmless.
* What is said to be there was read back from there: a directory's pages are dropped from the cache first, so that the
  disk and not our own memory answers.
* Every failure is ``Unavailable`` with a code that names no path, no address and no key; ``told`` is called while bytes
  move, so that a large file is told from a place that hangs.

Blocking; S3 is spoken by boto3 (optional: ``pip install courtroom[s3]``), loaded only when a bucket is configured.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from courtroom.channel.messages import WelcomeMirror
from courtroom.errors import BadMessage, Unavailable
from recorder.reserve import FULL

BLOCK: Final = 1 << 20
PART_BYTES: Final = 64 << 20  # an object of up to 10,000 parts (S3's limit): 640 GB
CONNECT_S: Final = 5
READ_S: Final = 30

Told = Callable[[], None]


class Place(Protocol):
    """Names are relative, with ``/``, and already known to be harmless."""

    def digest(self, name: str, told: Told) -> str:
        """SHA-256 of what lies there, read back; '' when nothing does."""
        ...

    def put(self, name: str, source: Path, told: Told) -> None: ...


def place_of(welcome: WelcomeMirror) -> Place:
    """``BadMessage("place")`` for what is neither an absolute directory nor ``s3://bucket[/prefix]``."""
    if welcome.place.startswith("s3://"):
        parts = urlsplit(welcome.place)
        if not parts.netloc or parts.query or parts.fragment:
            raise BadMessage("place")
        return Bucket(parts.netloc, parts.path.strip("/"), welcome.endpoint, welcome.key, welcome.secret)
    if not os.path.isabs(welcome.place):
        raise BadMessage("place")
    return Directory(Path(welcome.place))


def file_digest(path: Path, told: Told, *, cached: bool = True) -> str:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    with os.fdopen(fd, "rb", buffering=0) as file:
        if not cached:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return _digest_of(lambda: file.read(BLOCK) or b"", told)


def _digest_of(read: Callable[[], bytes], told: Told) -> str:
    sha = hashlib.sha256()
    while block := read():
        sha.update(block)
        told()
    return sha.hexdigest()


# --- a directory --------------------------------------------------------------------------------------------------


class Directory:
    """The folder itself must be there: what is not mounted is not to be filled on the disk below it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def digest(self, name: str, told: Told) -> str:
        with _disk_errors():
            self._present()
            try:
                return file_digest(self._root / name, told, cached=False)
            except FileNotFoundError:
                return ""

    def put(self, name: str, source: Path, told: Told) -> None:
        with _disk_errors():
            self._present()
            target = self._root / name
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
            try:
                self._write(draft, source, told)
                draft.replace(target)
            except BaseException:
                with contextlib.suppress(OSError):
                    draft.unlink(missing_ok=True)
                raise
            for folder in (target.parent, target.parent.parent):
                _sync_folder(folder)

    def _present(self) -> None:
        if not self._root.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    def _write(self, draft: Path, source: Path, told: Told) -> None:
        reading = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        with os.fdopen(reading, "rb", buffering=0) as read_from:
            writing = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(writing, "wb", buffering=0) as write_to:
                while block := read_from.read(BLOCK):
                    rest = memoryview(block)
                    while rest:
                        rest = rest[write_to.write(rest) or 0 :]
                    told()
                os.fsync(write_to.fileno())


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable("copy_full" if error.errno in FULL else "copy_unreachable") from error


# --- a bucket -----------------------------------------------------------------------------------------------------


class Bucket:
    """``endpoint`` '' is AWS itself. The key comes from our settings alone: no profile, no instance role is guessed."""

    def __init__(self, bucket: str, prefix: str, endpoint: str, key: str, secret: str) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._endpoint = endpoint
        self._key = key
        self._secret = secret
        self._made: Any = None

    def _client(self) -> Any:
        if self._made is None:
            self._made = (
                _library("boto3")
                .session.Session(
                    aws_access_key_id=self._key, aws_secret_access_key=self._secret, region_name="us-east-1"
                )
                .client(
                    "s3",
                    endpoint_url=self._endpoint or None,
                    config=_library("botocore.config").Config(
                        connect_timeout=CONNECT_S,
                        read_timeout=READ_S,
                        retries={"max_attempts": 1},  # control knows when to try again
                        s3={"addressing_style": "path" if self._endpoint else "auto"},
                        # many other S3 servers refuse the newer trailing checksums; everything is read back anyway
                        request_checksum_calculation="when_required",
                        response_checksum_validation="when_required",
                    ),
                )
            )
        return self._made

    def digest(self, name: str, told: Told) -> str:
        with _s3_errors():
            try:
                body = self._client().get_object(Bucket=self._bucket, Key=self._prefix + name)["Body"]
            except self._client().exceptions.NoSuchKey:
                return ""
            with body:
                return _digest_of(lambda: bytes(body.read(BLOCK)), told)

    def put(self, name: str, source: Path, told: Told) -> None:
        client = self._client()
        config = _library("boto3.s3.transfer").TransferConfig(
            multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, use_threads=False
        )
        fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        with _s3_errors(), os.fdopen(fd, "rb") as file:
            client.upload_fileobj(
                file, self._bucket, self._prefix + name, Config=config, Callback=lambda _count: told()
            )


@contextmanager
def _s3_errors() -> Iterator[None]:
    core, transfer = _library("botocore.exceptions"), _library("boto3.exceptions")
    try:
        yield
    except (core.BotoCoreError, core.ClientError, transfer.Boto3Error, OSError) as error:
        raise Unavailable(_s3_code(error)) from error


def _library(name: str) -> Any:
    """A module of boto3, which only courts with a bucket have installed."""
    try:
        return import_module(name)
    except ImportError as error:
        raise Unavailable("copy_library_missing") from error


def _s3_code(error: BaseException) -> str:
    answer = getattr(error, "response", None) or getattr(error.__cause__ or error.__context__, "response", None) or {}
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status == 404:
        return "copy_no_bucket"
    return "copy_refused" if 400 <= status < 500 else "copy_unreachable"
