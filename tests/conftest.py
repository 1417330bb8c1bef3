"""Rules of every test: a blocking call of ours inside an event loop fails the test that made it.

``recorder`` is left out: its processes serve nobody's event loop but the writer's own, which writes files on purpose.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from blockbuster import blockbuster_ctx


@pytest.fixture(autouse=True)
def nothing_blocks_the_loop() -> Iterator[None]:
    with blockbuster_ctx("courtroom") as guard:
        for function in guard.functions.values():
            # Both run once, before anybody is served
            function.can_block_in("courtroom/server/app.py", "make_app")
            function.can_block_in("courtroom/store/database.py", "_engine")
        yield
