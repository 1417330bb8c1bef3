"""Second copies: a real mirror process, a directory and a real S3 server, and what control makes of their troubles."""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import importlib.util
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from courtroom.config import SecondPlace, SettingsError, load
from courtroom.control import second as second_module
from courtroom.control.second import SecondCopies
from recorder.verify import verify
from tests.recorder.conftest import Stage

WAIT = 30.0
needs_s3 = pytest.mark.skipif(
    importlib.util.find_spec("moto") is None or importlib.util.find_spec("boto3") is None,
    reason="no S3 server and client here: pip install boto3 'moto[s3]' flask flask-cors",
)


class Owner:
    """A hearing that is told."""

    def __init__(self) -> None:
        self.copied: list[tuple[str, str, str]] = []
        self.failing: list[tuple[str, str]] = []

    def on_copied(self, what: str, sha256: str, place: str) -> None:
        self.copied.append((what, sha256, place))

    def on_copy_failing(self, code: str, place: str) -> None:
        self.failing.append((code, place))


class House:
    """Captures with two sealed segments, and a second place."""

    def __init__(self, folder: Path) -> None:
        self.captures, self.archives, self.second = (folder / name for name in ("captures", "archives", "second"))
        (self.captures / "t-1").mkdir(parents=True)
        self.archives.mkdir()
        self.second.mkdir()
        self.shas = {name: self.write(name, os.urandom(3 << 20)) for name in ("seg-00001.cap", "seg-00002.cap")}

    def write(self, name: str, data: bytes) -> str:
        (self.captures / "t-1" / name).write_bytes(data)
        return hashlib.sha256(data).hexdigest()

    def there(self, name: str) -> Path:
        return self.second / "captures" / "t-1" / name

    def copies(self, place: SecondPlace | None = None) -> SecondCopies:
        return SecondCopies(place or SecondPlace(str(self.second), "二号机房"), self.captures, self.archives)

    def order(self, copies: SecondCopies, owner: Owner) -> None:
        for name, sha in self.shas.items():
            copies.segment(owner, "t-1", name, sha)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ALARM_S", 0.4), ("FIRST_PAUSE_S", 0.05), ("LONGEST_PAUSE_S", 0.2), ("PATIENCE_S", 3.0)):
        monkeypatch.setattr(second_module, name, value)


@asynccontextmanager
async def running(copies: SecondCopies) -> AsyncIterator[SecondCopies]:
    copies.start()
    try:
        yield copies
    finally:
        await copies.stop()


async def until(good: Callable[[], Any]) -> None:
    async with asyncio.timeout(WAIT):
        while not good():
            await asyncio.sleep(0.02)


async def test_sealed_segments_are_copied_and_told_by_the_places_name(house: House) -> None:
    owner = Owner()
    async with running(house.copies()) as copies:
        house.order(copies, owner)
        await until(lambda: not copies.waiting)
    assert owner.copied == [(name, sha, "二号机房") for name, sha in house.shas.items()]
    for name, sha in house.shas.items():
        assert hashlib.sha256(house.there(name).read_bytes()).hexdigest() == sha
        assert house.there(name).stat().st_mode & 0o077 == 0
    assert owner.failing == []
    assert len(list(house.second.rglob("*.part"))) == 0


@pytest.mark.usefixtures("hasty")
async def test_a_place_that_is_gone_is_told_once_and_made_up_for(house: House) -> None:
    owner = Owner()
    house.second.rmdir()  # as when it is not mounted
    async with running(house.copies()) as copies:
        house.order(copies, owner)
        await until(lambda: owner.failing)
        for _ in range(5):
            await asyncio.sleep(0.2)  # the alarm's own period goes by again and again
        assert owner.failing == [("copy_unreachable", "二号机房")]
        assert not house.second.exists(), "nothing is written below an empty mount point"
        house.second.mkdir()
        await until(lambda: not copies.waiting)
    assert len(owner.copied) == 2


async def test_after_a_restart_what_is_there_is_not_written_again_and_what_is_damaged_is(house: House) -> None:
    owner = Owner()
    async with running(house.copies()) as copies:
        house.order(copies, owner)
        await until(lambda: not copies.waiting)
    before = house.there("seg-00001.cap").stat().st_mtime_ns
    damaged = bytearray(house.there("seg-00002.cap").read_bytes())
    damaged[1000] ^= 1
    house.there("seg-00002.cap").write_bytes(damaged)
    async with running(house.copies()) as copies:
        house.order(copies, owner)
        await until(lambda: not copies.waiting)
    assert house.there("seg-00001.cap").stat().st_mtime_ns == before
    good = house.shas["seg-00002.cap"]
    assert hashlib.sha256(house.there("seg-00002.cap").read_bytes()).hexdigest() == good


async def test_a_source_that_is_not_what_was_sealed_never_replaces_a_copy(house: House) -> None:
    owner = Owner()
    async with running(house.copies()) as copies:
        house.order(copies, owner)
        await until(lambda: not copies.waiting)
        copy = house.there("seg-00001.cap").read_bytes()
        other = house.write("seg-00001.cap", b"something else")
        copies.segment(owner, "t-1", "seg-00001.cap", "0" * 64)
        copies.segment(owner, "t-1", "seg-00009.cap", other)
        await until(lambda: not copies.waiting)
    assert house.there("seg-00001.cap").read_bytes() == copy
    assert [code for code, _ in owner.failing] == ["source_changed", "source_missing"]


