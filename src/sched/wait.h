/* SPDX-License-Identifier: MIT
 * wait.h - one claim for every wait.
 *
 * Whoever blocks opens its claim, enters a waiter in each queue it waits on, and parks. Who changes
 * the claim from open to taken owns the wake and the outcome; the others find it taken and leave.
 *
 *   CLOSED -> OPEN or OPEN_CTX      by the task itself, under the lock of (one of) its queue(s)
 *   OPEN, OPEN_CTX -> TAKEN|index   by whoever wakes it, by compare-and-swap
 *   OPEN_CTX -> TAKEN|CTX           by its context's end
 *   OPEN, OPEN_CTX -> TAKEN|ENDED   by the runtime's end: a plain thread waits for what only that
 *                                   brings
 *   TAKEN -> CLOSED                 by the task itself, after it woke
 *   OPEN, OPEN_CTX <-> HELD|itself  by who looks at a parked task (view.c), for microseconds:
 *                                   meanwhile nobody can wake it
 *
 * A task stays registered with the context it last waited under; OPEN_CTX says that this wait is
 * under that context. Opening is a plain store followed by a look at the context; the context's end
 * stores done, issues a membarrier, and then looks at the claims. */
#ifndef CVY_SCHED_WAIT_H
#define CVY_SCHED_WAIT_H

#include "sched/cancel.h"
#include "sched/worker.h"

#define CVY_CLAIM_CLOSED 0u
#define CVY_CLAIM_OPEN 1u
#define CVY_CLAIM_OPEN_CTX 2u
#define CVY_CLAIM_TAKEN 4u
#define CVY_CLAIM_SHIFT 3
#define CVY_CLAIM_HELD 0x80000000u
#define CVY_INDEX_CTX 0xFFFF   /* the outcome "its context ended" */
#define CVY_INDEX_ENDED 0xFFFE /* the outcome "the runtime ended", in plain threads only */

/* Waits until t's claim is not held; what it is then. */
uint32_t cvy_claim_unheld(struct cvy_task *t);

/* True: the caller owns the wake; it writes the waiter's result, and then must make t ready. */
static inline bool cvy_claim(struct cvy_task *t, int32_t index)
{
    uint32_t claim = cvy_load_relaxed(&t->claim);
    uint32_t taken = CVY_CLAIM_TAKEN | (uint32_t)index << CVY_CLAIM_SHIFT;

    for (;;) {
        while (claim == CVY_CLAIM_OPEN || claim == CVY_CLAIM_OPEN_CTX) {
            /* Acq_rel: acquire pairs with the open, so that the waiter's fields are seen. */
            if (cvy_cas_acq_rel(&t->claim, &claim, taken)) {
                CVY_WINDOW();
                return true;
            }
        }
        if (cvy_likely(!(claim & CVY_CLAIM_HELD))) {
            return false;
        }
        claim = cvy_claim_unheld(t);
    }
}

/* From OPEN_CTX alone to a value that is not open; false: it was not OPEN_CTX. */
static inline bool cvy_claim_from_ctx(struct cvy_task *t, uint32_t value)
{
    uint32_t claim = CVY_CLAIM_OPEN_CTX;

    while (!cvy_cas_acq_rel(&t->claim, &claim, value)) {
        if (claim == CVY_CLAIM_OPEN_CTX) {
            continue;
        }
        if (cvy_likely(claim != (CVY_CLAIM_HELD | CVY_CLAIM_OPEN_CTX))) {
            return false;
        }
        claim = CVY_CLAIM_OPEN_CTX;
        (void)cvy_claim_unheld(t);
    }
    return true;
}

/* A first-come queue of waiters, guarded by its owner's lock. */
static inline struct cvy_waiter *cvy_waitq_first(struct cvy_node *q)
{
    return cvy_list_is_empty(q) ? NULL : CVY_CONTAINER_OF(q->next, struct cvy_waiter, node);
}

/* A waiter lies in the frame of a parked task: what its switch saved in the two lines below, the
 * frames that it returns to in the three above (cvy_wait_for_elem()). Needed soon, and out of the
 * cache if the task has waited long. Only a hint. */
static inline void cvy_waiter_prefetch(const struct cvy_waiter *w)
{
    for (int line = -2; line <= 3; line++) {
        if (line != 0) {
            __builtin_prefetch((const char *)w + (ptrdiff_t)line * CVY_CACHE_LINE, 1);
        }
    }
}

/* The first waiter that could be claimed, out of the queue; NULL: none. Those whose claim was taken
 * elsewhere are dropped from the queue on the way. */
