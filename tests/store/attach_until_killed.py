"""Child of ``test_attachments``: hands in files for ever and prints each digest once the file is kept."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from courtroom.store.attachments import PIECE, AttachmentFiles

files = AttachmentFiles(Path(sys.argv[1]))
number = 0
while True:
    number += 1
    content = number.to_bytes(8, "big") * (PIECE // 4)
    sha256 = hashlib.sha256(content).hexdigest()
    draft = files.begin("h-1", "s-1", sha256, bytes(range(32)))
    for at in range(0, len(content), 30_000):
        draft.write(content[at : at + 30_000])
    draft.finish()
    draft.keep()
    print(sha256, flush=True)
