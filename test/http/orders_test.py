# SPDX-License-Identifier: MIT
"""orders_test.py ORDERS - drives the order service with curl, http.client and Chromium, takes its
price service away, ends its clients and itself under load. orders_redis_test.py has its other half."""
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
import unittest

from orders_support import FORM, PATIENCE, POSTGRES, Asking, Case, until
from ports import held_port


def curl(*args):
    return subprocess.run(["curl", "-q", "-sS", "-m", str(PATIENCE), *args], check=True,
                          capture_output=True, text=True).stdout


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
        # On a machine that stands still for a second there may be another one.
        status, headers, _ = until(lambda: (a := p.order("tea"))[0] != 201 and a)
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
    in_postgres = True

    def test_orders_may_be_in_postgresql(self):
        p = self.start_orders()
        made = p.order("coffee", quantity=2)[2]
        self.assertEqual(json.loads(p.request("GET", f"/orders/{made['id']}")[2]), made)
        self.assertEqual(json.loads(p.request("GET", "/orders?user=ann&limit=1")[2]), [made])
        self.assertEqual(p.request("GET", "/readyz")[0], 200)
        self.assertEqual(p.end(), 0)


class Degraded(Case):
    def test_without_its_price_service_it_uses_the_last_price(self):
        prices = self.start("--serve-prices", f"tcp://127.0.0.1:{held_port()}")
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


class Lease(Case):
    def test_orders_of_one_user_are_placed_one_at_a_time(self):
        prices = self.start_prices(lambda item: time.sleep(0.02))
        p = self.start_orders("--prices", prices.url, "--deadline-ms", "60000")
        asking = [Asking(p.order, "tea") for _ in range(8)]
        self.assertEqual([a.answer()[0] for a in asking], [201] * 8)
        self.assertEqual((prices.most, self.stored()), (1, 8))
        self.assertEqual(p.end(), 0)

    def test_orders_of_two_users_do_not_wait_for_each_other(self):
        asked, both = set(), threading.Event()

        def until_both(item):
            asked.add(item)
            if len(asked) == 2:
                both.set()
            both.wait(PATIENCE)

        p = self.start_orders("--prices", self.start_prices(until_both).url)
        asking = [Asking(p.order, "tea", "ann"), Asking(p.order, "cup", "bob")]
        self.assertEqual([a.answer()[0] for a in asking], [201] * 2)
        self.assertEqual(p.end(), 0)

    def test_an_order_with_a_token_smaller_than_the_last_is_refused(self):
        prices = self.start_prices(lambda item: self.pause())
        self.pause = lambda: None
        p = self.start_orders("--prices", prices.url)
        self.assertEqual(p.order("tea")[0], 201)
        # A later holder stores an order meanwhile, as when this one had been stopped for long.
        self.pause = lambda: self.sql("UPDATE users SET token = token + 1000000000")
        status, headers, body = p.order("tea")
        self.assertEqual((status, headers["Retry-After"], body), (503, "1", {"error": "not now"}))
        p.wait_for("request failed: store: a later order of ann is there")
        self.pause = lambda: None
        self.assertEqual(p.order("tea", "bob")[0], 201)
        self.assertEqual(self.stored(), 2)


