"""Proof over HTTP: handed in by its own seat, bounded and checked; given out to the desk and that seat, on record."""

from __future__ import annotations

import asyncio
import hashlib
import io
import re
import socket
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from courtroom.catalogue import known
from courtroom.hearing import commands as c
from courtroom.hearing import statements
from courtroom.server import attachments, filekinds
from courtroom.server.limits import Limits, Rate
from tests.server.conftest import Made, make
from tests.server.court import Running, serving, settings

PDF = b"%PDF-1.7\n1 0 obj <<>> endobj\ntrailer <<>>\n%%EOF\n"
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(40) + b"\xff\xd9"
MP4 = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + bytes(64)
M4A = MP4.replace(b"ftypisom", b"ftypM4A ")


def png() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixel = zlib.compress(b"\x00\x13\x23\x3b")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def court(made: Made) -> None:
    """Judge, clerk and defendant are here."""
    for role in ("presiding_judge", "clerk", "defendant"):
        await made.room.submit(c.ObserveArrival(seat=made.seats[role]["id"], connection=f"x-{role}"))
    judge = made.seats["presiding_judge"]["id"]
    await made.room.submit(c.OpenHearing(actor=judge))


async def hand_in(
    http: aiohttp.ClientSession, made: Made, content: bytes, role: str = "defendant", **more: Any
) -> tuple[int, dict[str, Any]]:
    sha256 = more.pop("sha256", digest(content))
    url = f"{made.running.url}/api/v1/hearings/{made.id}/attachments/{sha256}"
    async with http.put(
        url, data=more.pop("data", io.BytesIO(content)), headers={**made.bearer(role), **more}
    ) as answer:
        return answer.status, await answer.json()


def seat_url(made: Made, sha256: str = "", role: str = "defendant") -> str:
    base = f"{made.running.url}/api/v1/hearings/{made.id}/seats/{made.seats[role]['id']}/attachments"
    return f"{base}/{sha256}" if sha256 else base


def files(made: Made, tmp_path: Path) -> list[Path]:
    return sorted(one for one in (tmp_path / "attachments").rglob("*") if one.is_file())


