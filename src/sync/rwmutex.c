/* SPDX-License-Identifier: MIT
 * rwmutex.c - covey_rwmutex: one word, waiters in the parking lot.
 *
 * WRITER: a writer holds it. WAITERS: somebody stands in the lot, so newcomers queue; set and
 * cleared under the lot's lock. The rest counts readers. Waiters are granted the lock, in order, by
 * who releases it: a woken one holds it already. */
#include "sched/lot.h"
#include "sched/profile.h"

#include <covey/sync.h>

#define WRITER 1u
#define WAITERS 2u
#define READER 4u

enum { READ, WRITE };

static _Atomic uint32_t *word_of(covey_rwmutex *m)
{
    return (_Atomic uint32_t *)&m->state_;
}

/* What a newcomer adds, and what must be clear for it. */
static uint32_t gain_of(int kind)
{
    return kind == READ ? READER : WRITER;
}

static inline bool is_open(uint32_t state, int kind)
{
    return kind == READ ? !(state & (WRITER | WAITERS)) : state == 0;
}

static inline bool try_take(_Atomic uint32_t *word, int kind)
{
    uint32_t state = cvy_load_relaxed(word);
    while (is_open(state, kind)) {
        /* Acquire: pairs with the releases below. */
        if (cvy_cas_acquire(word, &state, state + gain_of(kind))) {
            return true;
        }
    }
    return false;
}

/* Grants to those in front, as far as the state allows. Lot locked. */
static void grant_locked(struct cvy_lot *lot, covey_rwmutex *m, struct cvy_wakelist *list)
{
    _Atomic uint32_t *word = word_of(m);

    for (;;) {
        struct cvy_waiter *w = cvy_lot_first(lot, m);
        uint32_t state = cvy_load_relaxed(word);
        if (!w) {
            /* Nobody waits: newcomers are free again. Release: what they acquire. */
            (void)atomic_fetch_and_explicit(word, ~WAITERS, memory_order_acq_rel);
            return;
        }
        bool is_reader = w->amount == READ;
        if ((state & WRITER) || (!is_reader && state != WAITERS)) {
            return;
        }
        cvy_list_remove(&w->node);
        if (!cvy_claim(w->task, w->index)) {
            continue;
        }
        /* While WAITERS stands nobody else adds; readers may leave meanwhile. */
        (void)atomic_fetch_add_explicit(word, is_reader ? READER : WRITER, memory_order_acq_rel);
        cvy_wakelist_add(list, w->task);
    }
}

/* The time of all in the list, who are about to go on. */
static int64_t waited_by(const struct cvy_wakelist *list)
{
    int64_t ns = 0;

    for (const struct cvy_task *t = list->head; t; t = t->next) {
        ns += cvy_waited_ns(t);
    }
    return ns;
}

/* Gives gain back (0: nothing) under the lot's lock and grants to those in front. */
static void grant(struct cvy_thread *th, covey_rwmutex *m, uint32_t gain)
{
    struct cvy_wakelist list = {0};
    struct cvy_lot *lot = cvy_lot_lock(m);

    /* Release: pairs with the acquire of the next holder. */
    (void)atomic_fetch_sub_explicit(word_of(m), gain, memory_order_acq_rel);
    grant_locked(lot, m, &list);
    cvy_lot_unlock(lot);
    int64_t waited = gain && cvy_profile_is_on(CVY_PROFILE_MUTEX) ? waited_by(&list) : 0;
    cvy_ready_all(th, &list);
    if (cvy_unlikely(waited > 0)) {
        cvy_profile_unlock(th, waited);
    }
}

/* Newcomers never pass those who wait, so there is nothing to hope for once somebody does. */
static bool spin(const struct cvy_thread *th, _Atomic uint32_t *word, int kind)
{
    if (!cvy_lot_may_spin(th)) {
        return false;
    }
    for (unsigned pauses = 1; pauses <= CVY_LOT_PAUSES_MAX; pauses *= 2) {
        if (cvy_load_relaxed(word) & WAITERS) {
            return false;
        }
        if (try_take(word, kind)) {
            return true;
        }
        cvy_cpu_pause(pauses);
    }
    return false;
}

