/* SPDX-License-Identifier: MIT
 * lot.h - the parking lot: waiters of the zero-initialised words of sync/, hashed by address.
 *
 * The words themselves hold only a bit that says "somebody waits". A waiter's elem is the address.
 */
#ifndef CVY_SCHED_LOT_H
#define CVY_SCHED_LOT_H

#include "sched/wait.h"

/* How long to pause, at most, between two looks at a word that is held, before waiting in the lot.
 */
#define CVY_LOT_PAUSES_MAX 32

/* Whether looking on may help: the holder runs only if there is another worker, or a plain thread.
 */
static inline bool cvy_lot_may_spin(const struct cvy_thread *th)
{
    return !th->runtime || th->runtime->can_spin;
}

struct cvy_lot {
    _Alignas(CVY_CACHE_LINE) struct cvy_lock lock; /* rank CVY_RANK_LOT */
    struct cvy_node waiters; /* first come first; several addresses share it */
};

/* The lot of address, locked. */
struct cvy_lot *cvy_lot_lock(const void *address);
static inline void cvy_lot_unlock(struct cvy_lot *lot)
{
    cvy_unlock(&lot->lock);
}
/* The first waiter of address, still in the queue; NULL: none. */
struct cvy_waiter *cvy_lot_first(struct cvy_lot *lot, const void *address);
/* The first that could be claimed, out of the queue; NULL: none. */
struct cvy_waiter *cvy_lot_claim(struct cvy_lot *lot, const void *address);
/* Waits; the lot is locked and comes back unlocked. As cvy_wait_in(). is_front: has waited before.
 */
int cvy_lot_wait(struct cvy_thread **thp, covey_ctx *ctx, struct cvy_lot *lot, const void *address,
                 struct cvy_waiter *wr, bool is_front, enum cvy_reason reason);

#endif
