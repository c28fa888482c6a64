# SPDX-License-Identifier: MIT
"""orders_test.py ORDERS - drives the order service with curl, http.client and Chromium, takes its
price service away, and ends it under load."""
import http.client
import json
import os
import re
import shutil
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ORDERS = sys.argv.pop(1)
POSTGRES = os.environ.get("COVEY_TEST_POSTGRES", "")
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PATIENCE = 60  # seconds, for what must happen soon


class Process:
    """A run of the program; its lines on standard error are read as they come."""

    def __init__(self, *args):
        self.lines = []
        self.process = subprocess.Popen([ORDERS, *args], stderr=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()
        self.port = int(self.wait_for(r"listening addr=tcp://127.0.0.1:(\d+)"))

    def _read(self):
        for line in self.process.stderr:
            self.lines.append(line)

    def wait_for(self, pattern):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            for line in list(self.lines):
                found = re.search(pattern, line)
                if found:
                    return found.group(found.lastindex or 0)
            time.sleep(0.01)
        raise AssertionError(f"no line {pattern!r} in {self.lines}")

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

    def metric(self, name):
        port = self.wait_for(r"debug addr=tcp://127.0.0.1:(\d+)")
        c = http.client.HTTPConnection("127.0.0.1", int(port), timeout=PATIENCE)
        c.request("GET", "/debug/covey/metrics")
        text = c.getresponse().read().decode()
        c.close()
        return sum(float(line.split()[-1]) for line in text.splitlines()
                   if re.match(name, line))


def curl(*args):
    return subprocess.run(["curl", "-q", "-sS", "-m", str(PATIENCE), *args], check=True,
                          capture_output=True, text=True).stdout


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.running = []
        self.addCleanup(self.folder.cleanup)
        self.addCleanup(self.kill_all)

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
        self.db = os.path.join(self.folder.name, "orders.db")
        return self.start("--addr", "tcp://127.0.0.1:0", "--db", f"sqlite:{self.db}", *args)

    def stored(self):
        with sqlite3.connect(self.db) as db:
            return db.execute("SELECT count(*) FROM orders").fetchone()[0]


class Api(Case):
    def test_curl_creates_reads_and_lists(self):
        p = self.start_orders()
        base = f"http://127.0.0.1:{p.port}"
        made = json.loads(curl("-d", "user=ann", "-d", "item=tea", "-d", "quantity=3",
                               f"{base}/orders"))
        self.assertEqual(made, {"id": 1, "user": "ann", "item": "tea", "quantity": 3,
                                "cents": 1350, "price": "fresh"})
        self.assertEqual(json.loads(curl(f"{base}/orders/1")), made)
        self.assertEqual(json.loads(curl(f"{base}/orders?user=bob")), [])
        curl("-d", "user=bob&item=pot", f"{base}/orders")
        self.assertEqual(len(json.loads(curl(f"{base}/orders"))), 2)
        self.assertEqual(json.loads(curl(f"{base}/orders?user=ann&limit=5")), [made])
        self.assertEqual(curl(f"{base}/readyz"), "ready\n")
        self.assertEqual(curl(f"{base}/healthz"), "ok\n")
        self.assertEqual(p.end(), 0)

    def test_what_cannot_be_understood_is_refused(self):
        p = self.start_orders()
        refused = [
            (400, "POST", "/orders", "user=ann", FORM),
            (400, "POST", "/orders", "user=a'b&item=tea", FORM),
            (400, "POST", "/orders", "user=ann&item=tea&quantity=0", FORM),
            (400, "POST", "/orders", "user=ann&item=tea&quantity=9x", FORM),
            (413, "POST", "/orders", "user=" + "a" * 70000, FORM),
            (415, "POST", "/orders", '{"user":"ann"}', {"Content-Type": "application/json"}),
            (404, "POST", "/orders", "user=ann&item=elephant", FORM),
            (404, "GET", "/orders/7", None, {}),
            (400, "GET", "/orders/x", None, {}),
            (400, "GET", "/orders?limit=101", None, {}),
            (405, "DELETE", "/orders/7", None, {}),
        ]
        for status, method, path, body, headers in refused:
            with self.subTest(path=path, body=body and body[:40]):
                self.assertEqual(p.request(method, path, body, headers)[0], status)
        self.assertEqual(self.stored(), 0)

    def test_more_than_the_limit_is_told_to_come_later(self):
        p = self.start_orders("--orders-a-second", "1")
        self.assertEqual(p.order("tea")[0], 201)
        status, headers, _ = p.order("tea")
        self.assertEqual((status, headers["Retry-After"]), (429, "1"))


@unittest.skipUnless(shutil.which("openssl"), "no openssl to make a certificate with")
class Https(Case):
    """The same service with a certificate, as clients of HTTP/2 and HTTP/1.1 over TLS see it."""

    def setUp(self):
        super().setUp()
        cert, key = (os.path.join(self.folder.name, name) for name in ("cert.pem", "key.pem"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert],
                       check=True, stderr=subprocess.DEVNULL)
        self.cert = cert
        self.p = self.start_orders("--cert", cert, "--key", key, "--log-requests", "1")
        self.base = f"https://localhost:{self.p.port}"

    def place(self):
        """An order by http.client; what its answer was."""
        trust = ssl.create_default_context(cafile=self.cert)
        c = http.client.HTTPSConnection("localhost", self.p.port, timeout=PATIENCE, context=trust)
        c.request("POST", "/orders", "user=ann&item=tea&quantity=3", FORM)
        r = c.getresponse()
        self.assertEqual(r.status, 201)
        made = json.loads(r.read())
        c.request("GET", "/orders/1")  # on the same connection
        self.assertEqual(json.loads(c.getresponse().read()), made)
        c.close()
        return made

    def test_http_client_speaks_http_1(self):
        self.place()
        self.p.wait_for("method=POST target=/orders http=11 status=201")
        self.p.wait_for("method=GET target=/orders/1 http=11 status=200")
        self.assertEqual(self.p.end(), 0)

    def test_curl_speaks_http_2(self):
        if "HTTP2" not in curl("-V"):
            self.skipTest("this curl has no HTTP/2")
        trust = ("--cacert", self.cert, "--http2")
        made = json.loads(curl(*trust, "-d", "user=ann", "-d", "item=tea", f"{self.base}/orders"))
        self.assertEqual(json.loads(curl(*trust, f"{self.base}/orders/1")), made)
        self.p.wait_for("method=POST target=/orders http=20 status=201")
        self.p.wait_for("method=GET target=/orders/1 http=20 status=200")
        self.assertEqual(self.p.end(), 0)

    @unittest.skipUnless(shutil.which("chromium"), "no Chromium")
    def test_chromium_speaks_http_2(self):
        made = self.place()
        page = subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-proxy-server",
             "--disable-dev-shm-usage", f"--user-data-dir={self.folder.name}/profile",
             "--ignore-certificate-errors", "--dump-dom", f"{self.base}/orders/1"],
            env={**os.environ, "HOME": self.folder.name}, timeout=2 * PATIENCE,
            capture_output=True, text=True)
        shown = re.search(r"\{.*\}", page.stdout)
        self.assertTrue(shown, page.stdout + page.stderr)
        self.assertEqual(json.loads(shown.group(0)), made)
        self.p.wait_for("method=GET target=/orders/1 http=20 status=200")
        self.assertEqual(self.p.end(), 0)


