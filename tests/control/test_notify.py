"""Letters leave the house over real TCP: e-mail, gateway, retries, and what stands in the ledger afterwards."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from courtroom.control.notify import dsn, notices
from courtroom.control.notify.letter import Letter, Proof, letter_key
from courtroom.control.notify.notices import Notices
from courtroom.control.notify.signature import FRESH_S, HEADER, holds, sign
from courtroom.control.notify.smtp import MailServer, SmtpNotifier
from courtroom.control.notify.ways import notifiers
from courtroom.control.notify.webhook import WebhookNotifier
from courtroom.errors import Refused, Unavailable
from courtroom.hearing.commands import Command, Prompt
from courtroom.hearing.model import Hearing, Notice
from courtroom.post import Post
from courtroom.store.memory import MemoryRegistry
from courtroom.store.ports import Contact
from courtroom.store.secrets import token_hash
from tests.control.letterbox import certificate, gateway, smtp_server
from tests.hearing.house import CLERK, PLAINTIFF, House

SECRET = "a-secret-of-the-tests"
LETTER = Letter(
    "h-1", "s-2", 41, "prompt", "示范市示范区人民法院", 1_795_484_538_000_000, "https://court.example/n/tok",
    "party@example.com", "+8613800000000",
)  # fmt: skip


def server(port: int, **more: Any) -> MailServer:
    return MailServer(
        **{"host": "localhost", "port": port, "security": "none", "sender": "court@court.example", **more}
    )


# --- e-mail -------------------------------------------------------------------------------------------------------


async def test_a_letter_arrives_in_both_languages_and_names_no_case() -> None:
    async with smtp_server() as box:
        proof = await SmtpNotifier(server(box.port)).send(LETTER)
    assert proof == Proof("sent", "250 <h-1.s-2.41@court.example>")
    (mail,), (envelope,) = box.mails, box.envelopes
    assert envelope.rcpt_tos == ["party@example.com"]
    assert mail["Message-ID"] == "<h-1.s-2.41@court.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    body = mail.get_content()
    assert "提示您回到庭审" in body
    assert "You are asked to return" in body
    assert body.count(LETTER.link) == 2
    assert "2026-11-24 09:42" in body
    for secret in ("民初", "纠纷", "+86138"):
        assert secret not in str(mail["Subject"]) + body


async def test_a_warning_says_that_it_is_one() -> None:
    async with smtp_server() as box:
        letter = Letter("h-1", "s-2", 42, "warning", "法院", 0, "https://c/n/t", "party@example.com")
        await SmtpNotifier(server(box.port)).send(letter)
    assert "警告" in str(box.mails[0]["Subject"])
    assert "warned to return now" in box.mails[0].get_content()


async def test_a_delivery_report_is_asked_for_where_it_is_offered() -> None:
    async with smtp_server(dsn=True) as box:
        await SmtpNotifier(server(box.port)).send(LETTER)
    (envelope,) = box.envelopes
    assert "ENVID=h-1.s-2.41" in envelope.mail_options
    assert envelope.rcpt_options == ["NOTIFY=SUCCESS,FAILURE"]


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:Session.login_data:DeprecationWarning")
async def test_starttls_is_demanded_and_certificates_are_checked(tmp_path: Path) -> None:
    ours, theirs = certificate(tmp_path)
    async with smtp_server(tls=ours, user="court", password="word") as box:
        way = SmtpNotifier(server(box.port, security="starttls", user="court", password="word"), trust=theirs)
        assert (await way.send(LETTER)).state == "sent"
        stranger = SmtpNotifier(server(box.port, security="starttls", user="court", password="word"))
        with pytest.raises(Unavailable, match="smtp_unreachable"):
            await stranger.send(LETTER)
        wrong = SmtpNotifier(server(box.port, security="starttls", user="court", password="no"), trust=theirs)
        with pytest.raises(Refused, match="smtp_535"):
            await wrong.send(LETTER)
    async with smtp_server() as plain:
        with pytest.raises(Refused, match="smtp_not_supported"):
            await SmtpNotifier(server(plain.port, security="starttls"), trust=theirs).send(LETTER)
    assert len(box.mails) == 1
    assert plain.mails == []
    gc.collect()  # aiosmtpd leaves transports under TLS unclosed: its warnings belong here and to no other test


async def test_a_busy_server_is_asked_again_and_a_refusal_is_not() -> None:
    async with smtp_server() as box:
        box.answers = ["451 4.3.0 later", "550 5.7.1 no"]
        with pytest.raises(Unavailable, match="smtp_451"):
            await SmtpNotifier(server(box.port)).send(LETTER)
        with pytest.raises(Refused, match="smtp_550"):
            await SmtpNotifier(server(box.port)).send(LETTER)
    with pytest.raises(Unavailable, match="smtp_unreachable"):
        await SmtpNotifier(server(free_port())).send(LETTER)


async def test_a_server_that_says_nothing_holds_nobody_up() -> None:
    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    mute = await asyncio.start_server(silence, "127.0.0.1", 0)
    try:
        with pytest.raises(Unavailable, match="smtp_unreachable"):
            await SmtpNotifier(server(mute.sockets[0].getsockname()[1], host="127.0.0.1"), step_s=0.3).send(LETTER)
    finally:
        mute.close()
        await asyncio.sleep(0.05)  # the end of the line reaches the server, which closes its own end


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


# --- the gateway --------------------------------------------------------------------------------------------------


async def test_the_gateway_gets_a_signed_letter_under_one_key() -> None:
    async with gateway() as there:
        there.statuses = [202, 503]
        way = WebhookNotifier(there.url, SECRET)
        assert await way.send(LETTER) == Proof("sent", "http 202")
        with pytest.raises(Unavailable, match="webhook_503"):
            await way.send(LETTER)
        assert await way.send(LETTER) == Proof("delivered", "http 200")
        await way.close()
    keys = {headers["Idempotency-Key"] for headers, _ in there.requests}
    assert keys == {"h-1.s-2.41"}
    for headers, body in there.requests:
        assert holds(SECRET, headers[HEADER], body, int(time.time()))
        assert not holds("another-secret-of-theirs", headers[HEADER], body, int(time.time()))
        assert json.loads(body)["to"] == {"phone": "+8613800000000", "email": "party@example.com"}


async def test_no_redirect_is_followed() -> None:
    async with gateway() as there:
        there.statuses = [307, 302, 404]
        way = WebhookNotifier(there.url, SECRET)
        for status in (307, 302, 404):
            with pytest.raises(Refused, match=f"webhook_{status}"):
                await way.send(LETTER)
        await way.close()
    assert there.elsewhere == []
    way = WebhookNotifier(f"http://127.0.0.1:{free_port()}/", SECRET)
    with pytest.raises(Unavailable, match="webhook_unreachable"):
        await way.send(LETTER)
    await way.close()


def test_signatures_hold_for_their_time_and_body_alone() -> None:
    header = sign(SECRET, 1000, b"body")
    assert holds(SECRET, header, b"body", 1000 + FRESH_S)
    assert not holds(SECRET, header, b"body", 1001 + FRESH_S)
    assert not holds(SECRET, header, b"other", 1000)
    assert not holds("", sign("", 1000, b"body"), b"body", 1000)
    for bad in (
        "",
        "t=1",
        "v1=" + "0" * 64,
        header.replace("t=1000", "t=1001"),
        header + ",v1=x",
        "t=١,v1=" + "0" * 64,
    ):
        assert not holds(SECRET, bad, b"body", 1000)


# --- reports of mail servers --------------------------------------------------------------------------------------


def status_report(action: str = "delivered", envelope: str = "h-1.s-2.41", more: str = "") -> bytes:
    return (
        "From: MAILER-DAEMON@mail.example\r\nTo: court@court.example\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: text/plain\r\n\r\nYour message was delivered.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        f"Original-Envelope-Id: {envelope}\r\nReporting-MTA: dns; mail.example\r\n\r\n"
        f"Final-Recipient: rfc822; party@example.com\r\nAction: {action}\r\nStatus: 2.0.0\r\n{more}\r\n"
        "--b--\r\n"
    ).encode()


def test_a_status_report_names_the_letter_and_its_end() -> None:
    assert dsn.report_of(status_report()) == (("h-1", "s-2", 41), "delivered", "dsn 2.0.0")
    assert dsn.report_of(status_report("Failed"))[1] == "failed"
    two = "\r\nFinal-Recipient: rfc822; b@example.com\r\nAction: failed\r\n"
    for bad in (
        b"", b"\xff" * 100, b"From: a\r\n\r\nhello", status_report("relayed"), status_report("delayed"),
        status_report(envelope="x"), status_report(envelope="a.b"), status_report(more=two), b"x" * (dsn.MAX_BYTES + 1),
        status_report().replace(b"message/delivery-status", b"text/plain"),
    ):  # fmt: skip
        with pytest.raises(Refused, match="not_a_report"):
            dsn.report_of(bad)


@given(st.binary(max_size=600), st.integers(0, 500), st.integers(0, 500))
def test_no_report_brings_the_reader_down(noise: bytes, start: int, length: int) -> None:
    right = status_report()
    for content in (noise, right[:start] + noise + right[start + length :], right[:start]):
        found = None
        with suppress(Refused):  # and nothing else comes out
            found = dsn.report_of(content)
        if found is not None:
            key, state, detail = found
            assert state in ("delivered", "failed")
            assert len(detail) < 64
            assert letter_key(f"{key[0]}.{key[1]}.{key[2]}") == key


def test_a_letters_id_is_read_back() -> None:
    assert letter_key(LETTER.id) == ("h-1", "s-2", 41)
    for bad in ("", "h.s", "h.s.x", "h.s.1.2", "h/.s.1", "h.s.٣", "h.s." + "9" * 40):
        assert letter_key(bad) is None


# --- the post -----------------------------------------------------------------------------------------------------


class Way:
    """A notifier that fails as it is told to, in memory."""

    def __init__(self, channel: str, outcomes: Sequence[Exception | Proof] = ()) -> None:
        self.channel = channel
        self.outcomes = list(outcomes)
        self.letters: list[Letter] = []
        self.gate = asyncio.Event()
        self.gate.set()

    def reaches(self, letter: Letter) -> bool:
        return bool(letter.email)

    async def send(self, letter: Letter) -> Proof:
        await self.gate.wait()
        self.letters.append(letter)
        outcome = self.outcomes.pop(0) if self.outcomes else Proof("sent", "250")
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def close(self) -> None:
        pass


class Bench:
    """A courtroom over the pure core: the plaintiff has dropped out of a hearing in session and is prompted."""

    def __init__(self) -> None:
        self.house = House().in_session()
        self.house.lose(PLAINTIFF, "socket_dropped")
        self.house.do(Prompt(actor=CLERK, seat=PLAINTIFF))

    @property
    def id(self) -> str:
        return self.hearing.id

    @property
    def hearing(self) -> Hearing:
        return self.house.hearing

    @property
    def notice(self) -> Notice:
        return self.house.seat(PLAINTIFF).notices[-1]

    async def submit(self, command: Command) -> int:
        self.house.do(command)
        return self.hearing.seq

    @property
    def told(self) -> list[tuple[str, str, str]]:
        return [(one.channel.value, one.state.value, one.detail) for one in self.notice.deliveries]


async def post_of(
    bench: Bench, *ways: Way, after_s: Sequence[float] = (0.0, 0.0, 0.0)
) -> tuple[Notices, MemoryRegistry]:
    registry = MemoryRegistry()
    await registry.add_contacts(bench.id, {PLAINTIFF: Contact("party@example.com", "")})
    post = Notices(ways, registry, lambda: bench.house.now, after_s)
    post.reachable_at("https://court.example/")
    return post, registry


async def settled(post: Notices) -> None:
    async with asyncio.timeout(30):
        while post.pending:
            await asyncio.sleep(0)


async def test_a_prompt_leaves_by_every_way_that_has_an_address() -> None:
    bench = Bench()
    mail, gate, deaf = Way("email"), Way("webhook", [Proof("delivered", "http 200")]), Way("email")
    deaf.reaches = lambda letter: bool(letter.phone)  # type: ignore[method-assign]
    post, registry = await post_of(bench, mail, gate, deaf)
    post.post(bench, PLAINTIFF, bench.notice.seq, "prompt")
    await settled(post)
    assert sorted(bench.told) == [("email", "sent", "250"), ("webhook", "delivered", "http 200")]
    assert deaf.letters == []
    assert bench.notice.delivered_at > 0
    (letter,) = mail.letters
    assert letter.id == f"{bench.id}.{PLAINTIFF}.{bench.notice.seq}"
    token = letter.link.removeprefix("https://court.example/n/")
    link = await registry.notice_link(token_hash(token), bench.house.now)
    assert link is not None
    assert (link.hearing, link.seat, link.notice) == (bench.id, PLAINTIFF, str(bench.notice.seq))
    assert letter.email not in repr(letter)
    assert token not in repr(letter)


async def test_what_fails_is_tried_again_and_each_turn_is_in_the_ledger() -> None:
    bench = Bench()
    way = Way("email", [Unavailable("smtp_451"), Unavailable("smtp_unreachable"), Proof("sent", "250")])
    post, _ = await post_of(bench, way)
    post.post(bench, PLAINTIFF, bench.notice.seq, "prompt")
    await settled(post)
    assert bench.told == [("email", "failed", "smtp_451 attempt 1"), ("email", "sent", "250")]
    assert len({letter.id for letter in way.letters}) == 1
    assert len(way.letters) == 3


async def test_a_letter_is_given_up_after_its_attempts() -> None:
    bench = Bench()
    way = Way("email", [Unavailable("smtp_451")] * 9)
    post, _ = await post_of(bench, way)
    post.post(bench, PLAINTIFF, bench.notice.seq, "prompt")
    await settled(post)
    assert len(way.letters) == 3
    assert bench.told == [("email", "failed", "smtp_451 attempt 1")]
    assert not bench.notice.delivered_at


async def test_a_refusal_ends_it_at_once() -> None:
    bench = Bench()
    way = Way("email", [Refused("smtp_550")])
    post, _ = await post_of(bench, way)
    post.post(bench, PLAINTIFF, bench.notice.seq, "prompt")
    await settled(post)
    assert len(way.letters) == 1
    assert bench.told == [("email", "failed", "smtp_550")]


async def test_nobody_is_called_again_who_is_back() -> None:
    bench = Bench()
    way = Way("email", [Unavailable("smtp_451")] * 9)
    post, _ = await post_of(bench, way)
    way.gate.clear()
    post.post(bench, PLAINTIFF, bench.notice.seq, "prompt")
    bench.house.arrive(PLAINTIFF)
    way.gate.set()
    await settled(post)
    assert len(way.letters) == 1


async def test_the_post_is_bounded_and_says_when_it_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "PENDING", 2)
    bench, way = Bench(), Way("email")
    way.gate.clear()
    post, _ = await post_of(bench, way)
    for _ in range(5):
        post.post(bench, PLAINTIFF, bench.notice.seq, "prompt")
    assert post.pending == 5  # two letters, three reports
    way.gate.set()
    await settled(post)
    assert len(way.letters) == 2
    assert ("email", "failed", "queue_full") in bench.told


async def test_after_a_restart_what_had_not_left_is_sent_once() -> None:
    bench, way = Bench(), Way("email")
    post, _ = await post_of(bench, way)
    post.resume(bench)
    await settled(post)
    post.resume(bench)
    await settled(post)
    assert len(way.letters) == 1
    bench.house.wait(3600)
    old = Bench()
    old.house.wait(3600)
    later, _ = await post_of(old, other := Way("email"))
    later.resume(old)
    await settled(later)
    assert other.letters == []


async def test_the_post_ends_with_the_process() -> None:
    bench, way = Bench(), Way("email")
    way.gate.clear()
    post, _ = await post_of(bench, way)
    post.post(bench, PLAINTIFF, bench.notice.seq, "prompt")
    await asyncio.sleep(0)
    await post.close()
    assert post.pending == 0
    assert way.letters == []


def test_the_settings_choose_the_ways() -> None:
    assert notifiers(Post()) == []
    both = notifiers(
        Post("starttls://mail.example:587", "u", "p", "court@court.example", "https://gw.example/", SECRET)
    )
    assert [one.channel for one in both] == ["email", "webhook"]
    assert "p'" not in repr(Post(password="p", secret=SECRET))
    assert SECRET not in repr(Post(password="p", secret=SECRET))
