"""The offer as others read it, and answers of every sort."""

from __future__ import annotations

import itertools
import random

import pytest
from aiortc.sdp import SessionDescription

from courtroom.errors import Refused
from courtroom.sfu.kinds import Kind
from courtroom.worker import ice, sdp
from courtroom.worker.sdp import Offer, PlaceIds

FINGERPRINT = ":".join(["AB"] * 32)
OFFER = Offer(
    77, 1, ice.Credentials("ufragufr", "p" * 24), FINGERPRINT, ("::1", "192.0.2.7", "192.0.2.8"), 40000,
    (Kind.MICROPHONE, Kind.CAMERA, Kind.SCREEN, Kind.SCREEN_SOUND),
    tuple(PlaceIds(10 * i, 10 * i + 1, 10 * i + 2) for i in (1, 2)),
)  # fmt: skip


def answer_lines() -> list[str]:
    """What Chromium answers to ``OFFER``, shortened."""
    lines = ["v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE " + " ".join(OFFER.mids)]
    for mid in OFFER.mids:
        media = "audio" if mid in ("mic", "scs") or mid[0] == "a" else "video"
        types = "111" if media == "audio" else "96 97"
        lines += [
            f"m={media} 9 UDP/TLS/RTP/SAVPF {types}", "c=IN IP4 0.0.0.0", "a=ice-ufrag:abcd", "a=ice-pwd:" + "q" * 24,
            f"a=fingerprint:sha-256 {FINGERPRINT.lower()}", "a=setup:active", f"a=mid:{mid}", "a=rtcp-mux",
            "a=sendonly" if mid in ("mic", "cam", "scr") else "a=recvonly" if mid != "scs" else "a=inactive",
        ]  # fmt: skip
        if mid == "cam":
            lines += ["a=rid:l send", "a=rid:h send", "a=simulcast:send l;h"]
        if mid == "scr":
            lines += ["a=ssrc:5 cname:x", "a=ssrc:6 cname:x", "a=ssrc-group:FID 5 6", "a=ssrc:5 msid:a b"]
    return lines


def answer(*changes: tuple[str, str]) -> str:
    text = "\r\n".join(answer_lines()) + "\r\n"
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def test_order_of_lines_is_the_protocols() -> None:
    assert OFFER.mids == ["mic", "cam", "scr", "scs", "a0", "v0", "a1", "v1"]
    lines = sdp.write(OFFER).splitlines()
    assert [line[6:] for line in lines if line.startswith("a=mid:")] == OFFER.mids
    assert "a=group:BUNDLE mic cam scr scs a0 v0 a1 v1" in lines
    assert "a=simulcast:recv l;h" in lines
    only_places = Offer(1, 1, OFFER.credentials, FINGERPRINT, ("192.0.2.7",), 1, (), OFFER.places[:1])
    assert only_places.mids == ["a0", "v0"]
    assert "a=candidate:1" in sdp.write(only_places)


def test_ipv4_candidates_come_first_and_are_preferred() -> None:
    sections = sdp.write(OFFER).split("m=")[1:]
    found = [[line.split() for line in part.splitlines() if line.startswith("a=candidate:")] for part in sections]
    candidates = found[0]
    assert all(other == candidates[:3] for other in found[1:]), "every section names them, the first one TCP as well"
    assert [words[4] for words in candidates] == ["192.0.2.7", "192.0.2.8", "::1"] * 2
    assert [words[2] for words in candidates] == ["udp"] * 3 + ["tcp"] * 3, "TCP is for those who have nothing better"
    assert all(words[5:] == ["40000", "typ", "host", "tcptype", "passive"] for words in candidates[3:])
    assert len({words[0] for words in candidates}) == 6, "foundations differ"
    priorities = [int(words[3]) for words in candidates]
    assert priorities == sorted(priorities, reverse=True)


def test_offer_is_read_by_somebody_elses_code() -> None:
    parsed = SessionDescription.parse(sdp.write(OFFER))
    assert [media.kind for media in parsed.media] == [
        "audio",
        "video",
        "video",
        "audio",
        "audio",
        "video",
        "audio",
        "video",
    ]
    camera, place = parsed.media[1], parsed.media[5]
    assert camera.direction == "recvonly"
    assert [codec.mimeType for codec in camera.rtp.codecs] == ["video/VP8", "video/rtx", "video/H264", "video/rtx"]
    assert place.direction == "sendonly"
    assert [description.ssrc for description in place.ssrc] == [11, 12]
    assert place.ssrc_group[0].items == [11, 12]
    assert place.msid == "p0 p0v"
    assert {media.dtls.fingerprints[0].value for media in parsed.media} == {FINGERPRINT}
    assert {media.rtcp_mux for media in parsed.media} == {True}
    ids = [(extension.id, extension.uri) for media in parsed.media for extension in media.rtp.headerExtensions]
    assert len({number for number, _ in ids}) == len({uri for _, uri in ids}), "one id, one meaning, everywhere"


