/* SPDX-License-Identifier: MIT
 * cancel.pml - src/sched/wait.c, cancel.c: a context's end against a wake, with the standing
 * registration and the fence that only the context's end pays for.
 *
 * One task waits three times on one queue, each time under the context or under NULL; a sender gives
 * values; the context ends at some time. The task's stores (claim, queue, unlock) pass through a
 * store buffer, so that its look at done may overtake them, as processors do. Shown: every wait under
 * the context ends once it is done, nothing else ends a wait under NULL but a value, no value is lost
 * or given twice, nobody is woken twice, a task ends in no queue.
 *
 * BROKEN_no_barrier: the context's end issues no membarrier
 * BROKEN_no_look: the task does not look at the context after it opened its claim
 * BROKEN_no_cas: that look ends the wait without a compare-and-swap
 * BROKEN_any_claim: the context's end claims waits that are not under it
 * BROKEN_unmarked: who did not mark the context done wakes its waiters too, without a membarrier
 * BROKEN_stay: a wait that ended with the context does not leave the queue */
#include "lock.pmh"

#define WAITS 3
mtype = { CLOSED, OPEN, OPEN_CTX, TAKEN_QUEUE, TAKEN_CTX };

mtype claim = CLOSED;       /* as others see it */
mtype buffered;             /* a store of claim on its way */
byte pending;               /* 2: claim, queue, unlock in the store buffer; 1: queue and unlock */
bit queue_lock, ctx_lock;
bit in_queue, in_ctx;       /* the task's waiters in the lists */
bit registered;             /* the task's own: it entered the context's list once */
bit done;
byte wakes;                 /* tokens: times the task was made ready and has not run since */
bit under_ctx, is_waiting;  /* what the task is at, for the sender's choice */
byte sent, received, waits;
bit has_ended;

/* The processor writes stores back in order, any time it likes. */
active proctype store_buffer()
{
end:
    do
    :: atomic { pending == 2 -> claim = buffered; pending = 1 }
    :: atomic { pending == 1 -> in_queue = 1; queue_lock = 0; pending = 0 }
    od
}

inline membarrier()
{
#ifdef BROKEN_no_barrier
    skip
#else
    atomic {
        if :: pending == 2 -> claim = buffered; pending = 1 :: else fi;
        if :: pending == 1 -> in_queue = 1; queue_lock = 0; pending = 0 :: else fi
    }
#endif
}

/* A compare-and-swap by the task: its store buffer is empty first. */
inline drain()
{
    pending == 0
}

active proctype task()
{
    bit ok;

    do
    :: waits < WAITS ->
        waits++;
        if :: under_ctx = 1 :: under_ctx = 0 fi;
        if
        :: under_ctx && done -> goto next_wait /* cvy_ctx_check() */
        :: else
        fi;
        lock(queue_lock);
        if
        :: under_ctx && !registered -> /* register_with() */
            lock(ctx_lock);
            if
            :: done -> unlock(ctx_lock); unlock(queue_lock); goto next_wait
            :: else -> registered = 1; in_ctx = 1; unlock(ctx_lock)
            fi
        :: else
        fi;
        /* cvy_wait_open(), the waiter into the queue, unlock: plain stores. */
        atomic {
            buffered = (under_ctx -> OPEN_CTX : OPEN);
            pending = 2;
            is_waiting = 1
        };
        if
        :: under_ctx ->
#ifndef BROKEN_no_look
            if
            :: done -> /* cvy_wait_park(): compiler fence, then this look */
                drain();
#ifdef BROKEN_no_cas
                claim = CLOSED;
                is_waiting = 0;
                goto leave;
#else
                atomic {
                    ok = claim == OPEN_CTX;
                    if :: ok -> claim = CLOSED; is_waiting = 0 :: else fi
                };
                if :: ok -> goto leave :: else fi
#endif
            :: !done
            fi
#else
            skip
#endif
        :: else
        fi;
        atomic { wakes > 0 -> assert(wakes == 1); wakes = 0 }; /* cvy_park() */
        drain();
        assert(claim == TAKEN_QUEUE || (claim == TAKEN_CTX && under_ctx));
        is_waiting = 0;
        if
        :: claim == TAKEN_QUEUE -> claim = CLOSED; received++; assert(!in_queue)
        :: claim == TAKEN_CTX -> claim = CLOSED; goto leave
        fi;
        goto next_wait;
leave:
#ifndef BROKEN_stay
        lock(queue_lock);
        in_queue = 0;
        unlock(queue_lock);
#endif
next_wait:
        assert(!in_queue && wakes == 0)
    :: else -> break
    od;
    lock(ctx_lock); /* cvy_cancel_unregister() */
    in_ctx = 0;
    unlock(ctx_lock);
    assert(sent == received);
    has_ended = 1
}

/* Serves waits under NULL always, those under the context as long as it likes. */
active proctype sender()
{
    bit is_lazy, got;

    do
    :: has_ended -> break
    :: !is_lazy -> is_lazy = 1
    :: is_waiting && (!is_lazy || !under_ctx) ->
        lock(queue_lock);
        got = 0;
        if
        :: in_queue ->
            in_queue = 0; /* cvy_waitq_claim() */
            atomic {
                if
                :: claim == OPEN || claim == OPEN_CTX -> claim = TAKEN_QUEUE; got = 1; sent++
                :: else
                fi
            }
        :: else
        fi;
        unlock(queue_lock);
        if :: got -> wakes++ :: else fi
    od
}

/* cvy_cancel_fire(), by two at once: a deadline and a call of cancel. */
active [2] proctype fire()
{
    bit has_waiters, got, is_second;

    lock(ctx_lock); /* mark_done() */
    is_second = done;
    done = 1;
    has_waiters = in_ctx;
    unlock(ctx_lock);
    if
    :: is_second ->
#ifdef BROKEN_unmarked
        goto wake;
#else
        goto out;
#endif
    :: else
    fi;
    if
    :: has_waiters -> membarrier()
    :: else
    fi;
#ifdef BROKEN_unmarked
wake:
#endif
    lock(ctx_lock); /* wake_waiters() */
    if
    :: in_ctx ->
        in_ctx = 0;
        atomic {
            got = 0;
            if
            :: claim == OPEN_CTX -> claim = TAKEN_CTX; got = 1
#ifdef BROKEN_any_claim
            :: claim == OPEN -> claim = TAKEN_CTX; got = 1
#endif
            :: else
            fi
        }
    :: else
    fi;
    unlock(ctx_lock);
    if :: got -> wakes++ :: else fi;
out:
    skip
}
