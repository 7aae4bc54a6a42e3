"""No way inside: whatever a webhook's address says, only public addresses are connected to."""

import socket
import ssl
import subprocess
import threading

import pytest

from taskapi.jobs import outgoing
from taskapi.jobs.addresses import BadUrl, check_url, is_public
from taskapi.jobs.outgoing import Receiver as Sender
from tests.support.receiver import Receiver, eventually
from tests.support.worker import working

REFUSED = {
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "0.0.0.0": "this machine",
    "10.0.0.1": "private",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.168.1.1": "private",
    "100.64.0.1": "carrier-grade NAT",
    "100.100.100.200": "metadata of Alibaba",
    "169.254.169.254": "metadata of AWS, Google, Azure",
    "169.254.170.2": "metadata of ECS",
    "168.63.129.16": "Azure's inner address",
    "192.0.0.192": "metadata of Oracle",
    "192.0.2.1": "documentation",
    "192.88.99.1": "6to4 relay",
    "198.18.0.1": "benchmarks",
    "198.51.100.1": "documentation",
    "203.0.113.1": "documentation",
    "224.0.0.1": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "broadcast",
    "::": "this machine",
    "::1": "loopback",
    "::127.0.0.1": "IPv4-compatible",
    "::ffff:127.0.0.1": "IPv4-mapped",
    "::ffff:169.254.169.254": "IPv4-mapped",
    "::ffff:8.8.8.8": "IPv4-mapped",
    "64:ff9b::7f00:1": "NAT64",
    "64:ff9b::a9fe:a9fe": "NAT64",
    "64:ff9b:1::a00:1": "NAT64, local",
    "2002:7f00:1::": "6to4",
    "2001:0:7f00:1::": "Teredo",
    "2001:db8::1": "documentation",
    "3fff::1": "documentation",
    "fc00::1": "private",
    "fd00:ec2::254": "metadata of AWS",
    "fe80::1": "link-local",
    "fe80::1%lo": "link-local with a zone",
    "fec0::1": "site-local",
    "ff02::1": "multicast",
    "100::1": "discarded",
}
# Spellings of 127.0.0.1 that the system's look-up understands, as hosts of a URL.
DISGUISED = [
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "127.1",
    "127.0.1",
    "127.0.0.1.",
    "127.000.000.001",
]


@pytest.mark.parametrize("address", REFUSED)
def test_an_address_inside_is_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "1.1.1.1", "2606:4700::1111"])
def test_an_address_outside_is(address):
    assert is_public(address)


NOT_TAKEN = [
    *(f"https://[{a}]/" if ":" in a else f"https://{a}/" for a in REFUSED if "%" not in a),
    *(f"https://{host}/" for host in DISGUISED if host != "127.0.0.1."),
    "https://user:password@example.org/",
    "https://127.0.0.1@example.org/",
    "https://example.org@127.0.0.1/",
    "https://example.org#@127.0.0.1/",
    "https://example.org\\@127.0.0.1/",
    "https://example.org/#fragment",
    "https://exämple.org/",
    "https://①②⑦.0.0.1/",
    "https://example.org:0/",
    "https://example.org:70000/",
    "https://example.org:port/",
    "https:///path",
    "https://",
    "https://exa mple.org/",
    "https://example.org/\r\nHost: inside",
    "https://-example.org/",
    "https://example..org/",
    "//example.org/",
    "example.org",
    "file:///etc/passwd",
    "gopher://example.org/",
    "ftp://example.org/",
    "javascript:alert(1)",
]
TAKEN = ["https://example.org/hook?a=b", "https://example.org:8443", "https://[2606:4700::1]/"]


def test_such_a_url_is_refused_when_it_is_given(client, alice):
    for url in NOT_TAKEN:
        answer = client.post("/webhooks", json={"url": url}, as_=alice)
        assert answer.status_code == 400, url
        assert set(answer.json["error"]["details"]) == {"url"}
    for url in TAKEN:
        assert client.post("/webhooks", json={"url": url}, as_=alice).status_code == 201


def test_plain_http_is_for_development():
    check_url("http://example.org/", is_production=False, allows_private=False)
    with pytest.raises(BadUrl, match="https"):
        check_url("http://example.org/", is_production=True, allows_private=False)


def posted(url, *, allows_private=False):
    sender = Sender(url, allows_private=allows_private)
    try:
        return sender.post({}, b"{}")
    finally:
        sender.close()


