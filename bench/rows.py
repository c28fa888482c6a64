# SPDX-License-Identifier: MIT
"""rows.py - what bench/run runs: who competes in what, with which counts, and the targets.

A contest is a set of sides that run in turn, round after round, on the same machine in the same
minutes. Counts stand here only: each side of a contest gets the same ones. A row of the table
compares one figure of two sides."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Side:
    label: str  # unique in its contest: "covey", "Go", ...
    runner: str  # "covey", "go", "echo", "fetch", "http", "h2", "idle": how bench/run starts it
    program: str
    words: tuple = ()  # arguments after the counts


@dataclass(frozen=True)
class Contest:
    name: str
    counts: tuple
    quick: tuple  # counts for --quick
    sides: tuple
    touch_gib: int = 0  # memory that is touched and freed just before each run


@dataclass(frozen=True)
class Row:
    number: str
    contest: str
    text: str
    metric: str
    ours: str
    rival: str  # "": the figure itself is held against the target
    targets: dict = field(default_factory=dict)  # workers: the ratio not to exceed


def pair(name, program, counts, quick, **more):
    """covey and Go on the program of that name."""
    sides = (Side("covey", "covey", program), Side("Go", "go", program))
    return Contest(name, counts, quick, sides, **more)


def maps(name, writes):
    """Three maps of covey's and three of Go's: tasks, turns of each, writes of 100 turns."""
    kinds = ("read-mostly", "locked", "sharded")
    sides = tuple(Side(f"{label} {kind}", runner, "map", (kind,))
                  for kind in kinds for label, runner in (("covey", "covey"), ("Go", "go")))
    return Contest(name, (8, 500000, writes), (8, 5000, writes), sides)


CONTESTS = (
    Contest("bare", (20000000,), (200000,), (Side("covey", "covey", "bare"),)),
    pair("switch", "switch", (5000000,), (100000,)),
    pair("spawn100k", "spawn", (100000, 10), (10000, 2)),
    pair("spawn1m", "spawn", (1000000, 10), (50000, 2), touch_gib=4),
    Contest(
        "park",
        (1000000,),
        (20000,),
        (
            Side("covey compact", "covey", "park", ("compact",)),
            Side("covey", "covey", "park", ("default",)),
            Side("Go", "go", "park"),
        ),
        touch_gib=8,
    ),
    Contest(
        "pingpong",
        (2000000,),
        (50000,),
        (
            Side("covey", "covey", "pingpong", ("null",)),
            Side("Go", "go", "pingpong", ("null",)),
            Side("covey ctx", "covey", "pingpong", ("group",)),
            Side("Go ctx", "go", "pingpong", ("group",)),
        ),
    ),
    pair("queue1", "queue", (1, 1, 100, 10000000), (1, 1, 100, 200000)),
    pair("queue4", "queue", (4, 4, 100, 4000000), (4, 4, 100, 200000)),
    pair("select", "select", (2000000,), (50000,)),
    pair("ring", "ring", (10000, 1000000), (1000, 50000)),
    pair("skynet", "skynet", (1000000,), (10000,), touch_gib=4),
    pair("mutex", "mutex", (8, 1000000), (8, 20000)),
    pair("sleep", "sleep", (100000, 5), (5000, 1)),
    pair("group", "group", (100000,), (2000,)),
    Contest(
        "cancel",
        (10000, 10),
        (1000, 2),
        (
            Side("covey", "covey", "cancel", ("ctx",)),
            Side("Go", "go", "cancel", ("ctx",)),
            Side("covey recv", "covey", "cancel", ("recv",)),
            Side("Go recv", "go", "cancel", ("recv",)),
        ),
    ),
    pair("sieve", "sieve", (2000,), (500,)),
    maps("map90", 10),
    maps("map50", 50),
    maps("map10", 90),
    Contest(  # connections, requests, bytes
        "echo",
        (64, 300000, 64),
        (64, 20000, 64),
        (
            Side("covey", "echo", "covey"),
            Side("Go", "echo", "go"),
            Side("bare epoll", "echo", "epoll"),
        ),
    ),
    Contest(  # busy connections, requests, bytes, idle connections
        "many",
        (1000, 300000, 64, 20000),
        (100, 20000, 64, 500),
        (
            Side("covey", "echo", "covey"),
            Side("Go", "echo", "go"),
            Side("bare epoll", "echo", "epoll"),
        ),
    ),
    Contest(  # connections, seconds
        "http",
        (64, 5),
        (64, 1),
        (
            Side("covey", "http", "covey"),
            Side("Go", "http", "go"),
            Side("nginx", "http", "nginx"),
        ),
    ),
    Contest(  # connections, streams of each, seconds
        "h2",
        (16, 32, 5),
        (16, 32, 1),
        (
            Side("covey", "h2", "covey"),
            Side("Go", "h2", "go"),
            Side("nginx", "h2", "nginx"),
        ),
    ),
    Contest(  # connections
        "idle",
        (10000,),
        (1000,),
        (
            Side("covey", "idle", "covey"),
            Side("Go", "idle", "go"),
            Side("nginx", "idle", "nginx"),
        ),
    ),
    Contest(  # URLs, at once, bytes
        "fetch",
        (20000, 64, 1024),
        (1000, 64, 1024),
        (
            Side("covey", "fetch", "covey"),
            Side("Go", "fetch", "go"),
            Side("bare libcurl", "fetch", "multi"),
            Side("curl -Z", "fetch", "curl"),
        ),
    ),
)


def against_go(number, contest, text, metric, one, two, ours="covey", rival="Go"):
    return Row(number, contest, text, metric, ours, rival, {1: one, 2: two})


def map_rows(number, contest, mix):
    """Each kind of map against Go's of the same idea."""
    kinds = (("r", "read-mostly", "sync.Map"), ("l", "locked", "RWMutex"), ("s", "sharded", "shards"))
    return (against_go(number + letter, contest, f"map, {mix}: {kind} / {go}", "map", None, None,
                       f"covey {kind}", f"Go {kind}") for letter, kind, go in kinds)


