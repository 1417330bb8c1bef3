from __future__ import annotations

import random

import pytest

from courtroom.channel import framing
from courtroom.channel import messages as m
from courtroom.errors import BadMessage
from tests.sfu.test_hostile import COUNT, mutated

MESSAGES: list[m.Message] = [
    m.WelcomeWorker(1, 2, 3, ["127.0.0.1"], "/run/x"),
    m.OpenTransport(1, "room", "transport", 8, ["microphone"]),
    m.SetRoutes(2, "room", 3, [m.Route("a", 0, "b", "camera")], [m.CaptureRoute("t", "a", "camera", "s")]),
    m.SetPreferences("t", [m.PlacePreference(0, 320)]),
    m.ToWorkerShutdown(),
]


def test_messages_arrive_whole_however_the_bytes_are_cut() -> None:
    stream = b"".join(framing.encode(message) for message in MESSAGES) * 20
    dice = random.Random(5)
    decoder: framing.Decoder[m.Message] = framing.Decoder(m.ToWorker)
    got: list[m.Message] = []
    while stream:
        size = dice.randrange(1, 200)
        got += decoder.feed(stream[:size])
        stream = stream[size:]
    assert got == MESSAGES * 20


def test_oversize_frames_are_refused_before_they_are_read() -> None:
    decoder: framing.Decoder[m.Message] = framing.Decoder(m.ToWorker)
    with pytest.raises(BadMessage):
        list(decoder.feed((framing.MAX_FRAME + 1).to_bytes(4, "big")))


def test_unknown_fields_and_types_are_refused() -> None:
    for body in (b'{"type":"Nothing"}', b'{"type":"OpenRoom","request":1,"room":"r","role":"judge"}', b"[]", b"\xff"):
        decoder: framing.Decoder[m.Message] = framing.Decoder(m.ToWorker)
        with pytest.raises(BadMessage):
            list(decoder.feed(len(body).to_bytes(4, "big") + body))


def test_mutated_frames_are_messages_or_bad_messages() -> None:
    refused = 0
    for data in mutated([framing.encode(message) for message in MESSAGES]):
        decoder: framing.Decoder[m.Message] = framing.Decoder(m.ToWorker)
        try:
            list(decoder.feed(data))
        except BadMessage:
            refused += 1
    assert 0 < refused < COUNT
