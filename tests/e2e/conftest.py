"""Real processes and real browsers for every test here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Playwright, async_playwright

from tests.e2e.court import Court


@pytest.fixture
async def playwright() -> AsyncIterator[Playwright]:
    async with async_playwright() as running:
        yield running


@pytest.fixture
async def court(tmp_path: Path) -> AsyncIterator[Court]:
    async with Court(tmp_path / "data") as running:
        yield running
