/* SPDX-License-Identifier: MIT
 * grace.c - see grace.h. */
#include "sched/grace.h"

#include <sched.h>

#define SPINS 1000
#define YIELDS 100
#define NAP_NS (20 * COVEY_US)

/* All threads that have a record. A thread enters before its first section, so one that a writer
 * does not find here opens its first section after the writer has unlinked. */
static struct cvy_lock readers_lock = CVY_LOCK_INIT(CVY_RANK_POOL);
static struct cvy_thread *readers;   /* by reader_next, guarded by readers_lock */

void cvy_grace_init(void)
{
    if (cvy_load_relaxed(&cvy_fence_needed)) {
        (void)cvy_membarrier_init();
    }
}

void cvy_grace_join(struct cvy_thread *th)
{
    cvy_lock(&readers_lock);
    th->reader_next = readers;
    readers = th;
    cvy_unlock(&readers_lock);
}

void cvy_grace_leave(struct cvy_thread *th)
{
    cvy_lock(&readers_lock);
    struct cvy_thread **at = &readers;
    while (*at != th) {
        at = &(*at)->reader_next;
    }
    *at = th->reader_next;
    cvy_unlock(&readers_lock);
}

/* A section is short, but its thread may have lost its CPU in the middle of it. */
static void await_end(struct cvy_thread *th)
{
    /* Acquire: pairs with the release in cvy_read_end(). */
    uint32_t word = cvy_load_acquire(&th->reading);

    for (int i = 0; (word & 1) && cvy_load_acquire(&th->reading) == word; i++) {
        if (i < SPINS) {
            cvy_cpu_relax();
        } else if (i < SPINS + YIELDS) {
            (void)sched_yield();
        } else {
            cvy_futex_wait(&th->reading, word, NAP_NS);
        }
    }
}

void cvy_grace_wait(void)
{
    struct cvy_thread *self = cvy_thread_self();

    COVEY_REQUIRE(!self || !(cvy_load_relaxed(&self->reading) & 1),
                  "a callback of a map or a value called back into one");
    CVY_WINDOW();
    cvy_membarrier();
    cvy_lock(&readers_lock);
    for (struct cvy_thread *th = readers; th; th = th->reader_next) {
        await_end(th);
    }
    cvy_unlock(&readers_lock);
}
