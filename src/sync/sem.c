/* SPDX-License-Identifier: MIT
 * sem.c - covey_sem: weighted, first come first served.
 *
 * Invariant: unless free permits are too few for it, nobody stands at the head of the queue. So
 * whoever adds permits, and whoever leaves the head without taking any, grants.
 *
 * Anybody may release, so that who has acquired is no owner by itself. While diagnosis is on
 * (sched/diagnosis.h) permits are kept with who acquired them (holders.h), and the semaphore counts
 * as one of locks once they came back from those, until the first that another brings. */
#include "base/alloc.h"
#include "sched/diagnosis.h"
#include "sched/wait.h"
#include "sync/holders.h"

#include <covey/sync.h>

#include <stdio.h>
#include <stdlib.h>

/* Who releases, as far as diagnosis has seen it. */
enum use { UNKNOWN, BY_HOLDERS, BY_ANYBODY };

struct covey_sem {
    int64_t total; /* immutable */
    /* Guarded by lock. */
    struct cvy_lock lock; /* rank CVY_RANK_CHAN */
    int64_t available;
    struct cvy_node waiters;
    enum use use; /* diagnosis reads it at any time */
};

covey_sem *covey_sem_new(int64_t permits)
{
    covey_sem *s = permits < 0 ? NULL : cvy_alloc_zeroed(sizeof(*s));

    if (s) {
        s->total = s->available = permits;
        cvy_lock_init(&s->lock, CVY_RANK_CHAN);
        cvy_list_init(&s->waiters);
    }
    return s;
}

/* A moment's view: no lock is taken for a dump. */
__attribute__((no_sanitize("thread"), noinline)) static int64_t permits_now(const covey_sem *s)
{
    return *(const volatile int64_t *)&s->available;
}

void cvy_sem_describe(const void *object, char *out, size_t size)
{
    const covey_sem *s = object;

    (void)snprintf(out, size, "%lld of %lld free", (long long)permits_now(s), (long long)s->total);
}

/* As above. */
__attribute__((no_sanitize("thread"), noinline)) int64_t cvy_sem_held(const void *object)
{
    const covey_sem *s = object;

    return *(const volatile enum use *)&s->use == BY_HOLDERS ? s->total - permits_now(s) : 0;
}

/* While diagnosis is on: t has n permits more. Lock held. */
__attribute__((noinline)) static void note_gain_locked(covey_sem *s, const struct cvy_task *t,
                                                       int64_t n)
{
    if (s->use != BY_ANYBODY && !t->is_foreign) {
        cvy_holders_add(s, cvy_owner_of(t->id), n);
    }
}

/* The same: t brings n permits back. */
__attribute__((noinline)) static void note_return_locked(covey_sem *s, const struct cvy_task *t,
                                                         int64_t n)
{
    if (s->use == BY_ANYBODY || n == 0) {
        return;
    }
    bool is_own = !t->is_foreign && cvy_holders_take(s, cvy_owner_of(t->id), n) == n;
    s->use = is_own ? BY_HOLDERS : BY_ANYBODY;
    if (!is_own) {
        (void)cvy_holders_take(s, 0, INT64_MAX);
    }
}

void covey_sem_free(covey_sem *s)
{
    if (!s) {
        return;
    }
    struct cvy_waiter *w = cvy_waitq_first(&s->waiters);
    /* One discarded at the end of a runtime does not count. */
    COVEY_REQUIRE(!w || cvy_load_relaxed(&w->task->claim) == CVY_CLAIM_CLOSED,
                  "free of a semaphore that tasks wait for");
    if (cvy_diagnosis_on()) {
        (void)cvy_holders_take(s, 0, INT64_MAX);
    }
    free(s);
}

static void grant_locked(covey_sem *s, struct cvy_wakelist *list)
{
    struct cvy_waiter *w;

    while ((w = cvy_waitq_first(&s->waiters)) && w->amount <= s->available) {
        cvy_list_remove(&w->node);
        if (cvy_claim(w->task, w->index)) {
            s->available -= w->amount;
            if (cvy_unlikely(cvy_diagnosis_on())) {
                note_gain_locked(s, w->task, w->amount);
            }
            cvy_wakelist_add(list, w->task);
        }
    }
}

static inline bool try_take_locked(covey_sem *s, int64_t n)
{
    if (s->available < n || !cvy_list_is_empty(&s->waiters)) {
        return false;
    }
    s->available -= n;
    if (cvy_unlikely(cvy_diagnosis_on())) {
        note_gain_locked(s, cvy_task_self(), n);
    }
    return true;
}

int covey_sem_acquire(covey_ctx *ctx, covey_sem *s, int64_t n)
{
    struct cvy_thread *th = cvy_enter();
    struct cvy_waiter wr = {.amount = n};

    int code = cvy_ctx_check(th->task, ctx);
    if (code < 0) {
        goto out;
    }
    if (n < 0 || n > s->total) {
        code = cvy_fail(th->task, -EINVAL);
        goto out;
    }
    cvy_lock(&s->lock);
    if (n == 0 || try_take_locked(s, n)) {
        cvy_unlock(&s->lock);
        goto out;
    }
    code = cvy_wait_in(&th, ctx, &s->lock, &s->waiters, &wr, CVY_WAIT_SEM, s);
    if (code < 0) {
        struct cvy_wakelist list = {0};
        cvy_lock(&s->lock);
        grant_locked(s, &list);
        cvy_unlock(&s->lock);
        cvy_ready_all(th, &list);
    }
out:
    cvy_leave(th);
    return code;
}

bool covey_sem_try_acquire(covey_sem *s, int64_t n)
{
    if (n < 0 || n > s->total) {
        return false;
    }
    struct cvy_thread *th = cvy_enter();
    cvy_lock(&s->lock);
    bool is_taken = n == 0 || try_take_locked(s, n);
    cvy_unlock(&s->lock);
    cvy_leave(th);
    return is_taken;
}

void covey_sem_release(covey_sem *s, int64_t n)
{
    struct cvy_thread *th = cvy_enter();
    struct cvy_wakelist list = {0};

    cvy_lock(&s->lock);
    bool is_valid = n >= 0 && n <= s->total - s->available;
    if (is_valid) {
        s->available += n;
        if (cvy_unlikely(cvy_diagnosis_on())) {
            note_return_locked(s, th->task, n);
        }
        if (!cvy_list_is_empty(&s->waiters)) {
            grant_locked(s, &list);
        }
    }
    cvy_unlock(&s->lock);
    COVEY_REQUIRE(is_valid, "semaphore released more than is held");
    cvy_ready_all(th, &list);
    cvy_leave(th);
}
