/* SPDX-License-Identifier: MIT
 * covey/runtime.h - brings the runtime up, runs the first task, and takes everything down again. */
#ifndef COVEY_RUNTIME_H
#define COVEY_RUNTIME_H

#include <covey/defs.h>

COVEY_BEGIN

/* A variable that is no number (digits, or 0x and hex digits), or no signal, counts as not set, and
 * standard error is told so once. */
typedef struct covey_options {
    int workers;           /* slots of parallelism; 0: COVEY_WORKERS, else the CPUs this process may
                              use (affinity and cgroup quota); at most 1024 */
    size_t stack_size;     /* a task's address space, committed a page at a time; 0:
                              COVEY_STACK_SIZE, else 256 KiB; less than 16 KiB is taken as that;
                              at most 1 GiB */
    int dump_signal;       /* covey_dump to stderr on this signal; 0: COVEY_DUMP_SIGNAL (a number or
                              QUIT, USR1, USR2, HUP), else none. Not in a run by a seed
                              (covey/test.h), which has no watchdog; nor is there what diagnose,
                              slow_task_ns and ignored_end_ns report */
    int64_t exit_grace_ns; /* 0: 10 s; how long tasks may take to end after the root context was
                              cancelled */
    bool no_fault_handler; /* do not tell stack overflows on SIGSEGV/SIGBUS (the handler chains to
                              the one before it) */
    bool diagnose; /* also COVEY_DIAGNOSE=1: mutexes, read-write mutexes and semaphores know who
                      holds them, dumps tell, and tasks that wait for each other (through these,
                      joins and limits of groups, leases, covey_once(), shared calls of a
                      covey_singleflight, and what covey_hold_begin() tells of) are reported on
                      standard error while the rest goes on, some seconds later; locks cost more */
    int64_t slow_task_ns;   /* > 0: a task that holds its thread for longer, in C code that calls
                               nothing of covey's that could switch, is reported on standard error
                               once, with its stack at that time. Its thread is asked by SIGURG, so
                               system calls that cannot be restarted may end with EINTR. Seen at
                               intervals of 5 ms */
    int64_t ignored_end_ns; /* > 0: a task that still goes on so long after its context's end is
                               reported on standard error once, with its stack, and dumps say it:
                               one that waits without a context, or runs C code (asked by SIGURG, as
                               above). Not one that joins a group, or cleans up under a context that
                               lives. Seen at intervals of 50 ms */
    bool no_deadlock_check; /* do not abort when all tasks are asleep */
    /* A detached task (covey_go, covey_waitgroup_go) failed. Runs in that task, which is about to
     * end; must not block. */
    void (*on_error)(const char *name, uint64_t id, int code, const char *message);
} covey_options;

/* Starts the workers, runs main_fn(root context, arg) as the first task, then cancels the root
 * context, joins whatever covey_go left behind, stops the workers and returns main_fn's code, with
 * its message in covey_errmsg(). No thread, descriptor or byte of the runtime is left. It can be
 * called again. Blocks the calling thread.
 *
 * A task still alive exit_grace_ns after that cancellation is reported on standard error by name,
 * place, id and stack. If all that are left are parked, they are discarded (their clean-up does not
 * run) and covey_run returns; if one still runs C code, covey_blocking()'s too, the process aborts,
 * since nothing else is safe.
 *
 * -EBUSY: a runtime is up in this process, or this is a forked child of one. -ENOMEM, -EAGAIN,
 * -EMFILE: it could not start. -EINVAL: an option, or the variable in its place, is out of range,
 * and the message says which.
 *
 * The child of a fork() in a program whose runtime is up has none of its threads: any other covey
 * call in it is fatal. It may exec, or _exit().
 *
 * When every task waits and nothing in the process could wake one (no timer, no watched descriptor,
 * no blocking call, no thread but covey's own) covey prints
 * "covey: fatal: all tasks are asleep - deadlock!" with a dump and aborts.
 *
 * Plain threads at the end: what needs no runtime goes on without one. A thread that waits for
 * another (channels, locks, conditions, semaphores) is left alone; covey_sleep(), COVEY_AFTER and
 * the deadline of a context it waits under end in their time, which a thread keeps by itself. What
 * only a runtime brings ends with it: a wait for a descriptor, connection or listener gives
 * COVEY_ECLOSED, and the channels of timers and tickers are closed. A thread that is to stop with
 * the runtime waits under the root context or a child of it. */
COVEY_API int covey_run(covey_fn *main_fn, void *arg);
COVEY_API int covey_run_with(const covey_options *opts, covey_fn *main_fn, void *arg);
COVEY_API int covey_run_at(const covey_site *site, const covey_options *opts, covey_fn *main_fn,
                           void *arg);
#define covey_run(fn, arg) covey_run_at(COVEY_SITE(#fn), NULL, (fn), (arg))
#define covey_run_with(opts, fn, arg) covey_run_at(COVEY_SITE(#fn), (opts), (fn), (arg))

/* How many workers the running runtime has; 0 if none is up. */
COVEY_API int covey_workers(void);

/* Figures of the running runtime; all zero if none is up. Counters are totals since its start. */
typedef struct covey_stats {
    uint64_t tasks_started, tasks_ended, tasks_failed; /* failed: detached ones only */
    uint64_t parks, steals, takeovers;                 /* takeovers: stuck workers moved */
    int workers, threads, blocking_threads;            /* threads: carrying or spare */
} covey_stats;
COVEY_API void covey_stats_get(covey_stats *out);

COVEY_END
#endif
