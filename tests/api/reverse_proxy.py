"""Real reverse proxies on loopback ports, with the configurations that `docs/operations.md` shows."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.kafka_server import free_port

DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"
PLACE = "/lanewatch"
"""The path of the document's example."""

START_S = 120.0

_UPSTREAM = "127.0.0.1:8000"
_NGINX_HEAD = """
daemon off; master_process off; pid nginx.pid; error_log stderr;
events {{}}
http {{
  access_log access.log;
  client_body_temp_path body; proxy_temp_path proxy;
  fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
{servers}
}}
"""
_CADDY_HEAD = "{\n  admin off\n  auto_https disable_redirects\n  default_bind 127.0.0.1\n}\n"


@contextmanager
def nginx(upstream: str, folder: Path, *, under_path: bool = False) -> Iterator[str]:
    """The documented nginx before ``upstream``, a host and port; the value is the address of the site."""
    server, location = code_blocks("nginx")[0], code_blocks("Under a path")[0]
    if under_path:
        server = _replace(server, re.search(r"  location / \{.*?\n  \}\n", server, re.DOTALL)[0], location)  # type: ignore[index]
    port = free_port()
    server = _replace(server, "listen 443 ", f"listen 127.0.0.1:{port} ")
    server = _replace(server, "/etc/nginx/", f"{make_certificate(folder)}/")
    with running_nginx(_replace(server, _UPSTREAM, upstream), port, folder):
        yield f"https://127.0.0.1:{port}"


@contextmanager
def caddy(upstream: str, folder: Path, *, under_path: bool = False) -> Iterator[str]:
    """The documented Caddy before ``upstream``, a host and port; the value is the address of the site."""
    site, location = code_blocks("Caddy")[0], code_blocks("Under a path")[1]
    if under_path:
        site = _replace(site, f"  reverse_proxy {_UPSTREAM}\n", location)
    port = free_port()
    site = _replace(site, "centre.example.kr", f"https://127.0.0.1:{port}")
    site = _replace(site, "/etc/caddy/", f"{make_certificate(folder)}/")
    file = folder / "Caddyfile"
    file.write_text(_CADDY_HEAD + _replace(site, _UPSTREAM, upstream))
    with _running([_program("caddy"), "run", "--adapter", "caddyfile", "--config", str(file)], port, folder):
        yield f"https://127.0.0.1:{port}"


@contextmanager
def running_nginx(servers: str, port: int, folder: Path) -> Iterator[None]:
    """An nginx with these `server` blocks, one of which listens on ``port``."""
    file = folder / "nginx.conf"
    file.write_text(_NGINX_HEAD.format(servers=servers))
    with _running([_program("nginx"), "-p", str(folder), "-e", "stderr", "-c", str(file)], port, folder):
        yield


def code_blocks(heading: str) -> list[str]:
    """The code blocks of a section of the document."""
    section = DOCUMENT.read_text(encoding="utf-8").partition(f"\n### {heading}\n")[2]
    return re.findall(r"^```\n(.*?)^```", re.split(r"^##", section, flags=re.MULTILINE)[0], re.MULTILINE | re.DOTALL)


def make_certificate(folder: Path) -> Path:
    """Writes ``centre.pem`` and ``centre.key``, a self-signed certificate of 127.0.0.1, and returns their folder."""
    key, certificate = folder / "centre.key", folder / "centre.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", "req", "-x509", *kind, *subject, *files], check=True, capture_output=True)
    return folder


def _replace(text: str, documented: str, tested: str) -> str:
    assert documented in text, f"{documented!r} is not in the documented configuration:\n{text}"
    return text.replace(documented, tested)


def _program(name: str) -> str:
    """`make test` unpacks the programs beside Python; Debian installs nginx outside of the path of most users."""
    folders = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath), "/usr/sbin"]
    program = shutil.which(name, path=os.pathsep.join(folders))
    assert program is not None, f"{name} is not installed: `make test` installs it"
    return program


@contextmanager
def _running(command: list[str], port: int, folder: Path) -> Iterator[None]:
    """A server from the time when it accepts connections. It keeps its files in ``folder``."""
    home = os.environ | {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    log = folder / "proxy.log"
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output, env=home) as process:
        try:
            deadline = time.monotonic() + START_S
            while not _accepts(port):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.02)
            yield
        finally:
            process.kill()  # caddy would wait for open connections


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
