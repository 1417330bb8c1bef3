"""Simplified-Chinese fonts: found, not assumed.

Search order: the path that was given (a font file or a folder); Noto CJK of the system (the SC face inside the
collection, because the default face draws Japanese shapes); the npm packages ``@expo-google-fonts/noto-sans-sc`` and
``…/noto-serif-sc`` under ``web/node_modules``. Nothing found is ``Unavailable("font_missing")``: a recording with
boxes in place of names is not made.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from PIL import ImageFont

from courtroom.errors import Unavailable

_SYSTEM: Final = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path.home() / ".local/share/fonts")
_PACKAGES: Final = Path(__file__).resolve().parents[2] / "web" / "node_modules" / "@expo-google-fonts"
_MAX_FACES: Final = 32


@dataclass(frozen=True, slots=True)
class Face:
    path: str
    index: int = 0

    def at(self, size: int) -> ImageFont.FreeTypeFont:
        """This face at ``size`` px; cached."""
        return _open(self.path, self.index, size)


@dataclass(frozen=True, slots=True)
class Fonts:
    regular: Face
    bold: Face
    serif: Face


@lru_cache(maxsize=128)
def _open(path: str, index: int, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size, index=index)


def _simplified(path: Path) -> Face:
    """The SC face of a collection; a plain font file is its own face."""
    if path.suffix.lower() in {".ttc", ".otc"}:
        for index in range(_MAX_FACES):
            try:
                family, _ = _open(str(path), index, 16).getname()
            except OSError:
                break
            if family and family.endswith(" SC") and "Mono" not in family:
                return Face(str(path), index)
    return Face(str(path))


def _first(folders: Iterable[Path], patterns: Iterable[str]) -> Face | None:
    for folder in folders:
        for pattern in patterns:
            for path in sorted(folder.rglob(pattern)) if folder.is_dir() else ():
                return _simplified(path)
    return None


def find_fonts(given: Path | None = None, system: Iterable[Path] = _SYSTEM, packages: Path = _PACKAGES) -> Fonts:
    """See the search order above."""
    if given is not None and given.is_file():
        return _from_file(given)
    folders = [given] if given is not None else [*system]
    places = [*folders, packages / "noto-sans-sc", packages / "noto-serif-sc"] if given is None else folders
    regular = _first(
        places,
        ("NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.*", "NotoSansSC-Regular.*", "NotoSansSC_400Regular.ttf"),
    )
    if regular is None:
        raise Unavailable("font_missing")
    bold = _first(
        places, ("NotoSansCJK-Bold.ttc", "NotoSansCJKsc-Bold.*", "NotoSansSC-Bold.*", "NotoSansSC_700Bold.ttf")
    )
    serif = _first(
        places, ("NotoSerifCJK-Bold.ttc", "NotoSerifCJKsc-Bold.*", "NotoSerifSC-Bold.*", "NotoSerifSC_700Bold.ttf")
    )
    return Fonts(regular, bold or regular, serif or bold or regular)


def _from_file(path: Path) -> Fonts:
    """One given file serves for everything unless its bold and serif neighbours lie beside it."""
    try:
        regular = _simplified(path)
        regular.at(16)
    except OSError as error:
        raise Unavailable("font_missing") from error
    bold = _beside(path, path.name.replace("Regular", "Bold").replace("400", "700")) or regular
    serif = _beside(path, path.name.replace("Regular", "Bold").replace("400", "700").replace("Sans", "Serif")) or bold
    return Fonts(regular, bold, serif)


def _beside(path: Path, name: str) -> Face | None:
    """A face of the same family: in the same folder, or in the folder of its weight as the npm package has it."""
    for folder in (path.parent, path.parent.parent / "700Bold"):
        if (folder / name).is_file() and name != path.name:
            return _simplified(folder / name)
    return None
