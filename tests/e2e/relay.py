"""A real coturn on ports of its own, with the configuration of deploy/coturn filled in as an administrator would."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import shutil
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.e2e.court import until

CONFIGURATION = Path(__file__).resolve().parents[2] / "deploy" / "coturn" / "turnserver.conf"
SECRET = "shared-secret-of-the-tests"
KEEP = "allocation-default-address-family=keep"


def available() -> str:
    """'' when coturn is here, otherwise why there is no test."""
    return "" if shutil.which("turnserver") else "relays need coturn"


@dataclass(frozen=True)
class Coturn:
    address: str
    port: int
    tls_port: int
    log: Path

    @property
    def urls(self) -> tuple[str, str, str]:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return (
            f"turn:{host}:{self.port}?transport=udp",
            f"turn:{host}:{self.port}?transport=tcp",
            f"turns:{host}:{self.tls_port}?transport=tcp",
        )

    def said(self, words: str) -> int:
        return self.log.read_text(encoding="utf-8", errors="replace").count(words)


def certificate(folder: Path, address: str) -> tuple[Path, Path]:
    """A self-signed one for an IP address."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "relay.test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "relay.pem", folder / "relay.key"
    certificate_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_file, key_file


def _stream(address: str) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)


def _free(address: str) -> int:
    with _stream(address) as sock:
        sock.bind((address, 0))
        return int(sock.getsockname()[1])


def filled_in(folder: Path, address: str, media: str, port: int, tls_port: int, without: Sequence[str]) -> str:
    """The configuration for one machine; nothing else is changed but ports, and lines taken away on purpose. For an
    IPv6 address the line that the file has ready is put in force."""
    certificate_file, key_file = certificate(folder, address)
    text = CONFIGURATION.read_text(encoding="utf-8")
    for word, value in (
        ("<relay address>", address),
        ("<certificate file>", str(certificate_file)),
        ("<key file>", str(key_file)),
        ("<the shared secret>", SECRET),
        ("<media address of the court>", media),
        ("<relay name>", "relay.test"),
        ("\nlistening-port=3478", f"\nlistening-port={port}"),
        ("\ntls-listening-port=5349", f"\ntls-listening-port={tls_port}"),
    ):
        assert word in text, word
        text = text.replace(word, value)
    if ":" in address:
        assert f"\n#{KEEP}\n" in text
        text = text.replace(f"\n#{KEEP}\n", f"\n{KEEP}\n")
    for line in without:
        assert f"\n{line}\n" in text, line
        text = text.replace(f"\n{line}\n", "\n")
    return text + f"\nuserdb={folder / 'turn.sqlite'}\npidfile={folder / 'turn.pid'}\n"


@contextlib.asynccontextmanager
async def coturn(folder: Path, address: str, media: str, without: Sequence[str] = ()) -> AsyncIterator[Coturn]:
    """Running on ``address``, relaying to ``media`` alone."""
    port, tls_port = _free(address), _free(address)
    configuration = folder / "turnserver.conf"
    configuration.write_text(filled_in(folder, address, media, port, tls_port, without), encoding="utf-8")
    relay = Coturn(address, port, tls_port, folder / "coturn.log")
    with relay.log.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            "turnserver", "-c", str(configuration), stdout=log, stderr=asyncio.subprocess.STDOUT
        )
    try:
        await until(lambda: _answers(address, port) and _answers(address, tls_port), 20)
        yield relay
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(20):
            await process.wait()


def _answers(address: str, port: int) -> bool:
    with _stream(address) as sock:
        sock.setblocking(True)
        return sock.connect_ex((address, port)) == 0
