# SPDX-License-Identifier: MIT
"""sides.py - how each side of a contest is built, started, limited in time and measured.

Every way to run a side is a function of the programs, the side, its counts, the workers and the
time limit, and gives {figure: (value, unit)} or raises Lost."""

import mmap
import os
import pathlib
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

BENCH = pathlib.Path(__file__).resolve().parent
ROOT = BENCH.parent
PEERS = ROOT / "build" / "peers"
SBIN_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"  # where nginx may be


def say(text):
    print(text, file=sys.stderr, flush=True)


class Lost(Exception):
    """A run that gave no figures: its word for the table, and the reason."""

    def __init__(self, word, reason):
        super().__init__(reason)
        self.word, self.reason = word, reason


# Processes


def environment(workers):
    env = dict(os.environ, COVEY_WORKERS=str(workers), GOMAXPROCS=str(workers))
    for name in ("COVEY_DEBUG", "COVEY_SEED", "COVEY_STACK_SIZE", "GOGC", "GODEBUG", "GOMEMLIMIT"):
        env.pop(name, None)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        env.pop(name, None)
    return env


def first_reason(log):
    """The line of a dead program's output that says most. A dump may be a million lines long."""
    log.seek(0)
    lines = [line.strip() for line in log.read(65536).decode(errors="replace").splitlines()]
    telling = [line for line in lines if re.search(r"check failed|fatal|error|panic|cannot", line)]
    return (telling or [line for line in lines if line] or ["no message"])[0]


def run_process(command, workers, seconds):
    """Runs command to its end. Gives its output, its processor seconds and its elapsed seconds."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as log:
        started = time.monotonic()
        child = subprocess.Popen(
            [str(word) for word in command], env=environment(workers), stdin=subprocess.DEVNULL,
            stdout=out, stderr=log)
        status, usage = wait_for(child, seconds)
        elapsed = time.monotonic() - started
        if status is None:
            raise Lost("hung", f"{shlex.join(child.args)}: not done after {seconds} s")
        if status != 0:
            what = signal.Signals(-status).name if status < 0 else f"status {status}"
            raise Lost("failed", f"{shlex.join(child.args)}: {what}: {first_reason(log)}")
        out.seek(0)
        return out.read().decode(), usage.ru_utime + usage.ru_stime, elapsed


def wait_for(child, seconds):
    """The child's status and resource usage; the status is None if it had to be killed."""
    limit, killed = time.monotonic() + seconds, False
    while True:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            child.returncode = os.waitstatus_to_exitcode(status)
            return (None if killed else child.returncode), usage
        if not killed and time.monotonic() > limit:
            child.kill()
            killed = True
        time.sleep(0.002)


def figures(text):
    """The lines "name workers value unit" as {name: (value, unit)}."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 4:
            found[words[0]] = (float(words[2]), words[3])
    return found


def touch_memory(gib):
    """Makes the host back that much free memory, so that no run pays for its first use."""
    size = min(gib << 30, int(available_bytes() * 0.7)) & ~0xFFFFF
    if size:
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE
        mmap.mmap(-1, size, flags).close()


def available_bytes():
    text = pathlib.Path("/proc/meminfo").read_text()
    return int(re.search(r"MemAvailable:\s+(\d+)", text).group(1)) * 1024


# Building and finding


class Programs:
    def __init__(self, build_dir, covey_tool):
        self.build_dir = build_dir
        self.tool = covey_tool
        self.built = {}

    def covey(self, name):
        for path in (self.build_dir / "bench" / name, self.build_dir / "bench" / f"bench_{name}"):
            if os.access(path, os.X_OK) and path.is_file():
                return path
        raise Lost("missing", f"{self.build_dir}/bench/{name} is not built: run ./dev bench")

    def covey_tool(self):
        if self.tool:
            return self.tool
        for path in sorted(self.build_dir.rglob("covey")):
            if path.is_file() and os.access(path, os.X_OK):
                return path
        raise Lost("missing", f"there is no covey command under {self.build_dir}")

    def build_once(self, name, command, directory):
        """Runs a compiler at most once a name; its failure is remembered too."""
        if name not in self.built:
            PEERS.mkdir(parents=True, exist_ok=True)
            try:
                done = subprocess.run(command, cwd=directory, capture_output=True, text=True)
                self.built[name] = done.stderr.strip() if done.returncode else ""
            except FileNotFoundError:
                self.built[name] = f"{command[0]} is not installed"
        if self.built[name]:
            raise Lost("missing", f"{name}: {self.built[name]}")
        return PEERS / name

    def go(self):
        command = [go_tool(), "build", "-o", PEERS / "go-bench", "."]
        return self.build_once("go-bench", command, BENCH / "peers" / "go")

    def c(self, name, *libraries):
        compiler = os.environ.get("CC", "cc")
        command = [compiler, "-std=gnu11", "-O2", "-Wall", "-Wextra", "-o", PEERS / name,
                   f"{name}.c", *libraries]
        return self.build_once(name, command, BENCH / "peers" / "c")


def go_tool():
    """The newest Go there is: Debian's own, or one from backports, which is not in the path."""
    def version(tool):
        said = subprocess.run([tool, "env", "GOVERSION"], capture_output=True, text=True, check=False)
        return [int(n) for n in re.findall(r"\d+", said.stdout)]
    tools = [shutil.which("go"), *map(str, pathlib.Path("/usr/lib").glob("go-*/bin/go"))]
    return max(filter(None, tools), key=version, default="go")


