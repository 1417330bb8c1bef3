"""The exception tree of the whole product; every other module stands on it.

::

    CourtroomError
    ├── Refused       somebody asked for what is not allowed: answered with a stable code, session lives on
    ├── BadMessage    garbage, oversize or out of protocol: the session that sent it is closed
    │   └── BadPacket     the same for one datagram or one capture record: counted and dropped
    └── Unavailable   a part of the house is down (worker, writer, store): try again, nothing was done

Anything else that is raised is a bug: the actor or process it happens in dies and is rebuilt from the ledger.

``code`` is a stable snake_case string; it is the key of the sentence shown to people (``courtroom.catalogue``)
and part of the public contract (web/PROTOCOL.md). ``detail`` holds values for that sentence and never a secret.
"""

from __future__ import annotations

from collections.abc import Mapping


class CourtroomError(Exception):
    """Base of all errors that the product raises on purpose."""

    def __init__(self, code: str, detail: Mapping[str, str | int] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.detail: dict[str, str | int] = dict(detail or {})


class Refused(CourtroomError):
    """Asked for what is not allowed here and now; the asker gets ``code`` and goes on."""


class BadMessage(CourtroomError):
    """Garbage, oversize or out of protocol; whoever sent it is disconnected."""


class BadPacket(BadMessage):
    """One datagram or record that does not parse; counted, dropped, harmless to everybody else."""


class Unavailable(CourtroomError):
    """A process or store that this needs is not there now; nothing was changed."""
