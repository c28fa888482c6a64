/* SPDX-License-Identifier: MIT
 * lock.c - the slow path of cvy_lock; in debug builds, what each thread holds.
 *
 * A thread-local that compilers know, unlike that of self.h: no lock is held over a switch of
 * tasks, so whoever takes one and gives it back is on one thread. */
#include "os/lock.h"

#include "os/freed.h"

#include <sched.h>
#include <time.h>

#define PAUSES_MAX 64 /* between two looks; twice as many each time */
#define YIELDS 10
#define NAP_NS 20000

/* Who looks at the word takes its cache line from the holder, who wants it back to unlock, and for
 * its next operation. So each look comes later than the last, and a holder gets some work done. */
static bool spin(struct cvy_lock *l)
{
    for (unsigned pauses = 1; pauses <= PAUSES_MAX; pauses *= 2) {
        cvy_cpu_pause(pauses);
        if (cvy_lock_try(l)) {
            return true;
        }
    }
    return false;
}

void cvy_lock_slow(struct cvy_lock *l)
{
    cvy_freed_check(l);
    if (spin(l)) {
        return;
    }
    for (unsigned round = 0; !cvy_lock_try(l); round++) {
        if (round < YIELDS) {
            (void)sched_yield();
        } else {
            (void)nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
        }
    }
}

#if CVY_DEBUG

#define HELD_MAX 64 /* a select may hold more: those beyond are only counted */

static _Thread_local struct {
    size_t count;
    const struct cvy_lock *locks[HELD_MAX];
} held;

static size_t held_known(void)
{
    return held.count < HELD_MAX ? held.count : HELD_MAX;
}

void cvy_lock_check(const struct cvy_lock *l)
{
    COVEY_REQUIRE(l->rank != 0, "a lock without a rank is taken");
    for (size_t i = 0; i < held_known(); i++) {
        const struct cvy_lock *h = held.locks[i];
        COVEY_REQUIRE(h->rank < l->rank || (h->rank == l->rank && h < l),
                      "a lock of rank %u is taken under one of rank %u", l->rank, h->rank);
    }
}

void cvy_lock_taken(const struct cvy_lock *l)
{
    /* Counted first: a signal's handler that tries a lock in between finds the next place. */
    size_t at = held.count++;
    if (at < HELD_MAX) {
        held.locks[at] = l;
    }
}

void cvy_lock_given(const struct cvy_lock *l)
{
    size_t known = held_known();

    for (size_t i = 0; i < known; i++) {
        if (held.locks[i] == l) {
            held.locks[i] = held.locks[known - 1];
            break;
        }
    }
    held.count--;
}

bool cvy_lock_any_held(void)
{
    return held.count > 0;
}

#endif
