# SPDX-License-Identifier: MIT
"""http_load.py - row 20: wrk against one HTTP server after another, each saying hello.

The server's processor time is that of its process and its children between wrk's start and its
end. wrk has one thread, and the servers as many workers as the row says."""

import os
import pathlib
import re
import select
import shutil
import subprocess
import tempfile

from sides import BENCH, SBIN_PATH, Lost, Nginx, environment, first_reason, run_process, stop

TICKS = os.sysconf("SC_CLK_TCK")
# Goes through str.format().
HELLO = 'location = /hello {{ default_type text/plain; return 200 "Hello, world\\n"; }}'


class HelloNginx(Nginx):
    """The same nginx as row 19's, with as many workers as the others have, and a greeting."""

    def __init__(self, workers):
        self.CONFIG = (Nginx.CONFIG.replace("worker_processes 1", f"worker_processes {workers}")
                       .replace("location = /status", HELLO + "\n        location = /status"))
        super().__init__(1)


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


def load(port, connections, seconds, workers):
    wrk = shutil.which("wrk")
    if wrk is None:
        raise Lost("missing", "wrk is not installed")
    command = [wrk, "-t", "1", "-c", connections, "-d", f"{seconds}s", "-s",
               BENCH / "peers" / "wrk.lua", f"http://127.0.0.1:{port}/hello"]
    text = run_process(command, workers, seconds + 30)[0]
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


def run_http(programs, side, counts, workers, seconds):
    if side.program == "nginx":
        nginx = HelloNginx(workers)
        try:
            return measure(nginx.child.pid, nginx.port, counts, workers)
        finally:
            nginx.close()
    command = [programs.covey("http_server")] if side.program == "covey" else [programs.go(), "http"]
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(command, env=environment(workers), stdout=subprocess.PIPE,
                                  stderr=log, text=True)
        try:
            ready, _, _ = select.select([server.stdout], [], [], seconds)
            words = server.stdout.readline().split() if ready else []
            if len(words) != 2 or words[0] != "port":
                raise Lost("failed", f"{side.label} HTTP server: {first_reason(log)}")
            return measure(server.pid, int(words[1]), counts, workers)
        finally:
            stop(server)
