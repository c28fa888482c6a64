#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Where bodies go, what is told, and the requests that are made."""
import json
import os
import subprocess

from fetch_case import (COMMAND, NOTHING_LEFT, Origin, Server, check, check_eq, fetch, files, main,
                        pattern, read, write)


def shell(words, status=0):
    """The command as a shell's user writes it."""
    r = subprocess.run(["bash", "-c", f"exec {COMMAND} {words}"], stderr=subprocess.PIPE, text=True,
                       check=False)
    check_eq(r.returncode, status, words)
    return r


def test_one_url_goes_to_standard_output():
    with Origin() as o:
        r = fetch(o.url("/bytes/300000")).expect(0)
        check(r.out == pattern(300000))
        check_eq(r.err, "")
        check_eq(files(), [])


def test_several_go_to_files_in_the_current_directory():
    with Origin() as o:
        r = fetch(o.url("/bytes/10"), o.url("/bytes/100000"), o.url("/hello"), o.url("/")).expect(0)
        r.says("4 transfers: 4 fetched")
        check_eq(r.out, b"")
        check_eq(files(), ["10", "100000", "hello", "index.html"])
        check(read("100000") == pattern(100000))
        check_eq(read("hello"), b"Hello, world\n")


def test_a_directory_is_made():
    with Origin() as o:
        fetch("-o", "a/b", o.url("/hello")).expect(0)
        check_eq(files(), ["a/b/hello"])


def test_a_list_is_read_from_a_file_and_from_standard_input():
    with Origin() as o:
        text = f"# two\n{o.url('/bytes/1')}\n\n  {o.url('/bytes/2')}\r\n"
        fetch("-i", write("list", text), "-o", "a").expect(0)
        check_eq(files("a"), ["1", "2"])
        fetch("-i", "-", "-o", "b", o.url("/bytes/3"), data=text.encode()).expect(0)
        check_eq(files("b"), ["1", "2", "3"])


def test_templates_name_files():
    with Origin() as o:
        fetch("--output-template", "{host}/{n}-{name}", "-o", "d", o.url("/bytes/5"),
              o.url("/bytes/6?x=/../y")).expect(0)
        check_eq(files("d"), ["127.0.0.1/1-5", "127.0.0.1/2-6"])
        fetch("--output-template", "{path}", "-o", "e", o.url("/hello/x"), o.url("/hello/")).expect(0)
        check_eq(files("e"), ["hello/index.html", "hello/x"])


def test_a_url_cannot_leave_the_directory():
    with Origin() as o:
        for path in ("/hello/..%2f..%2fx", "/hello/../../../x", "/hello/.profile", "/hello/a\\..\\b"):
            fetch("-o", "in/side", "--output-template", "{path}", o.url(path))
        outside = [f for f in files() if not f.startswith("in/side/")]
        check_eq(outside, [])
        check_eq([f for f in files("in/side") if os.path.basename(f).startswith(".")], [])


def test_two_urls_never_write_one_file():
    with Origin() as o:
        urls = [o.url(f"/bytes/{n}?{n}") for n in (7, 7, 7)] + [o.url("/bytes/8")]
        for _ in range(2):  # again: the same names
            fetch("-o", "d", *urls).expect(0)
            check_eq(files("d"), ["7", "7.1", "7.2", "8"])


def test_an_old_file_is_replaced_only_by_a_whole_new_one():
    with Origin() as o:
        write("hello", "old")
        write("500", "old")
        fetch(o.url("/drop/1000/500"), o.url("/hello"), "--output-template", "{name}").expect(1)
        check_eq(read("hello"), b"Hello, world\n")
        check_eq(read("500"), b"old")
        check_eq(files(), ["500", "hello"])


def test_an_empty_body_makes_an_empty_file():
    with Origin() as o:
        fetch("-o", "d", "--fsync", o.url("/bytes/0"), o.url("/status/204")).expect(0)
        check_eq([(f, read(f"d/{f}")) for f in files("d")], [("0", b""), ("204", b"")])


def test_discarding_keeps_nothing():
    with Origin() as o:
        r = fetch("--discard", o.url("/bytes/1000000"), o.url("/bytes/1")).expect(0)
        r.says("2 transfers: 2 fetched; 1.0 MB")
        check_eq((files(), r.out), ([], b""))
        fetch("--discard", o.url("/status/404")).expect(1).says("HTTP 404 Not Found")


