"""One browser's connection to one room: its ICE peer, its DTLS, its SRTP keys, and what is known of its life.

Rules
* ``up`` only when a check passed, DTLS is done, and the peer's certificate is the one its answer named. Before that not
  one RTP packet is taken or sent.
* Silence is the absence of authenticated packets for ``QUIET_US``: a little less than the two seconds within which an
  absence has to be known, since it is looked for every 20 ms and has a way to go. Who says nothing by itself is asked
  (``consent``).
* Bounds: ``MAX_SSRCS`` incoming SSRCs, ``CHECKS`` and ``RECORDS`` a second, and ``limits.Budget`` for media.
* A handshake that a stranger's or a broken datagram has ruined begins anew, ``MAX_HANDSHAKES`` times.

RFC 8122 (fingerprints), RFC 5764 (DTLS-SRTP).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from courtroom.sfu.router import Member, Router
from courtroom.worker import srtp
from courtroom.worker.consent import Consent
from courtroom.worker.datagrams import Destination, Socket
from courtroom.worker.dtls import Dtls, Identity, State
from courtroom.worker.ice import Peer
from courtroom.worker.limits import Bucket, Budget
from courtroom.worker.sdp import Answer, Offer
from courtroom.worker.stream import Stream

QUIET_US: Final = 1_900_000
CONNECT_US: Final = 30_000_000
MAX_HANDSHAKES: Final = 5
MAX_SSRCS: Final = 64
CHECKS: Final = 1000  # a second from an admitted address; a browser sends fifty at most
RECORDS: Final = 500


@dataclass(slots=True)
class Lost:
    """Why a transport has to be closed."""

    reason: str


class Transport:
    __slots__ = (
        "_handshakes", "_identity", "answer", "budget", "checks", "consent", "destination", "dtls", "inbound",
        "last_in_at", "last_out_at", "member", "name", "offer", "opened_at", "outbound", "peer", "prove_by", "proving",
        "records", "router", "silent", "socket", "ssrcs", "up",
    )  # fmt: skip

    def __init__(self, name: str, router: Router, member: Member, offer: Offer, own: Identity, now: int) -> None:
        self.name = name
        self.router = router
        self.member = member
        self.offer = offer
        self.opened_at = now
        self.peer: Peer[Transport] | None = None
        self.socket: Socket | Stream | None = None
        self.destination: Destination | None = None
        self.proving: Socket | Stream | None = None  # of a path that was asked for and has not shown itself yet
        self.prove_by = 0
        self.answer: Answer | None = None
        self.inbound: srtp.Cipher | None = None
        self.outbound: srtp.Cipher | None = None
        self.up = False
        self.silent = False
        self.last_in_at = self.last_out_at = 0
        self.consent = Consent()
        self._identity = own
        self._handshakes = 1
        self.dtls = Dtls(own)
        self.ssrcs: set[bytes] = set()
        self.budget = Budget()
        self.checks = Bucket(CHECKS, CHECKS)
        self.records = Bucket(RECORDS, RECORDS)

    def takes(self, ssrc: bytes) -> bool:
        """An authenticated packet has an SSRC that is new: remember it, or have it forgotten by libsrtp again."""
        if len(self.ssrcs) < MAX_SSRCS:
            self.ssrcs.add(ssrc)
            return True
        assert self.inbound is not None
        self.inbound.forget(ssrc)
        return False

    def datagram(self, data: bytes) -> Lost | None:
        """One DTLS datagram from an admitted address."""
        self.dtls.receive(data)
        return self._follow()

    def accept(self, answer: Answer) -> Lost | None:
        """The client's answer; DTLS may have been faster."""
        self.answer = answer
        if self.peer is not None:
            self.peer.learn(answer.ufrag, answer.password)
        return self._follow()

    def _follow(self) -> Lost | None:
        match self.dtls.state:
            case State.CLOSED:
                return Lost("dtls_close")
            case State.FAILED:
                return self._again()
            case State.UP if not self.up and self.answer is not None:
                if self.dtls.peer != self.answer.fingerprint:
                    return Lost("bad_fingerprint")
                assert self.dtls.keys is not None
                keys = self.dtls.keys
                self.inbound = srtp.Cipher(keys.profile, keys.client, inbound=True)
                self.outbound = srtp.Cipher(keys.profile, keys.server, inbound=False)
                self.up = True
            case _:
                pass
        return None

    def _again(self) -> Lost | None:
        if self._handshakes >= MAX_HANDSHAKES:
            return Lost("dtls_failed")
        self._handshakes += 1
        self.dtls = Dtls(self._identity)
        return None

    def heard(self, now: int) -> bool:
        """An authenticated packet came; True when that ends a silence."""
        self.last_in_at = now
        if self.silent:
            self.silent = False
            return True
        return False

    def falls_silent(self, now: int) -> bool:
        """True once, when nothing valid has come for too long."""
        if not self.up or self.silent or now - self.last_in_at < QUIET_US:
            return False
        self.silent = True
        return True

    def quality(self) -> tuple[int, int, int]:
        """Loss (permille, the worse direction), round trip (µs), jitter (µs); −1 where nothing is known."""
        layers = list(self.member.streams.values())
        places: list[Any] = [place for place in self.member.places() if place.layer is not None]
        fractions = [layer.reception.fraction for layer in layers] + [place.fraction for place in places]
        loss = max(fractions) * 1000 // 256 if fractions else -1
        jitter = max((layer.reception.jitter_us for layer in layers), default=-1)
        return loss, self.member.round_trip.us, jitter
