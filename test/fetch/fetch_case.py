# SPDX-License-Identifier: MIT
"""fetch_case.py - what the end-to-end tests of `covey fetch` share.

A test file defines functions test_*() and ends with main(globals()). Each runs in a temporary
directory of its own, with ports of its own. COVEY_COMMAND and COVEY_BUILD_DIR say what is tested.
`python3 FILE [WORD]...` runs those whose name contains a WORD. Status 77: all were skipped."""

import http.server
import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("COVEY_BUILD_DIR", ROOT / "build" / "dev"))
COMMAND = os.environ.get("COVEY_COMMAND", str(BUILD / "covey"))
ORIGIN = str(BUILD / "examples" / "origin")
SANITIZED = os.environ.get("COVEY_SANITIZER", "") in ("asan", "tsan")
PATIENCE = int(os.environ.get("COVEY_TEST_TIMEOUT", "1"))  # multiplies every bound on time

# What --stats says when all is well. ThreadSanitizer has a thread of its own.
NOTHING_LEFT = "left behind: 0 tasks, " + ("" if SANITIZED else "0 threads, 0 descriptors")

sys.path.append(str(ROOT / "test" / "harness"))  # for ports.py

for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
    os.environ.pop(name, None)


class Skip(Exception):
    pass


def check(condition, *what):
    if not condition:
        raise AssertionError(" ".join(str(w) for w in what) or "check failed")


def check_eq(a, b, what=""):
    check(a == b, f"{what}: " if what else "", repr(a), "is not", repr(b))


def wait_until(condition, what, seconds=20):
    limit = time.monotonic() + seconds * PATIENCE
    began = time.monotonic()
    while not condition():
        now = time.monotonic()
        check(now < limit, "waited in vain for", what)
        time.sleep(0.005 + 3 * (now - began))  # to leave the CPU to those who are waited for
        began = time.monotonic()


class Origin:
    """examples/origin on a free port."""

    def __init__(self, *args):
        self.child = subprocess.Popen([ORIGIN, *args], stdout=subprocess.PIPE, text=True)
        speaks = select.select([self.child.stdout], [], [], 20 * PATIENCE)[0]
        self.base = self.child.stdout.readline().strip() if speaks else ""
        if not self.base.startswith("http://"):
            self.child.kill()
            raise AssertionError("no address from origin")
        self.port = int(self.base.rsplit(":", 1)[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.stop()

    def url(self, path):
        return self.base + path

    def stop(self):
        """Ends it as a user would; nothing may be open then. Its last line."""
        self.child.send_signal(signal.SIGTERM)
        try:
            out = self.child.communicate(timeout=30 * PATIENCE)[0]
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.communicate()
            raise AssertionError("origin does not end on SIGTERM") from None
        check_eq(self.child.returncode, 0, "origin's status")
        check("; 0 open" in out, "origin says:", out)
        return out

    def connections(self):
        """How many are established, seen from the kernel."""
        wanted = f":{self.port:04X}"
        with open("/proc/net/tcp", encoding="ascii") as table:
            fields = (line.split() for line in table)
            return sum(f[2].endswith(wanted) and f[3] == "01" for f in fields)


class Server:
    """A server whose answer(handler) is the test's; counts how many run at once."""

    def __init__(self, answer):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                with outer.lock:
                    outer.requests.append((self.path, dict(self.headers)))
                    outer.running += 1
                    outer.most = max(outer.most, outer.running)
                try:
                    answer(self)
                finally:
                    with outer.lock:
                        outer.running -= 1

            def reply(self, status, body=b"", **headers):
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Quiet(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 1024

            def handle_error(self, *_):
                pass  # a client that leaves

        self.lock = threading.Lock()
        self.requests, self.running, self.most = [], 0, 0
        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def url(self, path):
        return self.base + path


class Result:
    def __init__(self, status, out, err, seconds):
        self.status, self.out, self.err, self.seconds = status, out, err, seconds

    def __repr__(self):
        return f"status {self.status}, out {self.out[-400:]!r}, err {self.err[-1200:]!r}"

    def expect(self, status):
        check(self.status == status, f"status {status} was expected:", self)
        return self

    def says(self, *texts):
        for text in texts:
            check(text in self.err, f"{text!r} was expected:", self)
        return self


def start(*args, **more):
    """The running command."""
    more.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.Popen([COMMAND, "fetch", *map(str, args)], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, **more)


def finish(child, seconds=60, data=None):
    began = time.monotonic()
    try:
        out, err = child.communicate(input=data, timeout=seconds * PATIENCE)
    except subprocess.TimeoutExpired:
        child.kill()
        out, err = child.communicate()
        raise AssertionError(f"not done after {seconds} s; it said: {err[-1200:]!r}") from None
    return Result(child.returncode, out, err.decode(errors="replace"), time.monotonic() - began)


def fetch(*args, data=None, seconds=60, **more):
    """Runs it to its end. data: its standard input."""
    if data is not None:
        more["stdin"] = subprocess.PIPE
    return finish(start(*args, **more), seconds, data)


def pattern(n, start=0):
    """Origin's bytes."""
    letters = b"abcdefghijklmnopqrstuvwxyz"
    at = start % 26
    return (letters * ((at + n) // 26 + 1))[at:at + n]


def files(folder="."):
    """Every file below folder, parts and temporary ones included."""
    root = pathlib.Path(folder)
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())


def read(path):
    return pathlib.Path(path).read_bytes()


def write(path, text):
    pathlib.Path(path).write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def status_field(pid, name):
    """A number of /proc/PID/status."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(rf"^{name}:\s+(\d+)", text, re.M).group(1))


def run_one(name, function):
    """True, False, or None for skipped."""
    folder = tempfile.mkdtemp(prefix="covey-fetch-")
    before = os.getcwd()
    os.chdir(folder)
    began = time.monotonic()
    try:
        function()
        print(f"ok - {name} ({time.monotonic() - began:.2f} s)", flush=True)
        return True
    except Skip as reason:
        print(f"ok - {name} # SKIP {reason}", flush=True)
        return None
    except Exception:  # a test may fail in any way
        print("# " + traceback.format_exc().strip().replace("\n", "\n# "))
        print(f"not ok - {name}", flush=True)
        return False
    finally:
        os.chdir(before)
        shutil.rmtree(folder, ignore_errors=True)


def main(scope):
    words = sys.argv[1:]
    names = [n for n in scope if n.startswith("test_") and (not words or any(w in n for w in words))]
    results = [run_one(name, scope[name]) for name in names]
    passed, failed = results.count(True), results.count(False)
    print(f"{passed} passed, {failed} failed, {results.count(None)} skipped")
    sys.exit(1 if failed else 0 if passed else 77)
