"""Rotation of the court's signing key: who vouches for whom, and what a crash in between leaves."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from courtroom.errors import BadMessage, Unavailable
from courtroom.hearing.keyring import CourtKey, endorsement_bytes, in_force, key_id, keyring_of, known, to_value
from courtroom.store import keys
from courtroom.store.keys import KEY, NEXT, RING, SigningKey, open_keys, read_ring, rotate
from recorder.seal import signed_by

NOW = 1_795_000_000_000_000


def test_the_first_start_makes_a_key_and_a_keyring(tmp_path: Path) -> None:
    key = open_keys(tmp_path)
    assert read_ring(tmp_path) == (CourtKey(key.hex, 0),)
    assert open_keys(tmp_path).hex == key.hex
    assert {path.name for path in tmp_path.iterdir()} == {KEY, RING}
    assert stat.S_IMODE((tmp_path / RING).stat().st_mode) == 0o600


def test_a_rotation_endorses_the_new_key_and_ends_the_old_one(tmp_path: Path) -> None:
    old = open_keys(tmp_path)
    made = rotate(tmp_path, NOW)
    assert open_keys(tmp_path).hex == made.key != old.hex
    assert signed_by(endorsement_bytes(made.key, NOW, old.hex), made.signature, old.hex)
    ring = read_ring(tmp_path)
    assert [one.id for one in ring] == [key_id(old.hex), made.id]
    assert in_force(ring, old.hex, NOW - 1)
    assert in_force(ring, old.hex, NOW)
    assert not in_force(ring, old.hex, NOW + 1)
    assert not in_force(ring, made.key, NOW - 1)
    assert in_force(ring, made.key, NOW + 1)
    assert not (tmp_path / NEXT).exists()


def test_an_old_anchor_reaches_every_later_key_and_never_backwards(tmp_path: Path) -> None:
    first = open_keys(tmp_path).hex
    for step in range(3):
        rotate(tmp_path, NOW + step)
    ring = read_ring(tmp_path)
    every = {one.key for one in ring}
    assert known(ring, [first], signed_by) == every
    assert known(ring, [ring[2].key], signed_by) == {ring[2].key, ring[3].key}
    forged = [ring[0], CourtKey(ring[1].key, ring[1].since, ring[1].endorsed_by, "00" * 64), *ring[2:]]
    assert known(forged, [first], signed_by) == {first}


def test_a_crash_after_the_new_key_was_made_undoes_it(tmp_path: Path) -> None:
    key = open_keys(tmp_path)
    SigningKey.load(tmp_path / NEXT)
    assert open_keys(tmp_path).hex == key.hex
    assert not (tmp_path / NEXT).exists()


def test_a_crash_after_the_keyring_was_written_finishes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = open_keys(tmp_path)
    wrote = keys._write_ring

    def crash(data: Path, ring: tuple[CourtKey, ...]) -> None:
        wrote(data, ring)
        raise KeyboardInterrupt

    monkeypatch.setattr(keys, "_write_ring", crash)
    with pytest.raises(KeyboardInterrupt):
        rotate(tmp_path, NOW)
    monkeypatch.undo()
    assert SigningKey.load(tmp_path / KEY).hex == old.hex
    assert open_keys(tmp_path).hex == read_ring(tmp_path)[-1].key != old.hex


def test_a_lost_private_key_stops_the_start(tmp_path: Path) -> None:
    open_keys(tmp_path)
    (tmp_path / KEY).unlink()
    with pytest.raises(Unavailable):
        open_keys(tmp_path)


def test_a_keyring_that_is_none_stops_the_start(tmp_path: Path) -> None:
    open_keys(tmp_path)
    for nonsense in (b"", b"[]", b'{"version":1,"keys":[]}', b"[" * 100_000, b'{"version":1,"keys":[{"key":1}]}'):
        (tmp_path / RING).write_bytes(nonsense)
        with pytest.raises(Unavailable):
            open_keys(tmp_path)


def test_a_trust_file_is_the_keyring_and_hostile_ones_are_refused(tmp_path: Path) -> None:
    open_keys(tmp_path)
    rotate(tmp_path, NOW)
    ring = read_ring(tmp_path)
    assert keyring_of(json.loads(json.dumps(to_value(ring)))) == ring
    good = to_value(ring)
    for change in (
        {"since": -1},
        {"since": 1.5},
        {"key": "zz"},
        {"signature": "00"},
        {"endorsed_by": 5},
        {"since": True},
    ):
        bad = {**good, "keys": [good["keys"][0], {**good["keys"][1], **change}]}
        with pytest.raises(BadMessage):
            keyring_of(bad)
    for bad in (None, [], {}, {**good, "version": 2}, {**good, "keys": good["keys"][::-1]}, {**good, "keys": [5]}):
        with pytest.raises(BadMessage):
            keyring_of(bad)
