/* SPDX-License-Identifier: MIT
 * rwmutex.c - covey_rwmutex: one word, waiters in the parking lot.
 *
 * WRITER: a writer holds it, once no readers are left: one that spins may set it while some are in,
 * and keeps newcomers out. WAITERS: somebody stands in the lot; set and cleared under the lot's
 * lock. WOKEN: one that was woken has not yet competed; set under the lot's lock, cleared by that
 * one, as it takes the lock, or WRITER, or before it waits again. The rest counts readers.
 *
 * WAITERS without WOKEN closes it to all newcomers. WOKEN opens it: the woken one competes with
 * those who run, or the lock would stand still until it runs, everybody would queue, and each turn
 * cost a switch. Who has waited for more than 1 ms is handed the lock.
 *
 * While diagnosis is on (sched/diagnosis.h) the rest says which task writes, readers are kept
 * beside (holders.h), and the fast ways expect a word that there is not. */
#include "os/delay.h"
#include "sched/diagnosis.h"
#include "sched/lot.h"
#include "sched/profile.h"
#include "sync/holders.h"

#include <covey/sync.h>
#include <covey/time.h>

#include <stdio.h>

#define WRITER 1u
#define WAITERS 2u
#define WOKEN 4u
#define READER 8u
#define OWNER_SHIFT 3
#define HAND_OVER_NS COVEY_MS

enum { READ, WRITE, HANDED }; /* a waiter's result: what it waits for, until it is handed it */

static _Atomic uint32_t *word_of(covey_rwmutex *m)
{
    return (_Atomic uint32_t *)&m->state_;
}

/* Whether a writer has it, and does not only wait for readers to leave. */
static bool is_written(uint32_t state)
{
    return (state & WRITER) && (state < READER || cvy_diagnosis_on());
}

uint32_t cvy_rwmutex_owner(const void *object)
{
    const covey_rwmutex *m = object;
    uint32_t state = cvy_load_relaxed((const _Atomic uint32_t *)&m->state_);

    return (state & WRITER) && cvy_diagnosis_on() ? state >> OWNER_SHIFT : 0;
}

/* What t adds. */
static uint32_t gain_of(int kind, const struct cvy_task *t)
{
    if (kind == READ) {
        return READER;
    }
    return WRITER | (cvy_diagnosis_on() ? cvy_owner_of(t->id) << OWNER_SHIFT : 0);
}

/* Whether those who wait keep the others out: until one of them is woken and competes. */
static inline bool is_closed(uint32_t state)
{
    return (state & (WAITERS | WOKEN)) == WAITERS;
}

static inline bool is_open(uint32_t state, int kind)
{
    return !is_closed(state) && !(state & (kind == READ ? WRITER : ~(WAITERS | WOKEN)));
}

static void note_reader(const covey_rwmutex *m, int kind, const struct cvy_task *t)
{
    if (kind == READ && cvy_unlikely(cvy_diagnosis_on())) {
        cvy_holders_add(m, cvy_owner_of(t->id), 1);
    }
}

/* The fast way, for anybody. */
static inline bool try_take(_Atomic uint32_t *word, int kind)
{
    uint32_t state = cvy_load_relaxed(word);
    uint32_t expected = cvy_load_relaxed(&cvy_expect_free);
    while ((kind == READ ? state & (WRITER | WAITERS) : state) == expected) {
        /* Acquire: pairs with the releases below. */
        if (cvy_cas_acquire(word, &state, state + (kind == READ ? READER : WRITER))) {
            return true;
        }
    }
    return false;
}

/* own: WOKEN, if that speaks of t. */
static bool try_take_as(covey_rwmutex *m, int kind, const struct cvy_task *t, uint32_t own)
{
    _Atomic uint32_t *word = word_of(m);
    uint32_t state = cvy_load_relaxed(word);
    uint32_t gain = gain_of(kind, t);

    while (is_open(state, kind)) {
        if (cvy_cas_acquire(word, &state, (state & ~own) + gain)) {
            note_reader(m, kind, t);
            return true;
        }
    }
    return false;
}

/* Hands it to those in front who have waited for long, as far as the state allows, and wakes the
 * next to compete. Lot locked. */
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
        int kind = w->result;
        if ((state & (WRITER | WOKEN)) || (kind == WRITE && state >= READER)) {
            return;
        }
        cvy_list_remove(&w->node);
        if (!cvy_claim(w->task, w->index)) {
            continue;
        }
        /* It is closed, so that nobody else adds; readers may leave meanwhile. Release, in both:
         * they open it to newcomers, or to those whom its holder will let in. */
        if (cvy_clock_now() - w->amount > HAND_OVER_NS) {
            w->result = HANDED;
            note_reader(m, kind, w->task);
            (void)atomic_fetch_add_explicit(word, gain_of(kind, w->task), memory_order_acq_rel);
        } else {
            (void)atomic_fetch_or_explicit(word, WOKEN, memory_order_acq_rel);
        }
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

/* Gives gain back (0: nothing) under the lot's lock and lets in those in front. */
static void grant(struct cvy_thread *th, covey_rwmutex *m, uint32_t gain)
{
    struct cvy_wakelist list = {0};
    struct cvy_lot *lot = cvy_lot_lock(m);

    /* Release: pairs with the acquire of the next holder. */
    uint32_t state = atomic_fetch_sub_explicit(word_of(m), gain, memory_order_acq_rel) - gain;
    /* Those who waited may have given up before we had the lot: then it is free by now, and may be
     * gone. */
    if (!gain || state == WAITERS) {
        CVY_WINDOW();
        grant_locked(lot, m, &list);
    }
    cvy_lot_unlock(lot);
    int64_t waited = gain && cvy_profile_is_on(CVY_PROFILE_MUTEX) ? waited_by(&list) : 0;
    cvy_ready_all(th, &list);
    if (cvy_unlikely(waited > 0)) {
        cvy_profile_unlock(th, waited);
    }
}

