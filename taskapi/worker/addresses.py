"""Validation of webhook URLs and addresses: only public addresses are allowed."""

import re
from ipaddress import IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from marshmallow import ValidationError

from taskapi.config import settings

# Global according to `ipaddress`, at least in some releases of Python, but not public: relays,
# Azure's metadata service, tunnelled IPv4 and documentation.
REFUSED = [
    ip_network(text)
    for text in (
        *("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32"),
        *("2001::/23", "2002::/16", "3fff::/20"),
    )
]
PUBLIC_V6 = IPv6Network("2000::/3")  # others are local, mapped, translated or reserved

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.ASCII)


def is_public(address: str) -> bool:
    """Return whether webhooks can connect to this address; raise ValueError if it is none."""
    ip = ip_address(address)
    return (
        ip.is_global
        and not ip.is_multicast
        and (ip.version == 4 or ip in PUBLIC_V6)
        and not any(ip in network for network in REFUSED)
    )


def check_url(url: str) -> None:
    """Raise ValidationError for an invalid or private URL; names are resolved at delivery."""
    if not url.isascii() or re.search(r"[\s\x00-\x20\x7f\\]", url):
        raise ValidationError("Must be ASCII without spaces; use the xn-- form of the host name.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValidationError("Must be a URL such as https://example.org/hook.") from None
    schemes = ("https",) if settings().is_production else ("https", "http")
    if parts.scheme not in schemes:
        raise ValidationError("Must begin with https://.")
    host = parts.hostname or ""
    if not host or port == 0:
        raise ValidationError("Must be a URL such as https://example.org/hook.")
    if "@" in parts.netloc:
        raise ValidationError("Must not contain a user or password.")
    if "#" in url:
        raise ValidationError("Must not contain a fragment.")
    if _is_name(host):
        return
    try:
        is_allowed = is_public(host) or settings().webhook_allow_private
    except ValueError:
        raise ValidationError("Must have a host name such as example.org.") from None
    if not is_allowed:
        raise ValidationError("Must not be a private address.")


def _is_name(host: str) -> bool:
    """Return whether it is a name and not a number: 2130706433 and 0x7f.1 mean 127.0.0.1."""
    labels = host.removesuffix(".").split(".")
    return (
        len(host) <= 253
        and all(_LABEL.fullmatch(label) for label in labels)
        and not re.fullmatch(r"\d+|0x[0-9a-f]*", labels[-1])
    )
