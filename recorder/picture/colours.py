"""The colours of the recorded picture (design tokens), and the geometry everything shares."""

from __future__ import annotations

from typing import Final

RGB = tuple[int, int, int]

WIDTH: Final = 1280
HEIGHT: Final = 720
FPS: Final = 25
BAND: Final = 80  # px, the gold line included; nothing ever covers it

NAVY_950: Final[RGB] = (0x0D, 0x18, 0x28)
NAVY_900: Final[RGB] = (0x13, 0x23, 0x3B)
NAVY_800: Final[RGB] = (0x1B, 0x30, 0x50)
NAVY_700: Final[RGB] = (0x29, 0x44, 0x69)
NAVY_400: Final[RGB] = (0x7E, 0x9A, 0xC4)
TEXT: Final[RGB] = (0xF5, 0xF0, 0xE6)
TEXT_2: Final[RGB] = (0xBC, 0xC8, 0xDA)
GOLD: Final[RGB] = (0xC9, 0xA5, 0x5C)
AMBER: Final[RGB] = (0xF2, 0xC6, 0x6D)
RED: Final[RGB] = (0xF4, 0xA4, 0x9E)
PLATFORM: Final[RGB] = (0x9D, 0xB9, 0xE6)
