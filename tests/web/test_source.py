"""What the pages may not contain: inline script or style, foreign addresses, type errors, registry addresses."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.web.fixture import WEB, context, templates

PAGES = [
    "home", "home-error", "join", "join-witness", "join-declined", "docket", "archive", "archive-hearing",
    "archive-composing", "archive-defect", "sign", "sign-signed", "sign-waiting", "error-404", "party", "witness",
]  # fmt: skip


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("name", PAGES)
def test_page_holds_no_inline_script_or_style(name: str, lang: str) -> None:
    template, values = context(name, lang, large=False, path=f"/p/{name}")
    html = templates().get_template(template).render(values)
    scripts = re.findall(r"<script\b([^>]*)>", html)
    assert scripts
    assert all("src=" in attributes or 'type="application/json"' in attributes for attributes in scripts)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", html)
    assert not re.search(r"""(?:src|href|action)=["'](?:https?:)?//""", html)


def test_data_block_cannot_end_its_own_script() -> None:
    _, values = context("party", "zh", large=False, path="/h/x")
    values["page"] = {"hearing": "</script><script>alert(1)</script>", "lang": "zh"}
    html = templates().get_template("hearing.html").render(values)
    assert "</script><script>alert" not in html


def test_join_page_of_an_isolated_seat_names_no_case() -> None:
    template, values = context("join-witness", "zh", large=False, path="/j/x")
    html = templates().get_template(template).render(values)
    assert values["case"]["number"] not in html
    assert values["case"]["cause"] not in html


def test_modules_build_no_markup_from_text_and_set_no_style_attribute() -> None:
    for file in (WEB / "static/js").glob("*.js"):
        source = file.read_text(encoding="utf-8")
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|setAttribute\('style'", source
        )
        assert len(source.splitlines()) < 400, file.name


def test_lock_file_names_no_registry() -> None:
    lock = (WEB / "package-lock.json").read_text(encoding="utf-8")
    assert "resolved" not in lock
    assert not re.search(r"https?://[^\"]*(registry|npm)", lock)


def test_modules_pass_the_type_check() -> None:
    result = subprocess.run(
        ["node", "node_modules/typescript/bin/tsc", "--project", "tsconfig.json"],
        cwd=WEB,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stdout
