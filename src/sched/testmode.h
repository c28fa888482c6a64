/* SPDX-License-Identifier: MIT
 * testmode.h - the deterministic mode (covey/test.h): one worker, carried by the calling thread,
 * all choices from a seed, virtual time.
 *
 * It costs the ordinary mode nothing: the carrier's retake flag stays up, so each entry takes its
 * slow path, which is a point where the running task may change; and each switch goes to the base,
 * where the next task is chosen here instead of in worker.c. */
#ifndef CVY_SCHED_TESTMODE_H
#define CVY_SCHED_TESTMODE_H

#include "sched/schedule.h"
#include "sched/wait.h"

#include <signal.h>

struct cvy_test {
    /* Immutable while it is open. */
    covey_explore_options options;
    bool is_run; /* an ordinary covey_run() with COVEY_SEED: fatal errors stay fatal, and it waits
                    for descriptors as long as it takes */
    struct cvy_runtime *runtime;
    struct cvy_thread *carrier;
    struct cvy_thread *before; /* the calling thread's own record */
    sigset_t signals;          /* and its mask and alternate stack */
    stack_t alt_stack;

    /* Owned by the carrier. */
    struct cvy_schedule schedule;
    struct cvy_task **ready; /* count of room; ids beside them */
    uint64_t *ids;
    size_t count, room;
    struct cvy_wakelist settlers; /* in covey_test_settle() */
    struct cvy_task *last;        /* who ran last */
    bool is_preempted;            /* ... and why it stopped, if it is runnable */
    uint32_t idle_yields;         /* since a task last did anything else */
    bool has_ended;               /* the first task has */
    int64_t leak_at;              /* from then on: when what is left is a leak */
    covey_test_verdict verdict;
    char words[256];

    _Atomic int jobs_waiting; /* jobs of the blocking pool that wait in covey; release, acquire */
};

/* Starts a runtime whose carrier is the calling thread. The caller fills options and is_run, the
 * rest is zero. 0 or a negative code. */
int cvy_test_open(struct cvy_test *test, const covey_options *options);
/* A run: begin, start the first task, drive, and end if it passed. */
void cvy_test_begin(struct cvy_test *test, uint64_t seed, covey_ctx *root_ctx);
/* Runs tasks until all have ended or the verdict is against them. */
void cvy_test_drive(struct cvy_test *test);
void cvy_test_end(struct cvy_test *test);
/* The first task has ended, its context too: what is left must end now. */
void cvy_test_main_ended(struct cvy_test *test, int64_t grace_ns);
/* Stops the runtime; tasks that are left are discarded. */
void cvy_test_close(struct cvy_test *test);
int64_t cvy_test_elapsed(void);

/* The slow path of cvy_enter(): a point. May switch; never changes the thread. */
void cvy_test_enter(struct cvy_thread *th);
/* A job of the blocking pool begins (1) or ends (-1) to wait in covey. */
void cvy_test_job_waits(int change);

#endif
