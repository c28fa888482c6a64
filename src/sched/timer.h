/* SPDX-License-Identifier: MIT
 * timer.h - timers: a wheel per worker, each with a lock of its own.
 *
 * A timer is added to the wheel of the worker that adds it (a plain thread's: worker 0's) and fires
 * on whichever worker looks first. Two kinds: a wait timer claims a waiter, under the wheel's lock,
 * so it may live in the waiting call's frame, and is only a task's (a plain thread keeps its own
 * time: park.c); a call timer runs a function after the lock was released, so what it belongs to
 * must be kept alive until it ran or was cancelled. */
#ifndef CVY_SCHED_TIMER_H
#define CVY_SCHED_TIMER_H

#include "base/wheel.h"
#include "os/lock.h"

struct cvy_task;
struct cvy_thread;
struct cvy_wakelist;

#define CVY_TICK_SHIFT 14 /* 16.4 us; the test mode ticks nanoseconds */
#define CVY_NEVER INT64_MAX

struct cvy_timers {
    struct cvy_lock lock; /* rank CVY_RANK_TIMERS; guards the wheel */
    struct cvy_wheel wheel;
    unsigned shift; /* immutable: a tick is 1 << shift ns */
    /* When the wheel wants attention next (ns; CVY_NEVER: empty). Written under the lock, read by
     * anyone: a look that misses a change is made good by who made the change. */
    _Atomic int64_t next;
};

struct cvy_timer;
typedef void cvy_timer_fn(struct cvy_timer *t, struct cvy_wakelist *list);

struct cvy_timer {
    struct cvy_wheel_timer entry;
    struct cvy_timers *_Atomic home;   /* NULL: never armed, or dropped. Release, acquire: who
                                          cancels may have had it armed by another (untimed.c) */
    struct cvy_task *task;             /* wait timer: whom to claim ... */
    int32_t index;                     /* ... with this outcome */
    cvy_timer_fn *call;                /* call timer */
    void (*drop)(struct cvy_timer *t); /* the runtime ends before it fired; may be NULL */
};

/* The time ns from now; never CVY_NEVER, however far that is. */
int64_t cvy_time_after(int64_t ns);

void cvy_timers_init(struct cvy_timers *ts, int64_t now, unsigned shift);
/* Fires at or after at_ns. The caller is in the runtime. False: none is up, so it never will. */
bool cvy_timer_add(struct cvy_thread *th, struct cvy_timer *t, int64_t at_ns);
/* True: it will not fire. False: it has fired, or (call timer) is being called now. After it
 * returns nobody touches a wait timer. */
bool cvy_timer_cancel(struct cvy_timer *t);
/* Takes out everything, after the runtime's end. */
void cvy_timers_drop(struct cvy_timers *ts);
/* Fires what is due. Called on a worker's own stack, without locks. */
void cvy_timers_run(struct cvy_timers *ts, int64_t now, struct cvy_wakelist *list);

/* The test mode fires one at a time, in an order of its own, with the wheel always 1 ns behind.
 * How many expire next, and exactly when (CVY_NEVER: none). */
size_t cvy_timers_first(struct cvy_timers *ts, int64_t *at_ns);
/* The i-th of them fires. */
void cvy_timers_fire(struct cvy_timers *ts, size_t i, struct cvy_wakelist *list);
/* Nothing is due before now. */
void cvy_timers_pass(struct cvy_timers *ts, int64_t now);

#endif
