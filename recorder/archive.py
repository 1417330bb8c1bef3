"""After the close: compose, seal, time-stamp, done. What ``control`` runs as a job of its own.

Idempotent: a bag that has its name is left alone; a killed job goes on where its chunks end. Everything unfinished
lies in ``<out>.making`` and is removed when the bag has its name. An authority that does not answer is no failure: the
archive is sealed without its stamp, which is asked for again the next time.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from courtroom.errors import BadMessage, Unavailable
from recorder.bag import PROGRAMME, Contents, is_sealed, pack, stamp
from recorder.compose import Order, Progress, compose


@dataclass(frozen=True, slots=True)
class Authority:
    """A time-stamp authority; ``certificate`` (PEM) is what it is trusted through."""

    url: str
    certificate: Path


def archive(
    order: Order,
    head: Path,
    key: Path,
    sealed_at: int,
    composing: Progress,
    sealing: Progress,
    *,
    keys: Path | None = None,
    authority: Authority | None = None,
) -> str:
    """Make the bag ``order.out`` out of the order's inputs, the signed ``head`` and the signing ``key``.

    The code of why it has no time-stamp although an authority was named, '' otherwise.
    """
    making = order.out.with_name(order.out.name + ".making")
    if not is_sealed(order.out):
        making.mkdir(mode=0o700, parents=True, exist_ok=True)
        programme = making / PROGRAMME
        compose(replace(order, out=programme), composing)
        sealing(0, None)
        contents = Contents(order.capture, order.ledger, head, order.people, programme, key, sealed_at, keys)
        pack(contents, order.out, making / "bag")
    shutil.rmtree(making, ignore_errors=True)
    unstamped = _stamped(order.out, authority)
    sealing(100, 0)
    return unstamped


def _stamped(out: Path, authority: Authority | None) -> str:
    if authority is None:
        return ""
    try:
        stamp(out, authority.url, authority.certificate.read_bytes())
    except (Unavailable, BadMessage) as error:
        return error.code
    except OSError:
        return "io_error"
    return ""
