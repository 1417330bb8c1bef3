"""More networks of namespaces: two links to one host, a host behind a router that translates addresses, IPv6.

Needs root, iproute2 and nftables; every name is chosen fresh and taken away again.
"""

from __future__ import annotations

import contextlib
import ipaddress
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tests.netlab import hosts
from tests.netlab.hosts import Host, ip


def nft(name: str, rules: str) -> None:
    """Loads a ruleset of nftables inside a namespace of ours."""
    command = ["ip", "netns", "exec", name, "nft", "-f", "-"]
    subprocess.run(command, input=rules.encode(), check=True, capture_output=True)


def _joined(left: str, left_link: str, left_address: str, right: str, right_link: str, right_address: str) -> None:
    """A cable between two namespaces; '' is the test's own."""
    ip("link", "add", left_link, "type", "veth", "peer", "name", right_link)
    for name, link, address in ((left, left_link, left_address), (right, right_link, right_address)):
        there = ("-n", name) if name else ()
        if name:
            ip("link", "set", link, "netns", name)
        more = ("nodad",) if ":" in address else ()
        ip(*there, "addr", "add", address, "dev", link, *more)
        ip(*there, "link", "set", link, "up")


@dataclass(frozen=True)
class Roaming:
    """A namespace with two links to ``server``, an address that both lead to; the second link may come later."""

    name: str
    server: str
    first: str
    second: str
    _links: tuple[str, str]
    _near: tuple[str, str]

    def wrapper(self, program: str, folder: Path) -> str:
        return Host(self.name, "", self.server, self.first).wrapper(program, folder)

    def swapped(self) -> Roaming:
        """The same host, with the other link called the first."""
        return replace(
            self, first=self.second, second=self.first, _links=self._links[::-1], _near=self._near[::-1]
        )  # fmt: skip

    def lose_first(self) -> None:
        ip("-n", self.name, "link", "set", self._links[0], "down")

    def gain_second(self) -> None:
        ip("-n", self.name, "link", "set", self._links[1], "up")
        self.route(1)

    def route(self, number: int) -> None:
        """What comes from an address leaves by its link, as on a telephone with Wi-Fi and 4G."""
        link, near, far = self._links[number], self._near[number], (self.first, self.second)[number]
        table = str(100 + number)
        ip("-n", self.name, "route", "replace", "default", "via", near, "dev", link, "metric", table)
        ip("-n", self.name, "route", "replace", "default", "via", near, "dev", link, "table", table)
        ip("-n", self.name, "rule", "add", "from", far, "lookup", table)


@contextlib.contextmanager
def roaming(*, both: bool) -> Iterator[Roaming]:
    """``both``: the second link is up from the beginning."""
    tag = secrets.token_hex(3)
    net = f"10.{180 + secrets.randbelow(40)}.{secrets.randbelow(250)}"
    near = (f"{net}.1", f"{net}.5")
    one = Roaming(f"roam-{tag}", f"{net}.9", f"{net}.2", f"{net}.6", (f"ra{tag}", f"rb{tag}"), near)
    holder, ours = f"rd{tag}", (f"rx{tag}", f"ry{tag}")
    ip("netns", "add", one.name)
    # Something to hold the address that neither link takes along; not every kernel has dummy devices
    ip("link", "add", holder, "type", "veth", "peer", "name", f"re{tag}")
    try:
        ip("addr", "add", f"{one.server}/32", "dev", holder)
        ip("link", "set", holder, "up")
        ip("-n", one.name, "link", "set", "lo", "up")
        for number, far in enumerate((one.first, one.second)):
            _joined("", ours[number], f"{near[number]}/30", one.name, one._links[number], f"{far}/30")
        one.route(0)
        if both:
            one.route(1)
        else:
            ip("-n", one.name, "link", "set", one._links[1], "down")
        yield one
    finally:
        hosts.unlink(*ours, holder)
        ip("netns", "del", one.name)


@dataclass(frozen=True)
class Outside:
    """A namespace that reaches this machine only as ``public``, an address of a router in between."""

    name: str
    public: str
    private: str

    def wrapper(self, program: str, folder: Path) -> str:
        return Host(self.name, "", self.public, "").wrapper(program, folder)


@contextlib.contextmanager
def outside() -> Iterator[Outside]:
    """``public`` is translated to ``private``, an address of ours, and who comes from outside to the router's own."""
    tag = secrets.token_hex(3)
    net, far_net = f"10.{220 + secrets.randbelow(30)}.{secrets.randbelow(250)}", "203.0.113"
    one = Outside(f"outs-{tag}", f"{far_net}.1", f"{net}.1")
    router = f"rout-{tag}"
    for name in (one.name, router):
        ip("netns", "add", name)
    try:
        for name in (one.name, router):
            ip("-n", name, "link", "set", "lo", "up")
        _joined("", f"na{tag}", f"{net}.1/30", router, f"nb{tag}", f"{net}.2/30")
        _joined(router, f"nc{tag}", f"{one.public}/30", one.name, f"nd{tag}", f"{far_net}.2/30")
        subprocess.run(
            ["ip", "netns", "exec", router, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"],
            check=True, capture_output=True,
        )  # fmt: skip
        nft(
            router,
            f"""table ip nat {{
                chain in {{ type nat hook prerouting priority -100; ip daddr {one.public} dnat to {one.private}; }}
                chain out {{ type nat hook postrouting priority 100; ip daddr {one.private} masquerade; }}
            }}""",
        )
        yield one
    finally:
        hosts.unlink(f"na{tag}")
        for name in (one.name, router):
            ip("netns", "del", name)


@contextlib.contextmanager
def host_with_ipv6() -> Iterator[tuple[Host, str]]:
    """A host whose link has IPv6 as well, IPv4 taken away; our IPv6 address on it."""
    with hosts.host() as far:
        net = f"fd00:{secrets.token_hex(2)}:{secrets.token_hex(2)}"
        inner = f"cp{far.name.removeprefix('court-')}"
        ip("-6", "addr", "add", f"{net}::1/64", "dev", far.link, "nodad")
        ip("-n", far.name, "-6", "addr", "add", f"{net}::2/64", "dev", inner, "nodad")
        ip("-n", far.name, "-4", "addr", "flush", "dev", inner)
        yield far, str(ipaddress.ip_address(f"{net}::1"))
