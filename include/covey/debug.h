/* SPDX-License-Identifier: MIT
 * covey/debug.h - what the tasks are doing: dumps, profiles, and a check that a test leaves none
 * behind.
 *
 * A dump shows each task's name, number and state; what it waits for and for how long; the deadline
 * and end of its context; where it was started; and its stack; then plain threads that wait in
 * covey, up to 64. Nothing is stopped for it: each parked task is kept from waking for the
 * microseconds in which it is looked at, so that a dump is no picture of one moment. For the stack
 * of a task that runs, or of a blocking call, its thread is asked by SIGURG, so system calls that
 * cannot be restarted may end with EINTR there; one that does not answer within 50 ms is shown
 * without (folded dumps ask only for tasks that are alone in their place). Stacks need no frame
 * pointers, and functions that the compiler has inlined are in them. Functions and lines are found
 * with libdw (Debian: libdw1), which is loaded at run time if it is there; without it there are
 * names of exported functions, modules and offsets, for addr2line. */
#ifndef COVEY_DEBUG_H
#define COVEY_DEBUG_H

#include <covey/defs.h>

#include <stdio.h>

COVEY_BEGIN

/* Writes the tasks as a tree: under each task the groups that it opened, and in them their tasks.
 * From any thread, also while no runtime is up; does not switch. Takes no lock that a task could
 * hold. */
COVEY_API void covey_dump(FILE *out);

typedef enum covey_dump_format {
    COVEY_DUMP_TREE,   /* as covey_dump() */
    COVEY_DUMP_FOLDED, /* tasks with the same name, start, wait and stack once, with their number;
                          the most first, by the groups' places too. A million tasks take
                          seconds, and little memory */
    COVEY_DUMP_JSON,   /* one object, for tools: docs/debugging.md has its fields */
    COVEY_DUMP_PLACES_JSON, /* the folded one, for tools, with the figures of covey_stats */
} covey_dump_format;

/* The same in a form of choice; flushes out. 0; COVEY_ECLOSED: no runtime is up; -ENOMEM; -EINVAL:
 * no such format; -ENOSPC and the like: why out could not be written. What came before is there. */
COVEY_API int covey_dump_as(FILE *out, covey_dump_format format);

/* What a wait is for, beyond the primitive that it ends in: "waiting in read (fd 9 to
 * tcp://10.0.0.7:5432) for 1.2 s, awaiting query "select ..." for 1.2 s". For libraries; covey's do
 * so for queries and connections of a database, Redis commands, HTTP transfers, leases and
 * fan-outs.
 *
 * Fill in what is needed of the first six, in a frame of the calling task's that lives until the
 * end; notes nest as calls do. Whenever the task waits meanwhile, dumps show its innermost three.
 * Some nanoseconds: nothing is formatted until a dump is made. In a plain thread nothing happens.
 * Does not switch. */
typedef struct covey_wait_note {
    const char *what; /* "query"; a literal */
    const char *text; /* which; stays until the end; cut at 95 bytes, lines joined; NULL: none */
    /* Writes which, in the place of text; size is that of out. Called by whoever makes the dump
     * while the task is kept parked: it only reads, takes no lock and allocates nothing. May be
     * NULL. Debuggers, who can call nothing in a core file, show text if there is one. */
    void (*describe)(const struct covey_wait_note *note, char *out, size_t size);
    const void *object; /* what others have meanwhile: covey_hold_begin(); NULL: nothing */
    size_t shares;      /* how many may have it at once, as connections of a pool: the wait ends
                           when one of them lets go. 0: one */
    bool is_work;       /* not what it waits for, but what it does meanwhile: "at work on request
                           "/orders"", as covey's HTTP server says of each handler */
    uint64_t own_[6];   /* covey's */
} covey_wait_note;
COVEY_API void covey_wait_note_begin(covey_wait_note *note);
/* In the same task. */
COVEY_API void covey_wait_note_end(covey_wait_note *note);

