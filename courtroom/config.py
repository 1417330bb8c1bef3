"""Everything that can be set, read once at start: flags first, then ``COURTROOM_*``, then defaults.

Rules
* The only reader of the environment in the whole product; everybody else is handed a frozen ``Settings``.
* A wrong value stops the start with one sentence that names the flag (``SettingsError``); nothing is guessed.
* ``FIELDS`` is the one list: the command line, the environment and the documentation are made from it.
"""

from __future__ import annotations

import ipaddress
import locale
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import ifaddr

from courtroom import parse, post
from courtroom.catalogue import Language, text
from courtroom.errors import CourtroomError
from courtroom.post import Post

PREFIX: Final = "COURTROOM_"
SECRETS: Final = (  # no sentence repeats them
    "staff_token", "turn_secret", "second_copy_key", "second_copy_secret", "smtp_password", "notice_secret",
)  # fmt: skip


class SettingsError(CourtroomError):
    """A setting that cannot be used; ``str`` is the sentence for the person at the shell."""

    def __init__(self, code: str, flag: str, value: str) -> None:
        super().__init__(code, {"flag": flag, "value": value})

    def sentence(self, lang: Language) -> str:
        return text(f"error.{self.code}", lang, **self.detail)

    def __str__(self) -> str:
        return self.sentence(shell_language())


@dataclass(frozen=True, slots=True)
class SecondPlace:
    """Where second copies go: ``url`` is an absolute directory or ``s3://bucket/prefix``; ``name`` is what is told."""

    url: str
    name: str
    endpoint: str = ""
    key: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """See ``FIELDS`` for what each one means. ``staff_token`` '' = generate once and keep it in the data directory."""

    host: str
    port: int
    media_port: int
    public_addresses: tuple[str, ...]
    data: Path
    database_url: str
    redis_url: str
    workers: int
    staff_token: str = field(repr=False)
    allow_unchecked: bool
    origins: tuple[str, ...]
    proxies: tuple[str, ...]
    turn_urls: tuple[str, ...]
    turn_secret: str = field(repr=False)
    url: str
    font: Path | None
    web: Path
    archive_size: str = "720p"
    second_copy: SecondPlace | None = None
    tsa_url: str = ""
    tsa_ca: Path | None = None
    post: Post = field(default_factory=Post)

    @property
    def secure(self) -> bool:
        """Whether browsers reach this court by https, so that cookies may insist on it."""
        return self.url.startswith("https://")


