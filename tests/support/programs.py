"""External programs that listen on a port, and nginx with deploy/nginx.conf."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.servers import ROOT, free_port


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    assert found, f"{name} is not here: see script/tools.txt"
    return found


@contextmanager
def daemon(*command: str | Path, port: int, user: str | None = None) -> Iterator[None]:
    """Run a program that listens on a port until the block ends."""
    process = subprocess.Popen(command, user=user, cwd="/", stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, f"{command[0]} did not start"
                time.sleep(0.05)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


@contextmanager
def nginx(folder: Path, *upstreams: str, more: str = "") -> Iterator[str]:
    """Run nginx in front of these servers, with its logs and buffers in the folder."""
    port = free_port()
    more += "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = (ROOT / "deploy/nginx.conf").read_text()
    for pattern, replacement in (
        (r"^user nginx;", "user root;" if os.geteuid() == 0 else ""),
        (r"/run/nginx\.pid", f"{folder}/nginx.pid"),
        (r"/var/log/nginx/", f"{folder}/"),
        (r"^http \{", f"http {{\n{more}"),
        (r"listen 80 ", f"listen 127.0.0.1:{port} "),
        (r"server web:8000;", " ".join(f"server {urlsplit(each).netloc};" for each in upstreams)),
    ):
        text, found = re.subn(pattern, replacement, text, flags=re.MULTILINE)
        assert found, pattern
    config = folder / "nginx.conf"
    config.write_text(text)
    errors = folder / "start.log"
    command = (program("nginx"), "-p", folder, "-c", config, "-e", errors, "-g", "daemon off;")
    with daemon(*command, port=port):
        yield f"http://127.0.0.1:{port}"
