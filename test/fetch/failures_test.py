#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What happens when something goes wrong: which status, which words, what is left."""
import contextlib
import json
import os
import subprocess
import time

from fetch_case import (COMMAND, PATIENCE, Origin, Server, check, check_eq, fetch, files, finish,
                        main, start, wait_until, write)
from ports import held_port

ENOUGH_FOR_HELLO = (1, 4, 16, 64)  # seconds, on some machine


def test_fail_fast_cancels_the_rest():
    with Origin() as o:
        urls = [o.url(f"/delay/60000?{i}") for i in range(50)]
        urls.insert(25, o.url("/status/500"))
        r = fetch("--fail-fast", "--json", "-j", 100, "-o", "d", *urls).expect(1)
        check(r.seconds < 10 * PATIENCE, r.seconds, "s")
        r.says("HTTP 500 Internal Server Error", "51 transfers: 1 failed, 50 cancelled")
        results = [json.loads(line)["result"] for line in r.out.splitlines()]
        check_eq((results.count("canceled"), results.count("failed")), (50, 1))
        wait_until(lambda: o.connections() == 0, "the connections' end")
        check_eq(files(), [])


def test_fail_fast_reads_no_further():
    with Origin() as o:
        urls = [o.url("/status/404")] + [o.url(f"/delay/50?{i}") for i in range(5000)]
        r = fetch("--fail-fast", "-j", 2, "--discard", "-i", "-", data="\n".join(urls).encode())
        check("5001 transfers" not in r.expect(1).err, r)


def test_by_default_a_failure_stops_nothing():
    with Origin() as o:
        urls = [o.url(f"/bytes/{i}") if i % 2 else o.url(f"/status/{400 + i}") for i in range(40)]
        r = fetch("-o", "d", *urls).expect(1)
        r.says("40 transfers: 20 fetched, 20 failed", "HTTP 418")
        check_eq(len(files("d")), 20)


def test_usage_is_status_2():
    for args in ((), ("--nope", "http://h/"), ("-j", "0", "http://h/"), ("--timeout", "soon", "http://h/"),
                 ("--discard", "-o", "d", "http://h/"), ("--json", "http://h/"),
                 ("--output-template", "../{n}", "http://h/")):
        r = fetch(*args).expect(2)
        check(r.err.startswith("covey fetch: ") and r.err.count("\n") == 1, r)
        check_eq(r.out, b"")


def test_a_deadline_is_status_3():
    with Origin() as o:
        urls = [o.url("/hello")] + [o.url(f"/delay/60000?{i}") for i in range(20)]
        for seconds in ENOUGH_FOR_HELLO:
            r = fetch("-j", 30, "--deadline", f"{seconds}s", "-o", "d", *urls).expect(3)
            if files("d"):
                break
        r.says("the deadline passed", "21 transfers: 1 fetched, 20 cancelled")
        check(r.seconds < seconds + 10 * PATIENCE, r.seconds, "s")
        check_eq(files("d"), ["hello"])
        fetch("--deadline", "60s", "--discard", o.url("/hello")).expect(0)
        late = fetch("--deadline", "50ms", o.url("/delay/60000")).expect(3)
        late.says("the deadline passed")  # to standard output, so without a summary


def test_a_timeout_is_one_transfers_failure():
    with Origin() as o:
        for seconds in ENOUGH_FOR_HELLO:
            r = fetch("--timeout", f"{seconds}s", "-o", "d", o.url("/delay/60000"), o.url("/hello"),
                      o.url("/slow/100000000/100")).expect(1)
            if files("d"):
                break
        r.says(f"/delay/60000: not done after {seconds} s (--timeout)", "1 fetched, 2 failed")
        check_eq(files("d"), ["hello"])


def test_each_kind_has_its_words():
    cases = (("http://127.0.0.1:1/", "connection refused"),
             ("http://no-such-host.invalid/", "cannot resolve host no-such-host.invalid"),
             ("ftp://127.0.0.1/", "ftp"), ("http://127.0.0.1:1/a b", ""), ("http://", ""))
    for url, words in cases:
        r = fetch("--discard", url).expect(1).says(f"covey: fetch {url}: ", words)
        check(r.seconds < 10 * PATIENCE, r.seconds, "s for", url)


def test_a_password_is_not_shown():
    r = fetch("--discard", "http://user:secret@127.0.0.1:1/").expect(1).says("user:***@")
    check("secret" not in r.err, r)


def test_a_body_cut_short_is_a_failure_and_leaves_nothing():
    with Origin() as o:
        r = fetch("-o", "d", o.url("/drop"), o.url("/drop/3000000/2999999")).expect(1)
        r.says("the connection was closed before the whole body came", "2 failed")
        check_eq(files(), [])


def test_the_origin_dies_in_mid_transfer():
    with Origin() as o:
        urls = [o.url(f"/slow/100000000/5?{i}") for i in range(30)]
        child = start("-j", 30, "-o", "d", "--output-template", "{n}", *urls)
        wait_until(lambda: len(files()) == 30, "30 files that grow")
        o.child.kill()
        o.child.wait()
        r = finish(child, 20).expect(1).says("30 transfers: 30 failed", "/slow/100000000/5?7: ")
        check_eq(files(), [])
        check(r.seconds < 10 * PATIENCE, r.seconds, "s")


def test_a_long_error_page_is_not_read():
    def answer(handler):
        handler.reply(404, b"x" * 5_000_000)

    with Server(answer) as s:
        fetch("-o", "d", s.url("/a")).expect(1).says("HTTP 404 Not Found")
        check_eq(files(), [])
        fetch(s.url("/a")).expect(1).says("HTTP 404 Not Found")


def test_a_missing_list_is_a_local_error():
    fetch("-i", "no/such/list", "--discard").expect(4).says("no/such/list: no such file")
    fetch("-i", ".", "--discard").expect(4)


def test_a_file_that_cannot_be_made_is_a_local_error():
    with Origin() as o:
        write("d", "a file")
        os.mkdir("e")
        os.mkdir("e/hello")
        fetch("-o", "d", o.url("/hello")).expect(4).says("d/")
        fetch("-o", "e", o.url("/hello"), o.url("/bytes/3")).expect(4).says("e/hello")
        check_eq(files("e"), ["3"])


def test_a_reader_that_leaves_is_a_local_error():
    with Origin() as o:
        child = start(o.url("/bytes/100000000"))
        child.stdout.read(1000)
        child.stdout.close()
        status = child.wait(timeout=20 * PATIENCE)
        check_eq(status, 4)
        check(b"standard output" in child.stderr.read())


def test_json_to_a_reader_that_leaves():
    with Origin() as o:
        urls = "\n".join(o.url(f"/bytes/{i}") for i in range(3000))
        child = subprocess.Popen([COMMAND, "fetch", "--json", "--discard", "-i", "-"],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        child.stdout.close()
        with contextlib.suppress(BrokenPipeError):  # it may end before it has read all
            child.stdin.write(urls.encode())
            child.stdin.close()
        check_eq(child.wait(timeout=20 * PATIENCE), 4)


def test_a_refused_port_is_told_at_once():
    began = time.monotonic()
    fetch("--discard", f"http://127.0.0.1:{held_port()}/").expect(1)
    check(time.monotonic() - began < 5 * PATIENCE)


main(globals())
