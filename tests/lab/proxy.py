"""A real reverse proxy between browsers and the court: nginx, of one's own, that is killed and started again.

It carries pages, HTTP and signalling; media never passes it. ``available()`` says why there is none.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from pathlib import Path

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
CONFIG = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_buffer_size 256k;  # its own user may not write here, so no body may need a file
    proxy_max_temp_file_size 0;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
    server {{
        listen {address}:{port};
        location / {{
            proxy_pass {court};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_buffering off;
            proxy_read_timeout 60s;
        }}
    }}
}}
"""


def available() -> str:
    """'' when the proxy can be run here, otherwise why not."""
    return "" if Path(NGINX).exists() else "the proxy needs nginx"


class Proxy:
    """``async with Proxy(folder, address, port, court)``; ``down`` and ``up`` in between."""

    def __init__(self, folder: Path, address: str, port: int, court: str) -> None:
        self.url = f"http://{address}:{port}"
        self._where = (address, port)
        self._config = folder / "nginx.conf"
        self._config.write_text(CONFIG.format(folder=folder, address=address, port=port, court=court), "ascii")
        self._log = folder / "nginx.log"
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Proxy:
        await self.up()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.down()

    async def up(self) -> None:
        """Returns when it answers."""
        assert self._process is None
        # a group of its own: its workers die with it
        self._process = subprocess.Popen(
            [NGINX, "-c", str(self._config), "-e", str(self._log)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        async with asyncio.timeout(30):
            while True:
                try:
                    _reader, writer = await asyncio.open_connection(*self._where)
                except OSError:
                    assert self._process.poll() is None, self._log.read_text()
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    return

    async def down(self, how: signal.Signals = signal.SIGTERM) -> None:
        """All its connections end with it."""
        if self._process is None:
            return
        os.killpg(self._process.pid, how)
        async with asyncio.timeout(30):
            await asyncio.to_thread(self._process.wait)
        self._process = None