@unittest.skipUnless(POSTGRES, "no PostgreSQL server")
class Postgres(Case):
    def test_orders_may_be_in_postgresql(self):
        p = self.start("--addr", "tcp://127.0.0.1:0", "--db", POSTGRES)
        made = p.order("coffee", quantity=2)[2]
        self.assertEqual(json.loads(p.request("GET", f"/orders/{made['id']}")[2]), made)
        self.assertEqual(json.loads(p.request("GET", "/orders?user=ann&limit=1")[2]), [made])
        self.assertEqual(p.request("GET", "/readyz")[0], 200)
        self.assertEqual(p.end(), 0)


class Degraded(Case):
    def test_without_its_price_service_it_uses_the_last_price(self):
        prices = self.start("--serve-prices", "tcp://127.0.0.1:0")
        p = self.start_orders("--prices", f"http://127.0.0.1:{prices.port}")
        self.assertEqual(p.order("tea")[2]["price"], "fresh")
        prices.end("kill")

        for _ in range(12):  # three tries each
            status, _, order = p.order("tea", quantity=2)
            self.assertEqual((status, order["price"], order["cents"]), (201, "stale", 900))
        p.wait_for("breaker name=prices/.* from=closed to=open")
        self.assertEqual(p.metric("covey_breaker_state"), 1)
        status, headers, body = p.order("cup")  # never asked for
        self.assertEqual((status, headers["Retry-After"], body), (503, "1", {"error": "not now"}))
        self.assertGreater(p.metric("covey_http_client_refused_requests_total"), 0)

        self.start("--serve-prices", f"tcp://127.0.0.1:{prices.port}")
        end = time.monotonic() + PATIENCE
        while p.order("tea")[2]["price"] != "fresh":
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)
        for _ in range(10):
            self.assertEqual(p.order("cup")[0], 201)
        p.wait_for("breaker name=prices/.* from=half-open to=closed")

    def test_a_price_service_that_hangs_ends_with_the_requests_deadline(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            p = self.start_orders("--prices", f"http://127.0.0.1:{silent.getsockname()[1]}",
                                  "--deadline-ms", "200")
            self.assertEqual(p.order("tea")[0], 504)
            self.assertEqual(self.stored(), 0)
            self.assertEqual(p.end(), 0)


class Client(threading.Thread):
    """Orders on one connection until it is told to stop; leaves when it is asked to."""

    def __init__(self, service, stop):
        super().__init__()
        self.service, self.stop, self.made, self.failed = service, stop, 0, []

    def run(self):
        c = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=PATIENCE)
        while not self.stop.is_set():
            try:
                c.request("POST", "/orders", "user=ann&item=tea", FORM)
                r = c.getresponse()
                body = r.read()
                if r.status == 201:
                    self.made += 1
                else:
                    self.failed.append((r.status, body))
            except (OSError, http.client.HTTPException) as e:
                self.failed.append(e)
                c.close()
        c.close()


