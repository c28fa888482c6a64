/* SPDX-License-Identifier: MIT
 * lock.h - the lock inside covey: a word that spins, then yields, then naps.
 *
 * Held for tens of instructions and never across a switch of tasks. Unlock is one plain store (an
 * exchange would double the cost of a channel operation), so a waiter cannot be woken: it naps for
 * 20 us when the holder has lost its CPU.
 *
 * Ranks are the order of acquisition, low to high. Debug builds hold each thread to it, and to
 * having no lock when it switches tasks. */
#ifndef CVY_OS_LOCK_H
#define CVY_OS_LOCK_H

#include "os/delay.h"

/* A lock may be taken only while all held ones rank lower, or equal if by address: a select takes
 * those of its channels so. */
enum cvy_rank {
    CVY_RANK_GROUP = 1,
    CVY_RANK_CHAN,
    CVY_RANK_LOT,
    CVY_RANK_FD,
    CVY_RANK_CANCEL,
    CVY_RANK_TIMERS,
    CVY_RANK_SCHED,
    CVY_RANK_POOL,
    CVY_RANK_TRACE,
};

struct cvy_lock {
    _Atomic uint32_t word; /* 1: held */
#if CVY_DEBUG
    uint32_t rank; /* immutable */
#endif
};

#if CVY_DEBUG
#define CVY_LOCK_INIT(rank_)                                                                       \
    {                                                                                              \
        .rank = (rank_)                                                                            \
    }
/* Fatal if l ranks before a lock that the thread holds. */
void cvy_lock_check(const struct cvy_lock *l);
void cvy_lock_taken(const struct cvy_lock *l);
void cvy_lock_given(const struct cvy_lock *l);
#else
#define CVY_LOCK_INIT(rank_)                                                                       \
    {                                                                                              \
        0                                                                                          \
    }
static inline void cvy_lock_check(const struct cvy_lock *l)
{
    (void)l;
}
static inline void cvy_lock_taken(const struct cvy_lock *l)
{
    (void)l;
}
static inline void cvy_lock_given(const struct cvy_lock *l)
{
    (void)l;
}
#endif
/* Of the calling thread; debug builds only. */
bool cvy_lock_any_held(void);

static inline void cvy_lock_init(struct cvy_lock *l, enum cvy_rank rank)
{
    (void)rank;
    *l = (struct cvy_lock)CVY_LOCK_INIT(rank);
}

void cvy_lock_slow(struct cvy_lock *l);

static inline bool cvy_lock_try(struct cvy_lock *l)
{
    /* Acquire: pairs with the release in cvy_unlock(). */
    bool is_taken = cvy_load_relaxed(&l->word) == 0 &&
                    atomic_exchange_explicit(&l->word, 1, memory_order_acquire) == 0;
    if (is_taken) {
        cvy_lock_taken(l);
    }
    return is_taken;
}

static inline void cvy_lock(struct cvy_lock *l)
{
    cvy_lock_check(l);
    if (cvy_unlikely(atomic_exchange_explicit(&l->word, 1, memory_order_acquire) != 0)) {
        cvy_lock_slow(l);
    } else {
        cvy_lock_taken(l);
    }
    CVY_WINDOW();
}

static inline void cvy_unlock(struct cvy_lock *l)
{
    cvy_lock_given(l);
    cvy_store_release(&l->word, 0);
    CVY_WINDOW();
}

/* Nobody will unlock it: a mark on what must not be used any more. */
static inline void cvy_lock_for_good(struct cvy_lock *l)
{
    cvy_lock(l);
    cvy_lock_given(l);
}

#endif
