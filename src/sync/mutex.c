/* SPDX-License-Identifier: MIT
 * mutex.c - covey_mutex: one word, waiters in the parking lot.
 *
 * While diagnosis is on (sched/diagnosis.h) the upper bits say which task holds it, and each lock
 * and unlock takes the slow way: the fast lock expects a word that there is not.
 *
 * LOCKED: somebody holds it. WAITERS: somebody may stand in the lot; set and cleared under the
 * lot's lock. A woken waiter competes with newcomers (they are running, it is not: faster), unless
 * it has waited for more than 1 ms: then the lock is handed to it and never looks free. WOKEN: one
 * that was woken has not yet competed; until it has, no unlock wakes another. Set by the holder
 * under the lot's lock; cleared by the woken one, as it takes the lock or before it waits again. */
#include "sync/mutex.h"

#include "sched/diagnosis.h"
#include "sched/profile.h"

#include <covey/time.h>

#include <stdio.h>

#define LOCKED 1u
#define WAITERS 2u
#define WOKEN 4u
#define OWNER_SHIFT 3
#define HAND_OVER_NS COVEY_MS

enum { HANDED = 1 }; /* a waiter's result */

static _Atomic uint32_t *word_of(covey_mutex *m)
{
    return (_Atomic uint32_t *)&m->state_;
}

/* What a word that t holds says of it. */
static uint32_t owner_bits(const struct cvy_task *t)
{
    return cvy_diagnosis_on() ? cvy_owner_of(t->id) << OWNER_SHIFT : 0;
}

uint32_t cvy_mutex_owner(const void *mutex)
{
    const covey_mutex *m = mutex;
    return cvy_load_relaxed((const _Atomic uint32_t *)&m->state_) >> OWNER_SHIFT;
}

void cvy_mutex_describe(const void *object, char *out, size_t size)
{
    const covey_mutex *m = object;
    uint32_t state = cvy_load_relaxed((const _Atomic uint32_t *)&m->state_);

    if ((state & LOCKED) && state >> OWNER_SHIFT == 0 && cvy_diagnosis_on()) {
        (void)snprintf(out, size, "held by a plain thread");
    }
}

static inline bool try_lock(_Atomic uint32_t *word)
{
    uint32_t state = cvy_load_relaxed(&cvy_expect_free);
    /* Acquire: pairs with the release in unlock. */
    return cvy_cas_acquire(word, &state, LOCKED);
}

/* Takes it if it is free, whoever waits. own: WOKEN, if that speaks of the caller. */
static bool barge(_Atomic uint32_t *word, const struct cvy_task *t, uint32_t own)
{
    uint32_t locked = LOCKED | owner_bits(t);
    uint32_t state = cvy_load_relaxed(word);
    while (!(state & LOCKED)) {
        if (cvy_cas_acquire(word, &state, (state & ~own) | locked)) {
            return true;
        }
    }
    return false;
}

static bool spin(struct cvy_thread *th, _Atomic uint32_t *word)
{
    if (!cvy_lot_may_spin(th)) {
        return false;
    }
    for (unsigned pauses = 1; pauses <= CVY_LOT_PAUSES_MAX; pauses *= 2) {
        uint32_t state = cvy_load_relaxed(word);
        if (state & WAITERS) {
            return false;
        }
        if (!(state & LOCKED) && barge(word, th->task, 0)) {
            return true;
        }
        cvy_cpu_pause(pauses);
    }
    return false;
}

/* Under the lot's lock: says "somebody waits", and takes own back. False: it became free. */
static bool announce_locked(_Atomic uint32_t *word, uint32_t own)
{
    uint32_t state = cvy_load_relaxed(word);
    uint32_t next;
    do {
        if (!(state & LOCKED)) {
            return false;
        }
        next = (state & ~own) | WAITERS;
    } while (state != next && !cvy_cas_acquire(word, &state, next));
    return true;
}

