"""A time-stamp authority is named with the certificate it is trusted through, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from courtroom.config import SettingsError, load


def test_both_or_neither(tmp_path: Path) -> None:
    certificate = tmp_path / "ca.pem"
    certificate.write_text("x")
    both = load({"tsa_url": "https://stamps.example/tsa", "tsa_ca": str(certificate)}, {})
    assert (both.tsa_url, both.tsa_ca) == ("https://stamps.example/tsa", certificate)
    neither = load({}, {})
    assert (neither.tsa_url, neither.tsa_ca) == ("", None)
    for one in ({"tsa_url": "https://stamps.example/tsa"}, {"tsa_ca": str(certificate)}):
        with pytest.raises(SettingsError) as refused:
            load(one, {})
        assert refused.value.code == "settings_tsa"
    assert load({}, {"COURTROOM_TSA_URL": "http://t.example", "COURTROOM_TSA_CA": str(certificate)}).tsa_url


@pytest.mark.parametrize("url", ["ftp://t.example", "t.example", "https://user:secret@t.example", "https://"])
def test_an_address_that_is_none_is_refused(tmp_path: Path, url: str) -> None:
    certificate = tmp_path / "ca.pem"
    certificate.write_text("x")
    with pytest.raises(SettingsError):
        load({"tsa_url": url, "tsa_ca": str(certificate)}, {})
