"""Which clients are behind one network, without keeping where that is.

Rules: IPv4 addresses of one /24 and IPv6 addresses of one /48 are one network; its name is a keyed hash under a key
that is drawn at start and never leaves this process, so no name says an address and none can be compared later.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets


class Networks:
    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def name(self, address: str) -> str:
        """An opaque name; '' when ``address`` is none."""
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return ""
        if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        network = ipaddress.ip_network((ip, 24 if ip.version == 4 else 48), strict=False)
        return hmac.new(self._key, str(network).encode(), hashlib.sha256).hexdigest()[:16]