def figure(number, contest, text, metric):
    """A row without a rival: the figure itself."""
    return Row(number, contest, text, metric, "covey", "")


ROWS = (
    figure("0s", "bare", "bare: a switch of stacks in assembly", "bare_switch"),
    figure("0x", "bare", "bare: an uncontended exchange", "bare_exchange"),
    figure("0c", "bare", "bare: an element into a buffer and out", "bare_copy"),
    figure("0r", "bare", "bare: a line in one of 10,000 records", "bare_miss_record"),
    figure("0p", "bare", "bare: a line in one of 10,000 pages", "bare_miss_page"),
    figure("0t", "bare", "bare: two threads wake each other", "bare_threads"),
    against_go("1", "switch", "two tasks yield to each other", "switch", 0.11, 0.11),
    against_go("2", "spawn100k", "start 100k tasks, join", "spawn", 0.04, 0.15),
    against_go("3", "spawn1m", "start 1M tasks, join", "spawn", 0.05, 0.4),
    against_go("4c", "park", "1M parked: create, compact", "park_create", 0.35, 0.5, "covey compact"),
    against_go("4d", "park", "1M parked: create, default", "park_create", 0.7, 0.8),
    against_go("5c", "park", "1M parked: memory, compact", "park_bytes", 1.0, None, "covey compact"),
    against_go("5d", "park", "1M parked: memory, default", "park_bytes", 1.65, None),
    against_go("6c", "park", "1M parked: release, compact", "park_release", 0.35, 0.5, "covey compact"),
    against_go("6d", "park", "1M parked: release, default", "park_release", 0.35, 0.5),
    Row("6mc", "park", "memory after / before, compact", "park_after", "covey compact", "", {1: 1.1, 2: 1.1}),
    Row("6md", "park", "memory after / before, default", "park_after", "covey", "", {1: 1.1, 2: 1.1}),
    against_go("7", "pingpong", "ping-pong, unbuffered", "pingpong", 0.22, 0.25),
    Row("7x", "pingpong", "the same under a context", "pingpong", "covey ctx", "covey", {1: 1.1, 2: 1.1}),
    against_go("7y", "pingpong", "the same, both under one", "pingpong", None, None, "covey ctx", "Go ctx"),
    against_go("8", "queue1", "1 to 1, capacity 100", "queue", 0.5, 0.5),
    against_go("9", "queue4", "4 to 4, capacity 100", "queue", 0.5, 0.75),
    against_go("10", "select", "select over 4 channels", "select", 0.2, 0.35),
    against_go("11", "ring", "ring of 10,000 tasks, a hop", "ring", 0.15, 0.2),
    against_go("12", "skynet", "skynet, 1M leaves", "skynet", 0.15, 0.2),
    against_go("13", "mutex", "mutex, 8 tasks", "mutex", 0.75, 0.8),
    against_go("14", "sleep", "100k sleeps: CPU", "sleep_cpu", 0.4, 0.4),
    against_go("15", "group", "group of 10 tasks", "group", 0.15, 0.3),
    against_go("16", "cancel", "cancel 10k tasks, join", "cancel", 0.25, 0.3),
    against_go("16r", "cancel", "the same, they receive", "cancel", None, None, "covey recv", "Go recv"),
    against_go("17", "sieve", "prime sieve, 2000 primes", "sieve", 0.4, 0.5),
    *map_rows("21", "map90", "90 % reads"),
    *map_rows("22", "map50", "50 % reads"),
    *map_rows("23", "map10", "10 % reads"),
    against_go("18", "echo", "TCP echo: server CPU a request", "echo", None, 0.75),
    against_go("18e", "echo", "the same", "echo", 1.05, None, rival="bare epoll"),
    against_go("18q", "echo", "server CPU / load's CPU", "echo_quotient", None, 0.75),
    against_go("18f", "echo", "the same", "echo_quotient", 1.05, None, rival="bare epoll"),
    against_go("18n", "many", "echo, 1,000 busy, 20,000 idle: CPU", "echo", None, None),
    against_go("18o", "many", "the same", "echo", None, None, rival="bare epoll"),
    against_go("18a", "many", "accept and first request: CPU", "echo_accept", None, None),
    against_go("18m", "many", "memory a connection", "echo_memory", None, None),
    against_go("19", "fetch", "HTTP fetch: CPU a request", "fetch", None, 0.75),
    against_go("19m", "fetch", "the same", "fetch", 1.1, None, rival="bare libcurl"),
    against_go("19c", "fetch", "the same", "fetch", 1.0, 1.0, rival="curl -Z"),
    against_go("19r", "fetch", "HTTP fetch: time a request", "fetch_wall", None, None),
    against_go("20", "http", "HTTP hello: server CPU a request", "http", 1.0, 1.0),
    against_go("20n", "http", "the same", "http", 1.15, 1.15, rival="nginx"),
    against_go("20r", "http", "HTTP hello: time a request", "http_wall", 1.0, 1.0),
    against_go("20p", "http", "HTTP hello: p99", "http_p99", 1.0, 1.0),
    against_go("20q", "http", "HTTP hello: p99.9", "http_p999", 1.0, 1.0),
    against_go("20h", "h2", "HTTP/2 hello over TLS: server CPU a request", "h2", 1.0, 1.0),
    against_go("20hn", "h2", "the same", "h2", 1.15, 1.15, rival="nginx"),
    against_go("20hr", "h2", "the same: time a request", "h2_wall", 1.0, 1.0),
    against_go("20hp", "h2", "the same: p99", "h2_p99", 1.0, 1.0),
    against_go("20m", "idle", "HTTP: memory an idle connection", "idle_memory", 1.0, 1.0),
    against_go("20mn", "idle", "the same", "idle_memory", None, None, rival="nginx"),
)

