"""The people themselves: who waits for a page must not be confused by a page that is on its way to the next."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Playwright

from tests.e2e.devices import JUDGE
from tests.e2e.people import at_browsers

PAGE = "<!doctype html><body>"
NO_BODY = """() => {
    document.body.remove();
    setTimeout(() => {
        const body = document.createElement('body');
        body.dataset.screen = 'check';
        document.documentElement.append(body);
    }, 400);
}"""
AWAY = """() => {
    if (location.pathname === '/room') return true;
    setTimeout(() => { location.href = '/room'; }, 300);
    return new Promise(() => {});
}"""


async def test_waiting_goes_on_while_a_page_has_no_body_and_while_it_goes(
    playwright: Playwright, tmp_path: Path
) -> None:
    async with at_browsers(playwright, [JUDGE], tmp_path) as sitting:
        judge = sitting[JUDGE.role]
        await judge.page.route("**/*", lambda way: way.fulfill(content_type="text/html", body=PAGE))
        await judge.page.goto("http://court.invalid/")
        await judge.page.evaluate(NO_BODY)
        await judge.when("() => document.body.dataset.screen === 'check'")
        await judge.when(AWAY)
        assert judge.page.url.endswith("/room")