@pytest.fixture
def inside():
    """A server on the loopback interface that must never hear of anything."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.2)
    yield listener
    with pytest.raises(TimeoutError):
        listener.accept()
    listener.close()


@pytest.mark.parametrize("host", ["localhost", *DISGUISED])
def test_a_name_that_leads_inside_is_not_connected_to(inside, host):
    url = f"http://{host}:{inside.getsockname()[1]}/"
    assert posted(url) == (None, outgoing.UNREACHABLE)


def answers_of(monkeypatch, *rounds):
    """The system's look-up gives these addresses, one list after another."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def look_up(host, port, *args, **kwargs):
        addresses = rounds[min(len(asked), len(rounds) - 1)]
        asked.append(host)
        return [real(address, port, type=socket.SOCK_STREAM)[0] for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


def test_one_address_inside_among_public_ones_is_enough(inside, monkeypatch):
    answers_of(monkeypatch, ["93.184.216.34", "127.0.0.1"])
    url = f"http://both.example:{inside.getsockname()[1]}/"
    assert posted(url) == (None, outgoing.UNREACHABLE)


def test_a_name_that_changes_its_mind_is_asked_once(inside, monkeypatch):
    """DNS rebinding: the first answer is public and judged, the second leads inside."""
    connected = []
    real = outgoing._Socket.connect
    listener = Receiver()

    def connect(sock, address):
        connected.append(address[0])
        # The packet to the public address goes to a receiver of ours instead.
        return real(sock, ("127.0.0.1", int(listener.url().split(":")[2].split("/")[0])))

    monkeypatch.setattr(outgoing._Socket, "connect", connect)
    asked = answers_of(monkeypatch, ["93.184.216.34"], ["127.0.0.1"])
    sender = Sender(f"http://rebinds.example:{inside.getsockname()[1]}/", allows_private=False)
    assert sender.post({}, b"{}").status == 204
    assert connected == ["93.184.216.34"]
    assert asked == ["rebinds.example"]
    # A kept connection is still the judged one; a new one is judged anew, and refused.
    assert sender.post({}, b"{}").status == 204
    sender.close()
    assert sender.post({}, b"{}") == (None, outgoing.UNREACHABLE)
    assert connected == ["93.184.216.34"]
    listener.close()


def test_proxies_of_the_environment_mean_nothing(inside, monkeypatch):
    proxy = f"http://127.0.0.1:{inside.getsockname()[1]}"
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.setattr(outgoing, "TIMEOUT", 0.5)
    receiver = Receiver()
    assert posted(receiver.url(), allows_private=True).status == 204
    receiver.close()


def test_a_look_up_that_hangs_ends_in_time(monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(outgoing, "TIMEOUT", 0.3)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(5) and [])
    assert posted("http://slow.example/") == (None, outgoing.TOO_SLOW)
    over.set()


def test_the_owner_learns_nothing_about_what_is_inside(client, alice, app, inside):
    """Something that listens, nothing that does, and a name that does not exist: one answer."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        closed = free.getsockname()[1]
    hooks = [
        client.post("/webhooks", json={"url": url}, as_=alice).json["id"]
        for url in (
            f"http://localhost:{inside.getsockname()[1]}/",
            f"http://localhost:{closed}/",
            "http://does-not-exist.invalid/",
        )
    ]
    client.post("/tasks", json={"title": "x"}, as_=alice)

    def outcomes():
        items = [
            client.get(f"/webhooks/{each}/deliveries", as_=alice).json["items"][0] for each in hooks
        ]
        return all(each["attempts"] for each in items) and items

    with working(app):
        items = eventually(outcomes, seconds=20)
    assert {each["error"] for each in items} == {outgoing.UNREACHABLE}
    assert {each["status_code"] for each in items} == {None}


@pytest.fixture
def tls_receiver(tmp_path):
    """A receiver with a certificate for localhost that nobody signed but itself."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
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
    receiver = Receiver(context)
    yield receiver, certificate
    receiver.close()


def test_tls_is_verified_for_the_name(tls_receiver, monkeypatch):
    receiver, certificate = tls_receiver
    url = receiver.url(host="localhost").replace("http:", "https:")
    outgoing._tls.cache_clear()
    refused = posted(url, allows_private=True)
    assert refused.status is None
    assert "certificate" in refused.error
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    outgoing._tls.cache_clear()
    assert posted(url, allows_private=True).status == 204
    wrong_name = url.replace("localhost", "127.0.0.1")
    assert "certificate" in posted(wrong_name, allows_private=True).error
    outgoing._tls.cache_clear()
    assert len(receiver.messages) == 1