/* Tells the diagnosis (covey_options.diagnose) that the calling task has object, so that others
 * must wait for it, as a mutex's holder has it: dumps say "held by task 7" where a note has this
 * object, and tasks that wait for each other through it, and whatever else they hold, are reported;
 * where several may have it, once all who have it do.
 * object is compared and never read. Gives the task's number, for the end, which any thread may
 * call; 0 if the diagnosis is off, or in a plain thread, and then nothing is to be ended. Does not
 * switch. */
COVEY_API uint64_t covey_hold_begin(const void *object);
COVEY_API void covey_hold_end(const void *object, uint64_t holder);

/* Profiles: where the tasks of a program are, what they wait for, who makes others wait, and where
 * the CPU's time goes; each as stacks with what they add up to, identical ones once (of the first
 * 4,096; the rest counts together).
 *
 *   "task"   all tasks alive, by stack, state and wait; a count. Nothing has to be started.
 *   "block"  waits that are over, by stack and cause: how many, and how long. rate: ns of waiting
 *            to a sample; shorter waits are recorded in proportion and scaled, as in Go. 0: 10 us,
 *            1: every wait. Off, a wait costs one look at a byte; on, two looks at the clock, and a
 *            few microseconds for a recorded one.
 *   "mutex"  time that tasks have waited for mutexes and read-write mutexes, at the stack of the
 *            unlock that let them go on: whoever held it. rate: one of so many is recorded and
 *            scaled. 0: all.
 *   "cpu"    CPU time of all threads of the process, by stack, with the task that ran. rate:
 *            samples a second of each thread's CPU time, at most 1,000; 0: 100 (a few microseconds
 *            each). A signal, SIGPROF, interrupts the thread for it; its handler stays installed
 *            from the first start on and passes on signals that are not covey's. System calls are
 *            restarted where that can be.
 *
 * In pprof's form a sample has labels: task (name), started and group (file:line where the task was
 * started and its group opened), and but of "cpu" state and wait. Stacks are at most 48 deep. */
typedef enum covey_profile_format {
    COVEY_PROFILE_PPROF,  /* profile.proto, not compressed: `go tool pprof FILE` reads it */
    COVEY_PROFILE_FOLDED, /* "name;outer;inner;[wait] value" a line, for flame graphs; without
                             the task's name if it is the outermost function's. Values: tasks,
                             else nanoseconds */
} covey_profile_format;

/* Begins to record a kind, from nothing; it is the process's, and goes on over the end of a
 * covey_run(). Takes about 5 MB at a kind's first start, committed as places come, and keeps them.
 * Any thread; does not switch. -EBUSY: it is on; -EINVAL: no such kind, "task", or a rate out of
 * range; -ENOMEM; of "cpu": what the kernel says of timers (-EAGAIN: no more). */
COVEY_API int covey_profile_start(const char *kind, int64_t rate);
/* Ends it; what was recorded can be written until the next start. -ENOENT: it was not on; -EINVAL.
 */
COVEY_API int covey_profile_stop(const char *kind);
/* Writes what a kind has, also while it goes on. From any thread; does not switch. 0; -EINVAL: no
 * such kind or format; -ENOENT: it was never started; COVEY_ECLOSED: "task", and no runtime is up;
 * -ENOMEM; of out, which is flushed, as covey_dump_as(). */
COVEY_API int covey_profile_write(const char *kind, int format, FILE *out);

/* Writes profiles each time a signal comes, for a program that nobody reaches otherwise: "task",
 * and each kind that was started, in pprof's form to files prefix.KIND.N.pprof (N: 1, 2, ...), each
 * of which is named on standard error. number: 0 ends it, after what is being written, and the
 * signal's former action returns; a further call replaces the one before. prefix is copied. A
 * thread sleeps for it. Any thread; does not switch, and may block the thread while files are
 * written. -EINVAL: a signal that cannot be caught, or prefix is NULL; -ENOMEM; -EAGAIN: no thread.
 */
COVEY_API int covey_profile_on_signal(int number, const char *prefix);

