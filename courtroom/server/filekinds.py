"""What a file is by its first bytes, never by its name or by what its sender calls it.

Reference: ISO 32000-2 7.5.2 (PDF), PNG 5.2, ISO/IEC 10918-1 B.1.1 (JPEG), ISO/IEC 14496-12 4.3 (MP4), RFC 3629 (UTF-8).

Rules
* Fed as the bytes come; nothing is kept but the first of them and what UTF-8 needs between two pieces.
* Text is what is UTF-8 to its end without control characters. Everything else is told by its beginning alone: what
  stands behind it is the person's own proof, and nothing of it is ever interpreted or shown here.
* The kind decides the media type and the ending of the name under which the file is given out, and nothing else.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from typing import Final

HEAD: Final = 32
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_VIDEO: Final = frozenset({b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"MSNV", b"M4V "})
_SOUND: Final = frozenset({b"M4A ", b"M4B "})
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")

MEDIA: Final[Mapping[str, tuple[str, str]]] = {
    "pdf": ("application/pdf", "pdf"),
    "png": ("image/png", "png"),
    "jpeg": ("image/jpeg", "jpg"),
    "mp4": ("video/mp4", "mp4"),
    "m4a": ("audio/mp4", "m4a"),
    "text": ("text/plain; charset=utf-8", "txt"),
}
"""Kind → media type and ending."""


class Kind:
    """``feed`` every piece; ``name()`` at the end. ``hopeless`` as soon as it can be no kind of ours."""

    __slots__ = ("_decoder", "_head", "_text")

    def __init__(self) -> None:
        self._head = b""
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text = True

    def feed(self, piece: bytes) -> None:
        if len(self._head) < HEAD:
            self._head += piece[: HEAD - len(self._head)]
        if self._text:
            self._read(piece)

    def _read(self, piece: bytes, *, final: bool = False) -> None:
        try:
            self._text = _CONTROL.search(self._decoder.decode(piece, final)) is None
        except UnicodeDecodeError:
            self._text = False

    @property
    def hopeless(self) -> bool:
        return len(self._head) == HEAD and not self._text and not _binary(self._head)

    def name(self) -> str:
        """One of ``MEDIA``, or '' for a file that the court does not take."""
        if kind := _binary(self._head):
            return kind
        if self._text:
            self._read(b"", final=True)
        return "text" if self._text and self._head else ""


def _binary(head: bytes) -> str:
    if re.match(rb"%PDF-[12]\.[0-9]", head):
        return "pdf"
    if head.startswith(_PNG) and head[12:16] == b"IHDR":
        return "png"
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head[4:8] == b"ftyp" and 16 <= int.from_bytes(head[:4], "big") <= 512:
        return "mp4" if head[8:12] in _VIDEO else "m4a" if head[8:12] in _SOUND else ""
    return ""