# What each row really measures, for the reader of RESULTS.md.
NOTES = """\
- All calls of covey are made under the context of the task that makes them, so every one can be \
cancelled; Go's plain channel operations cannot (row 7 passes NULL, 7x and 7y do not). Tasks are \
started in a group with a context; Go's in a wait group, the least that joins them.
- 0: no covey in it: what the machine takes for the parts (bench/bare.c).
- 1: with one worker every yield switches to the other task (checked). With two, each task mostly \
has a worker to itself and finds nobody to yield to; on both sides.
- 2, 3: a round of the same size warms up. Both start one function with one pointer as its argument.
- 4 to 6: the process is fresh, so the first touch of memory is counted, on both sides; just before, \
that much memory is touched and freed, so that the host has it. Memory afterwards is looked at for \
five seconds at most.
- 9 and 13 with one worker: a task fills or drains, or locks and unlocks, until its turn ends; the \
lock is hardly contended.
- 11: one task is ready at any time; a second worker can only disturb.
- 12: Go's version joins nothing; covey's joins the group.
- 14: processor time of the process for one round, starting and ending the tasks included.
- 16: best of ten rounds in one process; its median over the runs.
- 17: Go leaves its chain behind; covey's is under the group's context.
- 18: processor time of the server process, read from its clock by the load generator, a process of \
its own. The rival without a library is one thread in both halves of the table.
- 18n to 18m: the idle connections are as many as the limit on descriptors allows, raised to its \
hard maximum (echo_idle says how many); each has made one request. Memory is the process's, without \
the kernel's share.
- 19: processor time of the whole client process from exec to exit, its start included; nginx counts \
that all requests were made. The rivals without workers are the same in both halves of the table.
- 21 to 23: 1,000 string keys, half of the turns on 20 of them; a write counts an entry up. \
covey's update changes the entry under its lock; sync.Map has no such call and holds pointers to \
atomics, so it is only read. Locked: libc's hash table under a covey_rwmutex against Go's built-in \
map under a RWMutex.
- 20: processor time of the server's processes while wrk, with one thread, keeps 64 connections \
busy. nginx returns the text from its configuration, with as many processes as the others have \
workers.
- 20h: the same greeting to h2load, with one thread: 16 connections of TLS 1.3 with 32 streams each.
- 20m: 10,000 connections that have made one request and then nothing, or as many as there may be \
descriptors: by how much the server's resident memory has grown. What the kernel has for them is not \
in it.
"""