/* Keeps newcomers out while the readers leave. Not past those who stand in the lot. */
static bool try_reserve(_Atomic uint32_t *word, uint32_t own)
{
    uint32_t state = cvy_load_relaxed(word);

    if (cvy_diagnosis_on()) {
        return false; /* an owner and readers do not fit the word */
    }
    while (!(state & WRITER) && (own || !(state & WAITERS))) {
        if (cvy_cas_acquire(word, &state, (state & ~own) | WRITER)) {
            return true;
        }
    }
    return false;
}

/* For who has reserved it. Acquire: pairs with the release of each reader. */
static bool is_drained(_Atomic uint32_t *word)
{
    return cvy_load_acquire(word) < READER;
}

/* Looks on for a while; true: it is taken. *own: what in the word speaks of the caller; WRITER if
 * it has reserved it. */
static bool spin(const struct cvy_thread *th, covey_rwmutex *m, int kind, uint32_t *own)
{
    _Atomic uint32_t *word = word_of(m);

    if (!cvy_lot_may_spin(th)) {
        return false;
    }
    for (unsigned pauses = 1; pauses <= CVY_LOT_PAUSES_MAX; pauses *= 2) {
        if (*own == WRITER) {
            if (is_drained(word)) {
                return true;
            }
        } else if (try_take_as(m, kind, th->task, *own)) {
            return true;
        } else if (is_closed(cvy_load_relaxed(word))) {
            return false;
        } else if (kind == WRITE && try_reserve(word, *own)) {
            *own = WRITER;
        }
        cvy_cpu_pause(pauses);
    }
    return false;
}

/* Under the lot's lock: says "somebody waits", and takes own back. False: it became free; for who
 * has reserved it, it is taken. */
static bool announce_locked(_Atomic uint32_t *word, int kind, uint32_t own)
{
    uint32_t state = cvy_load_relaxed(word);
    uint32_t next;

    do {
        if (own == WRITER ? is_drained(word) : is_open(state, kind)) {
            return false;
        }
        next = (state & ~own) | WAITERS;
    } while (state != next && !cvy_cas_acquire(word, &state, next));
    return true;
}

static int take_slow(struct cvy_thread **thp, covey_ctx *ctx, covey_rwmutex *m, int kind)
{
    struct cvy_waiter wr = {0};
    uint32_t own = 0;

    while (!try_take_as(m, kind, (*thp)->task, own) && !spin(*thp, m, kind, &own)) {
        CVY_WINDOW(); /* the readers leave */
        struct cvy_lot *lot = cvy_lot_lock(m);
        if (!announce_locked(word_of(m), kind, own)) {
            cvy_lot_unlock(lot);
            if (own == WRITER) {
                return 0;
            }
            continue;
        }
        if (!wr.amount) {
            wr.amount = cvy_clock_now();
        }
        wr.result = kind;
        /* Who reserved it stands in front of those whom it kept out, or readers among them would
         * wait for it while readers are in. */
        int code = cvy_lot_wait(thp, ctx, lot, m, &wr, own != 0,
                                kind == READ ? CVY_WAIT_RWMUTEX_READ : CVY_WAIT_RWMUTEX_WRITE);
        if (code < 0) {
            /* Those behind may have waited for us alone. */
            grant(*thp, m, 0);
            return code;
        }
        if (wr.result == HANDED) {
            return 0;
        }
        own = WOKEN;
    }
    if (kind == READ && own && (cvy_load_relaxed(word_of(m)) & WAITERS)) {
        /* Readers that stand together come in together. */
        grant(*thp, m, 0);
    }
    return 0;
}

static int take(covey_ctx *ctx, covey_rwmutex *m, int kind)
{
    struct cvy_thread *th = cvy_enter();
    int code = cvy_ctx_check(th->task, ctx);
    if (code == 0) {
        code = take_slow(&th, ctx, m, kind);
    }
    cvy_leave(th);
    return code;
}

static void release(covey_rwmutex *m, int kind)
{
    uint32_t state = cvy_load_relaxed(word_of(m));

    for (;;) {
        uint32_t gain = kind == READ ? READER : state & ~(WAITERS | WOKEN);
        if (state - gain == WAITERS) {
            /* The last holder, and somebody waits: not free in between, when the mutex could be
             * taken, released and be gone before we grant. */
            CVY_WINDOW(); /* who waits is cancelled */
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

static bool try_either(covey_rwmutex *m, int kind)
{
    cvy_test_point();
    return try_take(word_of(m), kind) || try_take_as(m, kind, cvy_task_self(), 0);
}

bool covey_rwmutex_try_rlock(covey_rwmutex *m)
{
    return try_either(m, READ);
}

void covey_rwmutex_runlock(covey_rwmutex *m)
{
    uint32_t state = cvy_load_relaxed(word_of(m));

    COVEY_REQUIRE(state >= READER && !is_written(state), "runlock of a rwmutex without readers");
    if (cvy_unlikely(cvy_diagnosis_on()) &&
        !cvy_holders_take(m, cvy_owner_of(cvy_task_self()->id), 1)) {
        (void)cvy_holders_take(m, 0, 1); /* another's: who unlocks for it is not known */
    }
    release(m, READ);
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
    return try_either(m, WRITE);
}

void covey_rwmutex_unlock(covey_rwmutex *m)
{
    COVEY_REQUIRE(is_written(cvy_load_relaxed(word_of(m))), "unlock of an unlocked rwmutex");
    release(m, WRITE);
    cvy_test_point();
}
