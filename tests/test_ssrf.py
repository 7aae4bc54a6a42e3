"""Webhooks connect to public addresses only."""

import socket
import ssl
import subprocess
from contextlib import closing

import pytest

from tests.support.projects import task
from tests.support.receiver import Receiver, eventually
from tests.support.webhooks import hook, move_webhook, sent
from tests.support.worker import working

pytestmark = pytest.mark.sqlite
UNREACHABLE = "The address is not reachable."

INSIDE = [
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "::1", "::"),  # this machine
    *("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fec0::1"),  # private
    *("169.254.169.254", "169.254.170.2", "fd00:ec2::254"),  # metadata: AWS, Google, Azure, ECS
    *("100.100.100.200", "168.63.129.16", "192.0.0.192"),  # metadata: Alibaba, Azure, Oracle
    *("fe80::1", "fe80::1%lo"),  # link-local
    *("::127.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:8.8.8.8"),  # IPv4
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1"),  # NAT64
    *("2002:7f00:1::", "192.88.99.1", "2001:0:7f00:1::"),  # 6to4, its relay, Teredo
    *("100.64.0.1", "198.18.0.1", "240.0.0.1", "100::1"),  # carriers, benchmarks, reserved, discard
    *("192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"),  # documentation
    *("224.0.0.1", "255.255.255.255", "ff02::1"),  # multicast, broadcast
]
# Other forms of 127.0.0.1 that the system resolves.
DISGUISED = [
    *("2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "127.1", "127.0.1"),
    *("127.0.0.1.", "127.000.000.001"),
]
NOT_TAKEN = [
    *(f"https://[{a}]/" if ":" in a else f"https://{a}/" for a in INSIDE),
    *(f"https://{host}/" for host in DISGUISED),
    *("https://user:password@example.org/", "https://127.0.0.1@example.org/"),
    *("https://example.org@127.0.0.1/", "https://example.org#@127.0.0.1/"),
    *("https://example.org\\@127.0.0.1/", "https://example.org/#fragment"),
    *("https://exämple.org/", "https://①②⑦.0.0.1/", "https://exa mple.org/"),
    *("https://example.org:0/", "https://example.org:70000/", "https://example.org:port/"),
    *("https:///path", "https://", "https://-example.org/", "https://example..org/"),
    *("https://example.org/\r\nHost: inside", "//example.org/", "example.org"),
    *("file:///etc/passwd", "gopher://example.org/", "ftp://example.org/", "javascript:alert(1)"),
]
TAKEN = [
    *("https://example.org/hook?a=b", "https://example.org:8443", "http://example.org/"),
    *("https://8.8.8.8/", "https://93.184.216.34/", "https://1.1.1.1/"),
    "https://[2606:4700::1111]/",
]


def test_private_urls_are_rejected(client, alice):
    for url in NOT_TAKEN:
        response = client.post("/webhooks", json={"url": url}, as_=alice)
        assert response.status_code == 400, url
        assert set(response.json["error"]["details"]) == {"url"}
    for url in TAKEN:
        assert client.post("/webhooks", json={"url": url}, as_=alice).status_code == 201, url


def test_http_is_allowed_in_development(client, alice, make_app, make_client):
    settings = {"TASKAPI_ENV": "production", "BCRYPT_ROUNDS": "12"}
    production = make_client(make_app(**settings))
    for url, status in (("http://example.org/", 400), ("https://example.org/", 201)):
        response = production.post("/webhooks", json={"url": url}, as_=alice)
        assert response.status_code == status


@pytest.fixture
def inside():
    """The port of a local server; the test fails if anything connects to it."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        listener.settimeout(0.2)
        yield listener.getsockname()[1]
        with pytest.raises(TimeoutError):
            listener.accept()


def attempts(client, who, webhooks):
    """Wait for an attempt of each webhook, and return their deliveries."""

    def look():
        found = [sent(client, who, webhook) for webhook in webhooks]
        return all(each and each[0]["attempts"] for each in found) and [one for one, *_ in found]

    return eventually(look, seconds=20)


def test_names_with_private_addresses_are_not_connected_to(client, alice, app, rows, inside):
    """This is checked when connecting, not only when the URL is stored."""
    webhooks = []
    for host in ("localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", *DISGUISED):
        body = {"url": "https://example.org/"}
        webhooks.append(client.post("/webhooks", json=body, as_=alice).json)
        move_webhook(rows, webhooks[-1], f"http://{host}:{inside}/")
    task(client, alice)
    with working(app):
        for each in attempts(client, alice, webhooks):
            assert (each["status"], each["status_code"]) == ("pending", None)


def test_errors_reveal_nothing_about_private_addresses(client, alice, app, inside):
    """An open port, a closed port and an unknown name have the same error."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        closed = free.getsockname()[1]
    webhooks = [
        client.post("/webhooks", json={"url": url}, as_=alice).json
        for url in (
            f"http://localhost:{inside}/",
            f"http://localhost:{closed}/",
            "http://does-not-exist.invalid/",
        )
    ]
    task(client, alice)
    with working(app):
        found = attempts(client, alice, webhooks)
    assert {(each["status_code"], each["error"]) for each in found} == {(None, UNREACHABLE)}


@pytest.fixture
def allowing(make_app):
    """An application that allows webhooks on this machine."""
    return make_app(WEBHOOK_ALLOW_PRIVATE="1")


def test_proxies_of_the_environment_are_not_used(
    client, make_client, alice, allowing, inside, receiver, monkeypatch
):
    for name in ("http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{inside}")
    monkeypatch.setenv("NO_PROXY", "")
    webhook = hook(make_client(allowing), alice, receiver)
    task(client, alice)
    with working(allowing):
        assert attempts(client, alice, [webhook])[0]["status"] == "delivered"


@pytest.fixture
def tls_receiver(tmp_path):
    """`tls_receiver()` returns a receiver with a self-signed certificate, and its file."""
    made: list[Receiver] = []

    def make():
        key, certificate = tmp_path / f"{len(made)}.key", tmp_path / f"{len(made)}.pem"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
                *("-keyout", str(key), "-out", str(certificate), "-subj", "/CN=localhost"),
                *("-addext", "subjectAltName=DNS:localhost"),
            ],
            check=True,
            capture_output=True,
        )
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        made.append(Receiver(context))
        return made[-1], certificate

    yield make
    for receiver in made:
        receiver.close()


def test_tls_is_verified_for_the_name(
    client, make_client, alice, allowing, tls_receiver, monkeypatch
):
    trusted, certificate = tls_receiver()
    unknown, _ = tls_receiver()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    webhooks = [
        make_client(allowing).post("/webhooks", json={"url": url}, as_=alice).json
        for url in (
            trusted.url(host="localhost").replace("http:", "https:"),
            trusted.url(host="127.0.0.1").replace("http:", "https:"),  # another name
            unknown.url(host="localhost").replace("http:", "https:"),
        )
    ]
    task(client, alice)
    with working(allowing):
        good, *refused = attempts(client, alice, webhooks)
    assert good["status"] == "delivered"
    for each in refused:
        assert each["status_code"] is None
        assert each["error"] == "The TLS certificate is not valid for this host."
    assert len(trusted.messages) == 1
    assert not unknown.messages
