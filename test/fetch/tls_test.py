#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""TLS and HTTP/2, against an nginx with a certificate of its own making."""
import json
import os
import pathlib
import shutil
import signal
import subprocess

from fetch_case import (NOTHING_LEFT, PATIENCE, Skip, check, check_eq, fetch, files, finish,
                        main, read, start, wait_until, write)
from ports import held_port

CONFIG = """
daemon off; pid nginx.pid; error_log error.log; worker_processes 1; user root;
events {{ worker_connections 2048; }}
http {{
    access_log access.log combined;
    client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp;
    scgi_temp_path tmp;
    keepalive_requests 100000;
    ssl_certificate cert.pem; ssl_certificate_key key.pem;
    server {{
        listen 127.0.0.1:{h2} ssl http2;
        listen 127.0.0.1:{h1} ssl;
        location / {{ return 200 "hello"; }}
        location /files {{ root www; }}
        location /slow {{ root www; limit_rate 10k; }}
        location /to {{ return 302 /moved; }}
    }}
}}
"""


class Nginx:
    def __init__(self):
        program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        if not program or not shutil.which("openssl"):
            raise Skip("no nginx or no openssl")
        self.h1, self.h2 = held_port(), held_port()
        self.root = pathlib.Path("nginx").absolute()
        for folder in ("tmp", "www/files", "www/slow"):
            (self.root / folder).mkdir(parents=True)
        for name in ("files/big", "slow/big"):
            write(self.root / "www" / name, bytes(range(256)) * 20000)
            os.utime(self.root / "www" / name, (1e9, 1e9))  # one ETag for both
        write(self.root / "nginx.conf", CONFIG.format(h1=self.h1, h2=self.h2))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                        "-keyout", self.root / "key.pem", "-out", self.root / "cert.pem"],
                       check=True, capture_output=True)
        self.cert = str(self.root / "cert.pem")
        self.child = subprocess.Popen([program, "-p", self.root, "-c", "nginx.conf"],
                                      stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: fetch("-q", "--insecure", "--discard", self.url("/")).status == 0, "nginx")
        except AssertionError:
            self.child.kill()
            raise Skip("nginx does not start: "
                       + (self.root / "error.log").read_text(errors="replace")[-300:]) from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.terminate()
        self.child.wait()

    def url(self, path, version=2):
        return f"https://127.0.0.1:{self.h2 if version == 2 else self.h1}{path}"


def results(r):
    return [json.loads(line) for line in r.out.splitlines()]


def test_certificates_are_verified():
    with Nginx() as n:
        fetch("--discard", n.url("/")).expect(1).says("certificate")
        check_eq(fetch("--cacert", n.cert, n.url("/")).expect(0).out, b"hello")
        check_eq(fetch("--insecure", n.url("/")).expect(0).out, b"hello")
        other = n.url("/").replace("127.0.0.1", "127.0.0.2")  # not what the certificate is for
        fetch("--discard", "--cacert", n.cert, other).expect(1)
        fetch("--discard", "--cacert", "no/such/file", n.url("/")).expect(1).says("no/such/file")


def test_http2_where_it_is_offered():
    with Nginx() as n:
        args = ("--json", "--discard", "--insecure", "-q")
        check_eq(results(fetch(*args, n.url("/")))[0]["http"], "2.0")
        check_eq(results(fetch(*args, n.url("/", 1)))[0]["http"], "1.1")
        check_eq(results(fetch(*args, "--http1.1", n.url("/")))[0]["http"], "1.1")


def test_transfers_share_a_connection():
    with Nginx() as n:
        write("list", "\n".join(n.url(f"/?{i}") for i in range(500)))
        r = fetch("--discard", "--insecure", "-j", 64, "-i", "list").expect(0)
        r.says("500 transfers: 500 fetched", ", 1 connection\n")
        write("list", "\n".join(n.url(f"/?{i}", 1) for i in range(500)))
        r = fetch("--discard", "--insecure", "-j", 8, "-i", "list").expect(0)
        r.says("500 transfers: 500 fetched")
        opened = int(r.err.rsplit(" connection", 1)[0].rsplit(" ", 1)[1])
        check(opened <= 8, opened, "connections")


def test_big_bodies_arrive_whole():
    with Nginx() as n:
        urls = [n.url(f"/files/big?{i}") for i in range(20)] + [n.url("/files/big", 1)]
        fetch("--insecure", "-o", "d", "--output-template", "{n}", *urls).expect(0)
        check_eq(len(files("d")), 21)
        for name in files("d"):
            check(read(f"d/{name}") == bytes(range(256)) * 20000, name)


def test_an_interrupt_ends_streams():
    with Nginx() as n:
        urls = [n.url(f"/slow/big?{i}") for i in range(50)]
        child = start("--insecure", "-o", "d", "-j", 100, "--stats", *urls)
        wait_until(lambda: len(files("d")) == 50, "fifty files")
        child.send_signal(signal.SIGINT)
        r = finish(child).expect(130).says("50 cancelled", NOTHING_LEFT)
        check(r.seconds < 20 * PATIENCE, r.seconds)
        check_eq([f for f in files() if not f.startswith("nginx/")], [])


def test_resuming_over_tls():
    with Nginx() as n:
        args = ("--insecure", "--resume", "-o", "d", n.url("/slow/big"))
        child = start(*args)
        wait_until(lambda: "d/big.part" in files() and len(read("d/big.part")) > 10000, "a part")
        child.send_signal(signal.SIGINT)
        finish(child).expect(130)
        kept = len(read("d/big.part"))
        # The rest without the brake.
        info = read("d/big.part.info").decode().replace("/slow/", "/files/")
        write("d/big.part.info", info)
        r = fetch("--insecure", "--resume", "-o", "d", "--json", n.url("/files/big")).expect(0)
        check(read("d/big") == bytes(range(256)) * 20000)
        check_eq(results(r)[0]["bytes"], 256 * 20000 - kept)


main(globals())
