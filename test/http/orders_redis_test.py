# SPDX-License-Identifier: MIT
"""orders_redis_test.py ORDERS - the order service in several processes: leases over Redis servers,
invoices made by worker processes, which are killed, stopped and ended. On PostgreSQL if there is a
server, else on a file that all share."""
import os
import random
import signal
import subprocess
import threading
import time
import unittest

from orders_support import ORDERS, PATIENCE, POSTGRES, REDIS, Asking, Case, until

SOON_DEAD_MS = "4000"  # for tests whose processes die; on a busy machine the living stand still, too


class Processes(Case):
    in_postgres = bool(POSTGRES)
    dead_ms = "10000"

    def start_service(self, *args):
        return self.start_orders("--redis", REDIS, "--deadline-ms", "60000",
                                 "--dead-ms", self.dead_ms, *args)

    def start_worker(self, *args):
        return self.start("--worker", "--redis", REDIS, "--db", self.url,
                          "--dead-ms", self.dead_ms, "--debug-addr", "", "--log-requests", "1", *args)

    def keys(self, pattern):
        socket = REDIS.split(",")[0].removeprefix("unix://")
        return subprocess.run(["redis-cli", "-s", socket, "--scan", "--pattern", pattern],
                              check=True, capture_output=True, text=True).stdout.split()

    def nothing_is_left(self):
        return not self.keys("covey:fanout:*") and not [
            key for key in self.keys("covey:lock:*") if not key.endswith(":token")]


class Leases(Processes):
    def test_orders_of_one_user_are_placed_one_at_a_time_by_all_processes(self):
        prices = self.start_prices(lambda item: time.sleep(0.02))
        services = [self.start_service("--prices", prices.url) for _ in range(2)]
        asking = [Asking(services[i % 2].order, "tea") for i in range(8)]
        self.assertEqual([a.answer()[0] for a in asking], [201] * 8)
        self.assertEqual((prices.most, self.stored()), (1, 8))
        self.assertEqual([p.end() for p in services], [0, 0])
        self.assertTrue(self.nothing_is_left())

    def test_a_holder_stopped_beyond_its_ttl_stores_nothing_when_it_goes_on(self):
        self.dead_ms = SOON_DEAD_MS
        asked, go_on = threading.Event(), threading.Event()

        def hold_the_first(item):
            if not asked.is_set():
                asked.set()
                go_on.wait(PATIENCE)

        prices = self.start_prices(hold_the_first)
        late, other = [self.start_service("--prices", prices.url) for _ in range(2)]
        asking = Asking(late.order, "cup")
        self.assertTrue(asked.wait(PATIENCE))
        late.process.send_signal(signal.SIGSTOP)
        self.assertEqual(other.order("tea")[0], 201)  # once its time is over
        go_on.set()
        late.process.send_signal(signal.SIGCONT)
        self.assertEqual(asking.answer()[0], 503)
        self.assertEqual((self.stored(), self.sql("SELECT count(*) FROM orders WHERE item = 'tea'")),
                         (1, 1))

    @unittest.skipUnless(POSTGRES, "no PostgreSQL server")
    def test_the_database_refuses_what_a_stopped_holder_has_sent_already(self):
        p = self.start_service()
        self.assertEqual(p.order("tea")[0], 201)
        with subprocess.Popen(["psql", "-XAtq", self.url], stdin=subprocess.PIPE, text=True,
                              stdout=subprocess.PIPE, bufsize=1) as later:
            # A later holder of ann's lease, about to commit.
            later.stdin.write("BEGIN; UPDATE users SET token = token + 1000000000 RETURNING 1;\n")
            self.assertEqual(later.stdout.readline(), "1\n")
            asking = Asking(p.order, "cup")
            waiting = """SELECT count(*) FROM pg_stat_activity
                         WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT INTO users%'"""
            until(lambda: self.sql(waiting) == 1)
            p.process.send_signal(signal.SIGSTOP)
            later.stdin.write("COMMIT;\n")
            later.stdin.close()
        until(lambda: self.sql(waiting) == 0)
        p.process.send_signal(signal.SIGCONT)
        self.assertEqual(asking.answer()[0], 503)
        p.wait_for("request failed: (store: a later order of ann is there|lease user:ann was lost)")
        self.assertEqual(self.stored(), 1)