def test_answer_tells_who_sends_what() -> None:
    read = sdp.read(answer(), OFFER.mids)
    assert (read.fingerprint, read.ufrag) == (FINGERPRINT, "abcd")
    by_mid = {section.mid: section for section in read.sections}
    assert [by_mid[mid].sends for mid in ("mic", "cam", "scr", "scs")] == [True, True, True, False]
    assert by_mid["v0"].receives
    assert by_mid["cam"].rids == ["l", "h"]
    assert by_mid["scr"].ssrcs == [5, 6]
    assert by_mid["scr"].retransmissions == {5: 6}
    assert by_mid["v1"].payload_types == (96, 97)


def test_attributes_of_the_session_count_for_every_line() -> None:
    """Firefox says its fingerprint once."""
    lines = [line for line in answer_lines() if not line.startswith("a=fingerprint")]
    lines.insert(4, f"a=fingerprint:sha-256 {FINGERPRINT}")
    assert sdp.read("\n".join(lines), OFFER.mids).fingerprint == FINGERPRINT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v=0",
        answer(("a=mid:cam", "a=mid:mic")),
        answer(("a=setup:active", "a=setup:passive")),
        answer(("a=setup:active", "a=setup:actpass")),
        answer(("a=ice-ufrag:abcd", "a=ice-ufrag:other")),
        answer((f"sha-256 {FINGERPRINT.lower()}", "sha-256 " + ":".join(["CD"] * 32))),
        answer(("m=video", "m=audio")),
        answer(("m=audio 9", "m=audio nine")),
        answer(("SAVPF 111", "SAVPF one")),
        answer(("RTP/SAVPF", "RTP/AVP")),
        answer(("a=ssrc:5", "a=ssrc:99999999999")),
        answer(("a=ssrc:5 cname:x", "a=ssrc:")),
        answer().replace("a=ice-ufrag:abcd\r\n", ""),
        answer().replace("a=ice-pwd:" + "q" * 24 + "\r\n", ""),
        answer().replace("q" * 24, "short"),
        answer(("q" * 24, "r" * 24)),
        answer().replace("sha-256", "sha-1"),
        answer().replace(FINGERPRINT.lower(), FINGERPRINT.lower()[:-3]),
        "\r\n".join(answer_lines()[:-12]),
        answer() + "a=x\r\n" * sdp.MAX_LINES,
        answer() + "a=x:" + "y" * sdp.MAX_LINE,
        answer() + "a" * sdp.MAX_SIZE,
    ],
)
def test_other_answers_are_refused(text: str) -> None:
    with pytest.raises(Refused, match="bad_sdp"):
        sdp.read(text, OFFER.mids)


def test_mutated_answers_are_read_or_refused() -> None:
    dice, whole, refused = random.Random(8829), answer_lines(), 0
    for i in range(100_000):
        if i < 20_000:  # whole answers with a line or a character changed
            lines = list(whole)
            at = dice.randrange(len(lines))
            match dice.randrange(4):
                case 0:
                    del lines[at]
                case 1:
                    lines[at], lines[-at] = lines[-at], lines[at]
                case 2:
                    lines.insert(at, dice.choice(whole))
                case _:
                    line = lines[at]
                    spot = dice.randrange(len(line) + 1)
                    lines[at] = line[:spot] + dice.choice((":", " ", "-1", "\0", "é", "9" * 30, "")) + line[spot + 1 :]
            text = "\r\n".join(lines)
        else:  # a line alone behind an m-line: cheap, so many
            line = dice.choice(whole)
            spot = dice.randrange(len(line) + 1)
            text = (
                "m=audio 9 UDP/TLS/RTP/SAVPF 111\n"
                + line[:spot]
                + dice.choice((" ", ":", "\x85", "²", ""))
                + line[spot + 1 :]
            )
        try:
            sdp.read(text, OFFER.mids)
        except Refused:
            refused += 1
    assert 80_000 < refused < 100_000


def test_offers_of_every_shape_are_whole() -> None:
    for count in range(5):
        for publish in itertools.combinations(Kind, count):
            for places in (0, 16):
                ids = tuple(PlaceIds(10 * i, 10 * i + 1, 10 * i + 2) for i in range(places))
                offer = Offer(1, 1, OFFER.credentials, FINGERPRINT, ("192.0.2.7",), 1, publish, ids)
                if offer.mids:
                    parsed = SessionDescription.parse(sdp.write(offer))
                    assert [media.rtp.muxId for media in parsed.media] == offer.mids
    assert len(sdp.write(offer)) < 40_000
