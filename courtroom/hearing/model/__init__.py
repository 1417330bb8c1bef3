"""What a hearing is at one moment: frozen data, closed sets, no behaviour. This is what the rest of the court imports.

* A seat is in exactly one room at any moment, or in none (``Room`` and COURT.md 2); media never crosses a room.
* Everything here is made by ``evolve`` out of events and by nothing else.
* Times (``…_at``, ``since``) are integers: microseconds of Unix time on the court's clock.
* Persons' names are not here: they live in an erasable side table and are handed to ``view``.
* One idea a module: ``court`` ← ``plan``, ``spell``, ``papers`` ← ``seat``, ``recording`` ← ``hearing``.

Words: COURT.md section 1. Law: Online Litigation Rules (2021), Provisions on Recording of Hearings (2017).
"""

from courtroom.hearing.model.court import COURTROOM, DELIBERATION, Device, Kind, Phase, Role, Room, RoomKind, Side
from courtroom.hearing.model.hearing import Hearing, Request
from courtroom.hearing.model.papers import (
    Answerer,
    Attachment,
    Channel,
    Delivery,
    DeliveryState,
    Notice,
    Reason,
    Statement,
    Step,
)
from courtroom.hearing.model.plan import (
    LEAST_WARN_AFTER_S,
    OFFLINE_FACTS,
    Case,
    Claim,
    ClaimFact,
    OnFile,
    Policy,
    SeatPlan,
    ServiceFact,
)
from courtroom.hearing.model.recording import Interruption, Proposal, Seal, Signature
from courtroom.hearing.model.seat import Seat
from courtroom.hearing.model.spell import Attribution, Cause, Presence, Spell

__all__ = [
    "COURTROOM", "DELIBERATION", "LEAST_WARN_AFTER_S", "OFFLINE_FACTS", "Answerer", "Attachment", "Attribution",
    "Case", "Cause", "Channel", "Claim", "ClaimFact", "Delivery", "DeliveryState", "Device", "Hearing",
    "Interruption", "Kind", "Notice", "OnFile", "Phase", "Policy", "Presence", "Proposal", "Reason", "Request",
    "Role", "Room", "RoomKind", "Seal", "Seat", "SeatPlan", "ServiceFact", "Side", "Signature", "Spell",
    "Statement", "Step",
]  # fmt: skip
