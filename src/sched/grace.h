/* SPDX-License-Identifier: MIT
 * grace.h - read sections: memory that is read without a lock, and when it may be freed.
 *
 * A reader brackets its reads of shared links with cvy_read_begin() and cvy_read_end(), which write
 * only its own thread's word. A writer unlinks something, calls cvy_grace_wait(), and then nobody
 * can still hold what it unlinked: who was in a section has left it, and who enters one later finds
 * the new links.
 *
 * Why that is so: the reader stores its word and then loads links; the writer stores links and then
 * loads words. A membarrier between the writer's two, paid by it alone, makes one see the other;
 * the reader needs only the compiler's order (a fence where the kernel has no membarrier).
 *
 * A section is a few dozen instructions. It calls nothing that may switch tasks, does not nest, and
 * must not wait for a grace period. */
#ifndef CVY_SCHED_GRACE_H
#define CVY_SCHED_GRACE_H

#include "os/delay.h"
#include "sched/worker.h"

/* Once before the first section of anything: makes sections cheap where the kernel helps. */
void cvy_grace_init(void);

static inline struct cvy_thread *cvy_read_begin(void)
{
    struct cvy_thread *th = cvy_thread_self();
    if (cvy_unlikely(!th)) {
        th = cvy_thread_foreign();
    }
    uint32_t word = cvy_load_relaxed(&th->reading);
    COVEY_REQUIRE(!(word & 1), "a callback of a map or a value called back into one");
    /* Relaxed: ordered before the section's loads by the fence, whose other half is the membarrier
     * in cvy_grace_wait(). */
    cvy_store_relaxed(&th->reading, word + 1);
    cvy_light_fence();
    CVY_WINDOW();
    return th;
}

static inline void cvy_read_end(struct cvy_thread *th)
{
    CVY_WINDOW();
    /* Release: the section's loads happen before the acquire in cvy_grace_wait(), and so before
     * whatever the writer then frees. Only this thread writes the word. */
    cvy_store_release(&th->reading, cvy_load_relaxed(&th->reading) + 1);
}

/* Returns when every section that was open at the call has ended. Does not switch tasks: it spins,
 * then naps, as a lock does. No lock that a section's reader could want is held. */
void cvy_grace_wait(void);

/* A thread's record enters and leaves the list of those that may read. */
void cvy_grace_join(struct cvy_thread *th);
void cvy_grace_leave(struct cvy_thread *th);

#endif
