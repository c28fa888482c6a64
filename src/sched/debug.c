/* SPDX-License-Identifier: MIT
 * debug.c - the knobs of COVEY_DEBUG that the scheduler turns: migrate and pause (docs/knobs.md).
 *
 * migrate: a worker about to run a task on the thread that ran it last is handed to another thread
 * first, with the task. So it holds with a single worker too.
 * pause: a signal whose handler sleeps, sent by the watchdog: a thread stops at any instruction,
 * with any of covey's locks held, as when the kernel takes its CPU away for long. */
#define _GNU_SOURCE
#include "sched/worker.h"

#include <signal.h>
#include <time.h>

#define PAUSE_MAX_NS 15000000

bool cvy_migrate(struct cvy_thread *th, struct cvy_task *t)
{
    struct cvy_worker *w = th->worker;

    if (!t->stack || t->pins || t->ran_on != th->number) {
        t->ran_on = th->number;
        return false;
    }
    t->ran_on = 0;
    cvy_thread_carry(th, NULL);
    if (cvy_worker_give(th->runtime, w, t)) {
        return true;
    }
    /* No thread is to be had. */
    cvy_thread_carry(th, w);
    t->ran_on = th->number;
    return false;
}

static void on_pause(int number)
{
    int *error = cvy_errno_ptr();
    int saved = *error;

    (void)number;
    (void)nanosleep(&(struct timespec){.tv_nsec = cvy_debug_random(PAUSE_MAX_NS)}, NULL);
    *error = saved;
}

static int pause_signal(void)
{
    return SIGRTMAX - 2;
}

void cvy_pause_install(void)
{
    struct sigaction action = {.sa_handler = on_pause, .sa_flags = SA_RESTART | SA_ONSTACK};

    if (cvy_knob(CVY_KNOB_PAUSE)) {
        (void)sigemptyset(&action.sa_mask);
        (void)sigaddset(&action.sa_mask, SIGURG); /* for ask.c, of what it has interrupted */
        (void)sigaction(pause_signal(), &action, NULL);
    }
}

void cvy_pause_one(struct cvy_runtime *rt)
{
    cvy_lock(&rt->lock);
    uint32_t skip = cvy_debug_random((uint32_t)rt->thread_count * 2 + 1);
    struct cvy_thread *th = rt->threads;
    for (; th && skip > 0; skip--) {
        th = th->all_next;
    }
    if (th) {
        (void)pthread_kill(th->handle, pause_signal());
    }
    cvy_unlock(&rt->lock);
}
