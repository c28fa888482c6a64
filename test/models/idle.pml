/* SPDX-License-Identifier: MIT
 * idle.pml - src/sched/worker.c: the idle list, the one spinner, kicks, and the sleep of workers.
 *
 * Two workers, queues as counts. A plain thread pushes two tasks to the global queue, one by one or at
 * once; the first to run holds its worker until the second has started elsewhere, then starts a third
 * in its ring and holds on until that one has started too. So a wake that is lost, or held back for a
 * spinner that does not look any more, hangs the model. Memory is sequentially consistent here: the
 * one store that may be delayed (park.c, cvy_enqueue) costs a turn, or the watchdog's 10 ms, by choice.
 *
 * BROKEN_no_recheck: who has announced itself idle sleeps without another look at the queues
 * BROKEN_kick_first: a push wakes a worker before it has pushed
 * BROKEN_no_relay: who finds work does not look whether there is more
 * BROKEN_still_spins: a woken worker does not say that it spins no more
 * BROKEN_spinner_leaves: a spinner that finds nothing goes idle before it says so
 * BROKEN_wrong_bell: the poller is woken by its futex */
#include "lock.pmh"
#define WORKERS 2
#define TOTAL 3
#define NONE 255

bit rt_lock;
byte global, ring[WORKERS];
bit is_idle[WORKERS];
byte idle_count, poller = NONE;
bit spinning;
bit wake[WORKERS], event; /* futexes; the poller's descriptor */
byte started, done;

/* cvy_kick() */
inline kick()
{
    lock(rt_lock);
    k = NONE;
    d_step {
        if
        :: !spinning ->
            if /* idle_pop_locked(): the poller goes last */
            :: is_idle[0] && (poller != 0 || !is_idle[1]) -> k = 0
            :: is_idle[1] && (poller != 1 || !is_idle[0]) -> k = 1
            :: else
            fi
        :: else
        fi;
        if
        :: k != NONE -> is_idle[k] = 0; idle_count--; spinning = 1; k_polls = poller == k
        :: else
        fi
    };
    unlock(rt_lock);
    if
#ifndef BROKEN_wrong_bell
    :: k != NONE && k_polls -> event = 1
    :: k != NONE && !k_polls -> wake[k] = 1
#else
    :: k != NONE -> wake[k] = 1
#endif
    :: else
    fi
}

inline any_queued(yes)
{
    yes = ring[0] > 0;
    yes = yes || ring[1] > 0;
    yes = yes || global > 0
}

/* look(): own ring, global queue (a share of it into the ring), theft */
inline look(got)
{
    got = 0;
    atomic { if :: ring[me] > 0 -> ring[me]--; got = 1 :: else fi };
    if
    :: !got && global > 0 ->
        lock(rt_lock);
        d_step {
            if
            :: global == 2 -> global = 0; ring[me]++; got = 1
            :: global == 1 -> global = 0; got = 1
            :: else
            fi
        };
        unlock(rt_lock)
    :: else
    fi;
    atomic { if :: !got && ring[1 - me] > 0 -> ring[1 - me]--; got = 1 :: else fi }
}

proctype worker(byte me)
{
    bit got, is_spinner, yes, is_poller, was_woken, k_polls;
    byte k;

find_work:
    is_spinner = 0;
    look(got);
    if
    :: !got ->
        atomic { if :: !spinning -> spinning = 1; is_spinner = 1 :: else fi };
        if :: is_spinner -> look(got) :: else fi /* spin(): its last look */
    :: else
    fi;
    if
    :: got ->
        if :: is_spinner -> spinning = 0 :: else fi;
#ifndef BROKEN_no_relay
        any_queued(yes);
        if
        :: idle_count > 0 && !spinning && yes -> kick()
        :: else
        fi;
#endif
        goto run_task
    :: done == TOTAL -> goto stop
    :: else
    fi;
    /* idle() */
    lock(rt_lock);
#ifndef BROKEN_spinner_leaves
    if :: is_spinner -> spinning = 0 :: else fi;
#endif
    if :: global > 0 -> spinning = spinning && !is_spinner; unlock(rt_lock); goto find_work
       :: else fi;
    d_step {
        is_idle[me] = 1;
        idle_count++;
        is_poller = poller == NONE;
        if :: is_poller -> poller = me :: else fi
    };
    unlock(rt_lock);
#ifndef BROKEN_no_recheck
    any_queued(yes);
#endif
#ifdef BROKEN_spinner_leaves
    if :: is_spinner -> spinning = 0 :: else fi;
#endif
    if
    :: yes
    :: !yes && is_poller ->
        if
        :: atomic { event -> event = 0 }
        :: done == TOTAL -> goto stop
        fi
    :: else ->
        if
        :: atomic { wake[me] -> wake[me] = 0 }
        :: done == TOTAL -> goto stop
        fi
    fi;
    yes = 0;
    lock(rt_lock);
    d_step {
        was_woken = !is_idle[me];
        if
        :: !was_woken -> is_idle[me] = 0; idle_count--
        :: else ->
#ifndef BROKEN_still_spins
            spinning = 0
#else
            skip
#endif
        fi;
        if :: is_poller -> poller = NONE :: else fi
    };
    unlock(rt_lock);
    wake[me] = 0;
    goto find_work;

run_task:
    atomic { started++; got = started == 1 };
    if
    :: got -> /* cvy_enqueue() by the task, which then holds its worker */
        started == 2;
        ring[me]++;
        if
        :: idle_count > 0 && !spinning -> kick()
        :: else
        fi;
        started == TOTAL
    :: else
    fi;
    done++;
    goto find_work;
stop:
    skip
}

/* cvy_global_push() */
inline push(n)
{
#ifdef BROKEN_kick_first
    has_idle = idle_count > 0;
    if :: has_idle -> kick() :: else fi;
    lock(rt_lock);
    global = global + n;
    unlock(rt_lock)
#else
    lock(rt_lock);
    d_step { global = global + n; has_idle = idle_count > 0 };
    unlock(rt_lock);
    if :: has_idle -> kick() :: else fi
#endif
}

active proctype outsider()
{
    byte k;
    bit has_idle, k_polls;

    if
    :: push(2)
    :: push(1); push(1)
    fi
}

init
{
    atomic { run worker(0); run worker(1) }
}