class Drain(Case):
    def test_no_order_is_lost_when_it_is_ended_under_load(self):
        p = self.start_orders("--settle-ms", "1000")
        stop = threading.Event()
        clients = [Client(p, stop) for _ in range(8)]
        for c in clients:
            c.start()
        while sum(c.made for c in clients) < 100:
            time.sleep(0.01)
        p.process.terminate()
        # As a load balancer does: no more requests once it says that it is not ready.
        while p.request("GET", "/readyz")[0] != 503:
            time.sleep(0.01)
        after = sum(c.made for c in clients)
        while sum(c.made for c in clients) < after + 50:  # still served
            time.sleep(0.01)
        stop.set()
        for c in clients:
            c.join()
        self.assertEqual([f for c in clients for f in c.failed], [])
        self.assertEqual(p.process.wait(PATIENCE), 0)
        self.assertEqual(self.stored(), sum(c.made for c in clients))
        p.wait_for("served requests=.* failed=0 .* code=0")

    def test_what_runs_is_finished(self):
        silent = socket.create_server(("127.0.0.1", 0))
        p = self.start_orders("--prices", f"http://127.0.0.1:{silent.getsockname()[1]}",
                              "--settle-ms", "0", "--deadline-ms", "400")
        answers = []
        asking = threading.Thread(target=lambda: answers.append(p.order("tea")[0]))
        asking.start()
        with silent.accept()[0]:  # it asks for the price
            self.assertEqual(p.end(), 0)
        asking.join()
        silent.close()
        self.assertEqual(answers, [504])  # late, but an answer


if __name__ == "__main__":
    unittest.main(verbosity=2)
