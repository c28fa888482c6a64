/* SPDX-License-Identifier: MIT
 * rwmutex.c - covey_rwmutex: one word, waiters in the parking lot.
 *
 * WRITER: a writer holds it. WAITERS: somebody stands in the lot, so newcomers queue; set and
 * cleared under the lot's lock. The rest counts readers. Waiters are granted the lock, in order, by
 * who releases it: a woken one holds it already.
 *
 * While diagnosis is on (sched/diagnosis.h) the rest says which task writes, readers are kept
 * beside (holders.h), and the fast ways expect a word that there is not. */
#include "sched/diagnosis.h"
#include "sched/lot.h"
#include "sched/profile.h"
#include "sync/holders.h"

#include <covey/sync.h>

#include <stdio.h>

#define WRITER 1u
#define WAITERS 2u
#define READER 4u
#define OWNER_SHIFT 2
#define READERS_SHOWN 4

enum { READ, WRITE };

static _Atomic uint32_t *word_of(covey_rwmutex *m)
{
    return (_Atomic uint32_t *)&m->state_;
}

uint32_t cvy_rwmutex_owner(const void *object)
{
    const covey_rwmutex *m = object;
    uint32_t state = cvy_load_relaxed((const _Atomic uint32_t *)&m->state_);

    return state & WRITER ? state >> OWNER_SHIFT : 0;
}

void cvy_rwmutex_describe(const void *object, char *out, size_t size)
{
    uint32_t readers[READERS_SHOWN];
    uint32_t owner = cvy_rwmutex_owner(object);
    size_t n = owner || !cvy_diagnosis_on() ? 0 : cvy_holders_of(object, readers, READERS_SHOWN);

    if (owner) {
        (void)snprintf(out, size, "held by task %u", owner);
    }
    for (size_t i = 0, at = 0; i < n && at < size; i++) {
        at += (size_t)snprintf(out + at, size - at, "%s%u", i > 0 ? ", " : "read by task ",
                               readers[i]);
    }
}

/* What t adds, and what must be clear for it. */
static uint32_t gain_of(int kind, const struct cvy_task *t)
{
    if (kind == READ) {
        return READER;
    }
    return WRITER | (cvy_diagnosis_on() ? cvy_owner_of(t->id) << OWNER_SHIFT : 0);
}

static inline bool is_open(uint32_t state, int kind)
{
    return kind == READ ? !(state & (WRITER | WAITERS)) : state == 0;
}

static void note_reader(const covey_rwmutex *m, int kind, const struct cvy_task *t)
{
    if (kind == READ && cvy_unlikely(cvy_diagnosis_on())) {
        cvy_holders_add(m, cvy_owner_of(t->id));
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

static bool try_take_as(covey_rwmutex *m, int kind, const struct cvy_task *t)
{
    _Atomic uint32_t *word = word_of(m);
    uint32_t state = cvy_load_relaxed(word);
    uint32_t gain = gain_of(kind, t);

    while (is_open(state, kind)) {
        if (cvy_cas_acquire(word, &state, state + gain)) {
            note_reader(m, kind, t);
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
        (void)atomic_fetch_add_explicit(word, gain_of((int)w->amount, w->task),
                                        memory_order_acq_rel);
        note_reader(m, (int)w->amount, w->task);
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

    /* Release: pairs with the acquire of the next holder. Those who waited may have given up before
     * we had the lot; then the mutex may be taken, released and be gone by now. */
    if (atomic_fetch_sub_explicit(word_of(m), gain, memory_order_acq_rel) & WAITERS) {
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

/* Newcomers never pass those who wait, so there is nothing to hope for once somebody does. */
static bool spin(const struct cvy_thread *th, covey_rwmutex *m, int kind)
{
    if (!cvy_lot_may_spin(th)) {
        return false;
    }
    for (unsigned pauses = 1; pauses <= CVY_LOT_PAUSES_MAX; pauses *= 2) {
        if (cvy_load_relaxed(word_of(m)) & WAITERS) {
            return false;
        }
        if (try_take_as(m, kind, th->task)) {
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
            if (cvy_cas_acquire(word, &state, state + gain_of(kind, (*thp)->task))) {
                note_reader(m, kind, (*thp)->task);
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
    if (code == 0 && !try_take_as(m, kind, th->task) && !spin(th, m, kind)) {
        code = take_slow(&th, ctx, m, kind);
    }
    cvy_leave(th);
    return code;
}

static void release(covey_rwmutex *m, int kind)
{
    uint32_t state = cvy_load_relaxed(word_of(m));

    for (;;) {
        uint32_t gain = kind == READ ? READER : state & ~WAITERS;
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

static bool try_either(covey_rwmutex *m, int kind)
{
    cvy_test_point();
    return try_take(word_of(m), kind) || try_take_as(m, kind, cvy_task_self());
}

bool covey_rwmutex_try_rlock(covey_rwmutex *m)
{
    return try_either(m, READ);
}

void covey_rwmutex_runlock(covey_rwmutex *m)
{
    uint32_t state = cvy_load_relaxed(word_of(m));

    COVEY_REQUIRE(!(state & WRITER) && state >= READER, "runlock of a rwmutex without readers");
    if (cvy_unlikely(cvy_diagnosis_on()) &&
        !cvy_holders_remove(m, cvy_owner_of(cvy_task_self()->id))) {
        (void)cvy_holders_remove(m, 0); /* another's: who unlocks for it is not known */
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
    COVEY_REQUIRE(cvy_load_relaxed(word_of(m)) & WRITER, "unlock of an unlocked rwmutex");
    release(m, WRITE);
    cvy_test_point();
}