static int take_slow(struct cvy_thread **thp, covey_ctx *ctx, covey_rwmutex *m, int kind)
{
    _Atomic uint32_t *word = word_of(m);
    struct cvy_waiter wr = {.amount = kind};
    struct cvy_lot *lot = cvy_lot_lock(m);
    uint32_t state = cvy_load_relaxed(word);

    do {
        if (is_open(state, kind)) {
            if (cvy_cas_acquire(word, &state, state + gain_of(kind))) {
                cvy_lot_unlock(lot);
                return 0;
            }
            state = cvy_load_relaxed(word);
            continue;
        }
        if ((state & WAITERS) || cvy_cas_acquire(word, &state, state | WAITERS)) {
            break;
        }
    } while (true);
    int code = cvy_lot_wait(thp, ctx, lot, m, &wr, false,
                            kind == READ ? CVY_WAIT_RWMUTEX_READ : CVY_WAIT_RWMUTEX_WRITE);
    if (code < 0) {
        /* Those behind may have waited for us alone. */
        grant(*thp, m, 0);
    }
    return code;
}

static int take(covey_ctx *ctx, covey_rwmutex *m, int kind)
{
    struct cvy_thread *th = cvy_enter();
    int code = cvy_ctx_check(th->task, ctx);
    if (code == 0 && !try_take(word_of(m), kind) && !spin(th, word_of(m), kind)) {
        code = take_slow(&th, ctx, m, kind);
    }
    cvy_leave(th);
    return code;
}

static void release(covey_rwmutex *m, uint32_t gain)
{
    uint32_t state = cvy_load_relaxed(word_of(m));

    for (;;) {
        if (state - gain == WAITERS) {
            /* The last holder, and somebody waits: not free in between, when the mutex could be
             * taken, released and be gone before we grant. */
            struct cvy_thread *th = cvy_enter();
            grant(th, m, gain);
            cvy_leave(th);
            return;
        }
        /* Release: pairs with the acquire of the next holder. */
        if (cvy_cas_acq_rel(word_of(m), &state, state - gain)) {
            return;
        }
    }
}

void covey_rwmutex_rlock(covey_rwmutex *m)
{
    cvy_test_point();
    if (!try_take(word_of(m), READ)) {
        (void)take(NULL, m, READ);
    }
}

int covey_rwmutex_rlock_ctx(covey_ctx *ctx, covey_rwmutex *m)
{
    return take(ctx, m, READ);
}

bool covey_rwmutex_try_rlock(covey_rwmutex *m)
{
    cvy_test_point();
    return try_take(word_of(m), READ);
}

void covey_rwmutex_runlock(covey_rwmutex *m)
{
    COVEY_REQUIRE(cvy_load_relaxed(word_of(m)) >= READER, "runlock of a rwmutex without readers");
    release(m, READER);
    cvy_test_point();
}

void covey_rwmutex_lock(covey_rwmutex *m)
{
    cvy_test_point();
    if (!try_take(word_of(m), WRITE)) {
        (void)take(NULL, m, WRITE);
    }
}

int covey_rwmutex_lock_ctx(covey_ctx *ctx, covey_rwmutex *m)
{
    return take(ctx, m, WRITE);
}

bool covey_rwmutex_try_lock(covey_rwmutex *m)
{
    cvy_test_point();
    return try_take(word_of(m), WRITE);
}

void covey_rwmutex_unlock(covey_rwmutex *m)
{
    COVEY_REQUIRE(cvy_load_relaxed(word_of(m)) & WRITER, "unlock of an unlocked rwmutex");
    release(m, WRITER);
    cvy_test_point();
}
