"""Firefox driven by its own remote protocol, Marionette: length-prefixed JSON over TCP, one command at a time.

Rules
- The browser is started here, with a profile of its own and a port of its own, and ended here.
- Scripts run in the page (``sandbox: null``): what they see is what the page's own modules see.
- Every wait is bounded; a script that throws is an ``AssertionError`` with the page's message.

Reference: Firefox source docs, "Marionette Protocol" (frame: ``<bytes>:[type, id, error, body]``); W3C WebDriver.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ctypes
import json
import shutil
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox") or ""
MAX_FRAME = 64 << 20
START_S = 90
COMMAND_S = 90
CLONE_NEWNET = 0x40000000

PREFS: dict[str, bool | int | str] = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.autoplay.default": 0,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "media.getusermedia.insecure.enabled": True,
    "media.devices.insecure.enabled": True,
    "media.cubeb.backend": "",
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "browser.aboutwelcome.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
    "app.update.enabled": False,
    "app.normandy.enabled": False,
    "extensions.systemAddon.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.dns.disablePrefetch": True,
    "services.settings.server": "data:,",
    "dom.ipc.processCount": 1,
    "dom.disable_beforeunload": True,
    "fission.autostart": False,
}


def available() -> str:
    """'' when there is a Firefox, otherwise why not."""
    return "" if FIREFOX else "no Firefox on this machine"


class Firefox:
    """One window of one Firefox."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._id = 0
        self._turn = asyncio.Lock()

    async def hello(self) -> dict[str, Any]:
        greeting = await self._receive()
        assert greeting["marionetteProtocol"] == 3, greeting
        session: dict[str, Any] = await self.command("WebDriver:NewSession", {"capabilities": {"alwaysMatch": {}}})
        await self.command("WebDriver:SetTimeouts", {"script": 60_000, "pageLoad": 60_000, "implicit": 0})
        return session

    async def command(self, name: str, body: dict[str, Any] | None = None) -> Any:
        async with self._turn, asyncio.timeout(COMMAND_S):
            self._id += 1
            frame = json.dumps([0, self._id, name, body or {}]).encode()
            self._writer.write(b"%d:%s" % (len(frame), frame))
            await self._writer.drain()
            _kind, number, error, answer = await self._receive()
            assert number == self._id, (name, number)
        if error:
            raise AssertionError(f"{name}: {error.get('error')}: {error.get('message')}")
        return answer["value"] if isinstance(answer, dict) and set(answer) == {"value"} else answer

    async def _receive(self) -> Any:
        size = int((await self._reader.readuntil(b":"))[:-1])
        assert size <= MAX_FRAME, size
        return json.loads(await self._reader.readexactly(size))

    async def goto(self, url: str) -> None:
        await self.command("WebDriver:Navigate", {"url": url})

    async def evaluate(self, function: str, *args: Any) -> Any:
        """Calls a function of the page, awaits its promise, returns its JSON."""
        script = (
            "const done = arguments[arguments.length - 1];"
            f"Promise.resolve().then(() => ({function})(...[...arguments].slice(0, -1)))"
            ".then((value) => done({ value: value === undefined ? null : value }),"
            " (error) => done({ error: String(error && error.stack || error) }));"
        )
        answer = await self.command(
            "WebDriver:ExecuteAsyncScript", {"script": script, "args": list(args), "sandbox": None, "newSandbox": False}
        )
        if "error" in answer:
            raise AssertionError(answer["error"])
        return answer["value"]

    async def when(self, condition: str, *args: Any, patience: float = 60) -> Any:
        """Waits until a function of the page gives something true; a document that has no body yet gives nothing."""
        loop = asyncio.get_running_loop()
        end = loop.time() + patience
        asked = f"(...args) => document.body && ({condition})(...args)"
        while not (found := await self.evaluate(asked, *args)):
            if loop.time() > end:
                body = await self.evaluate("() => ({ ...document.body.dataset, url: location.href })")
                raise AssertionError(f"not {condition} {args}; but {body}")
            await asyncio.sleep(0.1)
        return found

    async def click(self, selector: str) -> None:
        """A real click by the browser, on the first element that fits."""
        await self.when("(css) => Boolean(document.querySelector(css))", selector)
        element = await self.command("WebDriver:FindElement", {"using": "css selector", "value": selector})
        await self.command("WebDriver:ElementClick", {"id": next(iter(element.values()))})

    async def shot(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(await self.command("WebDriver:TakeScreenshot", {"full": False})))


def _profile(folder: Path, port: int, more: dict[str, bool | int | str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in {**PREFS, "marionette.port": port, **more}.items()
    ]
    (folder / "user.js").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def _dial(port: int, namespace: str) -> socket.socket:
    """A connection to a loopback port, of a network namespace if one is named: a socket stays where it was made."""
    found: list[socket.socket | OSError] = []

    def dial() -> None:
        try:
            if namespace:
                with Path("/run/netns", namespace).open() as door:  # setns(2) moves this thread only
                    if ctypes.CDLL(None, use_errno=True).setns(door.fileno(), CLONE_NEWNET) != 0:
                        raise OSError(ctypes.get_errno(), "setns")
            found.append(socket.create_connection(("127.0.0.1", port), 5))
        except OSError as error:
            found.append(error)

    thread = threading.Thread(target=dial)
    thread.start()
    thread.join()
    if isinstance(found[0], OSError):
        raise found[0]
    return found[0]


async def _connect(
    port: int, namespace: str, process: asyncio.subprocess.Process
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    end = loop.time() + START_S
    while True:
        try:
            return await asyncio.open_connection(sock=await asyncio.to_thread(_dial, port, namespace), limit=MAX_FRAME)
        except OSError:
            assert process.returncode is None, "Firefox ended at its start"
            assert loop.time() < end, "Firefox does not listen"
            await asyncio.sleep(0.2)


@contextlib.asynccontextmanager
async def firefox(
    folder: Path, *, namespace: str = "", prefs: dict[str, bool | int | str] | None = None
) -> AsyncIterator[Firefox]:
    """A headless Firefox with a fresh profile in ``folder``.

    With ``namespace`` it runs inside that network namespace; Marionette listens on its loopback, so it is called there.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    profile = _profile(folder / "profile", port, prefs or {})
    prefix = ("ip", "netns", "exec", namespace) if namespace else ()
    log = (folder / "firefox.log").open("wb")
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "MOZ_HEADLESS": "1", "LANG": "C.UTF-8"}
    process = await asyncio.create_subprocess_exec(
        *prefix, FIREFOX, "--headless", "--marionette", "--no-remote", "--profile", str(profile), "about:blank",
        stdout=log, stderr=log, env=environment,
    )  # fmt: skip
    try:
        reader, writer = await _connect(port, namespace, process)
        one = Firefox(reader, writer)
        try:
            await one.hello()
            yield one
        finally:
            writer.close()
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 15)
            except TimeoutError:
                process.kill()
                await process.wait()
        log.close()
