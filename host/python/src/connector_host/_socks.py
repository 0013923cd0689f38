"""Proxies that speak SOCKS5; needs the extra `socks`."""

from __future__ import annotations

from typing import Any, Tuple

try:
    from urllib3.contrib.socks import SOCKSConnection, SOCKSHTTPSConnection, SOCKSProxyManager
except ImportError as error:
    raise ValueError("a SOCKS proxy needs PySocks: install connector-host[socks]") from error
from urllib3.connectionpool import HTTPSConnectionPool


def pools(pooling: Any, watched: Any) -> Tuple[Any, Any]:
    """Pools for http and https whose connections go through the proxy."""
    plain = type("_SocksPlain", (watched, SOCKSConnection), {})
    secure = type("_SocksTls", (watched, SOCKSHTTPSConnection), {})
    return (
        type("_SocksPlainPool", (pooling,), {"ConnectionCls": plain}),
        type("_SocksTlsPool", (pooling, HTTPSConnectionPool), {"ConnectionCls": secure}),
    )


def manager(proxy: str, options: Any) -> Any:
    """Names are looked up by the proxy, whichever way it is written."""
    return SOCKSProxyManager(proxy.replace("socks5://", "socks5h://", 1), **options)
