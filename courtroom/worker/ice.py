"""ICE-lite for many transports on one port: who may speak for which transport, and from where.

Rules
* A transport is found by our half of USERNAME; an unknown one gets silence, as a closed transport must (RFC 8445 7.3).
* Only a check signed with our password moves anything. An address that passed one may send DTLS and SRTP for that
  transport; the newest check with USE-CANDIDATE, or the first check at all, chooses where we are to send. (The owner
  of the port goes there once that address has shown that it wants it.)
* An address belongs to one transport; a check for another transport from the same address moves it there.
  Not while its holder is in use there, as the owner of the port sees it: who forges an address cannot take it away.
* A check that was seen before counts only from an address the transport has: a replay moves nothing.
* Restart: new credentials beside the old ones until the first check with the new ones passes, then the old ones die.
* The peer's own credentials (from its answer) are kept for asking it (``consent``): those of its last two answers,
  since a restart's answer and its first check come in any order.
* Bounds: ``MAX_ADDRESSES`` per transport, the oldest unused goes first.

RFC 8445 2.5 (lite), RFC 7675 (consent).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from courtroom.errors import BadPacket
from courtroom.worker import stun
from courtroom.worker.limits import Seen

MAX_ADDRESSES: Final = 8
MAX_REMOTES: Final = 2
_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

T = TypeVar("T")
Random = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Credentials:
    ufrag: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials({self.ufrag})"


def credentials(random: Random) -> Credentials:
    """48 and 144 random bits: four times what RFC 8445 5.3 asks of the user fragment, it also is our routing key."""
    return Credentials(_text(random(8)), _text(random(24)))


def _text(data: bytes) -> str:
    return "".join(_ALPHABET[byte & 63] for byte in data)


@dataclass(slots=True)
class Peer(Generic[T]):
    """The ICE side of one transport ``owner``."""

    owner: T
    credentials: Credentials
    previous: Credentials | None = None
    addresses: list[bytes] = field(default_factory=list)
    path: bytes = b""  # where we send; empty until a check passed
    restarting: bool = False
    seen: Seen = field(default_factory=Seen)
    remotes: dict[bytes, bytes] = field(default_factory=dict)  # the peer's user fragment → its password
    pair: tuple[bytes, bytes] = (b"", b"")  # user fragments, ours and its, of the last check that came by ``path``

    def learn(self, ufrag: str, password: str) -> None:
        """The peer's credentials, from its answer."""
        self.remotes.pop(ufrag.encode(), None)
        while len(self.remotes) >= MAX_REMOTES:
            del self.remotes[next(iter(self.remotes))]
        self.remotes[ufrag.encode()] = password.encode()

    def question(self, transaction: bytes) -> bytes | None:
        """A binding request to the peer by its path; None when there is none or its password is not known yet."""
        own, remote = self.pair
        password = self.remotes.get(remote)
        if not self.path or password is None:
            return None
        return stun.request(transaction, remote + b":" + own, password, controlled=True)

    def answered(self, answer: stun.BindingAnswer) -> bool:
        """Whether the peer has signed this."""
        password = self.remotes.get(self.pair[1])
        return password is not None and stun.authentic(answer, password)


@dataclass(frozen=True, slots=True)
class Checked(Generic[T]):
    """What an authenticated check did."""

    peer: Peer[T]
    answer: bytes
    moved: bool  # the path is another one than before
    displaced: Peer[T] | None = None  # whose address this was until now


class Agent(Generic[T]):
    """Every transport of one port."""

    def __init__(self, in_use: Callable[[T, bytes], bool] = lambda _owner, _address: False) -> None:
        self._in_use = in_use
        self._peers: dict[bytes, Peer[T]] = {}
        self.by_address: dict[bytes, Peer[T]] = {}

    def add(self, owner: T, own: Credentials) -> Peer[T]:
        peer = Peer(owner, own)
        self._peers[own.ufrag.encode()] = peer
        return peer

    def restart(self, peer: Peer[T], own: Credentials) -> None:
        if peer.previous is not None:
            self._peers.pop(peer.previous.ufrag.encode(), None)
        peer.previous, peer.credentials, peer.restarting = peer.credentials, own, True
        self._peers[own.ufrag.encode()] = peer

    def remove(self, peer: Peer[T]) -> None:
        """Afterwards no datagram finds this transport."""
        for own in (peer.credentials, peer.previous):
            if own is not None:
                self._peers.pop(own.ufrag.encode(), None)
        for address in peer.addresses:
            self.by_address.pop(address, None)
        peer.addresses.clear()
        peer.path = b""

    def knows(self, ufrag: bytes) -> bool:
        """Whether one of our transports has this user fragment: nobody guesses 48 random bits."""
        return ufrag in self._peers

    def forget(self, address: bytes) -> Peer[T] | None:
        """This address is no more (a TCP connection has ended); whose path it was, if anybody's."""
        peer = self.by_address.pop(address, None)
        if peer is None:
            return None
        peer.addresses.remove(address)
        if peer.path != address:
            return None
        peer.path = b""
        return peer

    def check(self, data: bytes, address: bytes) -> Checked[T] | None:
        """One STUN datagram from ``address``; None: unknown transport; ``BadPacket``: bad or not signed."""
        request = stun.parse(data)
        peer = self._peers.get(request.local)
        if peer is None:
            return None
        own = peer.credentials if request.local == peer.credentials.ufrag.encode() else peer.previous
        assert own is not None
        password = own.password.encode()
        if not stun.authentic(request, password):
            raise BadPacket("stun_not_authentic")
        if address not in peer.addresses:
            if request.transaction in peer.seen:
                raise BadPacket("stun_replay")
            holder = self.by_address.get(address)
            if holder is not None and self._in_use(holder.owner, address):
                raise BadPacket("address_in_use")
        peer.seen.add(request.transaction)
        if request.controlled:
            return Checked(peer, stun.role_conflict(request, password), False)
        if peer.restarting and own is peer.credentials and peer.previous is not None:
            self._peers.pop(peer.previous.ufrag.encode(), None)
            peer.previous, peer.restarting, peer.path = None, False, b""
        displaced = self._admit(peer, address)
        moved = (request.use_candidate or not peer.path) and peer.path != address
        if moved:
            peer.path = address
        if peer.path == address:
            peer.pair = (request.local, request.remote)
        return Checked(peer, stun.success(request, address, password), moved, displaced)

    def _admit(self, peer: Peer[T], address: bytes) -> Peer[T] | None:
        holder = self.by_address.get(address)
        if holder is peer:
            return None
        if holder is not None:
            holder.addresses.remove(address)
            if holder.path == address:
                holder.path = b""
        if len(peer.addresses) >= MAX_ADDRESSES:
            oldest = next(known for known in peer.addresses if known != peer.path)
            peer.addresses.remove(oldest)
            del self.by_address[oldest]
        peer.addresses.append(address)
        self.by_address[address] = peer
        return holder
