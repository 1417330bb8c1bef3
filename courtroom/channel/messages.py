"""The words between control and its child processes: media workers and the capture writer.

Rules
* Children are exec'd on one end of an inherited ``socketpair``; end of stream means "control is gone": finish and exit.
* The first message either way carries ``version``; a difference ends the child.
* A message with ``request`` is answered by exactly one ``Reply`` with the same number; everything else is one-way.
* Ids (room, transport, take) are opaque strings to the children. No role, name or case number ever crosses.
* Times are µs of the court clock: ``CLOCK_MONOTONIC + clock_offset_us``, the offset being chosen once by control, so
  every process of a court reads the same clock (CLOCK_MONOTONIC is one clock for the whole machine).
* ``SetRoutes`` is the whole truth about one room, never a delta; sending it again after a crash is the recovery.
"""

from __future__ import annotations

from typing import Final

import msgspec

VERSION: Final = 1


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", omit_defaults=False):
    """Base: tagged by class name."""


# --- control → worker -----------------------------------------------------------------------------


class WelcomeWorker(Message, frozen=True, tag=True):
    version: int
    clock_offset_us: int
    media_port: int
    addresses: list[str]  # what browsers are told as host candidates; sockets bind the same family's wildcard
    capture_socket: str = ""  # path of the writer's unix socket; '' = no capture


class OpenRoom(Message, frozen=True, tag=True):
    request: int
    room: str


class CloseRoom(Message, frozen=True, tag=True):
    request: int
    room: str


class OpenTransport(Message, frozen=True, tag=True):
    """Answered by ``Reply`` with the server's offer in ``sdp``. ``publish``: microphone, camera, screen,
    screen_sound.
    """

    request: int
    room: str
    transport: str
    places: int
    publish: list[str]


class AcceptAnswer(Message, frozen=True, tag=True):
    request: int
    transport: str
    sdp: str


class RestartTransport(Message, frozen=True, tag=True):
    """New ICE credentials for the same transport; answered by ``Reply`` with the offer."""

    request: int
    transport: str


class CloseTransport(Message, frozen=True, tag=True):
    request: int
    transport: str


class Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``source``'s ``kind`` goes to ``receiver``'s place number ``place`` (0-based; audio or video by kind)."""

    receiver: str
    place: int
    source: str
    kind: str  # microphone | camera | screen | screen_sound


class CaptureRoute(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``source``'s ``kind`` is written to ``take`` under ``label`` (the seat id, opaque here)."""

    take: str
    source: str
    kind: str
    label: str


class SetRoutes(Message, frozen=True, tag=True):
    """The whole set of one room. Replied to when no packet of a route left out can still be sent."""

    request: int
    room: str
    revision: int
    routes: list[Route]
    captures: list[CaptureRoute]


class PlacePreference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    place: int
    width: int  # CSS pixels of the tile; 0 stops the place's video


class SetPreferences(Message, frozen=True, tag=True):
    transport: str
    places: list[PlacePreference]


class ToWorkerShutdown(Message, frozen=True, tag=True):
    pass


ToWorker = (
    WelcomeWorker | OpenRoom | CloseRoom | OpenTransport | AcceptAnswer | RestartTransport | CloseTransport | SetRoutes
    | SetPreferences | ToWorkerShutdown
)  # fmt: skip


# --- worker → control -----------------------------------------------------------------------------


class WorkerReady(Message, frozen=True, tag=True):
    version: int
    pid: int
    media: list[str]  # e.g. "udp:127.0.0.1:40000", "tcp:127.0.0.1:40000"


class Reply(Message, frozen=True, tag=True):
    """``code`` '' = done; otherwise a stable error code and nothing was changed."""

    request: int
    code: str = ""
    sdp: str = ""


class TransportChanged(Message, frozen=True, tag=True):
    """``state``: connected (ICE+DTLS up) | silent (no valid packet for 1.9 s) | back | closed.

    ``reason`` for closed: asked | dtls_close | never_connected | replaced | room_closed |
    bad_fingerprint (not the certificate its answer named) | dtls_failed (five handshakes went wrong).
    ``last_in_at``/``last_out_at``: court clock of the last authenticated packet each way, 0 when none.
    """

    transport: str
    state: str
    at: int
    reason: str = ""
    last_in_at: int = 0
    last_out_at: int = 0
    loss_permille: int = -1
    rtt_us: int = -1
    jitter_us: int = -1


class ProducerChanged(Message, frozen=True, tag=True):
    """A published kind began to send or stopped (``live``); ``level`` is the speaking level 0–127 dBov when known."""

    transport: str
    kind: str
    live: bool
    codec: str
    at: int


