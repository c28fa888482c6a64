/* SPDX-License-Identifier: MIT
 * lock.h - the lock inside covey: a word that spins, then yields, then naps.
 *
 * Held for tens of instructions and never across a switch of tasks. Unlock is one plain store (an
 * exchange would double the cost of a channel operation), so a waiter cannot be woken: it naps for
 * 20 us when the holder has lost its CPU. Ranks are the order of acquisition, low to high. */
#ifndef CVY_OS_LOCK_H
#define CVY_OS_LOCK_H

#include "os/delay.h"

/* Lock ranks: a lock may be taken only while all held ones rank lower. Channels of one select are
 * of equal rank and taken by address. */
enum cvy_rank {
    CVY_RANK_GROUP = 1,
    CVY_RANK_CHAN,
    CVY_RANK_LOT,
    CVY_RANK_FD,
    CVY_RANK_CANCEL,
    CVY_RANK_TIMERS,
    CVY_RANK_BLOCKING,
    CVY_RANK_SCHED,
    CVY_RANK_POOL,
    CVY_RANK_TRACE,
};

struct cvy_lock {
    _Atomic uint32_t word; /* 1: held */
};

void cvy_lock_slow(struct cvy_lock *l);

static inline bool cvy_lock_try(struct cvy_lock *l)
{
    /* Acquire: pairs with the release in cvy_unlock(). */
    return cvy_load_relaxed(&l->word) == 0 &&
           atomic_exchange_explicit(&l->word, 1, memory_order_acquire) == 0;
}

static inline void cvy_lock(struct cvy_lock *l)
{
    if (cvy_unlikely(atomic_exchange_explicit(&l->word, 1, memory_order_acquire) != 0)) {
        cvy_lock_slow(l);
    }
    CVY_WINDOW();
}

static inline void cvy_unlock(struct cvy_lock *l)
{
    cvy_store_release(&l->word, 0);
    CVY_WINDOW();
}

#endif
