"""After the close: compose, seal, done. What ``control`` runs as a job of its own.

Idempotent: a bag that has its name is left alone; a killed job goes on where its chunks end. Everything unfinished
lies in ``<out>.making`` and is removed when the bag has its name.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from recorder.bag import PROGRAMME, Contents, is_sealed, pack
from recorder.compose import Order, Progress, compose


def archive(order: Order, head: Path, key: Path, sealed_at: int, composing: Progress, sealing: Progress) -> None:
    """Make the bag ``order.out`` out of the order's inputs, the signed ``head`` and the signing ``key``."""
    making = order.out.with_name(order.out.name + ".making")
    if not is_sealed(order.out):
        making.mkdir(mode=0o700, parents=True, exist_ok=True)
        programme = making / PROGRAMME
        compose(replace(order, out=programme), composing)
        sealing(0, None)
        contents = Contents(order.capture, order.ledger, head, order.people, programme, key, sealed_at)
        pack(contents, order.out, making / "bag")
    shutil.rmtree(making, ignore_errors=True)
    sealing(100, 0)
