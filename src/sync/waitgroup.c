/* SPDX-License-Identifier: MIT
 * waitgroup.c - covey_waitgroup: count in the upper half of the word, WAITERS in the lowest bit.
 *
 * WAITERS is set under the lot's lock while the count is above 0. While it stands, the count goes
 * to 0 only under that lock, together with it. */
#include "sched/lot.h"
#include "sched/view.h"

#include <covey/sync.h>
#include <covey/task.h>

#include <stdio.h>

#undef covey_waitgroup_go

#define WAITERS UINT64_C(1)
#define COUNT_SHIFT 32

static _Atomic uint64_t *word_of(covey_waitgroup *wg)
{
    return (_Atomic uint64_t *)&wg->state_;
}

static int32_t count_of(uint64_t state)
{
    return (int32_t)(uint32_t)(state >> COUNT_SHIFT);
}

void cvy_waitgroup_describe(const void *object, char *out, size_t size)
{
    const covey_waitgroup *wg = object;

    (void)snprintf(out, size, "%d to go",
                   count_of(cvy_load_relaxed((const _Atomic uint64_t *)&wg->state_)));
}

/* Brings the count to 0 while somebody may wait: under the lot's lock, and with the word written
 * for the last time before anybody is woken, since the group may be gone or in use again then.
 * False: the state has changed. */
static bool finish(covey_waitgroup *wg, uint64_t state)
{
    struct cvy_wakelist list = {0};
    struct cvy_thread *th = cvy_enter();
    struct cvy_lot *lot = cvy_lot_lock(wg);
    /* Release and acquire: as in add. */
    bool is_done = cvy_cas_acq_rel(word_of(wg), &state, 0);

    for (struct cvy_waiter *w; is_done && (w = cvy_lot_claim(lot, wg)) != NULL;) {
        cvy_wakelist_add(&list, w->task);
    }
    cvy_lot_unlock(lot);
    cvy_ready_all(th, &list);
    cvy_leave(th);
    return is_done;
}

void covey_waitgroup_add(covey_waitgroup *wg, int n)
{
    uint64_t delta = (uint64_t)(uint32_t)n << COUNT_SHIFT;
    uint64_t state = cvy_load_relaxed(word_of(wg));

    for (;;) {
        int32_t count = count_of(state + delta);
        COVEY_REQUIRE(count >= 0, "negative wait group counter");
        if (count == 0 && (state & WAITERS)) {
            if (finish(wg, state)) {
                return;
            }
            state = cvy_load_relaxed(word_of(wg));
        } else if (cvy_cas_acq_rel(word_of(wg), &state, state + delta)) {
            /* Release: a done's work happens before the wait returns; acquire by the last. */
            return;
        }
    }
}

void covey_waitgroup_done(covey_waitgroup *wg)
{
    covey_waitgroup_add(wg, -1);
}

int covey_waitgroup_wait(covey_ctx *ctx, covey_waitgroup *wg)
{
    struct cvy_thread *th = cvy_enter();
    _Atomic uint64_t *word = word_of(wg);
    struct cvy_waiter wr = {0};

    int code = cvy_ctx_check(th->task, ctx);
    /* Acquire: pairs with the release in add. */
    if (code < 0 || count_of(cvy_load_acquire(word)) == 0) {
        goto out;
    }
    struct cvy_lot *lot = cvy_lot_lock(wg);
    uint64_t state = cvy_load_acquire(word);
    while (count_of(state) != 0 && !(state & WAITERS)) {
        if (cvy_cas_acq_rel(word, &state, state | WAITERS)) {
            break;
        }
    }
    if (count_of(state) == 0) {
        cvy_lot_unlock(lot);
        goto out;
    }
    code = cvy_lot_wait(&th, ctx, lot, wg, &wr, false, CVY_WAIT_WAITGROUP);
out:
    cvy_leave(th);
    return code;
}

struct counted {
    covey_waitgroup *wg;
    covey_fn *fn;
    void *arg;
};

static int run_counted(covey_ctx *ctx, void *arg)
{
    struct counted *c = arg;
    int code = c->fn(ctx, c->arg);
    covey_waitgroup_done(c->wg);
    return code;
}

int covey_waitgroup_go_at(const covey_site *site, covey_waitgroup *wg, covey_fn *fn, void *arg)
{
    struct counted c = {.wg = wg, .fn = fn, .arg = arg};

    covey_waitgroup_add(wg, 1);
    int code = covey_go_copy_at(site, NULL, run_counted, &c, sizeof(c));
    if (code < 0) {
        covey_waitgroup_done(wg);
    }
    return code;
}

int covey_waitgroup_go(covey_waitgroup *wg, covey_fn *fn, void *arg)
{
    return covey_waitgroup_go_at(NULL, wg, fn, arg);
}
