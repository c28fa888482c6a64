/* SPDX-License-Identifier: MIT
 * overflow.c - where tasks are when they are in no ring: the global queue and the workers' fresh
 * ones (worker.h).
 *
 * The global queue takes what has run before and found a ring full, what plain threads make ready,
 * and who lost his worker. It is first in, first out, and every worker looks at it every few dozen
 * turns. */
#include "sched/worker.h"

#include <assert.h>

#define SPILL_BATCH 16 /* pointers on a stack that may be 2 KiB */
#define GLOBAL_BATCH 256
#define FRESH_BATCH CVY_CHUNK_TASKS
#define AIR_NS COVEY_MS
#define AIR_BATCH 64

static_assert(GLOBAL_BATCH <= CVY_RUNQ_SIZE && FRESH_BATCH <= CVY_RUNQ_SIZE,
              "a batch fits an empty ring");

static void global_unlock(struct cvy_runtime *rt)
{
    cvy_store_relaxed(&rt->global_len, rt->global.count);
    bool has_idle = !cvy_list_is_empty(&rt->idle);
    cvy_unlock(&rt->lock);
    if (has_idle) {
        cvy_kick(rt);
    }
}

void cvy_global_push(struct cvy_runtime *rt, struct cvy_wakelist *list)
{
    if (!list->head) {
        return;
    }
    cvy_lock(&rt->lock);
    cvy_taskq_add_list(&rt->global, list);
    global_unlock(rt);
}

void cvy_global_push_one(struct cvy_runtime *rt, struct cvy_task *t)
{
    cvy_lock(&rt->lock);
    cvy_taskq_add(&rt->global, t);
    global_unlock(rt);
}

static size_t room_of(struct cvy_worker *w)
{
    return CVY_RUNQ_SIZE - cvy_runq_len(&w->runq);
}

/* The first of a batch; the others go to the ring, which has room for them. */
static struct cvy_task *unpack(struct cvy_worker *w, struct cvy_task **batch, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        bool fits = cvy_runq_push(&w->runq, batch[i]);
        CVY_ASSERT(fits);
        (void)fits;
    }
    return n > 0 ? batch[0] : NULL;
}

struct cvy_task *cvy_global_take(struct cvy_worker *w)
{
    struct cvy_runtime *rt = w->runtime;
    struct cvy_task *batch[GLOBAL_BATCH];

    if (cvy_load_relaxed(&rt->global_len) == 0) {
        return NULL;
    }
    size_t room = room_of(w);
    cvy_lock(&rt->lock);
    size_t n = rt->global.count / (size_t)rt->worker_count + 1;
    n = n > GLOBAL_BATCH ? GLOBAL_BATCH : n;
    n = cvy_taskq_take_first(&rt->global, batch, n > room + 1 ? room + 1 : n);
    cvy_store_relaxed(&rt->global_len, rt->global.count);
    cvy_unlock(&rt->lock);
    return unpack(w, batch, n);
}

void cvy_runq_spill(struct cvy_worker *w)
{
    struct cvy_task *batch[SPILL_BATCH];
    struct cvy_wakelist resumed = {0};

    for (uint32_t moved = 0, n; moved < CVY_RUNQ_SIZE / 2; moved += n) {
        n = cvy_runq_steal(&w->runq, batch, SPILL_BATCH);
        if (n == 0) {
            break;
        }
        cvy_lock(&w->fresh.lock);
        for (uint32_t i = 0; i < n; i++) {
            if (batch[i]->stack) {
                cvy_wakelist_add(&resumed, batch[i]);
            } else {
                cvy_taskq_add(&w->fresh.queue, batch[i]);
            }
        }
        cvy_store_relaxed(&w->fresh.len, w->fresh.queue.count);
        cvy_unlock(&w->fresh.lock);
    }
    cvy_global_push(w->runtime, &resumed);
}

typedef size_t take_fn(struct cvy_taskq *q, struct cvy_task **out, size_t max);

/* From the fresh tasks of one worker to the ring of another, or of the same. */
static struct cvy_task *fresh_move(struct cvy_worker *from, struct cvy_worker *to, take_fn *take,
                                   size_t max)
{
    struct cvy_task *batch[FRESH_BATCH];

    if (cvy_load_relaxed(&from->fresh.len) == 0) {
        return NULL;
    }
    size_t room = room_of(to);
    max = max > room + 1 ? room + 1 : max;
    cvy_lock(&from->fresh.lock);
    size_t half = from->fresh.queue.count - from->fresh.queue.count / 2;
    max = from != to && max > half ? half : max;
    size_t n = take(&from->fresh.queue, batch, max);
    cvy_store_relaxed(&from->fresh.len, from->fresh.queue.count);
    cvy_unlock(&from->fresh.lock);
    return unpack(to, batch, n);
}

struct cvy_task *cvy_fresh_take(struct cvy_worker *w)
{
    return fresh_move(w, w, cvy_taskq_take_last, FRESH_BATCH);
}

struct cvy_task *cvy_fresh_air(struct cvy_worker *w, int64_t now)
{
    if (now - w->fresh.aired_at < AIR_NS) {
        return NULL;
    }
    w->fresh.aired_at = now;
    return fresh_move(w, w, cvy_taskq_take_first, AIR_BATCH);
}

struct cvy_task *cvy_fresh_steal(struct cvy_worker *victim, struct cvy_worker *w)
{
    return fresh_move(victim, w, cvy_taskq_take_first, FRESH_BATCH);
}
