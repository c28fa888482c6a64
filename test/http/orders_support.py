# SPDX-License-Identifier: MIT
"""orders_support.py - what the order service's tests share: processes of it, a price service in the
test's hands, a database of each test's own. The first argument of a test is the program."""
import http.client
import http.server
import itertools
import json
import os
import pathlib
import re
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "harness"))  # for ports.py

ORDERS = sys.argv.pop(1)
POSTGRES = os.environ.get("COVEY_TEST_POSTGRES", "")
REDIS = os.environ.get("COVEY_TEST_REDIS", "")  # URLs with commas between
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PATIENCE = 60  # seconds, for what must happen soon


def until(is_so):
    """Waits until is_so() is true; what that is."""
    end = time.monotonic() + PATIENCE
    while not (found := is_so()):
        if time.monotonic() > end:
            raise AssertionError("it did not come to that")
        time.sleep(0.01)
    return found


class Process:
    """A run of the program; its lines on standard error are read as they come."""

    def __init__(self, *args):
        self.lines = []
        self.process = subprocess.Popen([ORDERS, *args], stderr=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()
        if "--worker" in args:
            self.wait_for("working")
        else:
            self.port = int(self.wait_for(r"listening addr=tcp://127.0.0.1:(\d+)"))

    def _read(self):
        for line in self.process.stderr:
            self.lines.append(line)

    def count(self, pattern):
        return sum(1 for line in list(self.lines) if re.search(pattern, line))

    def wait_for(self, pattern):
        def look():
            return next(filter(None, (re.search(pattern, line) for line in list(self.lines))), None)
        try:
            found = until(look)
        except AssertionError:
            raise AssertionError(f"no line {pattern!r} in {self.lines}") from None
        return found.group(found.lastindex or 0)

    def end(self, how="terminate"):
        getattr(self.process, how)()
        return self.process.wait(PATIENCE)

    def request(self, method, path, body=None, headers=FORM):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            c.request(method, path, body, headers)
            r = c.getresponse()
            return r.status, r.headers, r.read().decode()
        finally:
            c.close()

    def order(self, item, user="ann", quantity=1):
        status, headers, body = self.request(
            "POST", "/orders", f"user={user}&item={item}&quantity={quantity}")
        return status, headers, json.loads(body)

    def invoices(self, user=""):
        status, _, body = self.request("POST", f"/invoices?user={user}")
        return status, json.loads(body)

    def invoices_for_one_who_leaves(self, when):
        """Asks for them, and hangs up after when()."""
        with socket.create_connection(("127.0.0.1", self.port)) as c:
            c.sendall(b"POST /invoices HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            when()

    def metric(self, name):
        port = self.wait_for(r"debug addr=tcp://127.0.0.1:(\d+)")
        c = http.client.HTTPConnection("127.0.0.1", int(port), timeout=PATIENCE)
        c.request("GET", "/debug/covey/metrics")
        text = c.getresponse().read().decode()
        c.close()
        return sum(float(line.split()[-1]) for line in text.splitlines()
                   if re.match(name, line))


class Asking(threading.Thread):
    """Asks in a thread of its own; answer() waits for what comes."""

    def __init__(self, ask, *args):
        super().__init__(daemon=True)
        self.ask, self.args, self.came = ask, args, None
        self.start()

    def run(self):
        try:
            self.came = self.ask(*self.args)
        except Exception as e:  # it is the answer, too
            self.came = e

    def answer(self):
        self.join(2 * PATIENCE)
        return self.came


class Prices:
    """A price service that counts how many it answers at once; pause(item) comes before each
    answer."""

    def __init__(self, pause=lambda item: None):
        lock, now, prices = threading.Lock(), 0, self
        self.most = 0

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                nonlocal now
                with lock:
                    now += 1
                    prices.most = max(prices.most, now)
                pause(self.path.rpartition("/")[2])
                with lock:
                    now -= 1
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"450")

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *args):
                pass  # who asked is gone

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Case(unittest.TestCase):
    """Tests with a database of their own: a file; or a schema, if in_postgres."""
    in_postgres = False
    schemas = itertools.count(1)

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.running = []
        self.addCleanup(self.folder.cleanup)
        self.addCleanup(self.kill_all)
        self.file = os.path.join(self.folder.name, "orders.db")
        self.url = f"sqlite:{self.file}"
        if self.in_postgres:
            schema = f"orders{next(Case.schemas)}"
            self.url = f"{POSTGRES}&options=-csearch_path%3D{schema}"
            self.sql(f"CREATE SCHEMA {schema}")

    def kill_all(self):
        for p in self.running:
            p.process.kill()
            p.process.wait()
            p.process.stderr.close()

    def start(self, *args):
        p = Process(*args)
        self.running.append(p)
        return p

    def start_orders(self, *args):
        return self.start("--addr", "tcp://127.0.0.1:0", "--db", self.url, "--settle-ms", "0",
                          "--deadline-ms", "60000", *args)

    def start_prices(self, *args):
        prices = Prices(*args)
        self.addCleanup(prices.close)
        return prices

    def sql(self, statement):
        """The first value of what it returns, as a number."""
        if self.in_postgres:
            out = subprocess.run(["psql", "-XAtq", self.url, "-c", statement], check=True,
                                 capture_output=True, text=True).stdout
            return int(out.split()[0]) if out.split() else None
        db = sqlite3.connect(self.file, timeout=PATIENCE)
        try:
            with db:
                row = db.execute(statement).fetchone()
                return row and row[0]
        finally:
            db.close()

    def stored(self, table="orders"):
        return self.sql(f"SELECT count(*) FROM {table}")

    def add_orders(self, n, user="ann"):
        """Past the service: many are there at once."""
        self.sql(f"""WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {n})
                     INSERT INTO orders (user_name, item, quantity, cents, is_stale, token)
                     SELECT '{user}', 'tea', 1, 100 * i, 0, 0 FROM n""")