class SpeakingChanged(Message, frozen=True, tag=True):
    """Who speaks in a room now, by transport, loudest first (RFC 6464 levels, with hysteresis)."""

    room: str
    transports: list[str]


class EdgeCounter(msgspec.Struct, frozen=True):
    receiver: str
    source: str
    kind: str
    packets: int
    bytes: int
    first_at: int
    last_at: int


class Journal(Message, frozen=True, tag=True):
    """Once a second: what has crossed each edge since the transport was opened (isolation certificate)."""

    at: int
    edges: list[EdgeCounter]


class TransportQuality(msgspec.Struct, frozen=True):
    transport: str
    loss_permille: int
    rtt_us: int
    jitter_us: int


class WorkerLoad(Message, frozen=True, tag=True):
    """Once a second: loop lag and counters for the metrics page and the quality words of the screens."""

    at: int
    loop_lag_us: int
    transports: int
    packets_in: int
    packets_out: int
    dropped: dict[str, int]
    capture_lag_us: int  # age of the oldest batch the writer has not acknowledged, 0 when none
    quality: list[TransportQuality]
    cpu_permille: int = 0  # of one core, since the last report


FromWorker = WorkerReady | Reply | TransportChanged | ProducerChanged | SpeakingChanged | Journal | WorkerLoad


# --- control → capture writer ---------------------------------------------------------------------


class WelcomeWriter(Message, frozen=True, tag=True):
    version: int
    clock_offset_us: int
    capture_socket: str  # unix stream socket the writer listens on for workers
    directory: str  # takes live in directory/<take>/


class OpenTake(Message, frozen=True, tag=True):
    """Replied to once ``reserve_bytes`` are set aside. Opening a take that exists resumes it with the next segment."""

    request: int
    take: str
    reserve_bytes: int


class CloseTake(Message, frozen=True, tag=True):
    """Replied to when every segment is sealed (after the ``SegmentSealed`` messages)."""

    request: int
    take: str


class Mark(Message, frozen=True, tag=True):
    """A control event written inline into the take, e.g. kind ``worker_lost``; detail is a JSON object as text."""

    take: str
    at: int
    kind: str
    detail: str


class ToWriterShutdown(Message, frozen=True, tag=True):
    pass


ToWriter = WelcomeWriter | OpenTake | CloseTake | Mark | ToWriterShutdown


# --- capture writer → control ---------------------------------------------------------------------


class WriterReady(Message, frozen=True, tag=True):
    version: int
    pid: int


class SegmentSealed(Message, frozen=True, tag=True):
    take: str
    segment: str  # file name inside the take's directory
    sha256: str
    start_at: int
    end_at: int
    bytes: int
    torn: bool  # found unfinished after a crash and sealed as it was


class CaptureProgress(Message, frozen=True, tag=True):
    """At most once a second per open take: what is certainly on disk. The recording lamp follows this."""

    take: str
    synced_bytes: int
    synced_at: int
    free_bytes: int


class CaptureDefect(Message, frozen=True, tag=True):
    """A trouble begins, or still lasts (repeated every 10 s). ``code``: disk_low | disk_slow (before anything is lost)
    | disk_full | io_error.
    """

    take: str
    code: str
    at: int


class CaptureMended(Message, frozen=True, tag=True):
    """A trouble that was told is over."""

    take: str
    code: str
    at: int


FromWriter = WriterReady | Reply | SegmentSealed | CaptureProgress | CaptureDefect | CaptureMended


# --- control → mirror (second copies) -------------------------------------------------------------


class WelcomeMirror(Message, frozen=True, tag=True):
    """``place``: an absolute directory or ``s3://bucket/prefix``. Carries a secret: never to be logged."""

    version: int
    captures: str
    archives: str
    place: str
    endpoint: str = ""
    key: str = ""
    secret: str = ""


class CopySegment(Message, frozen=True, tag=True):
    """Replied to when the segment lies in the second place and was read back; idempotent."""

    request: int
    take: str
    segment: str
    sha256: str


class CopyBag(Message, frozen=True, tag=True):
    request: int
    hearing: str


ToMirror = WelcomeMirror | CopySegment | CopyBag


class MirrorReady(Message, frozen=True, tag=True):
    version: int
    pid: int


class MirrorMoves(Message, frozen=True, tag=True):
    """Bytes move: told every few seconds while a copy is made."""


FromMirror = MirrorReady | MirrorMoves | Reply
