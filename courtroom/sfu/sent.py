"""The last packets to one receiver by transport-wide number: what feedback on a number is compared with.

* One entry a number, time << 12 | size, in a ring of ``SLOTS``: feedback on what is older is not heard.
* Numbers only grow; on the wire go their low 16 bits.
* A packet that was sent again under its old number (sound) has the entry 0: whether, and when, it came tells nothing.

draft-holmer-rmcat-transport-wide-cc-extensions-01. Times are µs of the court clock, sizes octets with headers.
"""

from __future__ import annotations

from array import array
from typing import Final

from courtroom.sfu.sequence import unwrap

HEADERS: Final = 44  # UDP, IP and the SRTP tag on top of an RTP packet
SLOTS: Final = 4096
MASK: Final = SLOTS - 1


class Sent:
    __slots__ = ("entries", "next")

    def __init__(self) -> None:
        self.next = 0
        self.entries = array("Q", bytes(8 * SLOTS))

    def note(self, size: int, now: int) -> int:
        """The number for a packet of ``size`` octets sent now. The hot loop of ``producer`` does the same in place."""
        number = self.next
        self.next = number + 1
        self.entries[number & MASK] = now << 12 | (size + HEADERS)
        return number

    def again(self, number: int) -> None:
        """The packet of this number, as it stands on the wire, is sent once more as it is."""
        index = unwrap(number, self.next)
        if self.next - SLOTS <= index < self.next:
            self.entries[index & MASK] = 0

    def octets(self, first: int) -> int:
        """What was sent from number ``first`` on, as far as it is still known."""
        return sum(self.entries[number & MASK] & 0xFFF for number in range(max(first, self.next - SLOTS), self.next))
