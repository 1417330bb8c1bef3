"""A packet that nobody has any more: whoever decodes waits for it for seconds, unless a key frame comes instead."""

from __future__ import annotations

import pytest

from courtroom.sfu import rtcp
from courtroom.sfu.nack import MAX_TRIES
from tests.sfu.room import Camera, Room

LOST = 3  # of the frames that are sent, one packet of it


class Sitting:
    """One camera, one receiver; ``lost`` is the number of the packet that never arrived."""

    def __init__(self) -> None:
        self.room = Room()
        self.judge, self.clerk = self.room.add("judge"), self.room.add("clerk")
        self.room.route(("clerk", 0, "judge", "camera"))
        self.camera = Camera(500)
        self.lost = 0
        for number in range(8):
            for at, packet in enumerate(self.camera.frame()):
                if (number, at) == (LOST, 1):
                    self.lost = self.camera.sequence - 1
                else:
                    self.room.send(self.judge, packet)
            self.room.tick(40_000)
        self.heard()

    def heard(self) -> list[type[rtcp.Report]]:
        """What the camera's owner was asked since the last call."""
        return [type(report) for name, report in self.room.rtcp() if name == "judge"]

    def asks(self) -> None:
        """The receiver asks for it once more."""
        place = self.clerk.video[0]
        nack = rtcp.nack(1, place.ssrc, [self.lost + place.index_offset & 0xFFFF])
        self.room.router.receive_rtcp(self.clerk, nack, self.room.now)

    def until_given_up(self) -> None:
        for _ in range(200):
            self.room.tick()


def test_key_frame_is_asked_for_when_a_packet_was_asked_for_in_vain() -> None:
    sitting = Sitting()
    sitting.until_given_up()
    heard = sitting.heard()
    assert heard.count(rtcp.Nack) >= MAX_TRIES // 2
    assert rtcp.Pli in heard
    assert rtcp.Nack not in heard[heard.index(rtcp.Pli) :], "both at once would be one too many"


def test_key_frame_that_came_since_is_enough() -> None:
    sitting = Sitting()
    sitting.camera.key = True
    for packet in sitting.camera.frame():
        sitting.room.send(sitting.judge, packet)
    sitting.until_given_up()
    sitting.asks()
    sitting.room.tick()
    assert rtcp.Pli not in sitting.heard()


@pytest.mark.parametrize("given_up", [False, True])
def test_receiver_that_asks_for_what_is_gone_gets_a_key_frame(*, given_up: bool) -> None:
    sitting = Sitting()
    if given_up:
        layer = sitting.clerk.video[0].layer
        assert layer is not None
        layer.gaps.give_up(0)
    sitting.asks()
    sitting.room.tick()
    assert (rtcp.Pli in sitting.heard()) == given_up, "while it may still come, it is waited for"


def test_layer_that_nobody_sees_is_not_asked_for_key_frames() -> None:
    sitting = Sitting()
    sitting.room.route()
    sitting.until_given_up()
    assert rtcp.Pli not in sitting.heard()
