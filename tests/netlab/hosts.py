"""Hosts of our own on one machine: a network namespace joined to the test's by a veth pair, and a sniffer on our end.

Needs root and iproute2; every name is chosen fresh and taken away again. Nothing outside the pair gets a packet.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

UDP = 17
ETH_P_IP = 0x0800
ETH_P_ALL = 3
PACKET_OUTGOING = 4


def available() -> str:
    """'' when namespaces can be made here, otherwise why not."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "network namespaces need iproute2"
    return ""


def ip(*words: str) -> None:
    """One command of iproute2; raises if it is refused."""
    subprocess.run(["ip", *words], check=True, capture_output=True)


def unlink(*links: str) -> None:
    """Takes our ends of cables away, before the namespaces that hold the others.

    Deleting a namespace only begins its end: its cables vanish some time later, and a browser of the next test would
    take that for a change of network and give up what it is loading (net::ERR_NETWORK_CHANGED).
    """
    for link in links:
        subprocess.run(["ip", "link", "del", link], check=False, capture_output=True)  # it may never have been made


@dataclass(frozen=True)
class Host:
    """A namespace: ``near`` is our address on its link, ``far`` its own."""

    name: str
    link: str
    near: str
    far: str

    def wrapper(self, program: str, folder: Path) -> str:
        """A script that runs ``program`` inside the namespace, for launchers that take one path."""
        script = folder / f"in-{self.name}"
        script.write_text(f'#!/bin/sh\nexec ip netns exec {self.name} {program} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
        return str(script)

    def down(self) -> None:
        """The cable is pulled."""
        ip("link", "set", self.link, "down")

    def up(self) -> None:
        ip("link", "set", self.link, "up")


@contextlib.contextmanager
def host() -> Iterator[Host]:
    """A fresh namespace with a link and addresses in 10.0.0.0/8 that nothing here uses."""
    tag = secrets.token_hex(3)
    net = f"10.{80 + secrets.randbelow(100)}.{secrets.randbelow(250)}"
    one = Host(f"court-{tag}", f"ct{tag}", f"{net}.1", f"{net}.2")
    inner = f"cp{tag}"
    ip("netns", "add", one.name)
    try:
        ip("link", "add", one.link, "type", "veth", "peer", "name", inner)
        ip("link", "set", inner, "netns", one.name)
        ip("addr", "add", f"{one.near}/30", "dev", one.link)
        ip("link", "set", one.link, "up")
        ip("-n", one.name, "addr", "add", f"{one.far}/30", "dev", inner)
        ip("-n", one.name, "link", "set", inner, "up")
        ip("-n", one.name, "link", "set", "lo", "up")
        yield one
    finally:
        unlink(one.link)
        ip("netns", "del", one.name)


@dataclass
class Sniffer:
    """Every UDP datagram (IPv4) that leaves through a link, by source port: ``(time.monotonic(), bytes)``.

    Reads from the IP header on, so a link with or without Ethernet is alike.
    """

    link: str
    sent: dict[int, list[tuple[float, int]]] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Sniffer:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        self._socket.bind((self.link, ETH_P_ALL))
        self._socket.settimeout(0.2)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()

    def between(self, port: int, start: float, end: float) -> int:
        """How many datagrams left from ``port`` in ``[start, end)`` of ``time.monotonic()``."""
        return sum(start <= at < end for at, _size in self.sent.get(port, []))

    def _listen(self) -> None:
        while not self._stop.is_set():
            try:
                packet, (_name, protocol, kind, *_rest) = self._socket.recvfrom(65536)
            except TimeoutError:
                continue
            at = time.monotonic()
            if kind != PACKET_OUTGOING or protocol != ETH_P_IP or len(packet) < 28 or packet[9] != UDP:
                continue
            (port,) = struct.unpack_from("!H", packet, (packet[0] & 15) * 4)
            self.sent.setdefault(port, []).append((at, len(packet)))