static inline struct cvy_waiter *cvy_waitq_claim(struct cvy_node *q)
{
    while (!cvy_list_is_empty(q)) {
        struct cvy_waiter *w = CVY_CONTAINER_OF(q->next, struct cvy_waiter, node);
        cvy_waiter_prefetch(w);
        cvy_list_remove(&w->node);
        if (cvy_claim(w->task, w->index)) {
            return w;
        }
    }
    return NULL;
}

static inline void cvy_waitq_remove(struct cvy_waiter *w)
{
    if (w->node.next) {
        cvy_list_remove(&w->node);
    }
}

/* 0, or the error of a context that is done (with its message set): every blocking call starts so.
 */
int cvy_ctx_check_slow(struct cvy_task *t, struct cvy_cancel *c);
static inline int cvy_ctx_check(struct cvy_task *t, covey_ctx *ctx)
{
    struct cvy_cancel *c = cvy_ctx_cancel_of(ctx);
    return cvy_likely(!c || !cvy_cancel_is_done(c)) ? 0 : cvy_ctx_check_slow(t, c);
}

/* Registers the running task with ctx ahead of cvy_wait_open(), for who must open while holding
 * locks that rank above. 0, or the error of a context that is done. */
int cvy_wait_register_slow(struct cvy_task *t, struct cvy_cancel *c);
static inline int cvy_wait_register(struct cvy_task *t, covey_ctx *ctx)
{
    struct cvy_cancel *c = cvy_ctx_cancel_of(ctx);
    return cvy_likely(!c || t->registered == c) ? 0 : cvy_wait_register_slow(t, c);
}

/* Opens the running task's claim for a wait under ctx. 0, or the error of a context that is done:
 * then nothing was opened. Call it with the queue's lock held, before entering the queue. */
static inline int cvy_wait_open(struct cvy_task *t, covey_ctx *ctx)
{
    CVY_ASSERT(cvy_load_relaxed(&t->claim) == CVY_CLAIM_CLOSED);
    int code = cvy_wait_register(t, ctx);
    if (code == 0) {
        /* Release: the waiter's fields, to the acquire in cvy_claim(). */
        cvy_store_release(&t->claim, cvy_ctx_cancel_of(ctx) ? CVY_CLAIM_OPEN_CTX : CVY_CLAIM_OPEN);
    }
    return code;
}

/* The waits below take what they wait for in two words, and pass it on in one (cvy_wait_word()).
 * Macros: an inline function's line would stand for the caller's in dumps. */

int32_t cvy_wait_park_for(struct cvy_thread **thp, covey_ctx *ctx, uint64_t wait);
/* Parks until the claim is taken, and closes it; the outcome's index, CVY_INDEX_CTX if the context
 * ended. No lock is held. *thp is the thread it goes on on. */
#define cvy_wait_park(thp, ctx, reason, object)                                                    \
    cvy_wait_park_for(thp, ctx, cvy_wait_word(reason, object))

int32_t cvy_wait_park_for_until(struct cvy_thread **thp, covey_ctx *ctx, uint64_t wait,
                                int64_t at_ns, int32_t index);
/* The same; if nobody has claimed it by at_ns the outcome is index. */
#define cvy_wait_park_until(thp, ctx, reason, object, at_ns, index)                                \
    cvy_wait_park_for_until(thp, ctx, cvy_wait_word(reason, object), at_ns, index)

/* The error, with its message, of a wait that ended with CVY_INDEX_CTX or CVY_INDEX_ENDED; else 0.
 */
int cvy_wait_error(struct cvy_task *t, covey_ctx *ctx, int32_t index);

/* The commonest wait, one queue under one lock: called with the lock held and nothing to be had;
 * enters wr at a place of the queue, right after node at (its head: in front; its last: at the
 * end), unlocks, parks. 0: woken by the queue (wr->result says how); else the context's error, and
 * wr is out of the queue. */
int cvy_wait_in_at(struct cvy_thread **thp, covey_ctx *ctx, struct cvy_lock *lock,
                   struct cvy_node *at, struct cvy_waiter *wr, uint64_t wait);

/* The same at the end of q. */
#define cvy_wait_in(thp, ctx, lock, q, wr, reason, object)                                         \
    cvy_wait_in_at(thp, ctx, lock, (q)->prev, wr, cvy_wait_word(reason, object))

/* The same, and all that is left of a call that hands an element over, so that little of it is on
 * the stack meanwhile: the waiter's result (0 until another writes it) is a code, too, and the
 * thread is out of the runtime when it returns. */
int cvy_wait_for_elem(struct cvy_thread *th, covey_ctx *ctx, struct cvy_lock *lock,
                      struct cvy_node *q, void *elem, uint64_t wait);
/* After a call in the end: that the caller's frame stays, and is seen in dumps. */
#define CVY_KEEP_FRAME() __asm__ volatile("")

#endif
