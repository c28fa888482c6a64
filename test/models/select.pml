/* SPDX-License-Identifier: MIT
 * select.pml - src/chan/select.c, sched/wait.h: one claim over several queues.
 *
 * Two unbuffered channels. Two selects, each waiting for either channel, one to receive and one to
 * send, and either a plain send and a plain receive or a context's end: every lock is taken step by
 * step. Shown: a select runs exactly one case, no value is lost or comes twice,
 * no two wait for each other while they could meet, no lock cycle, nobody returns while it stands in a
 * queue.
 *
 * BROKEN_lock_order: one select takes the locks in the order of its cases
 * BROKEN_no_retry: the cases are not tried again once all locks are held
 * BROKEN_no_claim: whoever finds a waiter takes it without a claim
 * BROKEN_one_lock: the queues are entered one lock at a time, after the claim was opened
 * BROKEN_stay: the queues that did not wake it are not left */
#include "lock.pmh"
#define NOBODY 255
#define TASKS 4
mtype = { CLOSED, OPEN, TAKEN, TAKEN_CTX };

bit locks[2];
bit entered[TASKS * 2];  /* waiter of a task in a channel's queue: [2 * task + channel] */
bit sends[TASKS];
mtype claim[TASKS] = CLOSED;
bit wake[TASKS];
byte ran[TASKS];         /* cases run, as the other side saw it */
byte moved, returned;    /* values: handed over, told by a return of 0 */

/* try_locked: a waiter of the other kind in channel ch, claimed; w is NOBODY if there is none. */
inline claim_other(ch, w)
{
    d_step {
        w = 0;
        do
        :: w == TASKS -> break
        :: w < TASKS && entered[2 * w + ch] && sends[w] != sends[me] ->
            entered[2 * w + ch] = 0;
#ifdef BROKEN_no_claim
           
            break
#else
            if
            :: claim[w] == OPEN -> claim[w] = TAKEN; break
            :: else -> w++
            fi
#endif
        :: else -> w++
        od;
        if
        :: w < TASKS -> ran[w]++; ran[me]++; moved++
        :: else -> w = NOBODY
        fi
    }
}

/* try_now: one case alone */
inline try_now(ch, w)
{
    lock(locks[ch]);
    claim_other(ch, w);
    unlock(locks[ch])
}

proctype selector(byte me; bit send; byte first)
{
    byte w = NOBODY, ch;

    sends[me] = send;
    /* Each case alone, in the order that chance gives. */
    try_now(first, w);
    if :: w != NOBODY -> goto ready :: else fi;
    try_now(1 - first, w);
    if :: w != NOBODY -> goto ready :: else fi;
#ifdef BROKEN_one_lock
    claim[me] = OPEN;
    lock(locks[0]); claim_other(0, w); entered[2 * me] = w == NOBODY; unlock(locks[0]);
    if :: w != NOBODY -> claim[me] = CLOSED; goto leave :: else fi;
    lock(locks[1]); claim_other(1, w); entered[2 * me + 1] = w == NOBODY; unlock(locks[1]);
    if :: w != NOBODY -> claim[me] = CLOSED; goto leave :: else fi;
#else
#ifdef BROKEN_lock_order
    ch = first;
#else
    ch = 0;
#endif
    lock(locks[ch]); /* lock_all(): by address */
    lock(locks[1 - ch]);
#ifndef BROKEN_no_retry
    claim_other(first, w);
    if
    :: w == NOBODY -> claim_other(1 - first, w)
    :: else
    fi;
    if
    :: w != NOBODY -> unlock(locks[0]); unlock(locks[1]); goto ready
    :: else
    fi;
#endif
    claim[me] = OPEN; /* wait_locked(): others see it as soon as one lock is free */
    entered[2 * me] = 1;
    entered[2 * me + 1] = 1;
    unlock(locks[0]);
    unlock(locks[1]);
#endif
    wake[me] == 1;
#ifdef BROKEN_one_lock
leave:
#endif
#ifndef BROKEN_stay
    for (ch : 0 .. 1) { /* leave_all() */
        lock(locks[ch]);
        entered[2 * me + ch] = 0;
        unlock(locks[ch])
    }
#endif
    if
    :: claim[me] == TAKEN_CTX -> assert(ran[me] == 0)
    :: else -> assert(ran[me] == 1); returned++
    fi;
    goto out;
ready:
    wake[w] = 1;
    assert(ran[me] == 1);
    returned++;
out:
    claim[me] = CLOSED;
    assert(!entered[2 * me] && !entered[2 * me + 1])
}

/* A send or receive on one channel alone. */
proctype plain(byte me; bit send; byte ch)
{
    byte w;

    sends[me] = send;
    lock(locks[ch]);
    claim_other(ch, w);
    if
    :: w != NOBODY -> unlock(locks[ch]); wake[w] = 1
    :: else ->
        claim[me] = OPEN;
        entered[2 * me + ch] = 1;
        unlock(locks[ch]);
        wake[me] == 1;
        claim[me] = CLOSED
    fi;
    returned++;
    assert(ran[me] == 1 && !entered[2 * me + ch])
}

/* Ends the first select, if it waits; then another receive serves the second. */
proctype context()
{
    if
    :: atomic { claim[0] == OPEN -> claim[0] = TAKEN_CTX };
        wake[0] = 1;
        run plain(2, 0, 1)
    :: skip
    fi
}

init
{
    if
    :: atomic {
            run selector(0, 0, 0);
            run selector(1, 1, 1);
            run plain(2, 1, 0);
            run plain(3, 0, 0)
        };
        returned == 4 && moved == 2
    :: atomic {
            run selector(0, 0, 0);
            run selector(1, 1, 1);
            run context()
        };
        returned == 2 && moved == 1
    fi
}
