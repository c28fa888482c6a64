/* SPDX-License-Identifier: MIT
 * grace.pml - src/sched/grace.c and what stands on it (src/sync/map.c, value.c): readers that count a
 * value which they have just read without a lock, against writers that replace it and then give up
 * the reference that it was published with.
 *
 * A reader's stores of its word pass through a store buffer, so that its loads may overtake them, as
 * processors do; counting does not drain it, as on aarch64. One reader reads once, in a thread that
 * was not there before. Shown: nobody counts a value whose last reference is gone, and in the end
 * only the present value has one.
 *
 * BROKEN_no_barrier: the writer issues no membarrier
 * BROKEN_no_wait: it does not wait for who is inside
 * BROKEN_no_grace: it gives the reference up at once
 * BROKEN_wait_first: it waits before it replaces
 * BROKEN_count_late: the reader leaves its section before it counts
 * BROKEN_join_late: a new thread enters the list after it has begun to read
 * BROKEN_unlocked: writers replace without the lock */
#include "lock.pmh"

#define READERS 2
#define TURNS 2
#define WRITERS 2

byte word[READERS];    /* as others see it */
byte wrote[READERS];   /* as its reader wrote it: stores on their way are wrote - word */
bit is_joined[READERS];
bit shard_lock, list_lock;

byte current;          /* the present value: its number */
byte refs[WRITERS + 1];
byte running = READERS + WRITERS;
bit began;

/* The processor writes stores back in order, any time it likes. */
active [READERS] proctype store_buffer()
{
end:
    do
    :: atomic { word[_pid] != wrote[_pid] -> word[_pid] = word[_pid] + 1 }
    od
}

inline join(me)
{
    lock(list_lock);
    is_joined[me] = 1;
    unlock(list_lock)
}

inline unref(v)
{
    atomic { assert(refs[v] > 0); refs[v]-- }
}

active [READERS] proctype reader()
{
    byte me = _pid - READERS, v, turn;

    began;
#ifndef BROKEN_join_late
    join(me);
#else
    if :: me == 0 -> join(me) :: else fi;
#endif
    do
    :: turn < TURNS - me ->
        turn++;
        wrote[me]++; /* cvy_read_begin() */
        v = current;
#ifdef BROKEN_count_late
        wrote[me]++;
#endif
#ifdef BROKEN_join_late
        if :: me == 1 && turn == 1 -> join(me) :: else fi;
#endif
        atomic { assert(refs[v] > 0); refs[v]++ };
#ifndef BROKEN_count_late
        wrote[me]++; /* cvy_read_end() */
#endif
        unref(v)
    :: else -> break
    od;
    running--
}

inline membarrier()
{
    atomic { word[0] = wrote[0]; word[1] = wrote[1] }
}

/* cvy_grace_wait() */
inline grace()
{
#ifndef BROKEN_no_barrier
    membarrier();
#endif
    lock(list_lock);
    r = 0;
    do
    :: r < READERS ->
        if
        :: is_joined[r] ->
            seen = word[r];
#ifndef BROKEN_no_wait
            if
            :: seen & 1 -> word[r] != seen
            :: else
            fi
#endif
        :: else
        fi;
        r++
    :: else -> break
    od;
    unlock(list_lock)
}

active [WRITERS] proctype writer()
{
    byte mine = _pid - 2 * READERS + 1, before, r, seen;

    began;
#ifdef BROKEN_wait_first
    grace();
#endif
#ifndef BROKEN_unlocked
    lock(shard_lock);
#endif
    before = current;
    refs[mine] = 1;
    current = mine;
#ifndef BROKEN_unlocked
    unlock(shard_lock);
#endif
#ifndef BROKEN_wait_first
#ifndef BROKEN_no_grace
    grace();
#endif
#endif
    unref(before);
    running--
}

active proctype check()
{
    byte v;

    atomic { refs[0] = 1; began = 1 };
    running == 0;
    v = 0;
    do
    :: v <= WRITERS -> assert(refs[v] == (v == current)); v++
    :: else -> break
    od
}
