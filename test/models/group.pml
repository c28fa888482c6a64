/* SPDX-License-Identifier: MIT
 * group.pml - src/group/group.c: two counts: ends and starts without a lock, the last end with it.
 *
 * The opener starts three tasks under a limit of one or two, or two without one, the first of which
 * starts another; at any time it may set JOINING, as a select does that then goes on for another
 * reason; it waits for them and frees the group. Shown: the limit holds, no end is missed (the opener's
 * waits end), and nobody touches the group once it is freed: each use by a member checks that it is
 * there, or stands between two that do.
 *
 * BROKEN_fast_last: the end that makes the counts equal does not look at JOINING
 * BROKEN_started_first: an end looks at the starts before it looks at the ends
 * BROKEN_join_first: the opener looks at the counts before it sets JOINING
 * BROKEN_unlocked_end: an end is counted first and takes the lock then
 * BROKEN_wake_first: the opener is woken before the lock is given back
 * BROKEN_no_relook: a start that has to wait does not look at the counts after it set STARTING
 * BROKEN_no_flag: a start waits without setting STARTING */
#include "lock.pmh"
#define TASKS 3
#define NONE 3 /* no limit */

bit g_lock, is_freed;
byte started, limit;
byte ended;
bit joining, starting; /* with ended: one word */
bit joiner, starter;   /* the opener's waiter is in that queue */
bit wake;
byte alive;

#define USE assert(!is_freed)

proctype member(bit starts_another)
{
    bit is_watched, ok, is_joining, is_starting, to_wake;
    byte e, s;

    if
    :: starts_another ->
        atomic { USE; started++ };
        alive++;
        run member(0)
    :: else
    fi;
    alive--; /* its work is done; member_end(): leave() */
    do
    ::
#ifdef BROKEN_started_first
        atomic { USE; s = started };
        atomic { USE; e = ended; is_joining = joining; is_starting = starting };
#else
        atomic { USE; e = ended; is_joining = joining; is_starting = starting };
        atomic { USE; s = started };
#endif
#ifdef BROKEN_fast_last
        is_watched = is_starting;
#else
        is_watched = is_starting || is_joining && s == e + 1;
#endif
        if
        :: is_watched -> break
        :: else ->
            /* The compare-and-swap of the whole word. */
            atomic {
                USE;
                ok = e == ended && is_joining == joining && is_starting == starting;
                if :: ok -> ended++ :: else fi
            };
            if :: ok -> goto stop :: else fi
        fi
    od;
    /* leave_slow() */
#ifdef BROKEN_unlocked_end
    atomic { USE; ended++ };
    atomic { USE; g_lock == 0 -> g_lock = 1 };
#else
    atomic { USE; g_lock == 0 -> g_lock = 1 };
    atomic { USE; ended++ };
#endif
    if
    :: starting -> /* admit_locked() */
        atomic { USE; e = ended };
        atomic { USE; s = started };
        if
        :: starter && s - e < limit -> starter = 0; started++; to_wake = 1
        :: else
        fi;
        if :: !starter -> starting = 0 :: else fi
    :: else
    fi;
    atomic { USE; e = ended };
    atomic { USE; s = started };
    if
    :: s == e && joiner -> joiner = 0; to_wake = 1
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
    byte tasks, e;
    bit is_in;

    if :: limit = 1 :: limit = 2 :: limit = NONE; tasks = 1 fi;
    do
    :: tasks < TASKS && !joining ->
        lock(g_lock);
        atomic { joining = 1; unlock(g_lock) }
    :: tasks < TASKS && limit == NONE ->
        started++;
        alive++;
        run member(tasks == 1);
        tasks++
    :: tasks < TASKS && limit != NONE -> /* join_limited() */
        lock(g_lock);
        e = ended;
        is_in = started - e < limit;
        if
        :: is_in -> atomic { started++; unlock(g_lock) }
        :: else ->
#ifndef BROKEN_no_flag
            starting = 1;
#endif
#ifndef BROKEN_no_relook
            e = ended;
            is_in = started - e < limit;
#endif
            if
            :: is_in -> starting = 0; atomic { started++; unlock(g_lock) }
            :: else ->
                starter = 1;
                unlock(g_lock);
                atomic { wake -> wake = 0 }
            fi
        fi;
        tasks++;
        alive++;
        assert(alive <= limit);
        run member(0)
    :: else -> break
    od;
    lock(g_lock); /* covey_group_wait() */
#ifdef BROKEN_join_first
    e = ended;
    is_in = started == e;
    joining = 1;
#else
    joining = 1;
    e = ended;
    is_in = started == e;
#endif
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
