"""POST to the receiver of a webhook, with limits on time, size and addresses.

libcurl connects only with a socket that `_open_socket` creates for the address it has checked, so a
second DNS lookup cannot bypass the check.
"""

import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pycurl
from marshmallow import ValidationError

from taskapi.config import settings
from taskapi.worker.addresses import check_url, is_public

TIMEOUT = 15.0  # seconds in total: DNS, connection, TLS, request and response
RESPONSE_LIMIT = 64 * 1024  # bytes, headers included
# CURLOPT_QUICK_EXIT (libcurl 7.87), not in pycurl: close() does not wait for DNS lookups.
CURLOPT_QUICK_EXIT = 322

# The same message for private and unreachable addresses, so that webhooks cannot be used to scan
# our network.
UNREACHABLE = "The address is not reachable."
INVALID = "Incomplete or invalid HTTP response."
ERRORS = {
    pycurl.E_COULDNT_RESOLVE_HOST: UNREACHABLE,
    pycurl.E_COULDNT_CONNECT: UNREACHABLE,
    pycurl.E_OPERATION_TIMEDOUT: "No complete response within 15 seconds.",
    pycurl.E_WRITE_ERROR: "The response was larger than 64 KiB.",  # aborted by our callback
    pycurl.E_FILESIZE_EXCEEDED: "The response was larger than 64 KiB.",
    pycurl.E_PEER_FAILED_VERIFICATION: "The TLS certificate is not valid for this host.",
    pycurl.E_SSL_CONNECT_ERROR: "The TLS connection failed.",
}
# Trusted certificates of Debian, Fedora, macOS and Alpine, if Python's OpenSSL has no path.
BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)


class Outcome(NamedTuple):
    """The status of the response, if there was one, and the error, if there was one."""

    status: int | None
    error: str | None

    @property
    def is_success(self) -> bool:
        return self.error is None


class Receiver:
    """A URL to post to, with a persistent connection."""

    def __init__(self, url: str):
        self._url = url
        self._allows_private = settings().webhook_allow_private
        self._received = 0
        self._curl = curl = pycurl.Curl()
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        curl.setopt(pycurl.FOLLOWLOCATION, False)
        curl.setopt(pycurl.PROXY, "")  # ignore the environment
        curl.setopt(pycurl.NOPROXY, "*")
        curl.setopt(pycurl.NOSIGNAL, True)  # not allowed in threads
        curl.setopt(pycurl.TIMEOUT_MS, int(TIMEOUT * 1000))
        curl.setopt(pycurl.MAXFILESIZE, RESPONSE_LIMIT)
        curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open_socket)
        curl.setopt(pycurl.HEADERFUNCTION, self._receive)
        curl.setopt(pycurl.WRITEFUNCTION, self._receive)
        with suppress(pycurl.error):
            curl.setopt(CURLOPT_QUICK_EXIT, 1)
        for option, path in _trusted_certificates().items():
            curl.setopt(option, path)

    def post(self, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Send the body. Errors of the receiver are outcomes, not exceptions."""
        try:
            check_url(self._url)
        except ValidationError as fault:
            return Outcome(None, f"The address is not allowed: {fault}")
        self._received = 0
        curl = self._curl
        curl.setopt(pycurl.URL, self._url)
        # Empty, so that libcurl does not wait for "100 Continue".
        curl.setopt(pycurl.HTTPHEADER, [*(f"{n}: {v}" for n, v in headers.items()), "Expect:"])
        curl.setopt(pycurl.POSTFIELDS, body)
        try:
            curl.perform()
        except pycurl.error as failure:
            error = ERRORS.get(failure.args[0], INVALID)
            return Outcome(curl.getinfo(pycurl.RESPONSE_CODE) or None, error)
        status = curl.getinfo(pycurl.RESPONSE_CODE)
        if 200 <= status < 300:
            return Outcome(status, None)
        note = "; redirects are not followed" if 300 <= status < 400 else ""
        return Outcome(status, f"Status {status}{note}.")

    def close(self) -> None:
        self._curl.close()

    def _open_socket(self, purpose: int, address: Any) -> Any:
        family, kind, protocol, name = address
        is_internet = family in (socket.AF_INET, socket.AF_INET6)
        if is_internet and (self._allows_private or is_public(name[0])):
            return socket.socket(family, kind, protocol)
        return pycurl.SOCKET_BAD

    def _receive(self, data: bytes) -> int | None:
        """Count the bytes of headers and body; a return value below their number aborts."""
        self._received += len(data)
        return None if self._received <= RESPONSE_LIMIT else -1


def _trusted_certificates() -> dict[int, str]:
    """Use SSL_CERT_FILE and SSL_CERT_DIR, or the system's; pycurl's wheel has none."""
    paths = ssl.get_default_verify_paths()
    file = paths.cafile or next((path for path in BUNDLES if Path(path).exists()), None)
    found = {pycurl.CAINFO: file, pycurl.CAPATH: paths.capath}
    return {option: path for option, path in found.items() if path is not None}
