# SPDX-License-Identifier: MIT
"""http_load.py - row 20: wrk, h2load or ten thousand connections that do nothing, against one HTTP
server after another, each saying hello.

The server's processor time is that of its process and its children between the load's start and its
end. The load has one thread, and the servers as many workers as the row says."""

import contextlib
import os
import pathlib
import re
import resource
import select
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

from sides import BENCH, Lost, Nginx, environment, first_reason, run_process, stop

TICKS = os.sysconf("SC_CLK_TCK")
# Goes through str.format().
HELLO = 'location = /hello {{ default_type text/plain; return 200 "Hello, world\\n"; }}'


TLS_SERVER = """
    server {{
        listen 127.0.0.1:{tls_port} ssl http2 backlog=4096;
        ssl_certificate %s; ssl_certificate_key %s; ssl_protocols TLSv1.3;
        location = /hello {{ default_type text/plain; return 200 "Hello, world\\n"; }}
    }}
"""


class HelloNginx(Nginx):
    """The same nginx as row 19's, with as many workers as the others have, and a greeting; with
    identity, a certificate and its key, also over TLS on the port it tells then."""

    def __init__(self, workers, identity=()):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            tls_port = probe.getsockname()[1]
        tls = (TLS_SERVER % identity).replace("{tls_port}", str(tls_port)) if identity else ""
        self.CONFIG = (Nginx.CONFIG.replace("worker_processes 1", f"worker_processes {workers}")
                       .replace("worker_connections 4096", "worker_connections 16384")
                       .replace("location = /status", HELLO + "\n        location = /status")
                       .replace("    server {{", tls + "    server {{", 1))
        super().__init__(1)
        self.port = tls_port if identity else self.port


def processes(pid):
    """The process and its children."""
    text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [pid, *map(int, text.split())]


def cpu_seconds(pid):
    total = 0
    for each in processes(pid):
        fields = pathlib.Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def memory(pid):
    """Resident bytes of the process and its children."""
    text = "".join(pathlib.Path(f"/proc/{each}/status").read_text() for each in processes(pid))
    return sum(int(kib) * 1024 for kib in re.findall(r"VmRSS:\s+(\d+)", text))


def wrk_command(port, connections, seconds):
    wrk = shutil.which("wrk")
    if wrk is None:
        raise Lost("missing", "wrk is not installed")
    return [wrk, "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "-s",
            BENCH / "peers" / "wrk.lua", f"http://127.0.0.1:{port}/hello"]


def load(port, connections, seconds, workers):
    text = run_process(wrk_command(port, connections, seconds), workers, seconds + 30)[0]
    said = {name: int(value) for name, value in re.findall(r"^(\w+) (\d+)$", text, re.M)}
    if said.get("errors", 1) or not said.get("requests"):
        raise Lost("failed", f"wrk: {said.get('errors')} errors in {said.get('requests')} requests")
    return said


def measure(pid, port, counts, workers):
    connections, seconds = counts
    load(port, connections, 1, workers)
    before = cpu_seconds(pid)
    said = load(port, connections, seconds, workers)
    cpu = cpu_seconds(pid) - before
    found = {"http": (cpu / said["requests"] * 1e6, "us"),
             "http_wall": (said["duration"] / said["requests"], "us"),
             "http_memory": (memory(pid), "bytes")}
    for name in ("p50", "p99", "p999"):
        found[f"http_{name}"] = (said[name], "us")
    return found


@contextlib.contextmanager
def serving(programs, side, workers, seconds, identity=()):
    """Runs the side's server, over TLS if it is given an identity: its process and its port."""
    if side.program == "nginx":
        nginx = HelloNginx(workers, identity)
        try:
            yield nginx.child.pid, nginx.port
        finally:
            nginx.close()
        return
    if side.program == "covey":
        command = [programs.covey("https_server" if identity else "http_server"), *identity]
    else:
        command = [programs.go(), "http", *identity]
    with listening(command, side.label, workers, seconds) as (server, port):
        yield server.pid, port


@contextlib.contextmanager
def listening(command, label, workers, seconds):
    """Runs a server that says "port N" first: it, its output open, and its port."""
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(command, env=environment(workers), stdout=subprocess.PIPE,
                                  stderr=log, text=True)
        try:
            ready, _, _ = select.select([server.stdout], [], [], seconds)
            words = server.stdout.readline().split() if ready else []
            if len(words) != 2 or words[0] != "port":
                raise Lost("failed", f"{label} HTTP server: {first_reason(log)}")
            yield server, int(words[1])
        finally:
            stop(server)


def run_http(programs, side, counts, workers, seconds):
    with serving(programs, side, workers, seconds) as (pid, port):
        return measure(pid, port, counts, workers)


# HTTP/2 over TLS


@contextlib.contextmanager
def self_signed():
    """The files of a certificate for 127.0.0.1 and of its key."""
    with tempfile.TemporaryDirectory(prefix="covey-bench-") as directory:
        cert, key = directory + "/cert.pem", directory + "/key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-keyout", key, "-out", cert],
            check=True, capture_output=True)
        yield cert, key


def h2load(port, connections, streams, seconds, workers):
    """What h2load counts, and the requests' times in microseconds, in order."""
    program = shutil.which("h2load")
    if program is None:
        raise Lost("missing", "h2load is not installed (nghttp2-client)")
    with tempfile.NamedTemporaryFile("r") as log:
        command = [program, "-t", "1", "-c", connections, "-m", streams, "-D", seconds,
                   f"--log-file={log.name}", f"https://127.0.0.1:{port}/hello"]
        text, _, wall = run_process(command, workers, seconds + 30)
        times = sorted(int(line.split("\t")[2]) for line in log)
    said = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", text)
    good, *bad = map(int, said.groups()) if said else (0, 1)
    if any(bad) or not good or not times:
        raise Lost("failed", f"h2load: {text.strip().splitlines()[-1:]}")
    return good, times


def run_h2(programs, side, counts, workers, seconds):
    connections, streams, duration = counts
    with self_signed() as identity, \
            serving(programs, side, workers, seconds, identity) as (pid, port):
        h2load(port, connections, streams, 1, workers)
        before = cpu_seconds(pid)
        good, times = h2load(port, connections, streams, duration, workers)
        cpu = cpu_seconds(pid) - before
    return {"h2": (cpu / good * 1e6, "us"), "h2_wall": (duration / good * 1e6, "us"),
            "h2_p50": (statistics.median(times), "us"),
            "h2_p99": (times[len(times) * 99 // 100], "us")}


# Connections that do nothing


def ask(port):
    """A connection that has made one request, and stays."""
    conn = socket.create_connection(("127.0.0.1", port), 10)
    conn.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
    text = b""
    while b"Hello, world\n" not in text:
        piece = conn.recv(4096)
        if not piece:
            raise Lost("failed", "the server closed an idle connection")
        text += piece
    return conn


def run_idle(programs, side, counts, workers, seconds):
    (count,) = counts
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(count, hard - 100)
    with serving(programs, side, workers, seconds) as (pid, port):
        for _ in range(100):  # what the server keeps of its first ones is not the others'
            ask(port).close()
        before = memory(pid)
        conns = [ask(port) for _ in range(count)]
        time.sleep(1)
        grown = memory(pid) - before
        for conn in conns:
            conn.close()
    return {"idle_memory": (grown / count, "bytes"), "idle": (count, "connections")}
