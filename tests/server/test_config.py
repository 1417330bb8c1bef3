"""Settings: flags over environment over defaults, and one clear sentence when something is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from courtroom.catalogue import LANGUAGES
from courtroom.config import FIELDS, SettingsError, load


def test_defaults_are_safe() -> None:
    settings = load({}, {})
    assert (settings.host, settings.port, settings.media_port) == ("127.0.0.1", 8080, 40000)
    assert settings.public_addresses == ("127.0.0.1",)
    assert not settings.allow_unchecked
    assert settings.workers >= 1
    assert settings.data.is_absolute()


def test_a_flag_wins_over_the_environment_and_that_over_the_default() -> None:
    environ = {"COURTROOM_PORT": "9000", "COURTROOM_WORKERS": "3", "COURTROOM_ALLOW_UNCHECKED": "yes"}
    settings = load({"port": "9100", "workers": None, "allow_unchecked": False}, environ)
    assert (settings.port, settings.workers, settings.allow_unchecked) == (9100, 3, True)


def test_repeatable_settings_come_as_flags_or_with_commas() -> None:
    environ = {"COURTROOM_ORIGIN": "https://A.example , https://b.example:8443"}
    assert load({}, environ).origins == ("https://a.example", "https://b.example:8443")
    assert load({"origin": ("https://c.example",)}, environ).origins == ("https://c.example",)


def test_a_host_for_everybody_tells_browsers_the_machines_addresses() -> None:
    assert load({"host": "0.0.0.0"}, {}).public_addresses
    assert load({"host": "0.0.0.0", "public_address": ("192.0.2.7",)}, {}).public_addresses == ("192.0.2.7",)
    assert load({"host": "::1"}, {}).public_addresses == ("::1",)
    assert load({"host": "localhost"}, {}).public_addresses == ("127.0.0.1",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "-1"), ("port", "http"), ("port", "65536"), ("media_port", "65535"), ("workers", "65"),
        ("workers", "x"),
        ("public_address", ("court.example",)), ("origin", ("court.example",)), ("origin", ("https://a/b",)),
        ("origin", ("https://u:p@a",)), ("url", "ftp://a"), ("staff_token", "short"),
        ("staff_token", "with a space in it"),
        ("redis_url", "redis://x"), ("database_url", "postgresql://x"), ("host", "a b"), ("host", ""),
        ("font", "/none"),
        ("turn_url", ("relay.example",)), ("turn_url", ("stun:relay.example",)), ("turn_url", ("turn:a b",)),
        ("turn_url", ("turn:relay.example:70000",)), ("turn_url", ("turns:relay.example?transport=udp",)),
        ("turn_url", ("turn:relay.example?transport=tls",)), ("turn_secret", "short"),
        ("turn_secret", "with a space in it"),
        ("turn_secret_file", "/none"),
        ("proxy", ("10.0.0.0/8",)), ("allow_unchecked", "perhaps"),
        ("smtp", "mail.example"), ("smtp", "smtp://u:p@mail.example"), ("smtp", "smtp://mail.example:0"),
        ("smtp", "http://mail.example"), ("smtp_sender", "court"), ("smtp_password_file", "/none"),
        ("webhook_url", "gateway.example"), ("webhook_url", "http://u:p@gateway.example/"),
        ("notice_secret", "short"), ("notice_secret_file", "/none"),
    ],
)  # fmt: skip
def test_a_wrong_setting_stops_the_start_with_a_sentence(name: str, value: object) -> None:
    flags: dict[str, object] = {"workers": "2", name: value}
    environ = {}
    if name == "allow_unchecked":
        environ, flags = {"COURTROOM_ALLOW_UNCHECKED": str(value)}, {}
    with pytest.raises(SettingsError) as wrong:
        load(flags, environ)
    option = "--" + name.replace("_", "-")
    for lang in LANGUAGES:
        assert option in wrong.value.sentence(lang)
    if name in ("staff_token", "turn_secret"):
        assert str(value) not in str(wrong.value)


def test_no_setting_shows_the_secrets() -> None:
    settings = load({"staff_token": "a-very-secret-token", "turn_secret": "a-very-secret-word"}, {})
    assert "a-very-secret" not in repr(settings)


def test_relays_come_with_their_secret_from_the_environment_or_a_file(tmp_path: Path) -> None:
    urls = ("turn:Relay.example:3478?transport=udp", "turns:[2001:db8::1]:5349", "turn:192.0.2.1")
    environ = {"COURTROOM_TURN_SECRET": "a-very-secret-word", "COURTROOM_TURN_URL": ", ".join(urls)}
    settings = load({}, environ)
    assert settings.turn_urls == tuple(url.lower() for url in urls)
    assert settings.turn_secret == "a-very-secret-word"
    file = tmp_path / "secret"
    file.write_text("another-very-secret-word\n", encoding="ascii")
    assert load({"turn_secret_file": str(file)}, environ).turn_secret == "another-very-secret-word"
    with pytest.raises(SettingsError, match="turn-secret"):
        load({"turn_url": urls}, {})
    file.write_text("short\n", encoding="ascii")
    with pytest.raises(SettingsError) as wrong:
        load({"turn_secret_file": str(file)}, {})
    assert "short" not in str(wrong.value)


def test_a_mail_server_needs_a_sender_and_a_gateway_a_secret() -> None:
    with pytest.raises(SettingsError, match="smtp-sender"):
        load({"smtp": "smtp://mail.example"}, {})
    with pytest.raises(SettingsError, match="notice-secret"):
        load({"webhook_url": "https://gateway.example/"}, {})
    environ = {"COURTROOM_SMTP_PASSWORD": "a-word-for-the-mail", "COURTROOM_NOTICE_SECRET": "a-very-secret-word"}
    flags = {
        "smtp": "STARTTLS://Mail.example", "smtp_sender": "court@court.example",
        "webhook_url": "https://gateway.example/key-in-the-path",
    }  # fmt: skip
    settings = load(flags, environ)
    assert settings.post.smtp == "starttls://mail.example:587"
    assert (settings.post.password, settings.post.secret) == ("a-word-for-the-mail", "a-very-secret-word")
    for word in ("a-word-for-the-mail", "a-very-secret-word", "key-in-the-path"):
        assert word not in repr(settings)


def test_every_setting_has_one_option_and_one_variable() -> None:
    assert len({one.option for one in FIELDS}) == len(FIELDS)
    assert all(one.variable == "COURTROOM_" + one.name.upper() and one.help for one in FIELDS)


def test_the_recorded_picture_has_one_of_two_sizes() -> None:
    assert load({}, {}).archive_size == "720p"
    assert load({}, {"COURTROOM_ARCHIVE_SIZE": "1080p"}).archive_size == "1080p"
    with pytest.raises(SettingsError, match="--archive-size"):
        load({"archive_size": "4k"}, {})


def test_the_web_directory_of_a_checkout_is_found() -> None:
    assert (load({}, {}).web / "PROTOCOL.md").is_file()
    assert load({"web": "elsewhere"}, {}).web == Path("elsewhere").absolute()
