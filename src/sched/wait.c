/* SPDX-License-Identifier: MIT
 * wait.c - see wait.h. */
#include "sched/wait.h"

#include "os/freed.h"

uint32_t cvy_claim_unheld(struct cvy_task *t)
{
    uint32_t claim;

    /* Nobody is woken at its end: it is short, but for one whom the kernel stops in it. */
    while ((claim = cvy_load_relaxed(&t->claim)) & CVY_CLAIM_HELD) {
        cvy_futex_wait(&t->claim, claim, 20 * COVEY_US);
    }
    return claim;
}

int cvy_ctx_check_slow(struct cvy_task *t, struct cvy_cancel *c)
{
    int err = cvy_load_acquire(&c->done);

    cvy_freed_check(c);
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

int cvy_wait_register_slow(struct cvy_task *t, struct cvy_cancel *c)
{
    return register_with(t, c) ? 0 : cvy_ctx_check_slow(t, c);
}
