/* SPDX-License-Identifier: MIT
 * run.pml - src/trace/run.c: how many more events an event stands for, read while it is counted.
 *
 * The writer opens a run in each of two events, counts, and closes it before the next event is
 * told. Shown: a reader never gets more than there were; of an event that is followed by another,
 * exactly as many. As in ring.pml, a variant without a fence is an order that it forbids.
 *
 * BROKEN_once: the reader does not look again whether the run is still open
 * BROKEN_acquire_fence: it looks again before it has read the count
 * BROKEN_release_fence: a run's room is seen while the one before still seems open
 * BROKEN_next: the next event is told while the run is open */
#define NONE 9
#define EVENTS 2
#define ROOM 3

byte length[EVENTS]; /* in the event itself */
byte open = NONE;     /* the open one */
byte room, left;
byte at;             /* events told */
byte there[EVENTS];  /* how many more there are, whoever knows */

inline close()
{
    if
    :: open != NONE ->
        length[e] = room - left;
#ifdef BROKEN_release_fence
        if /* what comes next is the next run's; its room is smaller */
        :: e + 1 < EVENTS -> room = ROOM - 1; left = ROOM - 1
        :: else
        fi;
#endif
        open = NONE
    :: else
    fi
}

active proctype writer()
{
    byte e;

    do
    :: e < EVENTS ->
        at = e + 1;
        /* begin() */
        room = ROOM - e;
        left = ROOM - e;
        open = e;
        do
        :: left > 0 -> d_step { there[e]++; left-- }
        :: break
        od;
#ifdef BROKEN_next
        if :: e + 1 < EVENTS -> at = e + 2 :: else fi;
#endif
        close();
        e++
    :: else -> break
    od
}

active [2] proctype reader()
{
    byte told, i, more, was_room;

    do
    :: told < EVENTS ->
        told = at;
        i = 0;
        do
        :: i < told ->
            more = length[i];
            if
            :: more == 0 && open == i ->
#ifdef BROKEN_acquire_fence
                if :: open == i -> was_room = room; more = was_room - left :: else -> more = length[i] fi
#else
                was_room = room;
                more = was_room - left;
#ifndef BROKEN_once
                if :: open == i :: else -> more = length[i] fi
#endif
#endif
            :: else
            fi;
            assert(more <= there[i]);
            assert(more == there[i] || i + 1 == told);
            i++
        :: else -> break
        od
    :: else -> break
    od
}
