/* SPDX-License-Identifier: MIT
 * ring.pml - src/trace/ring.c: a writer that overwrites the oldest events, a reader that copies
 * behind its back.
 *
 * Two chunks of two events of two words. Each store and each load is a step of its own; what the
 * fences forbid stands as the order of the steps, and each broken variant is what the hardware may
 * do without one. Shown: what the reader keeps is whole and is the event of that number; it never
 * counts more events than were written, nor fewer than when it began.
 *
 * BROKEN_release_fence: the first store into a chunk is seen before begun is
 * BROKEN_acquire_fence: begun is read again before the copy
 * BROKEN_at: at is stored before the event's second word
 * BROKEN_oldest: the chunk that is being overwritten is not discarded
 * BROKEN_end: at, where the chunk before ends, is taken for a place in the new one
 * BROKEN_begun: at is read between two looks at begun that may differ */
#define CHUNK 2
#define SIZE 4   /* events in the ring */
#define EVENTS 9
#define COPIES 2 /* of the reader's */

byte who[SIZE], what[SIZE];
byte at;      /* where the last event ends, 1 to SIZE: an address */
byte begun;   /* chunks */
byte written; /* what has been told by at */

active proctype writer()
{
    byte i, s;

    do
    :: i < EVENTS ->
        s = i % SIZE;
        if
        :: i % CHUNK == 0 ->
#ifdef BROKEN_release_fence
            who[s] = i + 1;
#endif
            begun = i / CHUNK + 1;
        :: else
        fi;
        who[s] = i + 1;
#ifdef BROKEN_at
        d_step { at = s + 1; written = i + 1 };
        what[s] = i + 1;
#else
        what[s] = i + 1;
        d_step { at = s + 1; written = i + 1 };
#endif
        i++
    :: else -> break
    od
}

/* oldest(): the first event that the writer has not begun to overwrite. */
inline oldest(out, b)
{
#ifdef BROKEN_oldest
    out = (b * CHUNK > SIZE + CHUNK -> b * CHUNK - SIZE - CHUNK : 0)
#else
    out = (b * CHUNK > SIZE -> b * CHUNK - SIZE : 0)
#endif
}

active proctype reader()
{
    byte from, end, first, b, again, a, n, i, whole, before, copies;
    byte got_who[SIZE], got_what[SIZE];

    do
    :: copies < COPIES ->
        copies++;
        /* cvy_ring_written() */
        before = written;
look:
        b = begun;
        a = at;
        again = begun;
#ifndef BROKEN_begun
        if :: b != again -> goto look :: else fi;
#endif
        if
        :: b == 0 -> end = 0
        :: else ->
            first = (b - 1) * CHUNK;
#ifdef BROKEN_end
            end = first + (a >= first % SIZE -> a - first % SIZE : 0)
#else
            end = first + (a >= first % SIZE && a - first % SIZE <= CHUNK -> a - first % SIZE : 0)
#endif
        fi;
        d_step { assert(end <= written); assert(end >= before) };
        if
        :: end <= from -> goto next
        :: else
        fi;
        b = begun;
        oldest(first, b);
        first = (first > from -> first : from);
        n = (end > first -> end - first : 0);
#ifdef BROKEN_acquire_fence
        b = begun;
#endif
        i = 0;
        do
        :: i < n ->
            got_who[i] = who[(first + i) % SIZE];
            got_what[i] = what[(first + i) % SIZE];
            i++
        :: else -> break
        od;
#ifndef BROKEN_acquire_fence
        b = begun;
#endif
        oldest(whole, b);
        i = 0;
        do
        :: i < n ->
            if
            :: first + i >= whole ->
                assert(got_who[i] == first + i + 1);
                assert(got_what[i] == first + i + 1)
            :: else
            fi;
            i++
        :: else -> break
        od;
        from = first + n;
        if :: whole > from -> from = whole :: else fi;
next:
        skip
    :: else -> break
    od
}