def test_json_tells_each_result():
    with Origin() as o:
        odd = o.url('/hello/"\\\xe4\u20ac')
        urls = [o.url("/bytes/2000"), o.url("/status/404"), "http://127.0.0.1:1/", odd,
                o.url("/hello/\udcff"), o.url("/hello\x01")]
        r = fetch("--json", "-q", "-o", "d", *urls).expect(1)
        check_eq(r.err, "")
        lines = sorted((json.loads(line) for line in r.out.decode("utf-8").splitlines()),
                       key=lambda x: x["n"])
        check_eq([x["n"] for x in lines], [1, 2, 3, 4, 5, 6])
        check_eq(lines[3]["url"], odd)
        check_eq(lines[4]["url"], o.url("/hello/\ufffd"))
        first = lines[0]
        check_eq([x["result"] for x in lines], ["ok", "failed", "failed", "ok", "ok", "failed"])
        check_eq((first["status"], first["bytes"], first["file"], first["attempts"], first["error"]),
                 (200, 2000, "d/2000", 1, None))
        check(first["http"] == "1.1" and first["total_ms"] >= first["ttfb_ms"] > 0)
        check_eq((lines[1]["status"], lines[1]["file"]), (404, None))
        check("404 Not Found" in lines[1]["error"])
        check_eq(lines[2]["status"], None)
        check("connection refused" in lines[2]["error"])
        check_eq(lines[5]["url"], o.url("/hello\x01"))


def test_quiet_says_nothing():
    with Origin() as o:
        r = fetch("-q", "--discard", o.url("/status/500"), o.url("/hello")).expect(1)
        check_eq((r.out, r.err), (b"", ""))


def test_headers_and_user_agent_are_sent():
    with Origin() as o:
        r = fetch(o.url("/echo"), "-H", "X-One: 1", "--header", "X-Two:2", "--user-agent", "me/1")
        text = r.expect(0).out.decode()
        check("X-One: 1\r\n" in text and "X-Two: 2\r\n" in text and "User-Agent: me/1\r\n" in text, text)
        check("Accept-Encoding" not in text)
        check("User-Agent: covey/" in fetch(o.url("/echo")).out.decode())


def test_redirects():
    with Origin() as o:
        check_eq(fetch(o.url("/redirect/5")).expect(0).out, b"Hello, world\n")
        fetch(o.url("/redirect/5"), "--max-redirects", 4).expect(1).says("redirects")
        fetch(o.url("/redirect/1"), "--max-redirects", 0).expect(1).says("HTTP 302 Found")


def test_connections_are_used_again():
    with Origin() as o:
        urls = "\n".join(o.url(f"/bytes/{i}") for i in range(500))
        fetch("-i", "-", "-j", 8, "--discard", data=urls.encode()).expect(0)
        count = int(o.stop().split(" on ")[1].split()[0])
        check(count <= 8, count, "connections")


def test_proxies():
    proxied = []

    def answer(handler):
        proxied.append(handler.path)
        handler.reply(200, b"proxied")

    with Origin() as o, Server(answer) as proxy:
        env = dict(os.environ, http_proxy=proxy.base)
        check_eq(fetch("http://example.test/x", env=env).expect(0).out, b"proxied")
        check_eq(fetch("http://example.test/y", "--proxy", proxy.base).expect(0).out, b"proxied")
        check_eq(proxied, ["http://example.test/x", "http://example.test/y"])
        check_eq(fetch("--no-proxy", o.url("/hello"), env=env).expect(0).out, b"Hello, world\n")


def test_help_and_version():
    r = fetch("--help").expect(0)
    check(b"--fail-fast" in r.out and b"130 interrupted" in r.out)
    whole = subprocess.run([COMMAND, "--help"], capture_output=True, check=True)
    check(b"fetch" in whole.stdout)
    version = subprocess.run([COMMAND, "--version"], capture_output=True, check=True)
    check(version.stdout.startswith(b"covey "))
    for args in ([], ["nonsense"]):
        check_eq(subprocess.run([COMMAND, *args], capture_output=True).returncode, 2)


def test_closed_standard_descriptors_do_no_harm():
    with Origin() as o:
        shell(f"fetch -o d {o.url('/bytes/1000')} <&- >&- 2>&-")
        check_eq(read("d/1000"), pattern(1000))


def test_what_a_closed_or_full_descriptor_loses_is_no_success():
    with Origin() as o:
        for url in (o.url("/hello"), f"--json --discard {o.url('/hello')}"):
            check("standard output" in shell(f"fetch {url} >&-", 4).stderr)
        check("reading the list" in shell("fetch -i - <&-", 4).stderr)
    for words, status in (("--version", 1), ("--help", 1), ("fetch --help", 4), ("top --help", 1)):
        check("no space left" in shell(f"{words} >/dev/full", status).stderr, words)


def test_nothing_is_left_behind():
    with Origin() as o:
        urls = "\n".join(o.url(f"/delay/{i % 10}") for i in range(300))
        r = fetch("-i", "-", "-j", 50, "--discard", "--stats", data=urls.encode()).expect(0)
        r.says(NOTHING_LEFT)


main(globals())
