"""Validation of webhook URLs and addresses: only public addresses are allowed."""

import ipaddress
import re
from urllib.parse import urlsplit

from taskapi.config import settings

# Global according to `ipaddress`, but not public: translated and tunnelled IPv4, relays,
# documentation, and Azure's metadata service.
REFUSED_V4 = [
    ipaddress.IPv4Network(text)
    for text in (
        *("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15"),
        "168.63.129.16/32",
    )
]
PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")  # others are local, mapped, translated or reserved
REFUSED_V6 = [
    ipaddress.IPv6Network(text)
    for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "64:ff9b::/96")
]

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.ASCII)


class BadUrl(ValueError):
    """The reason why a webhook URL is rejected."""


def is_public(address: str) -> bool:
    """Return whether webhooks can connect to this address."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if ip.version == 4:
        return (
            ip.is_global
            and not ip.is_multicast
            and not ip.is_reserved
            and not any(ip in network for network in REFUSED_V4)
        )
    return ip in PUBLIC_V6 and ip.is_global and not any(ip in network for network in REFUSED_V6)


def check_url(url: str) -> None:
    """Raise BadUrl for an invalid or private URL; names are resolved at delivery."""
    if not url.isascii() or re.search(r"[\s\x00-\x20\x7f\\]", url):
        raise BadUrl("Must be ASCII without spaces; use the xn-- form of the host name.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadUrl("Must be a URL such as https://example.org/hook.") from None
    schemes = ("https",) if settings().is_production else ("https", "http")
    if parts.scheme not in schemes:
        raise BadUrl("Must begin with https://.")
    host = parts.hostname or ""
    if not host or port == 0:
        raise BadUrl("Must be a URL such as https://example.org/hook.")
    if "@" in parts.netloc:
        raise BadUrl("Must not contain a user or password.")
    if "#" in url:
        raise BadUrl("Must not contain a fragment.")
    literal = _literal(host)
    if literal is None and not _is_name(host):
        raise BadUrl("Must have a host name such as example.org.")
    if literal and not settings().webhook_allow_private and not is_public(literal):
        raise BadUrl("Must not be a private address.")


def _literal(host: str) -> str | None:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None


def _is_name(host: str) -> bool:
    """Return whether it is a name and not a number: 2130706433 and 0x7f.1 mean 127.0.0.1."""
    labels = host.removesuffix(".").split(".")
    return (
        len(host) <= 253
        and all(_LABEL.fullmatch(label) for label in labels)
        and not re.fullmatch(r"\d+|0x[0-9a-f]*", labels[-1])
    )
