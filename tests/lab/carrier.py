"""Hosts behind one carrier: each has Wi-Fi and 4G, the carrier loses packets, cuts one way, or fails for everybody.

* A host is a network namespace with two links to the carrier's namespace, of which one is up at a time; the carrier
  forwards to this machine. What goes wrong on the way is a ruleset of nftables in the carrier, so no host is told.
* ``wifi_off`` and ``roam`` happen at the host itself, whose programs hear of them.

Needs root, iproute2 and nftables with ``numgen``; every name is chosen fresh and taken away again.
"""

from __future__ import annotations

import contextlib
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.netlab import hosts, ways
from tests.netlab.hosts import Host, ip

LINKS = ("wifi", "cell")
"""Wi-Fi, 4G."""


@dataclass
class Subscriber:
    """A host of the carrier; ``link`` is the number of the link it uses."""

    name: str
    addresses: tuple[str, str]
    gateways: tuple[str, str]
    near: str
    link: int = 0

    def wrapper(self, program: str, folder: Path) -> str:
        return Host(self.name, "", self.near, "").wrapper(program, folder)

    def off(self) -> None:
        """The link in use goes down, and nothing takes its place."""
        ip("-n", self.name, "link", "set", "dev", LINKS[self.link], "down")

    def on(self) -> None:
        ip("-n", self.name, "link", "set", "dev", LINKS[self.link], "up")
        ip("-n", self.name, "route", "replace", "default", "via", self.gateways[self.link], "dev", LINKS[self.link])

    def other_link(self) -> None:
        """From now on ``on`` and ``off`` mean the other network, which has another address."""
        self.link = 1 - self.link


@dataclass
class Carrier:
    """``near`` is the address by which its hosts reach this machine."""

    name: str
    near: str
    subscribers: tuple[Subscriber, ...]
    _rules: dict[str, str] = field(default_factory=dict)

    def loses(self, who: Subscriber, percent: float) -> None:
        """Of every packet from and to ``who``."""
        share = f"numgen random mod 1000 < {round(percent * 10)} drop"
        both = ", ".join(who.addresses)
        self._set(who.name, f"ip saddr {{ {both} }} {share}; ip daddr {{ {both} }} {share};")

    def deaf_to(self, who: Subscriber) -> None:
        """Nothing from ``who`` gets through; what is sent to it does."""
        self._set(who.name, f"ip saddr {{ {', '.join(who.addresses)} }} drop;")

    def out(self) -> None:
        """Nothing of anybody gets through."""
        self._set("out", "drop;")

    def well(self) -> None:
        """Everything gets through."""
        self._rules.clear()
        self._load()

    def mended(self) -> None:
        """Everything gets through and everybody is on a network, whatever was begun and not ended."""
        self.well()
        for each in self.subscribers:
            each.on()

    def _set(self, name: str, rule: str) -> None:
        self._rules[name] = rule
        self._load()

    def _load(self) -> None:
        rules = " ".join(self._rules.values())
        ways.nft(
            self.name,
            "table ip fate {}\ndelete table ip fate\n"
            f"table ip fate {{ chain way {{ type filter hook forward priority 0; {rules} }}; }}",
        )


def available() -> str:
    """'' when a carrier can be laid here, otherwise why not."""
    if reason := hosts.available():
        return reason
    check = "table ip fate { chain way { type filter hook forward priority 0; numgen random mod 2 < 1 drop; }; }"
    try:
        done = subprocess.run(["nft", "-c", "-f", "-"], input=check.encode(), capture_output=True, check=False)
    except FileNotFoundError:
        return "the carrier needs nftables"
    return "" if done.returncode == 0 else "the carrier needs nftables with numgen"


@contextlib.contextmanager
def carrier(number: int) -> Iterator[Carrier]:
    """A carrier with so many hosts (up to 31), each on its Wi-Fi; all in one /24, as behind one exchange."""
    tag = secrets.token_hex(3)
    net = f"10.{20 + secrets.randbelow(60)}"
    name, near, far = f"car-{tag}", f"{net}.255.1", f"{net}.255.2"
    found = tuple(
        Subscriber(
            f"sub{at}-{tag}",
            (f"{net}.0.{8 * at + 2}", f"{net}.0.{8 * at + 6}"),
            (f"{net}.0.{8 * at + 1}", f"{net}.0.{8 * at + 5}"),
            near,
        )
        for at in range(number)
    )
    one = Carrier(name, near, found)
    with contextlib.ExitStack() as stack:
        for space in (name, *(each.name for each in found)):
            ip("netns", "add", space)
            stack.callback(ip, "netns", "del", space)
            ip("-n", space, "link", "set", "lo", "up")
        forward = "echo 1 > /proc/sys/net/ipv4/ip_forward"
        subprocess.run(["ip", "netns", "exec", name, "sh", "-c", forward], check=True, capture_output=True)
        stack.callback(hosts.unlink, f"ca{tag}")
        _cable(("", f"ca{tag}", near), (name, f"cb{tag}", far))
        ip("route", "add", f"{net}.0.0/16", "via", far)
        ip("-n", name, "route", "add", "default", "via", near)
        for at, each in enumerate(found):
            for link, gateway, own in zip(LINKS, each.gateways, each.addresses, strict=True):
                _cable((name, f"{link}{at}{tag}", gateway), (each.name, link, own))
            ip("-n", each.name, "link", "set", "dev", LINKS[1], "down")
            each.on()
        one.well()
        yield one


def _cable(left: tuple[str, str, str], right: tuple[str, str, str]) -> None:
    """A veth pair between two namespaces ('' is the test's own), /30 at both ends."""
    # made in the first one's namespace: names of links inside hosts are short and everywhere the same
    first = ("-n", left[0]) if left[0] else ()
    ip(*first, "link", "add", left[1], "type", "veth", "peer", "name", right[1], "netns", right[0])
    for space, link, address in (left, right):
        there = ("-n", space) if space else ()
        ip(*there, "addr", "add", f"{address}/30", "dev", link)
        ip(*there, "link", "set", "dev", link, "up")
