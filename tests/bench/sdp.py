"""The little SDP the load generator speaks: what it needs of a description, and its own.

Rules: accepts every line of an offer as a browser would that sends one layer and takes everything; trusts the servers
under test, which it started itself.

RFC 8829 (JSEP), RFC 8843 (BUNDLE), RFC 8839 (ICE in SDP).
"""

from __future__ import annotations

from collections.abc import Sequence

from courtroom.sfu.kinds import EXTENSIONS, OPUS, VP8
from tests.bench.words import Send, Spec

UFRAG, PASSWORD = "bench", "p" * 24


def attribute(sdp: str, name: str) -> str:
    return next(line for line in sdp.splitlines() if line.startswith(f"a={name}:")).partition(":")[2]


def spec(
    name: str,
    room: str,
    theirs: str,
    port: int,
    *,
    sends: Sequence[Send] = (),
    controlled: bool = False,
    watch: bool = False,
) -> Spec:
    """The connection that ``theirs`` (an offer or an answer) describes."""
    candidate = attribute(theirs, "candidate").split()
    return Spec(
        name, room, (candidate[4], int(candidate[5])), port, UFRAG, PASSWORD,
        attribute(theirs, "ice-ufrag"), attribute(theirs, "ice-pwd"), sends=tuple(sends),
        controlled=controlled, wide=_wide(theirs), repairs=_repairs(theirs), watch=watch,
    )  # fmt: skip


def _wide(theirs: str) -> int:
    """The id under which they number what they send; in an answer it is about what we send."""
    for section in theirs.split("m=")[1:]:
        if "a=sendonly" in section:
            for line in section.splitlines():
                if line.startswith("a=extmap:") and line.endswith(EXTENSIONS["transport_cc"].uri):
                    return int(line[9:].split()[0].partition("/")[0])
    return 0


def _repairs(theirs: str) -> tuple[int, ...]:
    maps = {line[9:] for line in theirs.splitlines() if line.startswith("a=rtpmap:")}
    return tuple(int(one.split()[0]) for one in maps if one.split()[1].startswith("rtx/"))


def answer(offer: str, spec: Spec, fingerprint: str, address: str) -> str:
    """What a browser answers that sends one layer: no simulcast, SSRCs named."""
    lines, mid = [], ""
    for line in offer.splitlines():
        name, _, value = line.partition(":")
        match name:
            case "a=mid":
                mid = value
                lines.append(line)
            case "a=ice-ufrag":
                lines.append(f"a=ice-ufrag:{spec.ufrag}")
            case "a=ice-pwd":
                lines.append(f"a=ice-pwd:{spec.password}")
            case "a=fingerprint":
                lines.append(f"a=fingerprint:sha-256 {fingerprint}")
            case "a=setup":
                lines.append("a=setup:active")
                lines.append(f"a=candidate:1 1 udp 2130706431 {address} {spec.port} typ host")
                lines.append("a=end-of-candidates")
            case "a=recvonly":
                lines.append("a=sendonly")
                lines += [f"a=ssrc:{send.ssrc} cname:{spec.name}" for send in spec.sends if send.mid == mid]
            case "a=sendonly":
                lines.append("a=recvonly")
            case "a=candidate" | "a=end-of-candidates" | "a=ice-lite" | "a=ssrc" | "a=ssrc-group" | "a=msid":
                continue
            case "a=rid" | "a=simulcast":
                continue
            case _:
                lines.append(line)
    return "\r\n".join(lines) + "\r\n"


def offer(sends: Sequence[Send], fingerprint: str, address: str, port: int) -> str:
    """What a browser offers that only sends."""
    lines = ["v=0", f"o=- {sends[0].ssrc} 1 IN IP4 127.0.0.1", "s=-", "t=0 0"]
    lines.append("a=group:BUNDLE " + " ".join(send.mid for send in sends))
    for send in sends:
        audio = send.mid == "mic"
        codec = OPUS if audio else VP8
        lines += [
            f"m={codec.media} 9 UDP/TLS/RTP/SAVPF {send.payload_type}", "c=IN IP4 0.0.0.0",
            f"a=ice-ufrag:{UFRAG}", f"a=ice-pwd:{PASSWORD}", f"a=fingerprint:sha-256 {fingerprint}", "a=setup:active",
            f"a=candidate:1 1 udp 2130706431 {address} {port} typ host", "a=end-of-candidates",
            f"a=mid:{send.mid}", "a=rtcp-mux", "a=rtcp-rsize", "a=sendonly",
        ]  # fmt: skip
        names = ["mid", "transport_cc", "abs_send_time", *(["audio_level"] if audio else [])]
        lines += [f"a=extmap:{EXTENSIONS[name].id} {EXTENSIONS[name].uri}" for name in names]
        lines.append(f"a=rtpmap:{send.payload_type} {codec.sdp_name}/{codec.clock_rate}{'/2' if audio else ''}")
        words = ["transport-cc"] if audio else ["nack", "nack pli", "ccm fir", "goog-remb", "transport-cc"]
        lines += [f"a=rtcp-fb:{send.payload_type} {word}" for word in words]
        lines += [f"a=msid:b {send.mid}", f"a=ssrc:{send.ssrc} cname:b"]
    return "\r\n".join(lines) + "\r\n"
