/* SPDX-License-Identifier: MIT
 * park.pml - src/sched/park.c, worker.c: on_cpu, and wakes that come before a task is off its stack.
 *
 * Two workers, two tasks that wait twice each, one waker. A queue is a bit: any worker may dequeue
 * any queued task, which covers slot, ring, theft and the global queue. Shown: a task never runs on
 * two workers, is never resumed before its context is saved, and no wake is
 * lost (all end), and nobody goes round for ever while every worker gets its turns.
 *
 * spin: progress
 *
 * BROKEN_early: on_cpu is cleared before the context is saved
 * BROKEN_no_check: a task is resumed without a look at on_cpu
 * BROKEN_on_stack: who finds on_cpu set waits on its own task's stack instead of the base
 * BROKEN_token: a waker that finds the task still running leaves no wake at all */
#define TASKS 2
#define WORKERS 2
#define WAITS 2
#define NONE 255

bit queued[TASKS];
bit on_cpu[TASKS];
bit saved[TASKS];             /* its context is whole */
bit is_open[TASKS];           /* its claim */
byte carrier[TASKS];          /* the worker whose stack pointer is in it */
byte waits[TASKS];
byte ended;

/* cvy_runq_pop, steal, global_take: some queued task, if there is one. */
inline dequeue(into)
{
    atomic {
        if
        :: queued[0] -> queued[0] = 0; into = 0
        :: queued[1] -> queued[1] = 0; into = 1
        :: into = NONE /* it stands where this worker does not look now */
        fi
    }
}

/* make_current(), cvy_switch() to t */
inline switch_to(t)
{
    d_step {
        assert(saved[t]);
        assert(carrier[t] == NONE);
        on_cpu[t] = 1;
        saved[t] = 0;
        carrier[t] = me
    }
}

/* The switch away from t: its context is saved, then after_switch() on the far side. */
inline switch_from(t)
{
#ifdef BROKEN_early
    on_cpu[t] = 0;
#endif
    d_step {
        assert(carrier[t] == me);
        carrier[t] = NONE;
        saved[t] = 1
    }
#ifndef BROKEN_early
    on_cpu[t] = 0
#endif
}

proctype worker(byte me)
{
    byte t, next = NONE, old;

base:
    t = next;
    next = NONE;
    if
    :: t == NONE ->
        if
        :: atomic { queued[0] -> queued[0] = 0; t = 0 }
        :: atomic { queued[1] -> queued[1] = 0; t = 1 }
        :: ended == TASKS -> goto stop
        fi
    :: else
    fi;
#ifndef BROKEN_no_check
    if
    :: on_cpu[t] == 0
    :: on_cpu[t] == 1 -> queued[t] = 1; goto base /* given up: to the global queue */
    fi;
#endif
    switch_to(t);
running:
    if
    :: waits[t] == WAITS ->
        d_step { carrier[t] = NONE; ended++ };
        goto base
    :: else
    fi;
    waits[t]++;
    is_open[t] = 1; /* cvy_wait_open(); from here on the waker may come */
    dequeue(next);  /* cvy_park(): pick() */
    if
    :: next == t -> next = NONE; goto running /* never left its stack */
#ifdef BROKEN_on_stack
    :: next != t && next != NONE -> on_cpu[next] == 0;
#else
    :: next != t && next != NONE && on_cpu[next] == 0 -> /* is_at_hand() */
#endif
        old = t;
        t = next;
        next = NONE;
        switch_to(t);
        switch_from(old);
        goto running
#ifndef BROKEN_on_stack
    :: next != t && (next == NONE || on_cpu[next] == 1) ->
#else
    :: next == NONE ->
#endif
        switch_from(t); /* to the base, with next as base_next */
        goto base
    fi;
stop:
    skip
}

/* Claims whoever waits, and enqueues it at once: cvy_claim(), cvy_ready(). */
active proctype waker()
{
    byte t;

end:
    do
    :: atomic { is_open[0] -> is_open[0] = 0; t = 0 };
#ifdef BROKEN_token
        if :: carrier[t] == NONE -> queued[t] = 1 :: else fi
#else
        assert(!queued[t]);
        queued[t] = 1
#endif
    :: atomic { is_open[1] -> is_open[1] = 0; t = 1 };
#ifdef BROKEN_token
        if :: carrier[t] == NONE -> queued[t] = 1 :: else fi
#else
        assert(!queued[t]);
        queued[t] = 1
#endif
    od
}

init
{
    atomic {
        carrier[0] = NONE; carrier[1] = NONE;
        saved[0] = 1; saved[1] = 1;
        queued[0] = 1; queued[1] = 1;
        run worker(0);
        run worker(1)
    }
}