# Ways to run a side; each gives {figure: (value, unit)}


def run_covey(programs, side, counts, workers, seconds):
    command = [programs.covey(side.program), *counts, *side.words]
    return figures(run_process(command, workers, seconds)[0])


def run_go(programs, side, counts, workers, seconds):
    command = [programs.go(), side.program, *counts, *side.words]
    return figures(run_process(command, workers, seconds)[0])


def run_echo(programs, side, counts, workers, seconds):
    load = programs.c("echo_load")
    servers = {"covey": lambda: [programs.covey("echo")],
               "go": lambda: [programs.go(), "echo"],
               "epoll": lambda: [programs.c("echo_epoll")]}
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(servers[side.program](), env=environment(workers),
                                  stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            ready, _, _ = select.select([server.stdout], [], [], seconds)
            if not ready:
                raise Lost("hung", f"{side.label} echo server: no port after {seconds} s")
            words = server.stdout.readline().split()
            if len(words) != 2 or words[0] != "port":
                raise Lost("failed", f"{side.label} echo server: {first_reason(log)}")
            command = [load, words[1], server.pid, workers, *counts]
            try:
                return figures(run_process(command, workers, seconds)[0])
            except Lost as lost:
                if server.poll() is not None:
                    raise Lost("failed", f"{side.label} echo server died: {first_reason(log)}")
                raise lost
        finally:
            stop(server)


def stop(child):
    """Ends a server with SIGTERM, or, five seconds later, with SIGKILL."""
    if child.poll() is None:
        child.terminate()
    try:
        child.wait(5)
    except subprocess.TimeoutExpired:
        say(f"  {child.args[0]} did not end on SIGTERM")
        child.kill()
        child.wait()
    if child.stdout:
        child.stdout.close()


class Nginx:
    """An nginx of its own on a free port of the loopback device, with one file to give."""

    CONFIG = """\
daemon off; worker_processes 1; pid {dir}/pid; error_log {dir}/error.log; {user}
events {{ worker_connections 4096; }}
http {{
    access_log off; keepalive_requests 100000000; keepalive_timeout 600s; root {dir};
    client_body_temp_path {dir}/a; proxy_temp_path {dir}/b; fastcgi_temp_path {dir}/c;
    uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location = /body {{ }}
        location = /status {{ stub_status; }}
    }}
}}
"""

    def __init__(self, size):
        program = shutil.which("nginx", path=SBIN_PATH)
        if program is None:
            raise Lost("missing", "nginx is not installed")
        self.directory = tempfile.mkdtemp(prefix="covey-bench-")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        directory = pathlib.Path(self.directory)
        (directory / "body").write_bytes(bytes(97 + i % 26 for i in range(size)))
        user = "user root;" if os.geteuid() == 0 else ""
        (directory / "conf").write_text(
            self.CONFIG.format(dir=directory, port=self.port, user=user))
        self.child = subprocess.Popen(
            [program, "-p", self.directory, "-c", str(directory / "conf")],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.wait_until_up()

    def wait_until_up(self):
        for _ in range(100):
            try:
                self.requests()
                return
            except OSError:
                time.sleep(0.05)
        self.close()
        raise Lost("failed", "nginx did not start")

    def requests(self):
        """How many requests it has answered, this one included."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as conn:
            conn.sendall(b"GET /status HTTP/1.0\r\n\r\n")
            text = b""
            while piece := conn.recv(65536):
                text += piece
        return int(re.search(rb"requests\s+\d+ \d+ (\d+)", text).group(1))

    def close(self):
        stop(self.child)
        shutil.rmtree(self.directory, ignore_errors=True)


class Fetch:
    """Runs row 19's clients against one nginx, which is started at first need."""

    def __init__(self):
        self.nginx = None

    def __call__(self, programs, side, counts, workers, seconds):
        urls, at_once, size = counts
        if self.nginx is None:
            self.nginx = Nginx(size)
        base = f"http://127.0.0.1:{self.nginx.port}/body?"
        with tempfile.NamedTemporaryFile("w", suffix=".urls") as file:
            file.writelines(f"{base}{i}\n" for i in range(1, urls + 1))
            file.flush()
            command = self.command(programs, side.program, file.name, base, counts)
            before = self.nginx.requests()
            _, cpu, wall = run_process(command, workers, seconds)
            made = self.nginx.requests() - before - 1
        if made != urls:
            raise Lost("failed", f"{side.label}: nginx saw {made} requests instead of {urls}")
        return {"fetch": (cpu / urls * 1e6, "us"), "fetch_wall": (wall / urls * 1e6, "us")}

    def command(self, programs, program, file, base, counts):
        urls, at_once, size = counts
        if program == "covey":
            return [programs.covey_tool(), "fetch", "-j", at_once, "--discard", "-i", file]
        if program == "go":
            return [programs.go(), "fetch", file, at_once, size]
        if program == "multi":
            return [programs.c("fetch_multi", "-lcurl"), file, at_once, size]
        return ["curl", "-q", "-sS", "-Z", "--parallel-max", at_once, "--fail", "-o", "/dev/null",
                f"{base}[1-{urls}]"]

    def close(self):
        if self.nginx is not None:
            self.nginx.close()
