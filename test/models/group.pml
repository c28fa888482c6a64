/* SPDX-License-Identifier: MIT
 * group.pml - src/group/group.c: the state word: ends and starts without a lock, the last with it.
 *
 * The opener starts three tasks under a limit of one or two, waits for them and frees the group.
 * Shown: the limit holds, no end is missed (the opener's waits end), and nobody touches the group once
 * it is freed. Each use of the group is a step of its own that checks that it is there.
 *
 * BROKEN_fast_last: the end that reaches 0 does not look at JOINING
 * BROKEN_unlocked_end: an end counts down first and takes the lock then
 * BROKEN_wake_first: the opener is woken before the lock is given back
 * BROKEN_no_relook: a start that has to wait does not look at the count after it set STARTING
 * BROKEN_no_flag: a start waits without setting STARTING */
#include "lock.pmh"
#define TASKS 3

bit g_lock, is_freed;
byte count, limit;
bit joining, starting;     /* with count: one word */
bit joiner, starter;       /* the opener's waiter is in that queue */
bit wake;
byte alive;

#define USE assert(!is_freed)

proctype member()
{
    bit is_watched, ok;
    byte seen;
    bit to_wake;

    alive--; /* its work is done; member_end(): leave() */
    do
    :: atomic {
            USE;
            seen = count;
#ifdef BROKEN_fast_last
            is_watched = starting
#else
            is_watched = starting || joining && count == 1
#endif
        };
        if
        :: is_watched -> break
        :: else ->
            /* The compare-and-swap of the whole word. */
            atomic {
                USE;
                ok = seen == count && !starting && !(joining && count == 1);
#ifdef BROKEN_fast_last
                ok = seen == count && !starting;
#endif
                if :: ok -> count-- :: else fi
            };
            if :: ok -> goto stop :: else fi
        fi
    od;
    /* leave_slow() */
#ifdef BROKEN_unlocked_end
    atomic { USE; count-- };
    atomic { USE; g_lock == 0 -> g_lock = 1 };
#else
    atomic { USE; g_lock == 0 -> g_lock = 1 };
    atomic { USE; count-- };
#endif
    if
    :: starting -> /* admit_locked() */
        USE;
        if
        :: starter && count < limit -> starter = 0; count++; to_wake = 1
        :: else
        fi;
        if :: !starter -> starting = 0 :: else fi
    :: else
    fi;
    USE;
    if
    :: count == 0 && joiner -> joiner = 0; to_wake = 1
    :: else
    fi;
#ifdef BROKEN_wake_first
    if :: to_wake -> wake = 1; to_wake = 0 :: else fi;
#endif
    atomic { USE; g_lock = 0 };
    if :: to_wake -> wake = 1 :: else fi;
stop:
    skip
}

active proctype opener()
{
    byte started;
    bit is_in;

    if :: limit = 1 :: limit = 2 fi;
    do
    :: started < TASKS -> /* join_limited() */
        lock(g_lock);
        is_in = count < limit;
        if
        :: is_in -> atomic { count++; unlock(g_lock) }
        :: else ->
#ifndef BROKEN_no_flag
            starting = 1;
#endif
#ifndef BROKEN_no_relook
            is_in = count < limit;
#endif
            if
            :: is_in -> atomic { starting = 0; count++ }; unlock(g_lock)
            :: else ->
                starter = 1;
                unlock(g_lock);
                atomic { wake -> wake = 0 }
            fi
        fi;
        started++;
        alive++;
        assert(alive <= limit);
        run member()
    :: else -> break
    od;
    lock(g_lock); /* covey_group_wait() */
    atomic { joining = 1; is_in = count == 0 };
    if
    :: is_in -> unlock(g_lock)
    :: else ->
        joiner = 1;
        unlock(g_lock);
        atomic { wake -> wake = 0 }
    fi;
    assert(alive == 0);
    is_freed = 1
}
