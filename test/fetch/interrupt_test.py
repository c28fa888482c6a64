#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""SIGINT and SIGTERM: the end comes at once (a second is the goal; it is printed), and leaves nothing."""
import os
import pty
import resource
import select
import signal
import subprocess
import time

from fetch_case import (COMMAND, NOTHING_LEFT, PATIENCE, SANITIZED, Origin, Skip, check, check_eq,
                        fetch, files, finish, main, start, status_field, wait_until, write)


def interrupt(child, number=signal.SIGINT):
    """Sends it; the result with the seconds from signal to exit."""
    child.send_signal(number)
    r = finish(child, 90)  # the answers would take ten minutes
    print(f"# from signal to exit: {r.seconds * 1000:.0f} ms")
    return r


def catches(pid, number):
    """Whether it has a handler for the signal."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        mask = next(line.split()[1] for line in status if line.startswith("SigCgt:"))
    return bool(int(mask, 16) >> (number - 1) & 1)


def test_five_thousand_in_flight():
    n = 500 if SANITIZED else 5000
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < 2 * n + 200:
        raise Skip(f"only {hard} open files are allowed")
    with Origin() as o:
        write("list", "\n".join(o.url(f"/delay/600000?{i}") for i in range(n + 1000)))
        child = start("-i", "list", "-j", n, "-o", "d", "--stats")
        # Both ends of a connection stand in the table; only the server's port is counted.
        wait_until(lambda: o.connections() >= n, f"{n} connections", 240)
        print(f"# {n} in flight: {status_field(child.pid, 'VmRSS') // 1024} MiB resident, "
              f"{status_field(child.pid, 'Threads')} threads")
        check(status_field(child.pid, "Threads") < 100)
        r = interrupt(child).expect(130)
        r.says("interrupted", " cancelled", NOTHING_LEFT)
        wait_until(lambda: o.connections() == 0, "the connections' end")
        check_eq(files(), ["list"])


def test_growing_files_are_removed():
    with Origin() as o:
        write("list", "\n".join(o.url(f"/slow/100000000/1?{i}") for i in range(100)))
        child = start("-i", "list", "-j", 100, "-o", "d", "--output-template", "{n}", o.url("/hello"))
        wait_until(lambda: len(files("d")) >= 100, "a hundred files")
        wait_until(lambda: os.path.exists("d/1"), "the finished one")
        r = interrupt(child).expect(130)
        r.says("interrupted", "1 fetched")
        check_eq(files(), ["d/1", "list"])


def test_sigterm_is_the_same():
    with Origin() as o:
        child = start("--discard", o.url("/delay/600000"))
        wait_until(lambda: o.connections() == 1, "a connection")
        interrupt(child, signal.SIGTERM).expect(130).says("interrupted", "1 cancelled")


def test_waiting_for_the_list_ends():
    child = start("--discard", "-i", "-", stdin=subprocess.PIPE)
    wait_until(lambda: catches(child.pid, signal.SIGINT), "the handler")
    child.send_signal(signal.SIGINT)
    child.wait(timeout=60 * PATIENCE)  # with its input still open
    check_eq(child.returncode, 130)


def test_a_full_pipe_does_not_hold_it_up():
    with Origin() as o:
        child = start(o.url("/bytes/1000000000"))
        wait_until(lambda: o.connections() == 1, "a connection")
        time.sleep(0.3)  # nobody reads: the pipe is full by now
        child.send_signal(signal.SIGINT)
        child.wait(timeout=60 * PATIENCE)
        check_eq(child.returncode, 130)


def test_a_full_pipe_of_results_does_not_hold_it_up():
    with Origin() as o:
        write("list", "\n".join(o.url(f"/bytes/1?{i}") for i in range(5000)))
        child = start("--json", "--discard", "-i", "list")
        check(select.select([child.stdout], [], [], 20 * PATIENCE)[0], "no result came")
        time.sleep(0.3)  # nobody reads: the pipe is full by now, or soon will be
        child.send_signal(signal.SIGINT)
        child.wait(timeout=60 * PATIENCE)
        check_eq(child.returncode, 130)


def test_waiting_for_a_host_ends():
    with Origin() as o:
        write("list", "\n".join(o.url(f"/delay/600000?{i}") for i in range(1000)))
        child = start("--per-host", 2, "-j", 50, "--discard", "-i", "list")
        wait_until(lambda: o.connections() == 2, "two connections")
        interrupt(child).expect(130).says(" cancelled")


def on_a_terminal(*args):
    """What the command says on a terminal of its own."""
    ours, its = pty.openpty()
    child = subprocess.Popen([COMMAND, "fetch", *map(str, args)], stdin=subprocess.DEVNULL, stdout=its,
                             stderr=its)
    os.close(its)
    text, limit = b"", time.monotonic() + 60 * PATIENCE
    try:
        while select.select([ours], [], [], max(0, limit - time.monotonic()))[0]:
            piece = os.read(ours, 65536)
            if not piece:
                break
            text += piece
        else:
            raise AssertionError(f"not done; it said: {text[-1200:]!r}")
    except OSError:  # EIO: nobody has the terminal open any more
        pass
    finally:
        os.close(ours)
        child.kill()
        child.wait()
    return text.decode()


def test_a_terminal_sees_progress():
    with Origin() as o:
        write("list", "\n".join(o.url(f"/delay/300?{i}") for i in range(40)))
        text = on_a_terminal("--discard", "-j", 10, "-i", "list")
        check("/40 done, " in text and " in flight, 0 failed" in text, text)
        check("\r\033[K" in text and text.count("covey: 40 transfers: 40 fetched") == 1, text)
        r = fetch("--discard", "-j", 10, "-i", "list")
        check("\r" not in r.err and "in flight" not in r.err, r)


main(globals())
