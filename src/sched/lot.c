/* SPDX-License-Identifier: MIT
 * lot.c - see lot.h. */
#include "sched/lot.h"

#define LOTS 256u

static struct cvy_lot lots[LOTS] = {
    [0 ... LOTS - 1] = {.lock = CVY_LOCK_INIT(CVY_RANK_LOT)},
};

struct cvy_lot *cvy_lot_lock(const void *address)
{
    uint64_t h = ((uint64_t)(uintptr_t)address >> 2) * UINT64_C(0x9E3779B97F4A7C15);
    struct cvy_lot *lot = &lots[h >> 56];

    cvy_lock(&lot->lock);
    if (!lot->waiters.next) {
        cvy_list_init(&lot->waiters);
    }
    return lot;
}

struct cvy_waiter *cvy_lot_first(struct cvy_lot *lot, const void *address)
{
    for (struct cvy_node *n = lot->waiters.next; n != &lot->waiters; n = n->next) {
        struct cvy_waiter *w = CVY_CONTAINER_OF(n, struct cvy_waiter, node);
        if (w->elem == address) {
            return w;
        }
    }
    return NULL;
}

struct cvy_waiter *cvy_lot_claim(struct cvy_lot *lot, const void *address)
{
    for (struct cvy_waiter *w; (w = cvy_lot_first(lot, address)) != NULL;) {
        cvy_list_remove(&w->node);
        if (cvy_claim(w->task, w->index)) {
            return w;
        }
    }
    return NULL;
}

int cvy_lot_wait(struct cvy_thread **thp, covey_ctx *ctx, struct cvy_lot *lot, const void *address,
                 struct cvy_waiter *wr, bool is_front, enum cvy_reason reason)
{
    wr->elem = (void *)(uintptr_t)address;
    return cvy_wait_in_at(thp, ctx, &lot->lock, is_front ? &lot->waiters : lot->waiters.prev, wr,
                          cvy_wait_word(reason, address));
}