int cvy_mutex_lock(struct cvy_thread **thp, covey_ctx *ctx, covey_mutex *m)
{
    _Atomic uint32_t *word = word_of(m);
    struct cvy_waiter wr = {0};

    if (try_lock(word) || spin(*thp, word)) {
        return 0;
    }
    for (uint32_t own = 0;;) {
        if (barge(word, (*thp)->task, own)) {
            return 0;
        }
        struct cvy_lot *lot = cvy_lot_lock(m);
        if (!announce_locked(word, own)) {
            cvy_lot_unlock(lot);
            continue;
        }
        if (!own) {
            wr.amount = cvy_clock_now();
        }
        wr.result = 0;
        int code = cvy_lot_wait(thp, ctx, lot, m, &wr, own, CVY_WAIT_MUTEX);
        if (code < 0) {
            return code;
        }
        if (wr.result == HANDED) {
            return 0;
        }
        own = WOKEN;
    }
}

/* Frees it if somebody who was woken competes for it: who waits is that one's care. */
static bool leave_to_woken(_Atomic uint32_t *word)
{
    uint32_t state = cvy_load_relaxed(word);

    /* Release: as in try_unlock(). */
    while (state & WOKEN) {
        if (atomic_compare_exchange_weak_explicit(word, &state, state & (WAITERS | WOKEN),
                                                  memory_order_release, memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

static void unlock_slow(struct cvy_thread *th, covey_mutex *m)
{
    _Atomic uint32_t *word = word_of(m);

    if (leave_to_woken(word)) {
        return;
    }
    struct cvy_lot *lot = cvy_lot_lock(m);
    struct cvy_waiter *w = cvy_lot_claim(lot, m);
    uint32_t rest = cvy_lot_first(lot, m) ? WAITERS : 0;

    if (w && cvy_clock_now() - w->amount > HAND_OVER_NS) {
        w->result = HANDED;
        rest |= LOCKED | owner_bits(w->task);
    } else if (w) {
        rest |= WOKEN;
    }
    /* Release: pairs with the acquire of the next lock; for one that is handed over, the wake
     * orders. Nobody else changes the word while LOCKED is set and we hold the lot. */
    cvy_store_release(word, rest);
    struct cvy_task *t = w ? w->task : NULL;
    cvy_lot_unlock(lot);
    if (t) {
        int64_t waited = cvy_profile_is_on(CVY_PROFILE_MUTEX) ? cvy_waited_ns(t) : 0;
        cvy_ready(th, t);
        if (cvy_unlikely(waited > 0)) {
            cvy_profile_unlock(th, waited);
        }
    }
}

/* The fast half of unlock; false: somebody may wait. */
static inline bool try_unlock(_Atomic uint32_t *word)
{
    uint32_t state = cvy_load_relaxed(&cvy_expect_locked);
    if (cvy_likely(atomic_compare_exchange_strong_explicit(word, &state, 0, memory_order_release,
                                                           memory_order_relaxed))) {
        return true;
    }
    COVEY_REQUIRE(state & LOCKED, "unlock of an unlocked mutex");
    return false;
}

void cvy_mutex_unlock(struct cvy_thread *th, covey_mutex *m)
{
    if (!try_unlock(word_of(m))) {
        unlock_slow(th, m);
    }
}

void covey_mutex_lock(covey_mutex *m)
{
    if (cvy_likely(try_lock(word_of(m)))) {
        return;
    }
    struct cvy_thread *th = cvy_enter();
    (void)cvy_mutex_lock(&th, NULL, m);
    cvy_leave(th);
}

int covey_mutex_lock_ctx(covey_ctx *ctx, covey_mutex *m)
{
    struct cvy_thread *th = cvy_enter();
    int code = cvy_ctx_check(th->task, ctx);
    if (code == 0) {
        code = cvy_mutex_lock(&th, ctx, m);
    }
    cvy_leave(th);
    return code;
}

bool covey_mutex_try_lock(covey_mutex *m)
{
    cvy_test_point();
    return barge(word_of(m), cvy_task_self(), 0);
}

void covey_mutex_unlock(covey_mutex *m)
{
    if (cvy_likely(try_unlock(word_of(m)))) {
        return;
    }
    struct cvy_thread *th = cvy_enter();
    unlock_slow(th, m);
    cvy_leave(th);
    cvy_test_point();
}
