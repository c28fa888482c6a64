#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""--resume: parts are kept, gone on with, and never mixed with something else."""
import os
import signal

from fetch_case import (Origin, Server, check, check_eq, fetch, files, finish, main, pattern, read,
                        start, wait_until, write)

PART, INFO = "d/x.part", "d/x.part.info"


def leave_part(url, data, validator):
    """As an earlier run left it."""
    os.makedirs("d", exist_ok=True)
    write(PART, data)
    write(INFO, f"{url}\n{validator}\n")


def ranged(body, etag, log):
    """An answer to GET that knows If-Range."""
    def answer(handler):
        wanted = handler.headers.get("Range")
        log.append((wanted, handler.headers.get("If-Range")))
        if wanted and handler.headers.get("If-Range") == etag:
            start_at = int(wanted[len("bytes="):-1])
            if start_at >= len(body):
                handler.reply(416, b"", Content_Range=f"bytes */{len(body)}", ETag=etag)
            else:
                handler.reply(206, body[start_at:], ETag=etag,
                              Content_Range=f"bytes {start_at}-{len(body) - 1}/{len(body)}")
        else:
            handler.reply(200, body, ETag=etag)
    return answer


def test_a_cut_transfer_goes_on_in_the_next_run():
    with Origin() as o:
        url = o.url("/drop/3000000/1234567")
        fetch("--resume", "-o", "d", url).expect(1)
        check_eq(files("d"), ["1234567.part", "1234567.part.info"])
        check_eq(len(read("d/1234567.part")), 1234567)
        r = fetch("--resume", "-o", "d", url).expect(0)
        r.says("1 fetched; 1.8 MB")  # only the rest
        check_eq(files("d"), ["1234567"])
        check(read("d/1234567") == pattern(3000000))
        fetch("--resume", "-o", "d", url).expect(0).says("1 there already")


def test_a_retry_goes_on_too():
    with Origin() as o:
        fetch("--resume", "--retry", 2, "-o", "d", o.url("/drop/3000000/1234567")).expect(0)
        check(read("d/1234567") == pattern(3000000))
        check_eq(files("d"), ["1234567"])


def test_an_interrupted_run_keeps_its_parts():
    with Origin() as o:
        urls = [o.url(f"/slow/{100000 + i}/1") for i in range(5)]
        args = ("--resume", "-o", "d", "--output-template", "{n}", *urls)
        child = start(*args)
        wait_until(lambda: len([f for f in files() if f.endswith(".part")]) == 5, "five parts")
        wait_until(lambda: all(os.path.getsize(f"d/{i}.part") > 5000 for i in range(1, 6)), "bytes")
        child.send_signal(signal.SIGINT)
        finish(child).expect(130)
        check_eq(len(files("d")), 10)
        fetch(*args).expect(0)
        for i in range(5):
            check(read(f"d/{i + 1}") == pattern(100000 + i), i)
        check_eq(files("d"), ["1", "2", "3", "4", "5"])


def test_a_killed_run_is_gone_on_with():
    with Origin() as o:
        url = o.url("/slow/200000/1")
        child = start("--resume", "-o", "d", "--output-template", "x", url)
        wait_until(lambda: os.path.exists(PART) and os.path.getsize(PART) > 20000, "a part")
        child.kill()
        child.communicate()
        fetch("--resume", "-o", "d", "--output-template", "x", url).expect(0)
        check(read("d/x") == pattern(200000))
        check_eq(files("d"), ["x"])


def test_another_version_starts_anew():
    log = []
    with Server(ranged(b"new" * 1000, '"2"', log)) as s:
        leave_part(s.url("/x"), b"old" * 100, '"1"')
        fetch("--resume", "-o", "d", s.url("/x")).expect(0)
        check_eq(log, [("bytes=300-", '"1"')])
        check_eq((read("d/x"), files("d")), (b"new" * 1000, ["x"]))


def test_a_part_of_another_url_is_not_used():
    log = []
    with Server(ranged(b"new" * 1000, '"1"', log)) as s:
        leave_part(s.url("/other"), b"old" * 100, '"1"')
        fetch("--resume", "-o", "d", s.url("/x")).expect(0)
        check_eq(log, [(None, None)])
        check_eq(read("d/x"), b"new" * 1000)


def test_a_part_without_a_word_about_it_is_not_used():
    log = []
    with Server(ranged(b"new" * 1000, '"1"', log)) as s:
        os.mkdir("d")
        write(PART, b"old" * 100)
        fetch("--resume", "-o", "d", s.url("/x")).expect(0)
        check_eq(log, [(None, None)])
        check_eq((read("d/x"), files("d")), (b"new" * 1000, ["x"]))


def test_a_part_that_is_all_becomes_the_file():
    log = []
    with Server(ranged(b"all" * 100, '"1"', log)) as s:
        leave_part(s.url("/x"), b"all" * 100, '"1"')
        fetch("--resume", "-o", "d", s.url("/x")).expect(0)
        check_eq(log, [("bytes=300-", '"1"')])
        check_eq((read("d/x"), files("d")), (b"all" * 100, ["x"]))


def test_a_part_longer_than_all_starts_anew():
    log = []
    with Server(ranged(b"all" * 100, '"1"', log)) as s:
        leave_part(s.url("/x"), b"x" * 1000, '"1"')
        fetch("--resume", "-o", "d", s.url("/x")).expect(0)
        check_eq((read("d/x"), files("d")), (b"all" * 100, ["x"]))
        check_eq(len(log), 2)


def test_a_wrong_range_starts_anew():
    log = []

    def answer(handler):
        log.append(handler.headers.get("Range"))
        if log[-1]:
            handler.reply(206, b"wrong", Content_Range="bytes 7-11/12", ETag='"1"')
        else:
            handler.reply(200, b"right", ETag='"1"')

    with Server(answer) as s:
        leave_part(s.url("/x"), b"old", '"1"')
        fetch("--resume", "-o", "d", s.url("/x")).expect(0)
        check_eq(log, ["bytes=3-", None])
        check_eq((read("d/x"), files("d")), (b"right", ["x"]))


def cut_after(head, sent):
    """An answer that announces more than it sends."""
    def answer(handler):
        handler.send_response(200)
        for key, value in head.items():
            handler.send_header(key, value)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        handler.wfile.write(sent)
        handler.wfile.flush()
        handler.close_connection = True
    return answer


def test_without_a_strong_validator_nothing_is_kept():
    for head in ({}, {"ETag": 'W/"weak"'}):
        with Server(cut_after(head, b"x" * 1000)) as s:
            fetch("--resume", "-o", "d", s.url("/x")).expect(1)
            check_eq(files(), [])


def test_a_date_is_a_validator():
    date = "Sun, 06 Nov 1994 08:49:37 GMT"
    with Server(cut_after({"Last-Modified": date, "ETag": 'W/"weak"'}, b"x" * 1000)) as s:
        fetch("--resume", "-o", "d", s.url("/x")).expect(1)
        check_eq(read(INFO).decode(), f"{s.url('/x')}\n{date}\n")
        fetch("--resume", "-o", "d", s.url("/x")).expect(1)
        check_eq(s.requests[1][1]["If-Range"], date)


def test_an_error_keeps_the_part():
    def answer(handler):
        handler.reply(503, b"later")

    with Server(answer) as s:
        leave_part(s.url("/x"), b"kept", '"1"')
        fetch("--resume", "-o", "d", s.url("/x")).expect(1)
        check_eq((files("d"), read(PART)), (["x.part", "x.part.info"], b"kept"))


main(globals())