@dataclass(frozen=True, slots=True)
class Field:
    """One setting: ``--name``, ``COURTROOM_NAME``. ``parse`` raises ``ValueError`` on what it does not accept."""

    name: str
    parse: Callable[[str], Any]
    default: str
    help: str
    many: bool = False
    flag: bool = False
    wrong: str = "value"  # the sentence ``error.settings_<wrong>`` when ``parse`` refuses

    @property
    def option(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()


def _turn_secret(values: Mapping[str, Any]) -> str:
    """The secret from wherever it was given; relays without one are refused, they would let nobody in."""
    given = str(values["turn_secret_file"] or values["turn_secret"])
    try:
        secret = parse.turn_secret_text(given)
    except ValueError as error:
        raise SettingsError("settings_turn_secret", "--turn-secret-file (COURTROOM_TURN_SECRET_FILE)", "…") from error
    if values["turn_url"] and not secret:
        raise SettingsError("settings_turn_secret", "--turn-secret (COURTROOM_TURN_SECRET)", "…")
    return secret


def _post(values: Mapping[str, Any]) -> Post:
    """What was half configured is refused rather than left unsent."""
    if values["smtp"] and not values["smtp_sender"]:
        raise SettingsError("settings_sender", "--smtp-sender (COURTROOM_SMTP_SENDER)", "")
    option = "--notice-secret-file (COURTROOM_NOTICE_SECRET_FILE)"
    try:
        secret = post.secret(str(values["notice_secret_file"] or values["notice_secret"]))
    except ValueError as error:
        raise SettingsError("settings_notice_secret", option, "…") from error
    if values["webhook_url"] and not secret:
        raise SettingsError("settings_notice_secret", option, "…")
    password = str(values["smtp_password_file"] or values["smtp_password"])
    sender, webhook = values["smtp_sender"], values["webhook_url"]
    return Post(values["smtp"], values["smtp_user"], password, sender, webhook, secret)


def _second_place(values: Mapping[str, Any]) -> SecondPlace | None:
    """A bucket needs its key; a directory must not lie in the data it is the second copy of."""
    url = str(values["second_copy"])
    if not url:
        return None
    key, secret = str(values["second_copy_key"]), str(values["second_copy_secret_file"] or values["second_copy_secret"])
    if url.startswith("s3://"):
        if not key or not secret:
            option = "--second-copy-secret-file (COURTROOM_SECOND_COPY_SECRET_FILE)"
            raise SettingsError("settings_second_copy_key", option, "…")
    elif Path(url).is_relative_to(values["data"]) or Path(values["data"]).is_relative_to(url):
        raise SettingsError("settings_second_copy", "--second-copy (COURTROOM_SECOND_COPY)", url[:200])
    return SecondPlace(url, str(values["second_copy_name"]), str(values["second_copy_endpoint"]), key, secret)


def _authority(values: Mapping[str, Any]) -> tuple[str, Path | None]:
    """A time-stamp authority is named with the certificate it is trusted through, or not at all."""
    url, certificate = str(values["tsa_url"]), values["tsa_ca"]
    if bool(url) != (certificate is not None):
        raise SettingsError("settings_tsa", "--tsa-ca (COURTROOM_TSA_CA)", url[:200])
    return url, certificate


_WEB: Final = str(Path(__file__).resolve().parent.parent / "web")

FIELDS: Final[tuple[Field, ...]] = (
    Field("host", parse.host, "127.0.0.1", "address the pages are served on"),
    Field("port", parse.port, "8080", "port of the pages; 0 = any free one", wrong="port"),
    Field("media_port", parse.port, "40000", "UDP and TCP port of the first media worker, then the next; 0 = any",
          wrong="port"),
    Field(
        "public_address", parse.address, "", "IP address browsers are told for media (repeatable); default: loopback "
        "when --host is loopback, otherwise every address of this machine", many=True, wrong="address",
    ),
    Field("data", parse.directory, "data", "directory of the embedded store, captures and recordings"),
    Field("database_url", parse.database, "", "sqlite+aiosqlite:///PATH; default: a file in --data", wrong="database"),
    Field("redis_url", parse.nothing, "", "not in this version: one node", wrong="redis"),
    Field("workers", parse.workers, "0", "media workers; 0 = one per core", wrong="workers"),
    Field("staff_token", parse.staff_token, "", "staff token (at least 16 characters); default: generated once in "
          "--data", wrong="staff_token"),
    Field("allow_unchecked", parse.yes, "", "accept hearings without check-in (demonstrations, machines)", flag=True),
    Field("origin", parse.origin, "", "web origin allowed besides the server's own (repeatable)", many=True,
          wrong="origin"),
    Field("proxy", parse.address, "", "address of a reverse proxy whose X-Forwarded-For is believed (repeatable)",
          many=True, wrong="address"),
    Field("turn_url", parse.turn_url, "", "TURN server browsers are told (repeatable): "
          "turn:HOST[:PORT][?transport=udp|tcp] or turns:HOST[:PORT]", many=True, wrong="turn_url"),
    Field("turn_secret", parse.turn_secret_text, "", "secret shared with the TURN server (at least 16 characters); "
          "better in the environment or in --turn-secret-file than on a command line", wrong="turn_secret"),
    Field("turn_secret_file", parse.readable, "", "file that holds the secret shared with the TURN server",
          wrong="file"),
    Field("url", parse.optional_origin, "", "public base URL, when a reverse proxy stands in front", wrong="origin"),
    Field("font", parse.font, "", "font file with simplified Chinese glyphs for the recorded picture", wrong="file"),
    Field("archive_size", parse.archive_size, "720p", "size of the recorded picture: 720p (1280 x 720) or 1080p "
          "(1920 x 1080)", wrong="archive_size"),
    Field("smtp", post.smtp, "", "mail server for notices: starttls://HOST[:PORT], smtps://HOST[:PORT] or "
          "smtp://HOST[:PORT]", wrong="smtp"),
    Field("smtp_user", str, "", "user name at the mail server"),
    Field("smtp_password", str, "", "password there; better in the environment or in --smtp-password-file"),
    Field("smtp_password_file", parse.readable, "", "file that holds the password", wrong="file"),
    Field("smtp_sender", post.mailbox, "", "address that notices come from", wrong="sender"),
    Field("webhook_url", post.webhook, "", "gateway that notices are posted to (short message, app)", wrong="webhook"),
    Field("notice_secret", post.secret, "", "secret shared with the gateway and with the mail server's report hook (at "
          "least 16 characters); better in the environment or in --notice-secret-file", wrong="notice_secret"),
    Field("notice_secret_file", parse.readable, "", "file that holds that secret", wrong="file"),
    Field("web", parse.directory, _WEB, "directory with templates/ and static/"),
    Field("tsa_url", parse.tsa_url, "", "time-stamp authority (RFC 3161) that seals are stamped by", wrong="origin"),
    Field("tsa_ca", parse.font, "", "certificate (PEM) the time-stamp authority is trusted through", wrong="file"),
    Field("second_copy", parse.second_copy, "", "where second copies of recordings go: a directory outside --data, or "
          "s3://BUCKET[/PREFIX] (needs the extra \"s3\")", wrong="second_copy"),
    Field("second_copy_name", parse.place_name, "second", "what the second place is called in ledgers"),
    Field("second_copy_endpoint", parse.optional_origin, "", "URL of an S3 server other than AWS", wrong="origin"),
    Field("second_copy_key", str, "", "access key id of the bucket"),
    Field("second_copy_secret", str, "", "secret access key of the bucket; better in the environment or in "
          "--second-copy-secret-file than on a command line"),
    Field("second_copy_secret_file", parse.readable, "", "file that holds the secret access key of the bucket",
          wrong="file"),
)  # fmt: skip


def shell_language(environ: Mapping[str, str] | None = None) -> Language:
    """The language of messages at the shell, by ``LC_ALL``/``LC_MESSAGES``/``LANG``."""
    environ = os.environ if environ is None else environ
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if environ.get(name):
            return "zh" if (locale.normalize(environ[name]).lower()).startswith("zh") else "en"
    return "en"


def load(flags: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Flags (``None`` or ``()`` = not given) over the environment over defaults; ``SettingsError`` if one is wrong."""
    flags = flags or {}
    environ = os.environ if environ is None else environ
    values = {one.name: _value(one, flags.get(one.name), environ) for one in FIELDS}
    host = values["host"]
    workers = values["workers"] or min(os.cpu_count() or 1, parse.MAX_WORKERS)
    if values["media_port"] and values["media_port"] + workers - 1 > 65535:
        raise SettingsError("settings_port", "--media-port", str(values["media_port"]))
    return Settings(
        host=host,
        port=values["port"],
        media_port=values["media_port"],
        public_addresses=values["public_address"] or _own_addresses(host),
        data=values["data"],
        database_url=values["database_url"],
        redis_url=values["redis_url"],
        workers=workers,
        staff_token=values["staff_token"],
        allow_unchecked=values["allow_unchecked"],
        origins=values["origin"],
        proxies=values["proxy"],
        turn_urls=values["turn_url"],
        turn_secret=_turn_secret(values),
        url=values["url"],
        font=values["font"],
        archive_size=values["archive_size"],
        web=values["web"],
        second_copy=_second_place(values),
        tsa_url=_authority(values)[0],
        tsa_ca=_authority(values)[1],
        post=_post(values),
    )


def _value(one: Field, flag: object, environ: Mapping[str, str]) -> Any:
    given: Sequence[str]
    if one.many:
        given = [str(item) for item in flag] if isinstance(flag, (list, tuple)) else []
        given = given or [item.strip() for item in environ.get(one.variable, "").split(",") if item.strip()]
        return tuple(dict.fromkeys(_parsed(one, item) for item in given))
    if one.flag and flag is not True:
        flag = None  # a switch that was not given leaves the word to the environment
    return _parsed(one, str(flag) if flag is not None else environ.get(one.variable, one.default))


def _parsed(one: Field, value: str) -> Any:
    try:
        return one.parse(value)
    except ValueError as error:
        shown = "…" if one.name in SECRETS else value[:200]
        raise SettingsError(f"settings_{one.wrong}", f"{one.option} ({one.variable})", shown) from error


def _own_addresses(host: str) -> tuple[str, ...]:
    """What browsers are told for media when nothing else was said."""
    if host == "localhost":
        return ("127.0.0.1",)
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if address is not None and not address.is_unspecified:
        return (str(address),)
    found: list[str] = []
    for adapter in ifaddr.get_adapters():
        for entry in adapter.ips:
            ip = ipaddress.ip_address(entry.ip if isinstance(entry.ip, str) else entry.ip[0])
            if not ip.is_loopback and not ip.is_link_local:
                found.append(str(ip))
    return tuple(dict.fromkeys(found)) or ("127.0.0.1",)
