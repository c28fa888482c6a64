/* SPDX-License-Identifier: MIT
 * wait.c - see wait.h. */
#include "sched/wait.h"

int cvy_ctx_check_slow(struct cvy_task *t, struct cvy_cancel *c)
{
    int err = cvy_load_acquire(&c->done);
    return err == COVEY_EDEADLINE ? cvy_fail_deadline(t, err, c->site, c->timeout_ns)
                                  : cvy_fail(t, err);
}

/* Moves the task's standing registration to c. False: c is done. */
static bool register_with(struct cvy_task *t, struct cvy_cancel *c)
{
    cvy_cancel_unregister(t);
    cvy_lock(&c->lock);
    if (cvy_cancel_is_done(c)) {
        cvy_unlock(&c->lock);
        return false;
    }
    cvy_cancel_hold(c);
    t->registered = c;
    t->ctx_waiter.task = t;
    t->ctx_waiter.index = CVY_INDEX_CTX;
    cvy_list_push_tail(&c->waiters, &t->ctx_waiter.node);
    cvy_unlock(&c->lock);
    return true;
}

int cvy_wait_register(struct cvy_task *t, covey_ctx *ctx)
{
    struct cvy_cancel *c = cvy_ctx_cancel_of(ctx);

    if (c && t->registered != c && !register_with(t, c)) {
        return cvy_ctx_check_slow(t, c);
    }
    return 0;
}

int cvy_wait_open(struct cvy_task *t, covey_ctx *ctx)
{
    struct cvy_cancel *c = cvy_ctx_cancel_of(ctx);

    CVY_ASSERT(cvy_load_relaxed(&t->claim) == CVY_CLAIM_CLOSED);
    if (!c) {
        /* Release: the waiter's fields, to the acquire in cvy_claim(). */
        cvy_store_release(&t->claim, CVY_CLAIM_OPEN);
        return 0;
    }
    if (cvy_unlikely(t->registered != c) && !register_with(t, c)) {
        return cvy_ctx_check_slow(t, c);
    }
    cvy_store_release(&t->claim, CVY_CLAIM_OPEN_CTX);
    return 0;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* A plain thread waits on its futex and keeps its own time, also that of its context's deadline:
 * the runtime may end meanwhile, and its timers with it. */
static struct cvy_thread *park_thread(struct cvy_thread *th, struct cvy_cancel *c, int64_t at_ns,
                                      int32_t index)
{
    struct cvy_task *t = th->task;
    int64_t deadline = c ? c->deadline : CVY_NEVER;

    /* Not in the runtime meanwhile, whose end does not wait for it. */
    cvy_leave(th);
    /* Acquire: pairs with the release in cvy_ready(). */
    while (cvy_load_acquire(&t->wake) == 0) {
        int64_t until = earlier(at_ns, deadline);
        int64_t now = until == CVY_NEVER ? 0 : cvy_clock_now();
        if (until > now) {
            cvy_futex_wait(&t->wake, 0, until == CVY_NEVER ? -1 : until - now);
        } else if (at_ns <= now) {
            if (cvy_claim(t, index)) {
                return cvy_enter();
            }
            at_ns = CVY_NEVER; /* claimed by another: the wake is on its way */
        } else {
            deadline = CVY_NEVER;
            cvy_cancel_expire(c);
        }
    }
    cvy_store_relaxed(&t->wake, 0);
    return cvy_enter();
}

/* at_ns and index count in plain threads only. */
static inline int32_t park(struct cvy_thread **thp, covey_ctx *ctx, enum cvy_reason reason,
                           const void *object, int64_t at_ns, int32_t index)
{
    struct cvy_thread *th = *thp;
    struct cvy_task *t = th->task;
    struct cvy_cancel *c = cvy_ctx_cancel_of(ctx);

    CVY_WINDOW();
    if (c) {
        /* Pairs with the membarrier in cvy_cancel_fire(): the open claim, then this look. */
        cvy_light_fence();
        uint32_t claim = CVY_CLAIM_OPEN_CTX;
        if (cvy_unlikely(cvy_cancel_is_done(c)) &&
            cvy_cas_acq_rel(&t->claim, &claim, CVY_CLAIM_CLOSED)) {
            return CVY_INDEX_CTX;
        }
    }
    cvy_store_relaxed(&t->reason, (uint8_t)reason);
    cvy_store_relaxed(&t->wait_object, object);
    cvy_store_relaxed(&t->wait_since, th->worker ? th->worker->checked_at : 0);
    /* May overwrite a waker's "runnable"; a dump then looks at the claim, which does not lie. */
    cvy_store_relaxed(&t->state, CVY_TASK_WAITING);
    CVY_WINDOW();
    *thp = cvy_unlikely(t->is_foreign) ? park_thread(th, c, at_ns, index) : cvy_park(th);
    /* Acquire: what the claimer wrote before it claimed. What it wrote after (result, the element)
     * is ordered by the queue that brought the task here. */
    uint32_t claim = cvy_load_acquire(&t->claim);
    CVY_ASSERT(claim & CVY_CLAIM_TAKEN);
    cvy_store_relaxed(&t->claim, CVY_CLAIM_CLOSED);
    return (int32_t)(claim >> CVY_CLAIM_SHIFT);
}

int32_t cvy_wait_park(struct cvy_thread **thp, covey_ctx *ctx, enum cvy_reason reason,
                      const void *object)
{
    return park(thp, ctx, reason, object, CVY_NEVER, 0);
}

int32_t cvy_wait_park_until(struct cvy_thread **thp, covey_ctx *ctx, enum cvy_reason reason,
                            const void *object, int64_t at_ns, int32_t index)
{
    struct cvy_task *t = (*thp)->task;
    struct cvy_timer timer = {.task = t, .index = index};

    if (!t->is_foreign) {
        (void)cvy_timer_add(*thp, &timer, at_ns); /* a task has a runtime */
    }
    int32_t outcome = park(thp, ctx, reason, object, at_ns, index);
    if (!t->is_foreign && outcome != index) {
        (void)cvy_timer_cancel(&timer);
    }
    return outcome;
}

int cvy_wait_error(struct cvy_task *t, covey_ctx *ctx, int32_t index)
{
    switch (index) {
    case CVY_INDEX_CTX:
        return cvy_ctx_check(t, ctx);
    case CVY_INDEX_ENDED:
        return cvy_fail(t, COVEY_ECLOSED);
    default:
        return 0;
    }
}

int cvy_wait_in_at(struct cvy_thread **thp, covey_ctx *ctx, struct cvy_lock *lock,
                   struct cvy_node *at, struct cvy_waiter *wr, enum cvy_reason reason,
                   const void *object)
{
    struct cvy_task *t = (*thp)->task;

    wr->task = t;
    wr->index = 0;
    int code = cvy_wait_open(t, ctx);
    if (code < 0) {
        cvy_unlock(lock);
        return code;
    }
    cvy_list_push_head(at, &wr->node);
    cvy_unlock(lock);
    int32_t index = cvy_wait_park(thp, ctx, reason, object);
    if (cvy_likely(index == 0)) {
        return 0;
    }
    cvy_lock(lock);
    cvy_waitq_remove(wr);
    cvy_unlock(lock);
    return cvy_wait_error(t, ctx, index);
}

int cvy_wait_in(struct cvy_thread **thp, covey_ctx *ctx, struct cvy_lock *lock, struct cvy_node *q,
                struct cvy_waiter *wr, enum cvy_reason reason, const void *object)
{
    return cvy_wait_in_at(thp, ctx, lock, q->prev, wr, reason, object);
}
