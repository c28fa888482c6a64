/* SPDX-License-Identifier: MIT
 * runq.pml - src/sched/runq.h: the owner pushes and pops, two thieves steal half, one of them twice.
 *
 * A ring of four slots, five tasks; head and tail are read and slots are copied step by step, head is
 * moved by compare-and-swap alone. Shown: no task is taken twice, none is lost, none is overwritten
 * before it was taken, tail - head stays within the ring.
 *
 * BROKEN_plain_pop: the owner pops with a plain store, as if it were alone
 * BROKEN_plain_steal: a thief moves head with a plain store
 * BROKEN_tail_first: tail is published before the slot is written
 * BROKEN_late_read: a thief reads the slots after it has moved head
 * BROKEN_no_full: push does not look whether the ring is full */
#define SIZE 4
#define TASKS 5

byte head, tail;  /* they do not wrap here */
byte slots[SIZE]; /* task numbers from 1 */
bit taken[TASKS + 1];
byte thieves_left = 2;

inline take(t)
{
    d_step { assert(t != 0 && !taken[t]); taken[t] = 1 }
}

/* cvy_runq_push(): is_done says whether there was room. tail is the owner's alone to write. */
inline push(t)
{
    if
#ifndef BROKEN_no_full
    :: tail - head >= SIZE -> is_done = 0
    :: else ->
#else
    :: true ->
#endif
#ifdef BROKEN_tail_first
        tail++;
        slots[(tail - 1) % SIZE] = t;
#else
        slots[tail % SIZE] = t;
        d_step { tail++; assert(tail - head <= SIZE) };
#endif
        is_done = 1
    fi
}

/* cvy_runq_pop() by the owner: got is 0 if the ring is empty. */
inline pop()
{
    h = head;
    do
    :: h == tail -> got = 0; break
    :: h != tail ->
        got = slots[h % SIZE];
#ifdef BROKEN_plain_pop
        head = h + 1;
        take(got);
        break
#else
        if
        :: atomic { head == h -> head = h + 1; assert(got != 0 && !taken[got]); taken[got] = 1 };
            break
        :: atomic { head != h -> h = head }
        fi
#endif
    od
}

active proctype owner()
{
    byte t = 1, h, got;
    bit is_done;

    do
    :: t <= TASKS ->
        push(t);
        if :: is_done -> t++ :: else fi;
        if
        :: is_done /* goes on pushing */
        :: pop()
        fi
    :: else -> break
    od;
    thieves_left == 0;
    do /* what the thieves have left */
    :: pop();
        if :: got == 0 -> break :: else fi
    od;
    for (t : 1 .. TASKS) { assert(taken[t]) }
}

/* cvy_runq_steal(), so many times. */
proctype thief(byte batches)
{
    byte h, n, i;
    byte out[2];

    do
    :: batches > 0 ->
        batches--;
        h = head;
again:
        atomic { n = tail - h; n = n - n / 2 };
        if
        :: n > SIZE / 2 -> h = head; goto again /* head and tail were read at different times */
        :: n == 0 -> goto next
        :: else
        fi;
#ifndef BROKEN_late_read
        i = 0;
        do
        :: d_step { i < n -> out[i] = slots[(h + i) % SIZE]; i++ }
        :: i == n -> break
        od;
#endif
#ifdef BROKEN_plain_steal
        head = h + n;
#else
        if
        :: atomic { head == h -> head = h + n }
        :: atomic { head != h -> h = head }; goto again
        fi;
#endif
#ifdef BROKEN_late_read
        i = 0;
        do
        :: d_step { i < n -> out[i] = slots[(h + i) % SIZE]; i++ }
        :: i == n -> break
        od;
#endif
        take(out[0]);
        if :: n == 2 -> take(out[1]) :: else fi;
next:
        skip;
        d_step { h = 0; n = 0; i = 0; out[0] = 0; out[1] = 0 }
    :: else -> break
    od;
    thieves_left--
}

init
{
    atomic { run thief(2); run thief(1) }
}