/* Serves all of this over HTTP, for curl, a browser, Prometheus, `go tool pprof` and `covey top`,
 * until ctx is done; then it closes its connections and returns 0. Run it in a task of its own.
 *
 *     /debug/covey/         an index
 *     /debug/covey/tasks    format=text (the default), folded, json, places
 *     /debug/covey/profile  kind=task (the default), block, mutex, cpu; format=pprof or folded;
 *                           seconds=N: records for so long (at most 600), with rate=N; without it,
 *                           what the program itself records
 *     /debug/covey/trace    seconds=N: records for so long, or until there is as much of it as may
 *                           be; without it, what the flight recorder remembers. For `covey trace`
 *     /debug/covey/metrics
 *
 * addr as in covey/net.h: a Unix socket (its file is the user's alone; of an abstract one processes
 * of other users but root are refused), or TCP on this machine, which all its users reach: it lets
 * who asks see the program's names, addresses and times, so other addresses are refused, as are
 * requests whose Host names another machine, and those that a browser says another site's page has
 * made (but for the index). A client that is slow, or asks to record and goes away, holds up
 * nothing but its own task; answers are made in memory before they are sent, and of dumps with a
 * line for each task there are four at once. Each answer is written by a thread of its own: it
 * needs a worker for an instant, which a watchdog finds also if tasks compute on all of them, and
 * none of the threads of covey_blocking(). A descriptor is kept for a client that comes when the
 * process has no other left.
 *
 * May switch. -EACCES: addr is not of this machine; -EINVAL: not an address, or an option out of
 * range; what covey_listen() and covey_accept() say. */
typedef struct covey_debug_options {
    bool any_address;    /* addr may be reached from elsewhere, and by any user; Host is not looked
                            at */
    int64_t patience_ns; /* 0: 10 s; for a request, and for the client to take each 64 KiB */
    int connections_max; /* 0: 32; more are closed at once */
    void (*on_listen)(const char *addr, void *arg); /* it listens there, with the port chosen */
    void *arg;
    int64_t trace_bytes_max; /* 0: 1 GiB; a trace that is asked for is in memory, and at so many
                                ends early, some 50 ms late */
} covey_debug_options;
COVEY_API int covey_debug_serve(covey_ctx *ctx, const char *addr);
COVEY_API int covey_debug_serve_with(covey_ctx *ctx, const char *addr,
                                     const covey_debug_options *options);

/* For tests of yours: a block in which nothing may be left behind. (In a run of covey/test.h use
 * COVEY_TEST_NO_LEAKS.)
 *
 *     COVEY_NO_LEAKS {
 *         ... code under test, which may start tasks and wait for them ...
 *     }
 *
 * At its end tasks that were started in it and are still alive, and descriptors that were opened in
 * it and are still open (of the first 1,024), are reported on standard error, the tasks with their
 * stacks, and the process aborts. What is on its way out is waited for, up to a second. It works in
 * a task, in a plain thread, and around a whole covey_run(). What others start or open meanwhile
 * counts too: run such tests alone. Leave the block at its end or by break, not by return or goto.
 * May switch. */
#define COVEY_NO_LEAKS                                                                             \
    for (covey_leak_scope covey_scope_ = covey_leak_scope_open(__FILE__, __LINE__);                \
         covey_scope_.is_open; covey_leak_scope_close(&covey_scope_))

/* The same by hand, for who reports in another way: between open and close covey_leak_count() tells
 * how many tasks and descriptors are left, after waiting for those on their way out, and reports
 * nothing; covey_leak_scope_drop() ends the scope without a check. May switch, all but drop. */
typedef struct covey_leak_scope {
    bool is_open;
    const char *file;
    int line;
    struct covey_leaks *before_; /* covey's: what there was before */
} covey_leak_scope;
COVEY_API covey_leak_scope covey_leak_scope_open(const char *file, int line);
COVEY_API size_t covey_leak_count(const covey_leak_scope *scope);
COVEY_API void covey_leak_scope_close(covey_leak_scope *scope);
COVEY_API void covey_leak_scope_drop(covey_leak_scope *scope);

COVEY_END
#endif
