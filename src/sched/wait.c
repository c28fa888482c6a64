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

int32_t cvy_wait_park(struct cvy_thread **thp, covey_ctx *ctx, enum cvy_reason reason,
                      const void *object)
{
    struct cvy_thread *th = *thp;
    struct cvy_task *t = th->task;
    struct cvy_cancel *c = cvy_ctx_cancel_of(ctx);

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
    *thp = cvy_park(th);
    /* Acquire: what the claimer wrote before it claimed. What it wrote after (result, the element)
     * is ordered by the queue that brought the task here. */
    uint32_t claim = cvy_load_acquire(&t->claim);
    CVY_ASSERT(claim & CVY_CLAIM_TAKEN);
    cvy_store_relaxed(&t->claim, CVY_CLAIM_CLOSED);
    return (int32_t)(claim >> CVY_CLAIM_SHIFT);
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
    if (cvy_likely(cvy_wait_park(thp, ctx, reason, object) != CVY_INDEX_CTX)) {
        return 0;
    }
    cvy_lock(lock);
    cvy_waitq_remove(wr);
    cvy_unlock(lock);
    return cvy_ctx_check(t, ctx);
}

int cvy_wait_in(struct cvy_thread **thp, covey_ctx *ctx, struct cvy_lock *lock, struct cvy_node *q,
                struct cvy_waiter *wr, enum cvy_reason reason, const void *object)
{
    return cvy_wait_in_at(thp, ctx, lock, q->prev, wr, reason, object);
}
