"""The one offer this server makes and the answers it takes.

Rules
* The server offers, the client answers; m-line order and ``mid``s are those of web/PROTOCOL.md section 5. Payload types
  and header extension ids are the same for everybody, so that nothing is translated on the way through.
* ``a=setup:actpass`` as RFC 8842 5.2 demands of an offer; browsers choose ``active``, and an answer that does not is
  refused, so the server always is the passive side.
* Both directions speak transport-cc; places also take REMB (with abs-send-time) from those who know nothing better.
* Sound is offered as RED first: whoever understands it sends each packet twice, and single losses leave no hole.
* An answer is read line by line with bounds; whatever does not fit is ``Refused("bad_sdp")``, never another exception.

Our own reader and not aiortc's ``SessionDescription.parse``: that one does not know ``rid`` and ``simulcast``, raises
half a dozen exceptions on hostile text, and importing it costs each worker 25 MB and the codecs of FFmpeg.

RFC 8829 (JSEP), RFC 8843 (BUNDLE), RFC 8851 (rid), RFC 8853 (simulcast), RFC 8122 (fingerprint), RFC 8285 (extensions).
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Final

from courtroom.errors import Refused
from courtroom.sfu.kinds import CODECS, EXTENSIONS, OPUS, RED, Codec, Kind
from courtroom.worker.ice import Credentials

MAX_SIZE: Final = 64 * 1024
MAX_LINES: Final = 4000
MAX_LINE: Final = 2048
MIN_PASSWORD: Final = 22  # RFC 8839 5.4

MIDS: Final[dict[Kind, str]] = {
    Kind.MICROPHONE: "mic",
    Kind.CAMERA: "cam",
    Kind.SCREEN: "scr",
    Kind.SCREEN_SOUND: "scs",
}
_TCP_TYPE: Final = 90  # type preference below UDP's 126 and above that of a relay
_PASSIVE: Final = 4  # direction preference
_LAYERS: Final = ("l", "h")


@dataclass(frozen=True, slots=True)
class PlaceIds:
    """Fixed SSRCs of one place."""

    audio: int
    video: int
    retransmission: int


@dataclass(frozen=True, slots=True)
class Offer:
    """What one offer is written from; a restart changes ``credentials`` and ``version`` and nothing else."""

    session: int
    version: int
    credentials: Credentials
    fingerprint: str
    addresses: tuple[str, ...]
    port: int
    publish: tuple[Kind, ...]
    places: tuple[PlaceIds, ...]

    @property
    def mids(self) -> list[str]:
        own = [MIDS[kind] for kind in Kind if kind in self.publish]
        return own + [f"{letter}{i}" for i in range(len(self.places)) for letter in "av"]


def write(offer: Offer) -> str:
    lines = [
        "v=0",
        f"o=- {offer.session} {offer.version} IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=ice-lite",
        "a=group:BUNDLE " + " ".join(offer.mids),
        "a=msid-semantic:WMS *",
    ]
    sections = [_publishing(kind) for kind in Kind if kind in offer.publish]
    for i, place in enumerate(offer.places):
        sections.append(_place(i, "audio", place))
        sections.append(_place(i, "video", place))
    for i, section in enumerate(sections):
        lines += [section[0], "c=IN IP4 0.0.0.0", *_transport(offer), *(_over_tcp(offer) if i == 0 else ())]
        lines += ["a=end-of-candidates", *section[1:]]
    return "\r\n".join(lines) + "\r\n"


def _transport(offer: Offer) -> list[str]:
    """The same in every section: BUNDLE makes the first one count for browsers, others read the last (aiortc)."""
    lines = [
        f"a=ice-ufrag:{offer.credentials.ufrag}",
        f"a=ice-pwd:{offer.credentials.password}",
        f"a=fingerprint:sha-256 {offer.fingerprint}",
        "a=setup:actpass",
        "a=rtcp-mux",
        "a=rtcp-rsize",
    ]
    for i, address in enumerate(sorted(offer.addresses, key=_is_ipv6)):
        priority = (126 << 24) | ((65535 - i) << 8) | 255
        lines.append(f"a=candidate:{i + 1} 1 udp {priority} {address} {offer.port} typ host")
    return lines


def _over_tcp(offer: Offer) -> list[str]:
    """Passive candidates, in the first section alone: who knows them knows BUNDLE (RFC 6544 4.2, 4.5)."""
    lines = []
    for i, address in enumerate(sorted(offer.addresses, key=_is_ipv6)):
        priority = (_TCP_TYPE << 24) | ((_PASSIVE << 13 | (8191 - i)) << 8) | 255
        foundation = len(offer.addresses) + i + 1
        lines.append(f"a=candidate:{foundation} 1 tcp {priority} {address} {offer.port} typ host tcptype passive")
    return lines


def _is_ipv6(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).version == 6
    except ValueError:
        return False  # a host name: resolved by the browser


def _publishing(kind: Kind) -> list[str]:
    media = kind.media
    lines = [_media(media), f"a=mid:{MIDS[kind]}", "a=recvonly"]
    names = ["mid", "transport_cc", "abs_send_time"]
    names += ["audio_level"] if media == "audio" else ["rid", "repaired_rid"]
    lines += [f"a=extmap:{EXTENSIONS[name].id} {EXTENSIONS[name].uri}" for name in names]
    lines += _codecs(media, ("transport-cc",))
    if kind is Kind.CAMERA:
        lines += [f"a=rid:{rid} recv" for rid in _LAYERS]
        lines.append("a=simulcast:recv " + ";".join(_LAYERS))
    return lines


def _place(number: int, media: str, place: PlaceIds) -> list[str]:
    letter = media[0]
    lines = [
        _media(media),
        f"a=mid:{letter}{number}",
        "a=sendonly",
        *(f"a=extmap:{EXTENSIONS[name].id} {EXTENSIONS[name].uri}" for name in ("abs_send_time", "transport_cc")),
        f"a=msid:p{number} p{number}{letter}",
        *_codecs(media, ("transport-cc", "goog-remb") if media == "video" else ("transport-cc",)),
    ]
    ssrcs = [place.audio] if media == "audio" else [place.video, place.retransmission]
    if len(ssrcs) == 2:
        lines.append(f"a=ssrc-group:FID {ssrcs[0]} {ssrcs[1]}")
    for ssrc in ssrcs:  # one cname for the whole place, so that its sound and picture are played together
        lines += [f"a=ssrc:{ssrc} cname:p{number}", f"a=ssrc:{ssrc} msid:p{number} p{number}{letter}"]
    return lines


def _media(media: str) -> str:
    types = [str(number) for codec in CODECS if codec.media == media for number in codec.payload_types]
    if media == "audio":
        types.insert(0, str(RED))
    return f"m={media} 9 UDP/TLS/RTP/SAVPF " + " ".join(types)


def _codecs(media: str, feedback: tuple[str, ...]) -> list[str]:
    lines: list[str] = []
    for codec in CODECS:
        if codec.media == media:
            lines += _codec(codec, feedback)
    return lines


def _codec(codec: Codec, feedback: tuple[str, ...]) -> list[str]:
    number = codec.payload_type
    channels = "/2" if codec.media == "audio" else ""
    lines = [f"a=rtpmap:{number} {codec.sdp_name}/{codec.clock_rate}{channels}"]
    if codec is OPUS:
        lines.append(f"a=rtpmap:{RED} red/{codec.clock_rate}{channels}")
        lines.append(f"a=fmtp:{RED} {number}/{number}")
    if codec.parameters:
        lines.append(f"a=fmtp:{number} {codec.parameters}")
    feedback = ("nack", "nack pli", "ccm fir", *feedback) if codec.media == "video" else ("nack", *feedback)
    lines += [f"a=rtcp-fb:{number} {word}" for word in feedback]
    if codec.retransmission:
        lines.append(f"a=rtpmap:{codec.retransmission} rtx/{codec.clock_rate}")
        lines.append(f"a=fmtp:{codec.retransmission} apt={number}")
    return lines


# --- the answer ----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Section:
    """One m-line of an answer."""

    mid: str = ""
    media: str = ""
    open: bool = True
    direction: str = "sendrecv"
    payload_types: tuple[int, ...] = ()
    ssrcs: list[int] = field(default_factory=list)
    retransmissions: dict[int, int] = field(default_factory=dict)  # media SSRC → RTX SSRC
    rids: list[str] = field(default_factory=list)

    @property
    def sends(self) -> bool:
        return self.open and self.direction in ("sendrecv", "sendonly")

    @property
    def receives(self) -> bool:
        return self.open and self.direction in ("sendrecv", "recvonly")


@dataclass(frozen=True, slots=True)
class Answer:
    fingerprint: str
    ufrag: str
    password: str
    sections: tuple[Section, ...]


class _Reader:
    def __init__(self) -> None:
        self.fingerprint = ""
        self.ufrag = ""
        self.password = ""
        self.sections: list[Section] = []
        self._codecs: dict[int, str] = {}

    def line(self, line: str) -> None:
        if line.startswith("m="):
            media, port, profile, *types = line[2:].split()
            if not profile.endswith("SAVPF"):
                raise ValueError("profile")
            numbers = tuple(int(word) for word in types[:32])
            self.sections.append(Section(media=media, open=int(port) != 0, payload_types=numbers))
        elif line.startswith("a="):
            name, _, value = line[2:].partition(":")
            self._attribute(name, value.strip())

    def _attribute(self, name: str, value: str) -> None:
        section = self.sections[-1] if self.sections else None
        match name:
            case "fingerprint":
                algorithm, text = value.split()
                if algorithm.lower() == "sha-256":
                    self._same("fingerprint", text.upper())
            case "ice-ufrag":
                self._same("ufrag", value)
            case "ice-pwd":
                self._same("password", value)
            case "setup":
                if value != "active":
                    raise ValueError("setup")
            case "mid" if section is not None:
                section.mid = value
            case "sendrecv" | "sendonly" | "recvonly" | "inactive" if section is not None:
                section.direction = name
            case "rid" if section is not None:
                rid, direction = value.split()[:2]
                if direction == "send" and len(section.rids) < 4:
                    section.rids.append(rid)
            case "ssrc" if section is not None:
                ssrc = _ssrc(value.split(maxsplit=1)[0])
                if ssrc not in section.ssrcs and len(section.ssrcs) < 8:
                    section.ssrcs.append(ssrc)
            case "ssrc-group" if section is not None:
                self._group(section, value.split())

    def _same(self, name: str, value: str) -> None:
        """BUNDLE: every line says the same, or the answer is not one for us."""
        known = getattr(self, name)
        if not 4 <= len(value) <= 256 or (known and known != value):
            raise ValueError(name)
        setattr(self, name, value)

    @staticmethod
    def _group(section: Section, words: list[str]) -> None:
        if words[0] == "FID" and len(words) == 3 and len(section.retransmissions) < 4:
            section.retransmissions[_ssrc(words[1])] = _ssrc(words[2])


def _ssrc(text: str) -> int:
    ssrc = int(text)
    if not 0 <= ssrc <= 0xFFFFFFFF:
        raise ValueError("ssrc")
    return ssrc


def read(text: str, mids: list[str]) -> Answer:
    """The answer to an offer with ``mids``; ``Refused("bad_sdp")`` if it is anything else."""
    lines = text.splitlines() if len(text) <= MAX_SIZE else []
    if not lines or len(lines) > MAX_LINES or max(map(len, lines)) > MAX_LINE:
        raise Refused("bad_sdp")
    reader = _Reader()
    try:
        for line in lines:
            reader.line(line)
    except (ValueError, IndexError) as error:
        raise Refused("bad_sdp") from error
    if [section.mid for section in reader.sections] != mids or not reader.ufrag or len(reader.fingerprint) != 95:
        raise Refused("bad_sdp")
    if len(reader.password) < MIN_PASSWORD:
        raise Refused("bad_sdp")
    for section in reader.sections:
        if section.media != ("audio" if section.mid[0] == "a" or section.mid in ("mic", "scs") else "video"):
            raise Refused("bad_sdp")
    return Answer(reader.fingerprint, reader.ufrag, reader.password, tuple(reader.sections))
