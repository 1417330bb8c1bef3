"""What went between the court and a person who was missing: notices, their delivery, what the person states.

* A prompt or a warning counts from the moment some channel proves it delivered, not from the moment it was sent.
* A statement and a file that was handed in are two things: the court holds a file only when an entry says so.

COURT.md 6; Online Litigation Rules art. 25.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Step(StrEnum):
    """A step of the procedure on an absence: each is a notice to the person."""

    PROMPT = "prompt"
    WARNING = "warning"


class Channel(StrEnum):
    """A way on which a notice reaches a person."""

    PAGE = "page"
    EMAIL = "email"
    WEBHOOK = "webhook"
    PHONE = "phone"


class DeliveryState(StrEnum):
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"


class Answerer(StrEnum):
    """Who answered a telephone call of the court."""

    SELF = "self"
    FAMILY = "family"
    COUNSEL = "counsel"
    OTHER = "other"
    NOBODY = "nobody"


class Reason(StrEnum):
    """What a person gives as reason for having been away (OLR 25)."""

    NETWORK_FAULT = "network_fault"
    DEVICE_DAMAGE = "device_damage"
    POWER_CUT = "power_cut"
    FORCE_MAJEURE = "force_majeure"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Delivery:
    """Proof, or failure, of one step on the way of a notice to a person."""

    channel: Channel
    state: DeliveryState
    at: int
    seq: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """A prompt or a warning to one seat. Its id is ``seq``, the ledger number of the entry that made it.

    ``ended_at``: the person came back, or got leave; a later absence begins the procedure anew.
    """

    seq: int
    step: Step
    at: int
    deliveries: tuple[Delivery, ...] = ()
    ended_at: int = 0

    @property
    def delivered_at(self) -> int:
        """When the first channel delivered it; 0 while none has. A failure after it takes a channel's proof back,
        unless the person has read it there.
        """
        return min((at for channel in Channel if (at := self._delivered_by(channel))), default=0)

    def _delivered_by(self, channel: Channel) -> int:
        at = 0
        for one in self.deliveries:
            if one.channel is not channel:
                continue
            match one.state:
                case DeliveryState.READ:
                    return at or one.at
                case DeliveryState.DELIVERED:
                    at = at or one.at
                case DeliveryState.FAILED:
                    at = 0
        return at

    @property
    def read_at(self) -> int:
        return min((one.at for one in self.deliveries if one.state is DeliveryState.READ), default=0)


@dataclass(frozen=True, slots=True)
class Statement:
    """What a person says about having been away; ``attachment`` is the SHA-256 of a file, '' without one; ``held`` is
    the entry by which the court holds it, 0 while it does not, ``kind`` what its bytes are.
    """

    seq: int
    at: int
    reason: Reason
    text: str
    notice: int = 0
    attachment: str = ""
    name: str = ""
    size: int = 0
    held: int = 0
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a seat that the court holds; ``seq`` is the entry that says so."""

    sha256: str
    size: int
    kind: str  # statements.KINDS
    at: int
    seq: int
