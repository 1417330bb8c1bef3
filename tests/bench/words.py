"""The words between the bench and its load generator: JSON objects, one a line.

Each request is answered by one line; the generator says one by itself when it has started.
Rules: what a connection needs is all in ``Spec``; the generator knows rooms only as names to play, pause and count.
"""

from __future__ import annotations

import msgspec


class Send(msgspec.Struct, frozen=True):
    """One stream a connection sends; ``shape`` is a key of ``media.SHAPES``."""

    shape: str
    ssrc: int
    payload_type: int
    mid: str


class Spec(msgspec.Struct, frozen=True):
    """One connection. ``hello`` instead of credentials: a server without ICE, DTLS and SRTP."""

    name: str
    room: str
    server: tuple[str, int]
    port: int  # our own
    ufrag: str
    password: str
    their_ufrag: str = ""
    their_password: str = ""
    hello: str = ""
    controlled: bool = False  # they made the offer and are not lite, so the ICE agent in control is theirs
    sends: tuple[Send, ...] = ()
    wide: int = 0  # id of the transport-cc extension of what they send, 0 without one
    repairs: tuple[int, ...] = ()  # payload types of retransmission
    watch: bool = False  # decrypt everything until the first whole key frame


class Connect(msgspec.Struct, frozen=True, tag=True):
    """Answered when every one is up, or with who is not."""

    specs: tuple[Spec, ...]


class Close(msgspec.Struct, frozen=True, tag=True):
    names: tuple[str, ...]


class Play(msgspec.Struct, frozen=True, tag=True):
    """These rooms send, all others do not."""

    rooms: tuple[str, ...]


class Count(msgspec.Struct, frozen=True, tag=True):
    """Answered with everything counted since the last one."""


class Watched(msgspec.Struct, frozen=True, tag=True):
    """Answered when each of these had its first whole key frame, with when (ns of Unix time)."""

    names: tuple[str, ...]


Word = Connect | Close | Play | Count | Watched


class Counted(msgspec.Struct):
    """What the generator saw in one window."""

    seconds: float = 0
    cpu_s: float = 0  # of the generator
    sent: int = 0
    unsent: int = 0  # refused by our own socket
    received: int = 0
    repairs: int = 0  # retransmissions and probes, counted nowhere else
    octets: int = 0
    lost: int = 0  # gaps in the sequence numbers of what was received
    dropped: int = 0  # by our own receive buffers: then the generator was the bottleneck
    late_us: int = 0  # the worst delay of our own clockwork
    checked: int = 0  # decrypted
    wrong: int = 0  # of these: not what the sender sent
    key_frames: int = 0
    latencies_us: list[int] = []


class Answer(msgspec.Struct):
    error: str = ""
    counted: Counted | None = None
    at: dict[str, int] = {}
    fingerprint: str = ""  # in the first line, unasked
