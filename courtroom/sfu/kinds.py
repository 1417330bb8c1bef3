"""What can be sent, in which codecs, with which numbers: the constants that offer and forwarding share.

Rules: payload types and header extension ids are fixed for every client, so a packet never needs translating. Each
codec stands with its retransmission type (RFC 4588), 0 where it has none.

RFC 7587 (Opus), RFC 2198 (RED), RFC 7741 (VP8), RFC 6184 (H.264), RFC 8285 (header extensions).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """A kind of media a member sends; the order is that of the m-lines."""

    MICROPHONE = "microphone"
    CAMERA = "camera"
    SCREEN = "screen"
    SCREEN_SOUND = "screen_sound"

    @property
    def media(self) -> str:
        return "audio" if self in (Kind.MICROPHONE, Kind.SCREEN_SOUND) else "video"


@dataclass(frozen=True, slots=True)
class Codec:
    name: str  # as in capture files
    sdp_name: str
    media: str
    payload_type: int
    retransmission: int
    clock_rate: int
    parameters: str

    @property
    def payload_types(self) -> tuple[int, ...]:
        return (self.payload_type, self.retransmission) if self.retransmission else (self.payload_type,)


OPUS: Final = Codec("opus", "opus", "audio", 111, 0, 48000, "minptime=10;useinbandfec=1;usedtx=0")
VP8: Final = Codec("vp8", "VP8", "video", 96, 97, 90000, "")
H264: Final = Codec(
    "h264", "H264", "video", 102, 103, 90000,
    "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
)  # fmt: skip
CODECS: Final = (OPUS, VP8, H264)
RED: Final = 63  # payload type of Opus with earlier packets repeated in each (RFC 2198)
BY_PAYLOAD_TYPE: Final = {codec.payload_type: codec for codec in CODECS}
RETRANSMISSION_OF: Final = {codec.payload_type: codec.retransmission for codec in CODECS if codec.retransmission}
BY_RETRANSMISSION: Final = {codec.retransmission: codec for codec in CODECS if codec.retransmission}


@dataclass(frozen=True, slots=True)
class Extension:
    id: int
    uri: str


EXTENSIONS: Final = {
    "audio_level": Extension(1, "urn:ietf:params:rtp-hdrext:ssrc-audio-level"),
    "abs_send_time": Extension(2, "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"),
    "transport_cc": Extension(3, "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"),
    "mid": Extension(4, "urn:ietf:params:rtp-hdrext:sdes:mid"),
    "rid": Extension(5, "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"),
    "repaired_rid": Extension(6, "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"),
}
AUDIO_LEVEL: Final = 1
ABS_SEND_TIME: Final = 2
TRANSPORT_CC: Final = 3
MID: Final = 4
RID: Final = 5
REPAIRED_RID: Final = 6
