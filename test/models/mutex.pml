/* SPDX-License-Identifier: MIT
 * mutex.pml - src/sync/mutex.c, sched/lot.c: covey_mutex, its parking lot, hand-over, cancellation.
 *
 * Three tasks lock and unlock, two of them twice; one wait may be cancelled; a wait may at any time
 * have been long enough to be handed the lock. The word changes outside the lot's lock, by
 * compare-and-swap, as in the code. Shown: one holder at a time, no wake is lost (all end), a task
 * that was cancelled neither holds the lock nor stands in the lot; woken means that somebody is on
 * the way.
 *
 * BROKEN_announce: WAITERS is set before the lot is locked, and not looked at again
 * BROKEN_forget: a slow unlock clears WAITERS whoever still stands in the lot
 * BROKEN_hand_any: the lock is handed over without a claim
 * BROKEN_fast: unlock does not look at WAITERS
 * BROKEN_woken_stays: who was woken waits again and does not take WOKEN back
 * BROKEN_free_first: a slow unlock frees the word before it has locked the lot, and hands over still */
#include "lock.pmh"
#define TASKS 3
#define NOBODY 255
mtype = { CLOSED, OPEN, TAKEN, TAKEN_CTX };

bit lot_lock;
bit locked, waiters, woken; /* the word: changed together, in one step */
chan lot = [TASKS] of { byte };
mtype claim[TASKS] = CLOSED;
bit handed[TASKS], wake[TASKS];
byte holders;

inline claim_first(w)
{
    atomic {
        w = NOBODY;
        do
        :: w == NOBODY && nempty(lot) ->
            lot ? w;
            if
            :: claim[w] == OPEN -> claim[w] = TAKEN
#ifdef BROKEN_hand_any
            :: claim[w] == TAKEN_CTX
#endif
            :: else -> w = NOBODY
            fi
        :: else -> break
        od
    }
}

proctype task(byte me; byte times)
{
    byte w;
    bit is_in, is_cancelled;
    bit own; /* woken speaks of this task */
    bit rest;

again:
    if :: times == 0 -> goto stop :: else -> times-- fi;
    is_cancelled = 0;
    own = 0;
    /* cvy_mutex_lock() */
    do
    :: atomic { /* barge() */
        is_in = !locked;
        if :: is_in -> locked = 1; woken = woken && !own :: else fi
    };
        if :: is_in -> break :: else fi;
#ifdef BROKEN_announce
        atomic { is_in = !locked; if :: !is_in -> waiters = 1 :: else fi };
        lock(lot_lock);
#else
        lock(lot_lock);
        atomic { /* announce_locked() */
            is_in = !locked;
            if
            :: !is_in ->
                waiters = 1;
#ifndef BROKEN_woken_stays
                woken = woken && !own
#endif
            :: else
            fi
        };
#endif
        if
        :: is_in -> is_in = 0; unlock(lot_lock)
        :: else ->
            atomic { claim[me] = OPEN; handed[me] = 0; lot ! me };
            unlock(lot_lock);
            atomic { wake[me] == 1 -> wake[me] = 0 };
            if
            :: claim[me] == TAKEN_CTX ->
                lock(lot_lock);
                atomic { if :: lot ?? [eval(me)] -> lot ?? eval(me) :: else fi };
                unlock(lot_lock);
                is_cancelled = 1
            :: else -> is_in = handed[me]; own = !is_in
            fi;
            claim[me] = CLOSED;
            if :: is_in || is_cancelled -> break :: else fi
        fi
    od;
    assert(!(lot ?? [eval(me)]));
    if :: is_cancelled -> goto again :: else fi;
    atomic { holders++; assert(holders == 1 && locked) };
    holders--;
    /* covey_mutex_unlock() */
#ifdef BROKEN_fast
    locked = 0;
    goto again;
#else
    atomic { is_in = waiters || woken; if :: !is_in -> locked = 0 :: else fi };
    if :: !is_in -> goto again :: else fi;
#endif
    atomic { is_in = woken; if :: is_in -> locked = 0 :: else fi }; /* leave_to_woken() */
    if :: is_in -> goto again :: else fi;
#ifdef BROKEN_free_first
    locked = 0;
#endif
    lock(lot_lock); /* unlock_slow() */
    claim_first(w);
#ifdef BROKEN_forget
    rest = 0;
#else
    rest = nempty(lot);
#endif
    if
    :: w != NOBODY -> handed[w] = 1
    :: true
    fi;
    atomic {
        locked = (w != NOBODY -> handed[w] : 0);
        waiters = rest;
        woken = (w != NOBODY -> !handed[w] : 0)
    };
    unlock(lot_lock);
    if :: w != NOBODY -> wake[w] = 1 :: else fi;
    w = 0;
    goto again;
stop:
    skip
}

/* The end of the first task's context. */
active proctype canceler()
{
end:
    atomic { claim[0] == OPEN -> claim[0] = TAKEN_CTX };
    wake[0] = 1
}

init
{
    atomic { run task(0, 2); run task(1, 2); run task(2, 1) }
}
