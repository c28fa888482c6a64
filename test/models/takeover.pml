/* SPDX-License-Identifier: MIT
 * takeover.pml - src/sched/worker.h, park.c, watchdog.c: a worker is taken from a thread in user code.
 *
 * One worker, two threads, two tasks that enter the runtime twice each, a watchdog that takes the
 * worker from whoever carries it, twice. A thread's stores of in_runtime pass through a store buffer,
 * so that its load of retake may overtake them. Shown: two threads never use the worker at once, a
 * thread that lost it finds out at its next entry, and all tasks end.
 *
 * BROKEN_no_barrier: the watchdog issues no membarrier
 * BROKEN_look_first: it looks at in_runtime before it raises retake
 * BROKEN_no_lock: the thread decides whether it has lost the worker without the scheduler's lock
 * BROKEN_early_leave: a thread says that it is in user code before it has let go of the worker
 * BROKEN_no_look: an entry does not look at retake */
#include "lock.pmh"
#define NONE 255
#define ENTRIES 2

bit rt_lock;
bit in_runtime[2] = 1, buffered[2], pending[2];
bit retake[2];
bit has_worker[2];      /* th->worker */
byte carrier = NONE;    /* w->thread */
bit is_spare[2], handed[2];
byte users;             /* threads that touch the worker's fields */
byte queued[ENTRIES + 1]; /* runnable tasks, by entries still to make */
byte done;

active proctype store_buffer()
{
end:
    do
    :: atomic { pending[0] -> in_runtime[0] = buffered[0]; pending[0] = 0 }
    :: atomic { pending[1] -> in_runtime[1] = buffered[1]; pending[1] = 0 }
    od
}

inline membarrier()
{
#ifdef BROKEN_no_barrier
    skip
#else
    d_step {
        if :: pending[0] -> in_runtime[0] = buffered[0]; pending[0] = 0 :: else fi;
        if :: pending[1] -> in_runtime[1] = buffered[1]; pending[1] = 0 :: else fi
    }
#endif
}

inline store_in_runtime(value)
{
    atomic { !pending[me] -> buffered[me] = value; pending[me] = 1 }
}

inline use_worker()
{
    d_step { assert(users == 0); users++ };
    users--
}

/* cvy_worker_give() */
inline give()
{
    atomic {
        if
        :: is_spare[0] -> is_spare[0] = 0; to = 0
        :: is_spare[1] -> is_spare[1] = 0; to = 1
        fi
    };
    carrier = to;
    handed[to] = 1
}

proctype thread(byte me)
{
    byte entries;
    bit is_lost;

base:
    if
    :: !has_worker[me] -> /* wait_for_worker() */
        lock(rt_lock);
        is_spare[me] = 1;
        unlock(rt_lock);
        if
        :: atomic { handed[me] -> handed[me] = 0; has_worker[me] = 1 }
        :: done == 2 -> goto stop
        fi
    :: else
    fi;
    if
    :: atomic { queued[0] > 0 -> queued[0]--; entries = 0 }
    :: atomic { queued[1] > 0 -> queued[1]--; entries = 1 }
    :: atomic { queued[2] > 0 -> queued[2]--; entries = 2 }
    :: done == 2 -> goto stop
    fi;
    use_worker();
running:
    if
    :: entries == 0 -> done++; goto base
    :: else
    fi;
#ifdef BROKEN_early_leave
    store_in_runtime(0);
    use_worker();
#else
    store_in_runtime(0); /* cvy_leave() */
#endif
    entries--;
    store_in_runtime(1); /* cvy_enter() */
#ifndef BROKEN_no_look
    if
    :: retake[me] -> /* cvy_enter_slow() */
        !pending[me]; /* taking a lock drains the buffer */
#ifdef BROKEN_no_lock
        is_lost = !has_worker[me];
        retake[me] = 0;
#else
        lock(rt_lock);
        is_lost = !has_worker[me];
        retake[me] = 0;
        unlock(rt_lock);
#endif
        if
        :: is_lost -> is_lost = 0; queued[entries]++; goto base /* cvy_global_push() */
        :: else
        fi
    :: else
    fi;
#endif
    use_worker();
    goto running;
stop:
    skip
}

active proctype watchdog()
{
    byte th, to, times;
    bit is_inside;

    do
    :: times < 2 && done < 2 ->
        times++;
        lock(rt_lock);
        th = carrier;
        if
        :: th == NONE || !(is_spare[0] || is_spare[1]) -> unlock(rt_lock); goto next
        :: else
        fi;
#ifdef BROKEN_look_first
        is_inside = in_runtime[th];
#endif
        retake[th] = 1;
        membarrier();
#ifndef BROKEN_look_first
        is_inside = in_runtime[th];
#endif
        if
        :: is_inside || !has_worker[th] -> retake[th] = 0; unlock(rt_lock)
        :: else ->
            has_worker[th] = 0;
            carrier = NONE;
            unlock(rt_lock);
            lock(rt_lock);
            give();
            unlock(rt_lock)
        fi;
next:
        is_inside = 0
    :: else -> break
    od
}

init
{
    atomic {
        carrier = 0;
        has_worker[0] = 1;
        queued[ENTRIES] = 2;
        run thread(0);
        run thread(1)
    }
}