class Invoices(Processes):
    def test_workers_killed_at_random_make_each_invoice_once(self):
        self.dead_ms = SOON_DEAD_MS
        n, seed = 400, int.from_bytes(os.urandom(4), "little")
        chance = random.Random(seed)
        p = self.start_service()
        self.add_orders(n)
        asking = Asking(p.invoices)
        dead = [self.start_worker("--invoice-ms", "600000")]  # one at least, in the middle of its jobs
        dead[0].wait_for("invoice begins")
        dead[0].end("kill")
        workers = [self.start_worker("--invoice-ms", "40") for _ in range(3)]
        while asking.is_alive():
            time.sleep(chance.random() * 0.2)
            if self.stored("invoices") < n * 3 // 4:
                dead.append(workers.pop(chance.randrange(3)))
                dead[-1].end("kill")
                workers.append(self.start_worker("--invoice-ms", "40"))
        cents = sum(100 * i + 20 * i for i in range(1, n + 1))
        self.assertEqual(asking.answer(), (200, {"invoices": n, "cents": cents}))
        self.assertEqual((self.stored("invoices"), self.sql("SELECT sum(cents) FROM invoices")),
                         (n, cents))
        found = sum(w.count("invoice ends .* made=0") for w in workers + dead)
        print(f"# seed {seed}: {len(dead)} workers killed, {found} invoices found in their second "
              f"run;", p.wait_for("invoices orders=.*"))
        self.assertEqual([w.end() for w in workers], [0] * 3)
        self.assertEqual(p.end(), 0)
        self.assertTrue(self.nothing_is_left())

    def test_a_worker_that_leaves_finishes_or_gives_back_its_jobs(self):
        p = self.start_service()
        self.add_orders(40)
        first = self.start_worker("--invoice-ms", "50", "--grace-ms", "10000")
        asking = Asking(p.invoices)
        first.wait_for("invoice begins")
        second = self.start_worker("--invoice-ms", "50")
        self.assertEqual(first.end(), 0)
        self.assertEqual(asking.answer()[1]["invoices"], 40)
        first.wait_for("worked taken=.* lost=0 troubles=0 code=0")
        p.wait_for("invoices orders=40 made=40 .* crashes=0 code=0")
        self.assertEqual(second.end(), 0)
        self.assertTrue(self.nothing_is_left())

    def test_jobs_beyond_a_leaving_workers_grace_period_are_given_back(self):
        p = self.start_service()
        self.add_orders(8)
        slow = self.start_worker("--invoice-ms", "600000", "--grace-ms", "0")
        asking = Asking(p.invoices)
        until(lambda: slow.count("invoice begins") == 4)
        self.assertEqual(slow.end(), 0)
        slow.wait_for("worked taken=4 reported=0 returned=4 lost=0 troubles=0 code=0")
        quick = self.start_worker()
        self.assertEqual(asking.answer()[1]["invoices"], 8)
        p.wait_for("invoices orders=8 made=8 attempts=12 failures=0 crashes=0 code=0")
        self.assertEqual((quick.end(), p.end()), (0, 0))
        self.assertTrue(self.nothing_is_left())

    def test_a_client_that_goes_away_ends_the_jobs_in_worker_processes(self):
        p = self.start_service()
        worker = self.start_worker("--invoice-ms", "600000", "--invoice-jobs", "2")
        self.add_orders(8)
        p.invoices_for_one_who_leaves(lambda: until(lambda: worker.count("invoice begins") == 2))
        p.wait_for("invoices orders=8 made=0 ")
        until(lambda: worker.count("invoice ends .* made=-") == 2)
        self.assertEqual((worker.count("invoice begins"), self.stored("invoices")), (2, 0))
        self.assertTrue(self.nothing_is_left())
        self.assertEqual((worker.end(), p.end()), (0, 0))

    def test_without_a_worker_the_deadline_passes_and_nothing_is_left(self):
        p = self.start_service("--deadline-ms", "300")
        self.add_orders(3)
        self.assertEqual(p.invoices()[0], 504)
        self.assertTrue(self.nothing_is_left())
        self.assertEqual(p.end(), 0)

    def test_a_service_that_is_killed_takes_its_jobs_along_and_the_next_one_goes_on(self):
        self.dead_ms = SOON_DEAD_MS
        p = self.start_service()
        worker = self.start_worker("--invoice-ms", "600000", "--invoice-jobs", "2")
        self.add_orders(8)
        Asking(p.invoices)
        until(lambda: worker.count("invoice begins") == 2)
        p.end("kill")
        until(lambda: worker.count("invoice ends .* made=-") == 2)
        until(self.nothing_is_left)
        p = self.start_service()
        quick = self.start_worker()
        self.assertEqual(worker.end(), 0)
        self.assertEqual(p.invoices()[1]["invoices"], 8)
        self.assertEqual((quick.end(), p.end()), (0, 0))


class Trouble(Processes):
    def test_without_its_redis_servers_orders_are_refused_and_come_later(self):
        p = self.start_orders("--redis", f"unix://{self.folder.name}/none", "--deadline-ms", "500")
        status, headers, _ = p.order("tea")
        self.assertIn(status, (503, 504))
        self.assertEqual(self.stored(), 0)
        self.assertEqual(p.end(), 0)

    def test_a_worker_needs_to_know_where_its_jobs_are(self):
        p = subprocess.run([ORDERS, "--worker"], capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(p.returncode, 1)
        self.assertIn("a worker needs --redis", p.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
