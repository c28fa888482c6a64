/* SPDX-License-Identifier: MIT
 * waitable.h - what a select must know of an object: a table of functions each kind implements.
 *
 * A select first tries each case alone (try_now). If none is ready it takes the locks of all cases,
 * by rank and address, tries again (try_locked), opens its claim, enters all queues, and releases
 * the locks; after the wake it leaves the queues that did not wake it. */
#ifndef CVY_SCHED_WAITABLE_H
#define CVY_SCHED_WAITABLE_H

#include "sched/wait.h"

#include <covey/select.h>

struct covey_waitable {
    const char *name;   /* for dumps */
    enum cvy_rank rank; /* of the lock */
    /* Whoever is woken stays in the queue, among waiters that come and go, until it leaves. */
    bool keeps_woken;
    /* The lock that guards the queue; NULL: the case can never run and is left out. May allocate:
     * *code is set to a negative code if that, or the object, fails. Called once a select. */
    struct cvy_lock *(*lock)(const covey_case *c, int *code);
    /* Does the case now if it can, taking the lock by itself. True: done, *result is 0 or the
     * negative code that the select returns. Called in random order, without locks. */
    bool (*try_now)(const covey_case *c, struct cvy_wakelist *list, int *result);
    /* The same with the lock held. May leave it to a level-triggered enqueue and say false. */
    bool (*try_locked)(const covey_case *c, struct cvy_wakelist *list, int *result);
    /* Lock held. w->task, index and elem (the case's) are set. 0 or a negative code. */
    int (*enqueue_locked)(const covey_case *c, struct cvy_waiter *w);
    /* Lock held; w may have left the queue already. was_parked calls only. */
    void (*dequeue_locked)(const covey_case *c, struct cvy_waiter *w);
    /* This case woke the select: what it returns besides the index (0 or a negative code), from
     * w->result. Sets *c->ok. */
    int (*woken)(const covey_case *c, struct cvy_waiter *w);
};

#endif