class Invoices(Case):
    """All of it in one process."""

    def start_orders(self, *args):
        return super().start_orders("--dead-ms", "2000", *args)

    def test_each_order_gets_one_invoice(self):
        p = self.start_orders()
        for user in ["ann", "bob", "ann"]:
            self.assertEqual(p.order("tea", user, quantity=2)[0], 201)
        self.assertEqual(p.invoices("ann"), (200, {"invoices": 2, "cents": 2160}))
        self.assertEqual(p.invoices(), (200, {"invoices": 1, "cents": 1080}))
        self.assertEqual(p.invoices(), (200, {"invoices": 0, "cents": 0}))
        self.assertEqual(json.loads(p.request("GET", "/orders/2/invoice")[2]),
                         {"order": 2, "cents": 1080, "tax": 180})
        self.assertEqual(p.request("GET", "/orders/4/invoice")[0], 404)
        self.assertEqual(p.request("POST", "/invoices?user=a'b")[0], 400)
        self.assertEqual(self.stored("invoices"), 3)
        self.assertEqual(p.end(), 0)

    def test_batches_that_overlap_make_each_invoice_once(self):
        p = self.start_orders("--invoice-ms", "2", "--deadline-ms", "60000")
        self.add_orders(60)
        asking = [Asking(p.invoices) for _ in range(4)]
        self.assertEqual([a.answer()[0] for a in asking], [200] * 4)
        self.assertEqual(self.stored("invoices"), 60)

    def test_a_client_that_goes_away_ends_its_jobs(self):
        p = self.start_orders("--invoice-ms", "600000", "--deadline-ms", "600000",
                              "--invoice-jobs", "2", "--log-requests", "1")
        self.add_orders(8)
        p.invoices_for_one_who_leaves(lambda: until(lambda: p.count("invoice begins") == 2))
        p.wait_for("invoices orders=8 made=0 ")
        self.assertEqual((p.count("invoice begins"), p.count("invoice ends .* made=-")), (2, 2))
        self.assertEqual(self.stored("invoices"), 0)
        self.assertEqual(p.end(), 0)

    def test_the_deadline_ends_its_jobs_and_what_is_made_stays(self):
        p = self.start_orders("--deadline-ms", "600", "--invoice-ms", "200", "--log-requests", "1")
        self.add_orders(100)
        self.assertEqual(p.invoices()[0], 504)
        p.wait_for("invoices orders=100 made=")
        self.assertEqual(p.count("invoice begins"), p.count("invoice ends"))
        made = self.stored("invoices")
        self.assertLess(made, 100)
        self.assertEqual(p.end(), 0)

    def test_it_drains_with_jobs_in_flight(self):
        p = self.start_orders("--grace-ms", "60000", "--deadline-ms", "60000",
                              "--invoice-ms", "100", "--log-requests", "1")
        self.add_orders(12)
        asking = Asking(p.invoices)
        p.wait_for("invoice begins")
        self.assertEqual(p.end(), 0)
        self.assertEqual(asking.answer()[1]["invoices"], 12)
        p.wait_for("worked taken=12 reported=12 returned=0 lost=0 troubles=0 code=0")

    def test_jobs_end_with_the_grace_period(self):
        p = self.start_orders("--grace-ms", "100", "--deadline-ms", "600000",
                              "--invoice-ms", "600000", "--log-requests", "1")
        self.add_orders(1)
        asking = Asking(p.invoices)
        p.wait_for("invoice begins")
        self.assertEqual(p.end(), 1)
        p.wait_for("invoice ends .* made=-")
        asking.answer()


@unittest.skipUnless(POSTGRES, "no PostgreSQL server")
class PostgresInvoices(Invoices):
    in_postgres = True


class Client(threading.Thread):
    """Orders on one connection until it is told to stop; leaves when it is asked to."""

    def __init__(self, service, user, stop):
        super().__init__(daemon=True)
        self.service, self.user, self.stop, self.made, self.failed = service, user, stop, 0, []

    def run(self):
        c = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=PATIENCE)
        while not self.stop.is_set():
            try:
                c.request("POST", "/orders", f"user={self.user}&item=tea", FORM)
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
        p = self.start_orders("--settle-ms", "2000")
        stop = threading.Event()
        clients = [Client(p, f"user{i % 6}", stop) for i in range(8)]  # some wait for each other
        self.addCleanup(stop.set)

        def made():
            return sum(c.made for c in clients)

        for c in clients:
            c.start()
        until(lambda: made() >= 100)
        p.process.terminate()
        # As a load balancer does: no more requests once it says that it is not ready.
        until(lambda: p.request("GET", "/readyz")[0] == 503)
        after = made()
        until(lambda: made() > after)  # still served
        stop.set()
        for c in clients:
            c.join()
        self.assertEqual([f for c in clients for f in c.failed], [])
        self.assertEqual(p.process.wait(PATIENCE), 0)
        self.assertEqual(self.stored(), made())
        p.wait_for("served requests=.* failed=0 .* code=0")

    def test_what_runs_is_finished(self):
        silent = socket.create_server(("127.0.0.1", 0))
        silent.settimeout(PATIENCE)
        p = self.start_orders("--prices", f"http://127.0.0.1:{silent.getsockname()[1]}",
                              "--deadline-ms", "1200")
        asking = Asking(p.order, "tea")
        with silent.accept()[0]:  # it asks for the price
            self.assertEqual(p.end(), 0)
        self.assertEqual(asking.answer()[0], 504)  # late, but an answer
        silent.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