async def test_a_proof_is_kept_sealed_and_given_back_as_it_was(
    made: Made, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    await court(made)
    contents = {"pdf": PDF, "png": png(), "jpeg": JPEG, "mp4": MP4, "m4a": M4A, "text": "停电通知\r\n".encode()}
    readers = {
        made.seats["clerk"]["id"]: made.bearer("clerk"),
        made.seats["defendant"]["id"]: made.bearer("defendant"),
        "staff": made.running.staff,
    }
    for kind, content in contents.items():
        status, told = await hand_in(http, made, content)
        entry = made.room.entries[-1]
        assert (status, told["kind"], told["sha256"], told["seq"]) == (201, kind, digest(content), entry.seq)
        assert (entry.type, entry.actor, entry.body["size"]) == ("attachment_received", "system", len(content))
        (kept,) = [one for one in files(made, tmp_path) if one.name == f"{digest(content)}.sealed"]
        assert content not in kept.read_bytes()
        for reader, headers in readers.items():
            async with http.get(seat_url(made, digest(content)), headers=headers) as answer:
                assert (answer.status, await answer.read()) == (200, content)
                media, ending = filekinds.MEDIA[kind]
                name = f'attachment; filename="attachment-{entry.seq}-{digest(content)[:12]}.{ending}"'
                assert (answer.headers["Content-Type"], answer.headers["Content-Disposition"]) == (media, name)
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["Cache-Control"] == "no-store"
            read = made.room.entries[-1]
            assert (read.type, read.body["reader"]) == ("attachment_read", reader)


async def test_the_list_says_what_is_intact_damaged_or_gone(
    made: Made, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    await court(made)
    for content in (PDF, JPEG, MP4):
        await hand_in(http, made, content)
    by_name = {one.name.removesuffix(".sealed"): one for one in files(made, tmp_path)}
    by_name[digest(JPEG)].write_bytes(by_name[digest(JPEG)].read_bytes()[:-1] + b"\x00")
    by_name[digest(MP4)].rename(tmp_path / "elsewhere")
    before = len(made.room.entries)
    async with http.get(seat_url(made), headers=made.bearer("presiding_judge")) as answer:
        told = {one["sha256"]: one["state"] for one in (await answer.json())["attachments"]}
    assert told == {digest(PDF): "intact", digest(JPEG): "damaged", digest(MP4): "missing"}
    for content in (JPEG, MP4):
        async with http.get(seat_url(made, digest(content)), headers=made.bearer("clerk")) as answer:
            assert answer.status == 503
    assert len(made.room.entries) == before, "what was not given out was not read"


OTHERS = (
    b"MZ\x90\x00" + bytes(200),
    b"PK\x03\x04" + bytes(200),
    b"\x00" * 100,
    b"GIF89a" + bytes(60),
    b"\x89PNG\r\n\x1a\n" + bytes(60),
    "停电".encode("gb18030") * 40,
    b"text \x1b[31m red",
    b"half \xe5\x81",
    MP4.replace(b"isom", b"qt  "),
)


async def test_another_kind_is_refused_whatever_it_is_called(
    made: Made, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    await court(made)
    for content in OTHERS:
        status, told = await hand_in(http, made, content, **{"Content-Type": "image/png"})
        assert (status, told["code"]) == (415, "attachment_kind")
    assert files(made, tmp_path) == []


async def test_a_page_inside_a_picture_is_given_out_as_a_download_of_a_picture(
    made: Made, http: aiohttp.ClientSession
) -> None:
    await court(made)
    polyglot = png() + b"<html><script>alert(1)</script></html>"
    status, told = await hand_in(http, made, polyglot)
    assert (status, told["kind"]) == (201, "png")
    name = 'x.png"; filename=evil.html\u202e.pdf'
    await made.room.submit(
        c.Reply(
            actor=made.seats["defendant"]["id"], reason="other", attachment=digest(polyglot), name=name,
            size=len(polyglot),
        )
    )  # fmt: skip
    async with http.get(seat_url(made, digest(polyglot)), headers=made.bearer("clerk")) as answer:
        assert answer.headers["Content-Type"] == "image/png"
        assert re.fullmatch(r'attachment; filename="attachment-\d+-[0-9a-f]{12}\.png"',
                            answer.headers["Content-Disposition"])  # fmt: skip
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


async def test_what_is_too_large_or_empty_is_refused_before_it_is_read(
    made: Made, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    await court(made)
    for content in (PDF + bytes(statements.MAX_ATTACHMENT), b""):
        status, told = await hand_in(http, made, content)
        assert (status, told["code"]) == (413, "attachment_too_large")
        assert "10" in told["detail"]
    assert not (tmp_path / "attachments").exists()


async def test_the_largest_file_is_taken(made: Made, http: aiohttp.ClientSession) -> None:
    await court(made)
    content = PDF + bytes(statements.MAX_ATTACHMENT - len(PDF))
    status, told = await hand_in(http, made, content)
    assert (status, told["size"]) == (201, statements.MAX_ATTACHMENT)
    async with http.get(seat_url(made, digest(content)), headers=made.bearer("defendant")) as answer:
        assert digest(await answer.read()) == digest(content)


async def test_a_body_without_a_length_is_refused(made: Made, http: aiohttp.ClientSession) -> None:
    await court(made)

    async def pieces() -> Any:
        yield PDF

    status, told = await hand_in(http, made, PDF, data=pieces())
    assert (status, told["code"]) == (411, "length_required")


async def test_another_digest_than_announced_leaves_nothing(
    made: Made, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    await court(made)
    before = len(made.room.entries)
    status, told = await hand_in(http, made, PDF, sha256=digest(JPEG))
    assert (status, told["code"]) == (400, "attachment_digest")
    assert (files(made, tmp_path), len(made.room.entries)) == ([], before)


async def test_a_path_that_is_no_digest_is_not_found(made: Made, http: aiohttp.ClientSession, tmp_path: Path) -> None:
    from yarl import URL

    await court(made)
    up, down = seat_url(made).split("/seats/")[0] + "/attachments/", seat_url(made) + "/"
    for sha256 in ("..%2f..%2fcourt.pem", "AB" * 32, "ab" * 31, "ab" * 32 + ".html", "%00"):
        for method, base in (("put", up), ("get", down)):
            data = PDF if method == "put" else None
            url = URL(base + sha256, encoded=True)
            async with http.request(method, url, data=data, headers=made.bearer("defendant")) as answer:
                assert (answer.status, (await answer.json())["code"]) == (404, "not_found")
    assert not (tmp_path / "attachments").exists()


async def test_handing_in_again_is_answered_and_not_noted_twice(made: Made, http: aiohttp.ClientSession) -> None:
    await court(made)
    first = await hand_in(http, made, PDF)
    before = len(made.room.entries)
    assert await hand_in(http, made, PDF) == (200, first[1])
    assert len(made.room.entries) == before


async def test_another_seat_hears_not_found(made: Made, http: aiohttp.ClientSession) -> None:
    await court(made)
    await hand_in(http, made, PDF)
    strangers = [{}, {"Authorization": "Bearer x"}]
    for role in ("plaintiff", "witness", "interpreter"):
        await made.room.submit(c.ObserveArrival(seat=made.seats[role]["id"], connection=f"y-{role}"))
        strangers.append(made.bearer(role))
    other = await make(made.running, http)
    await court(other)
    strangers.append(other.bearer("presiding_judge"))
    before = len(made.room.entries)
    for url in (seat_url(made), seat_url(made, digest(PDF))):
        for headers in strangers:
            async with http.get(url, headers=headers) as answer:
                assert (answer.status, (await answer.json())["code"]) == (404, "not_found")
    assert len(made.room.entries) == before


async def test_the_same_bytes_of_two_seats_are_two_files(
    made: Made, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    await court(made)
    for role in ("defendant", "plaintiff"):
        assert (await hand_in(http, made, PDF, role))[0] == 201
    one, two = files(made, tmp_path)
    assert (one.name, one.read_bytes() != two.read_bytes()) == (two.name, True)
    async with http.get(seat_url(made, digest(JPEG), "plaintiff"), headers=made.bearer("clerk")) as answer:
        assert answer.status == 404


async def test_bench_and_strangers_hand_nothing_in(made: Made, http: aiohttp.ClientSession) -> None:
    await court(made)
    assert (await hand_in(http, made, PDF, "presiding_judge"))[1]["code"] == "not_allowed"
    url = f"{made.running.url}/api/v1/hearings/{made.id}/attachments/{digest(PDF)}"
    for headers in ({}, made.running.staff):
        async with http.put(url, data=PDF, headers=headers) as answer:
            assert answer.status == 404


async def test_who_was_cut_off_to_the_end_hands_in_afterwards(made: Made, http: aiohttp.ClientSession) -> None:
    await court(made)
    await made.room.submit(c.CloseHearing(actor=made.seats["presiding_judge"]["id"]))
    assert (await hand_in(http, made, PDF))[0] == 201
    seat = made.seats["defendant"]["id"]
    await made.room.submit(
        c.Reply(actor=seat, reason="power_cut", text="停电", attachment=digest(PDF), name="停电.pdf", size=len(PDF))
    )
    assert made.room.hearing.seats[seat].statements[0].held
    async with http.get(seat_url(made, digest(PDF)), headers=made.bearer("clerk")) as answer:
        assert (answer.status, await answer.read()) == (200, PDF)


async def test_an_upload_that_breaks_off_leaves_nothing(
    made: Made, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    await court(made)
    before = len(made.room.entries)
    host, port = made.running.url.removeprefix("http://").split(":")
    token = made.seats["defendant"]["token"]
    head = (
        f"PUT /api/v1/hearings/{made.id}/attachments/{digest(PDF)} HTTP/1.1\r\nHost: {host}\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: 900000\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(head.encode() + PDF + b"x" * 300_000)
    await writer.drain()
    async with asyncio.timeout(20):
        while not files(made, tmp_path):
            await asyncio.sleep(0.02)
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()
    async with asyncio.timeout(20):
        while files(made, tmp_path):
            await asyncio.sleep(0.02)
    assert len(made.room.entries) == before
    assert (await hand_in(http, made, PDF))[0] == 201, "and the person can try again"
    del reader


async def test_one_upload_of_a_seat_at_a_time(made: Made, http: aiohttp.ClientSession, tmp_path: Path) -> None:
    await court(made)
    go_on = asyncio.Event()

    async def slowly() -> Any:
        yield PDF + b"x" * 200_000
        await go_on.wait()
        yield b"y" * 100_000

    whole = PDF + b"x" * 200_000 + b"y" * 100_000
    slow = asyncio.create_task(
        hand_in(http, made, whole, data=slowly(), **{"Content-Length": str(len(whole)), "X-Slow": "1"})
    )
    async with asyncio.timeout(20):
        while not files(made, tmp_path):
            await asyncio.sleep(0.02)
    status, told = await hand_in(http, made, JPEG)
    assert (status, told["code"]) == (429, "too_fast")
    go_on.set()
    assert (await slow)[0] == 201


async def test_a_slow_upload_and_too_many_of_them_are_ended(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    limits = replace(Limits(), attachment_s=0.2, attachment=Rate(0.001, 2))
    async with serving(settings(tmp_path), limits) as running:
        made = await make(running, http)
        await court(made)

        async def never() -> Any:
            yield PDF
            await asyncio.sleep(5)
            yield b"x"

        status, told = await hand_in(http, made, PDF, data=never(), **{"Content-Length": "999"})
        assert (status, told["code"]) == (408, "body_too_slow")
        assert files(made, tmp_path) == []
        assert (await hand_in(http, made, PDF))[0] == 201
        assert (await hand_in(http, made, JPEG))[1]["code"] == "too_fast"


async def test_a_full_disk_takes_no_proof(
    made: Made, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    await court(made)
    monkeypatch.setattr(attachments, "MIN_FREE", 1 << 60)
    status, told = await hand_in(http, made, PDF)
    assert (status, told["code"]) == (503, "attachment_no_room")


async def test_a_seat_that_is_removed_meanwhile_leaves_no_file(
    made: Made, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    await court(made)
    submit = made.room.submit

    async def removed_first(command: c.Command) -> int:
        if isinstance(command, c.ObserveAttachment):
            judge, defendant = made.seats["presiding_judge"]["id"], made.seats["defendant"]["id"]
            await submit(c.Remove(actor=judge, seat=defendant, reason="秩序"))
        return await submit(command)

    made.room.submit = removed_first  # type: ignore[method-assign]
    assert (await hand_in(http, made, PDF))[1]["code"] == "removed_by_court"
    assert files(made, tmp_path) == []


async def test_drafts_of_a_court_that_was_killed_are_gone_at_the_next_start(
    http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    left = tmp_path / "attachments" / "h-1" / "s-1" / f".{'0' * 32}.part"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    async with serving(settings(tmp_path)) as running:
        assert not left.exists()
        async with http.get(f"{running.url}/healthz") as answer:
            assert answer.status == 200


async def test_after_erasing_the_person_the_files_do_not_open(
    made: Made, running: Running, http: aiohttp.ClientSession
) -> None:
    await court(made)
    await hand_in(http, made, PDF)
    await running.registry.erase(made.id)
    async with http.get(seat_url(made, digest(PDF)), headers=made.running.staff) as answer:
        assert (answer.status, (await answer.json())["code"]) == (503, "attachment_damaged")


def test_every_kind_of_the_court_has_its_media_type_and_every_code_its_sentence() -> None:
    assert set(filekinds.MEDIA) == statements.KINDS
    source = Path(attachments.__file__).read_text() + (
        Path(attachments.__file__).parents[1] / "store/attachments.py"
    ).read_text()  # fmt: skip
    codes = set(re.findall(r'(?:Refused|Unavailable|BadMessage)\("(\w+)"', source))
    assert {"attachment_kind", "attachment_missing", "store_failed"} <= codes
    assert [code for code in codes if not known(f"error.{code}") and not known(f"refused.{code}")] == []


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_a_kind_does_not_depend_on_how_the_bytes_come(step: int) -> None:
    wanted = {PDF: "pdf", png(): "png", JPEG: "jpeg", MP4: "mp4", "停电通知".encode(): "text", b"a\x00b": "", b"": ""}
    for content, name in wanted.items():
        kind = filekinds.Kind()
        for at in range(0, len(content), step):
            kind.feed(content[at : at + step])
        assert kind.name() == name
