/* SPDX-License-Identifier: MIT
 * once.c - covey_once: NEW, RUNNING, DONE, and a bit for waiters while it runs. */
#include "sched/lot.h"

#include <covey/debug.h>
#include <covey/sync.h>

enum { NEW, RUNNING, DONE };

static _Atomic uint32_t *word_of(covey_once_flag *o)
{
    return (_Atomic uint32_t *)&o->state_;
}

static void finish(covey_once_flag *o)
{
    struct cvy_wakelist list = {0};
    struct cvy_thread *th = cvy_enter();
    struct cvy_lot *lot = cvy_lot_lock(o);

    /* Release: fn's work, to the acquire in covey_once(). Under the lot's lock, so that nobody
     * enters the lot after it was emptied. */
    cvy_store_release(word_of(o), DONE);
    for (struct cvy_waiter *w; (w = cvy_lot_claim(lot, o)) != NULL;) {
        cvy_wakelist_add(&list, w->task);
    }
    cvy_lot_unlock(lot);
    cvy_ready_all(th, &list);
    cvy_leave(th);
}

void covey_once(covey_once_flag *o, void (*fn)(void *), void *arg)
{
    uint32_t state = cvy_load_acquire(word_of(o));
    struct cvy_waiter wr = {0};

    if (cvy_likely(state == DONE)) {
        return;
    }
    if (state == NEW && cvy_cas_acq_rel(word_of(o), &state, RUNNING)) {
        uint64_t holder = covey_hold_begin(o);
        fn(arg);
        covey_hold_end(o, holder);
        finish(o);
        return;
    }
    covey_wait_note note = {.what = "the end of its call", .object = o};
    covey_wait_note_begin(&note);
    struct cvy_thread *th = cvy_enter();
    CVY_WINDOW_NAMED(CVY_WINDOW_ONCE);
    struct cvy_lot *lot = cvy_lot_lock(o);
    if (cvy_load_acquire(word_of(o)) == DONE) {
        cvy_lot_unlock(lot);
    } else {
        (void)cvy_lot_wait(&th, NULL, lot, o, &wr, false, CVY_WAIT_ONCE);
    }
    cvy_leave(th);
    covey_wait_note_end(&note);
}