@pytest.mark.usefixtures("hasty")
async def test_a_mirror_that_hangs_or_dies_holds_up_nothing(house: House) -> None:
    owner = Owner()
    house.there("x").parent.mkdir(parents=True)
    os.mkfifo(house.there("seg-00001.cap"))  # whoever opens it waits for ever
    async with running(house.copies()) as copies:
        await until(lambda: copies.pid)
        first = copies.pid
        house.order(copies, owner)
        await until(lambda: [name for name, _, _ in owner.copied] == ["seg-00002.cap"])
        assert ("copy_unreachable", "二号机房") in owner.failing
        await until(lambda: copies.pid not in (0, first))
        house.there("seg-00001.cap").unlink()
        await until(lambda: not copies.waiting)
    assert len(owner.copied) == 2


async def test_a_bag_is_copied_whole_and_verifies_there(house: House, staged: Stage) -> None:
    owner = Owner()
    staged.copy(house.archives / "h-1")
    async with running(house.copies()) as copies:
        copies.bag(owner, "h-1", "root")
        await until(lambda: owner.copied)
    assert owner.copied == [("", "root", "二号机房")]
    assert verify(house.second / "archives" / "h-1").ok


async def test_a_bag_that_was_changed_is_not_copied(house: House, staged: Stage) -> None:
    owner = Owner()
    bag = staged.copy(house.archives / "h-1")
    (bag / "data" / "people.json").write_bytes(b"{}")
    async with running(house.copies()) as copies:
        copies.bag(owner, "h-1", "root")
        await until(lambda: owner.failing)
    assert owner.failing == [("source_changed", "二号机房")]
    assert not (house.second / "archives" / "h-1" / "tagmanifest-sha256.txt").exists()


def test_a_second_place_is_another_place_and_its_key_is_never_repeated(tmp_path: Path) -> None:
    data = str(tmp_path / "data")

    def placed(**flags: object) -> SecondPlace | None:
        return load({"data": data, **flags}, {}).second_copy

    assert placed() is None
    assert placed(second_copy=str(tmp_path / "b")) == SecondPlace(str(tmp_path / "b"), "second")
    bucket = {"second_copy": "s3://court/a/b", "second_copy_key": "AKIA", "second_copy_secret": "very-secret"}
    found = placed(**bucket, second_copy_endpoint="https://s3.example", second_copy_name="云")
    assert found == SecondPlace("s3://court/a/b", "云", "https://s3.example", "AKIA", "very-secret")
    assert "very-secret" not in repr(found)
    for wrong in (
        {"second_copy": data + "/inside"},
        {"second_copy": str(tmp_path)},
        {"second_copy": "s3://"},
        {"second_copy": "ftp://x/y"},
        {**bucket, "second_copy_key": ""},
        {**bucket, "second_copy_secret": ""},
        {"second_copy": str(tmp_path / "b"), "second_copy_name": "a/b"},
    ):
        with pytest.raises(SettingsError) as error:
            placed(**wrong)
        assert "very-secret" not in str(error.value)


# --- S3 -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bucket_server() -> Iterator[str]:
    """A server that speaks S3, with the bucket ``court``; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while True:
        try:
            urlopen(Request(f"{address}/court", method="PUT"), timeout=5).close()
            break
        except OSError:
            assert time.monotonic() < deadline, "the S3 server does not come up"
            assert process.poll() is None
            time.sleep(0.1)
    yield address
    process.kill()
    process.wait()


def stored(address: str, key: str) -> bytes:
    boto3 = importlib.import_module("boto3")
    client = boto3.client(
        "s3", endpoint_url=address, aws_access_key_id="k", aws_secret_access_key="s", region_name="us-east-1"
    )
    return bytes(client.get_object(Bucket="court", Key=key)["Body"].read())


@needs_s3
async def test_a_bucket_is_a_second_place(house: House, staged: Stage, bucket_server: str) -> None:
    owner = Owner()
    staged.copy(house.archives / "h-1")
    place = SecondPlace("s3://court/records", "云", bucket_server, "key", "secret-of-the-test")
    async with running(house.copies(place)) as copies:
        house.order(copies, owner)
        copies.bag(owner, "h-1", "root")
        await until(lambda: not copies.waiting)
        house.order(copies, owner)  # again, as after a restart
        await until(lambda: not copies.waiting)
    assert owner.failing == []
    assert len(owner.copied) == 5
    for name, sha in house.shas.items():
        assert hashlib.sha256(stored(bucket_server, f"records/captures/t-1/{name}")).hexdigest() == sha
    manifest = (house.archives / "h-1" / "data" / "manifest.json").read_bytes()
    assert stored(bucket_server, "records/archives/h-1/data/manifest.json") == manifest


@needs_s3
@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    ("bucket", "port", "code"), [("nobody", "", "copy_no_bucket"), ("court", "1", "copy_unreachable")]
)
async def test_a_bucket_that_cannot_be_used_is_told(
    house: House, bucket_server: str, bucket: str, port: str, code: str
) -> None:
    owner = Owner()
    endpoint = f"http://127.0.0.1:{port}" if port else bucket_server
    async with running(house.copies(SecondPlace(f"s3://{bucket}", "云", endpoint, "key", "secret"))) as copies:
        house.order(copies, owner)
        await until(lambda: (code, "云") in owner.failing)
    assert owner.copied == []
