#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What is tried again, how often and when."""
import json
import subprocess
import time

from fetch_case import (ORIGIN, PATIENCE, Origin, Server, check, check_eq, fetch, files, finish,
                        main, read, start, wait_until)
from ports import held_port


def result_of(r):
    return json.loads(r.out)


def test_a_flaky_server_is_tried_again():
    with Origin() as o:
        r = fetch("--retry", 3, "--json", "-o", "d", o.url("/flaky/2/a")).expect(0)
        check_eq(result_of(r)["attempts"], 3)
        r.says("1 fetched", "2 retries")
        check_eq(read("d/a"), b"Hello, world\n")
        r = fetch("--retry", 1, "--json", "--discard", o.url("/flaky/5/b")).expect(1)
        check_eq(result_of(r)["attempts"], 2)
        check_eq(result_of(r)["status"], 503)


def test_without_retry_there_is_one_try():
    with Origin() as o:
        check_eq(result_of(fetch("--json", "--discard", o.url("/flaky/1/a")).expect(1))["attempts"], 1)


def test_what_will_not_pass_is_not_tried_again():
    with Origin() as o:
        for url in (o.url("/status/404"), o.url("/status/403"), "http://no-such-host.invalid/"):
            r = fetch("--retry", 5, "--json", "--discard", url).expect(1)
            check_eq(result_of(r)["attempts"], 1, url)


def test_cut_and_refused_connections_are_tried_again():
    with Origin() as o:
        for url in (o.url("/drop"), "http://127.0.0.1:1/"):
            r = fetch("--retry", 1, "--json", "--discard", url).expect(1)
            check_eq(result_of(r)["attempts"], 2, url)
        r = fetch("--retry", 1, "--timeout", "200ms", "--json", "--discard", o.url("/delay/60000"))
        check_eq(result_of(r.expect(1))["attempts"], 2)


def test_retry_after_is_honoured():
    times = []

    def answer(handler):
        times.append(time.monotonic())
        if len(times) == 1:
            handler.reply(429, b"", Retry_After="2")
        else:
            handler.reply(200, b"ok")

    with Server(answer) as s:
        fetch("--retry", 1, "--discard", s.url("/")).expect(0)
        check(times[1] - times[0] >= 2, times)


def test_a_pause_beyond_the_deadline_is_not_waited_for():
    with Origin() as o:
        r = fetch("--retry", 3, "--deadline", "30s", "--discard", o.url("/status/503/3600")).expect(1)
        r.says("HTTP 503 Service Unavailable")
        check(r.seconds < 10 * PATIENCE, r.seconds, "s")


def test_a_server_that_comes_up_late_is_reached():
    port = held_port()
    child = start("--retry", 20, "--discard", f"http://127.0.0.1:{port}/hello")
    time.sleep(0.3)
    origin = subprocess.Popen([ORIGIN, "--port", str(port)], stdout=subprocess.DEVNULL)
    try:
        finish(child, 60).expect(0)
    finally:
        origin.terminate()
        origin.wait()


def test_a_try_begins_its_file_anew():
    tries = []

    def answer(handler):
        tries.append(1)
        if len(tries) == 1:
            handler.send_response(200)
            handler.send_header("Content-Length", "1000")
            handler.end_headers()
            handler.wfile.write(b"a" * 500)
            handler.wfile.flush()
            handler.close_connection = True
        else:
            handler.reply(200, b"b" * 700)

    with Server(answer) as s:
        fetch("--retry", 2, "-o", "d", s.url("/x")).expect(0)
        check_eq((files("d"), read("d/x")), (["x"], b"b" * 700))


def test_what_went_to_standard_output_is_not_sent_twice():
    with Origin() as o:
        r = fetch("--retry", 5, o.url("/drop/100000/50000")).expect(1)
        check_eq(len(r.out), 50000)


def test_waiting_for_a_retry_ends_with_an_interrupt():
    with Server(lambda handler: handler.reply(503, Retry_After="3600")) as s:
        child = start("--retry", 5, "--discard", s.url("/"))
        wait_until(lambda: s.requests and s.running == 0, "the first answer")
        child.send_signal(2)
        finish(child).expect(130)


main(globals())
