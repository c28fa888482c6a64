/* SPDX-License-Identifier: MIT
 * steal.c - see steal.h. */
#include "sched/steal.h"

#include "sched/turn.h"

struct cvy_task *cvy_steal(struct cvy_thread *th, struct cvy_worker *w)
{
    struct cvy_runtime *rt = w->runtime;
    struct cvy_task *batch[CVY_RUNQ_SIZE / 2];
    uint32_t start = cvy_rand_below(&w->rand, (uint32_t)rt->worker_count);

    for (int i = 0; i < rt->worker_count; i++) {
        struct cvy_worker *victim =
            &rt->workers[(start + (uint32_t)i) % (uint32_t)rt->worker_count];
        if (victim == w) {
            continue;
        }
        struct cvy_task *t = cvy_fresh_steal(victim, w);
        if (t) {
            return t;
        }
        /* Our own ring is empty, so half a ring fits. */
        uint32_t n = cvy_runq_steal(&victim->runq, batch, CVY_RUNQ_SIZE / 2);
        for (uint32_t k = 1; k < n; k++) {
            (void)cvy_runq_push(&w->runq, batch[k]);
        }
        if (n > 0) {
            cvy_store_relaxed(&w->steals, cvy_load_relaxed(&w->steals) + n);
            CVY_EMIT(cvy_ring_of(th), steal, victim->index, 0, n);
            return batch[0];
        }
    }
    return NULL;
}

bool cvy_watch_sees(struct cvy_runtime *rt, struct cvy_watch *watches, int64_t now)
{
    for (int i = 0; i < rt->worker_count; i++) {
        struct cvy_worker *w = &rt->workers[i];
        if (cvy_load_relaxed(&w->fresh.len) > 0 || cvy_watch_queue(&watches[i], &w->runq, now)) {
            return true;
        }
    }
    return cvy_load_relaxed(&rt->global_len) > 0;
}

bool cvy_watch_ends(const struct cvy_runtime *rt, const struct cvy_watch *watches)
{
    for (int i = 0; i < rt->worker_count; i++) {
        if (!watches[i].was_empty) {
            return true;
        }
    }
    return false;
}
