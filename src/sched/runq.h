/* SPDX-License-Identifier: MIT
 * runq.h - a worker's run queue: a fixed ring; the owner pushes and pops, others steal half.
 *
 * head: moved by compare-and-swap by whoever takes (a plain store when there is only one worker).
 * tail: moved by the owner alone. Invariant: tail - head <= CVY_RUNQ_SIZE. A slot is read before
 * the head moves past it, so a taker that loses the race discards what it read. */
#ifndef CVY_SCHED_RUNQ_H
#define CVY_SCHED_RUNQ_H

#include "os/delay.h"

#include <stddef.h>

#define CVY_RUNQ_SIZE 1024u

struct cvy_task;

struct cvy_runq {
    _Alignas(CVY_CACHE_LINE) _Atomic uint32_t head;
    _Alignas(CVY_CACHE_LINE) _Atomic uint32_t tail;
    struct cvy_task *_Atomic slots[CVY_RUNQ_SIZE];
};

/* Owner only. False: full. */
static inline bool cvy_runq_push(struct cvy_runq *q, struct cvy_task *t)
{
    uint32_t tail = cvy_load_relaxed(&q->tail);
    /* Acquire: pairs with the takers' release, so that the slot is read before it is reused. */
    if (cvy_unlikely(tail - cvy_load_acquire(&q->head) >= CVY_RUNQ_SIZE)) {
        return false;
    }
    cvy_store_relaxed(&q->slots[tail % CVY_RUNQ_SIZE], t);
    /* Release: publishes the slot to the acquire of tail in cvy_runq_steal(). */
    cvy_store_release(&q->tail, tail + 1);
    return true;
}

/* Owner only. NULL: empty. is_alone: nobody else takes from this queue, ever. */
static inline struct cvy_task *cvy_runq_pop(struct cvy_runq *q, bool is_alone)
{
    uint32_t tail = cvy_load_relaxed(&q->tail);
    uint32_t head = cvy_load_relaxed(&q->head);

    while (head != tail) {
        struct cvy_task *t = cvy_load_relaxed(&q->slots[head % CVY_RUNQ_SIZE]);
        if (is_alone) {
            cvy_store_relaxed(&q->head, head + 1);
            return t;
        }
        /* Acq_rel: release pairs with the owner's acquire in push; on failure head is new. */
        if (cvy_cas_acq_rel(&q->head, &head, head + 1)) {
            return t;
        }
    }
    return NULL;
}

/* Owner only: the task that will be popped next, and the one two after it, if nobody takes them
 * before. False: there are not so many. Only their addresses may be used. */
static inline bool cvy_runq_peek(struct cvy_runq *q, const struct cvy_task **next,
                                 const struct cvy_task **later)
{
    uint32_t head = cvy_load_relaxed(&q->head);

    if (cvy_load_relaxed(&q->tail) - head <= 2) {
        return false;
    }
    *next = cvy_load_relaxed(&q->slots[head % CVY_RUNQ_SIZE]);
    *later = cvy_load_relaxed(&q->slots[(head + 2) % CVY_RUNQ_SIZE]);
    return true;
}

static inline uint32_t cvy_runq_len(const struct cvy_runq *q)
{
    uint32_t head = cvy_load_acquire(&q->head);
    uint32_t tail = cvy_load_acquire(&q->tail);
    uint32_t len = tail - head;
    return len > CVY_RUNQ_SIZE ? 0 : len;
}

/* Any thread: takes up to half, at most max, into out; how many. */
static inline uint32_t cvy_runq_steal(struct cvy_runq *q, struct cvy_task **out, uint32_t max)
{
    /* Acquire: head first, then tail, so that tail - head is never negative. */
    uint32_t head = cvy_load_acquire(&q->head);
    for (;;) {
        uint32_t tail = cvy_load_acquire(&q->tail);
        uint32_t n = tail - head;
        n -= n / 2;
        if (n > CVY_RUNQ_SIZE / 2) {
            /* head and tail were read at different times. */
            head = cvy_load_acquire(&q->head);
            continue;
        }
        if (n > max) {
            n = max;
        }
        if (n == 0) {
            return 0;
        }
        for (uint32_t i = 0; i < n; i++) {
            out[i] = cvy_load_relaxed(&q->slots[(head + i) % CVY_RUNQ_SIZE]);
        }
        CVY_WINDOW();
        if (cvy_cas_acq_rel(&q->head, &head, head + n)) {
            return n;
        }
    }
}

#endif
