#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the machine has too little of: disk, descriptors, memory for long lists. And -j, --per-host."""
import os
import resource
import subprocess
import threading
import time

from fetch_case import (SANITIZED, Origin, Server, Skip, check, check_eq, fetch, files, finish, main,
                        start, status_field, wait_until, write)


class Tmpfs:
    """A small file system at `disk`."""

    def __init__(self, size):
        os.mkdir("disk")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", "disk"],
                              capture_output=True)
        if done.returncode != 0:
            raise Skip("a tmpfs cannot be mounted here")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", "disk"], check=True)


def test_a_full_disk():
    with Origin() as o, Tmpfs("1m"):
        urls = [o.url("/bytes/100000")] + [o.url(f"/bytes/300000?{i}") for i in range(200)]
        r = fetch("-j", 4, "-o", "disk", "--output-template", "{n}", *urls).expect(4)
        r.says("disk/", "no space left on device")
        check("201 transfers" not in r.err, "it went on:", r)
        left = files("disk")
        check(left and all(f.isdigit() for f in left), left)
        check(all(os.path.getsize(f"disk/{f}") in (100000, 300000) for f in left), left)


def test_a_full_disk_ends_slow_ones_too():
    with Origin() as o, Tmpfs("256k"):
        r = fetch("-o", "disk", o.url("/delay/60000"), o.url("/bytes/1000000")).expect(4)
        r.says("no space left on device", "1 failed, 1 cancelled")
        check_eq(r.err.count("no space left on device"), 1)
        check_eq(files("disk"), [])


def limit_descriptors(n):
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (n, n))
    return limit


def test_64_descriptors():
    with Origin() as o:
        write("list", "\n".join(o.url(f"/bytes/{1000 + i}") for i in range(500)))
        for args in (("-o", "d"), ("--discard",)):
            r = fetch("-j", 200, "-i", "list", *args, preexec_fn=limit_descriptors(64)).expect(0)
            r.says("the limit of 64 open files allows", "500 transfers: 500 fetched")
        check_eq(len(files("d")), 500)


def test_64_descriptors_and_many_hosts():
    # Every 127.x.y.z is this machine. Idle connections to a host must make room for the next.
    with Origin("--addr", "tcp://0.0.0.0:0") as o:
        write("list", "\n".join(f"http://127.0.{i // 250}.{i % 250 + 1}:{o.port}/hello?{i}"
                                for i in range(500)))
        r = fetch("-j", 100, "-i", "list", "--discard", preexec_fn=limit_descriptors(64))
        r.expect(0).says("500 transfers: 500 fetched")


def test_too_few_descriptors_is_said():
    r = fetch("--discard", "http://127.0.0.1:1/", preexec_fn=limit_descriptors(16)).expect(4)
    r.says("the limit of 16 open files")


def test_a_soft_limit_is_raised():
    def limit():
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))

    with Origin() as o:
        urls = "\n".join(o.url(f"/delay/20?{i}") for i in range(200))
        r = fetch("-j", 100, "--discard", "-i", "-", data=urls.encode(), preexec_fn=limit).expect(0)
        check("open files" not in r.err, r)


def peak_memory(child):
    """Watches a child until it ends; its largest resident size in KiB after a warm-up, and at it."""
    sizes = []
    while child.poll() is None:
        try:
            sizes.append(status_field(child.pid, "VmRSS"))
        except (FileNotFoundError, AttributeError, ProcessLookupError):
            break
        time.sleep(0.05)
    return max(sizes), sizes[len(sizes) // 5]


def test_a_long_list_takes_no_memory():
    if SANITIZED:
        raise Skip("sanitizers keep what is freed")
    lines = int(os.environ.get("COVEY_LONG_LIST", "200000"))
    with Origin() as o:
        child = start("-i", "-", "--discard", "-j", 64, stdin=subprocess.PIPE)

        def feed():
            with child.stdin as out:
                for i in range(lines):
                    out.write(f"{o.base}/bytes/10?{i:08}\n".encode())

        feeder = threading.Thread(target=feed)
        feeder.start()
        peak, early = peak_memory(child)
        feeder.join()
        child.stdin = None
        finish(child, 300).expect(0).says(f"{lines} transfers: {lines} fetched")
        print(f"# {lines} lines: {peak} KiB at most, {early} KiB early on")
        check(peak < early + 4096, "it grew from", early, "to", peak, "KiB")
        check(peak < 64 * 1024, peak, "KiB")


def slowly(handler):
    time.sleep(0.02)
    handler.reply(200, b"ok")


def test_no_more_than_j_at_once():
    with Server(slowly) as s:
        fetch("-j", 5, "--discard", *[s.url(f"/{i}") for i in range(60)]).expect(0)
        check(2 <= s.most <= 5, s.most, "at once")


def test_no_more_than_so_many_to_one_host():
    with Server(slowly) as slow, Origin() as o:
        urls = [slow.url(f"/{i}").replace("127.0.0.1", "localhost") for i in range(40)]
        urls += [o.url(f"/bytes/{i}") for i in range(40)]
        r = fetch("-j", 20, "--per-host", 3, "--discard", *urls).expect(0)
        check(2 <= slow.most <= 3, slow.most, "at once")
        r.says("80 transfers: 80 fetched")


def test_hosts_do_not_wait_for_each_other():
    others_are_done = threading.Event()

    def stuck(handler):
        others_are_done.wait()
        handler.reply(200)

    with Server(stuck) as s, Origin() as o:
        urls = [s.url(f"/{i}").replace("127.0.0.1", "localhost") for i in range(8)]
        urls += [o.url(f"/bytes/{i}") for i in range(40)]
        child = start("-j", 4, "--per-host", 1, "-o", "d", "--output-template", "{n}", *urls)
        wait_until(lambda: sum(f.rsplit("/")[-1].isdigit() for f in files()) >= 40, "the quick ones")
        others_are_done.set()
        finish(child).expect(0)


main(globals())
