/* SPDX-License-Identifier: MIT
 * lock.pml - src/os/lock.h, lock.c: the lock whose unlock is one plain store.
 *
 * Three threads, twice each. Shown: one at a time inside, and whoever waits gets in although nobody
 * wakes it: it naps, and looks again. The other models take a lock in one step on the strength of this.
 *
 * spin: progress
 *
 * BROKEN_no_exchange: the lock is taken by a look and a store
 * BROKEN_sleep: who finds it held sleeps until it is woken, which nobody does
 * BROKEN_deaf (progress): who naps does not look at the word again */
bit word;
byte inside;

active [3] proctype thread()
{
    byte times;
    bit old;

    do
    :: times < 2 ->
        times++;
#ifdef BROKEN_no_exchange
        old = word;
        if :: old == 0 -> word = 1 :: else fi;
#else
        atomic { old = word; word = 1 }; /* cvy_lock() */
#endif
        do /* cvy_lock_slow() */
        :: old == 0 -> break
        :: else ->
#ifdef BROKEN_sleep
            false;
#endif
            if /* cvy_lock_try(): the cheap look, then the exchange */
#ifndef BROKEN_deaf
            :: word == 0 -> atomic { old = word; word = 1 }
#endif
            :: else -> skip /* pause, yield, nap */
            fi
        od;
        atomic { inside++; assert(inside == 1) };
        inside--;
        word = 0 /* cvy_unlock() */
    :: else -> break
    od
}
