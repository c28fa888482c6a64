/* SPDX-License-Identifier: MIT
 * cond.c - covey_cond: waiters in the parking lot. The word says whether there may be any, so that
 * a signal nobody waits for costs one load; it is set under the lot's lock, before the mutex is
 * released, and cleared under it. */
#include "sync/mutex.h"

static _Atomic uint32_t *word_of(covey_cond *c)
{
    return (_Atomic uint32_t *)&c->state_;
}

int covey_cond_wait(covey_ctx *ctx, covey_cond *c, covey_mutex *m)
{
    struct cvy_thread *th = cvy_enter();
    struct cvy_task *t = th->task;
    struct cvy_waiter wr = {.task = t, .elem = c};

    int code = cvy_ctx_check(t, ctx);
    if (code < 0) {
        goto out;
    }
    struct cvy_lot *lot = cvy_lot_lock(c);
    code = cvy_wait_open(t, ctx);
    if (code < 0) {
        cvy_lot_unlock(lot);
        goto out;
    }
    cvy_list_push_tail(&lot->waiters, &wr.node);
    cvy_store_relaxed(word_of(c), 1);
    cvy_lot_unlock(lot);
    /* Who signals after this unlock finds us. */
    cvy_mutex_unlock(th, m);
    bool is_ended = cvy_wait_park(&th, ctx, CVY_WAIT_COND, c) == CVY_INDEX_CTX;
    if (is_ended) {
        lot = cvy_lot_lock(c);
        cvy_waitq_remove(&wr);
        cvy_lot_unlock(lot);
    }
    (void)cvy_mutex_lock(&th, NULL, m);
    if (is_ended) {
        code = cvy_ctx_check(t, ctx);
    }
out:
    cvy_leave(th);
    return code;
}

static void wake(covey_cond *c, bool all)
{
    struct cvy_wakelist list = {0};
    struct cvy_waiter *w;

    cvy_test_point();
    /* Relaxed: who changed the condition under the mutex sees the store of a waiter that released
     * it before; one that has not yet will look at the condition. */
    if (cvy_load_relaxed(word_of(c)) == 0) {
        return;
    }
    struct cvy_thread *th = cvy_enter();
    struct cvy_lot *lot = cvy_lot_lock(c);
    while ((w = cvy_lot_claim(lot, c)) != NULL) {
        cvy_wakelist_add(&list, w->task);
        if (!all) {
            break;
        }
    }
    if (!cvy_lot_first(lot, c)) {
        cvy_store_relaxed(word_of(c), 0);
    }
    cvy_lot_unlock(lot);
    cvy_ready_all(th, &list);
    cvy_leave(th);
}

void covey_cond_signal(covey_cond *c)
{
    wake(c, false);
}

void covey_cond_broadcast(covey_cond *c)
{
    wake(c, true);
}
