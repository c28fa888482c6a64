/* SPDX-License-Identifier: MIT
 * group.c - groups (covey/group.h).
 *
 * Starts are counted in one word and ends in another, in another cache line: who starts many tasks
 * and those who run them meanwhile do not take the line from each other. Neither count goes back;
 * equal counts mean that nobody is alive.
 *
 * started   starts admitted. Relaxed: a start is counted before its task is queued, and all that
 *           changes ended is a read-modify-write, an end with release; so whoever reads n ends
 *           (acquire) sees the starts of these n tasks, and of what they started. Who counts a
 *           start is a member or comes before the wait. So a member that reads n ends, and then
 *           n + 1 starts, is the last one; and if it reads more, another one is alive, and will be.
 * ended     ends, in the upper bits. JOINING: somebody may wait for all to have ended; STARTING:
 *           somebody waits for the limit. Both are set under lock. While neither concerns it, an
 *           end is one compare-and-swap, which fails if any other came in between, and does not
 *           touch the group after that; otherwise it takes the lock for its own count, so that who
 *           then sees under the lock that all have ended knows that nobody is still on his way in,
 *           and may free the group. */
#include "ctx/ctx.h"
#include "group/error_list.h"
#include "sched/recording.h"
#include "sched/view.h"
#include "sched/waitable.h"
#include "trace/emit.h"

#include <covey/error.h>
#include <covey/group.h>

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef errno
#undef covey_group_new
#undef covey_group_new_with
#undef covey_group_go
#undef covey_group_go_with
#undef covey_group_go_copy
#undef covey_group_try_go
#undef covey_group_try_go_copy

#define JOINING 1u
#define STARTING 2u
#define END 4u /* one in the count */

struct covey_group {
    /* All that a start touches, if there is no limit. */
    struct cvy_scope scope; /* first: dumps know a group by it */
    covey_ctx *ctx;         /* immutable */
    _Atomic uint64_t started;
    _Atomic int limit; /* < 0: none; written under lock */

    /* And an end, if nobody waits for it. */
    _Alignas(CVY_CACHE_LINE) _Atomic uint64_t ended;
    covey_error_list *errors;  /* immutable */
    covey_group_policy policy; /* immutable */

    /* Guarded by lock. */
    struct cvy_lock lock; /* rank CVY_RANK_GROUP */
    struct cvy_node joiners, starters;
    bool has_succeeded;
    bool is_tuned; /* its limit changed while it had tasks; diagnosis reads it at any time */
    struct cvy_message first; /* of the first failure; code 0: none */

    _Atomic int64_t began; /* when its first task was started, roughly; 0: none was. Relaxed */
};

static void emit_open(const covey_group *g, const struct cvy_task *t)
{
    struct cvy_thread *th = cvy_enter();
    cvy_trace_put_pair(cvy_ring_of(th), (uint32_t)t->id,
                       cvy_ring_what(COVEY_TRACE_group_open, 0, (uint64_t)(uintptr_t)g), 0,
                       cvy_ring_what(COVEY_TRACE_site, 0, (uint64_t)(uintptr_t)g->scope.site));
    cvy_leave(th);
}

static_assert(offsetof(covey_group, scope) == 0, "a group is known by its scope");

covey_group *covey_group_new_at(const covey_site *site, covey_ctx *parent,
                                const covey_group_options *opts)
{
    covey_group *g = cvy_cell_alloc(sizeof(*g));

    if (!g) {
        return NULL;
    }
    g->ctx = covey_ctx_with_cancel(parent);
    if (cvy_ctx_is_exhausted(g->ctx)) {
        cvy_cell_free(g, sizeof(*g));
        return NULL;
    }
    g->policy = opts ? opts->policy : COVEY_FIRST_ERROR;
    g->errors = opts ? opts->errors : NULL;
    cvy_store_relaxed(&g->limit, opts && opts->limit > 0 ? opts->limit : -1);
    cvy_lock_init(&g->lock, CVY_RANK_GROUP);
    cvy_list_init(&g->joiners);
    cvy_list_init(&g->starters);
    struct cvy_task *t = cvy_task_self();
    g->scope.site = site;
    if (!t->is_foreign) {
        cvy_scope_open(&g->scope, t);
    }
    if (CVY_TRACES(group_open)) {
        emit_open(g, t);
    }
    return g;
}

covey_ctx *covey_group_ctx(covey_group *g)
{
    return g ? g->ctx : cvy_ctx_exhausted();
}

static bool is_last(const covey_group *g, uint64_t ended)
{
    return cvy_load_relaxed(&g->started) == ended / END + 1;
}

/* How many were alive, or admitted, at one moment: between two looks that found the same ends. */
static uint64_t alive(const covey_group *g)
{
    /* Acquire: pairs with the release in leave(). */
    uint64_t ended = cvy_load_acquire(&g->ended);

    for (;;) {
        uint64_t started = cvy_load_acquire(&g->started);
        uint64_t again = cvy_load_acquire(&g->ended);
        if (again == ended) {
            return started - ended / END;
        }
        ended = again;
    }
}

/* True: the first. */
static bool count_start(covey_group *g)
{
    /* Relaxed: the queue or the wake that the task comes by orders it before the task. */
    return atomic_fetch_add_explicit(&g->started, 1, memory_order_relaxed) == 0;
}

/* Lets waiting starts in as far as the limit allows. */
static void admit_locked(covey_group *g, struct cvy_wakelist *list)
{
    int limit = cvy_load_relaxed(&g->limit);

    /* An end happens before the start it lets in. */
    while (limit < 0 || alive(g) < (uint64_t)limit) {
        struct cvy_waiter *w = cvy_waitq_claim(&g->starters);
        if (!w) {
            break;
        }
        /* The place is taken for it here, so that nobody overtakes. */
        (void)count_start(g);
        cvy_wakelist_add(list, w->task);
    }
    if (cvy_list_is_empty(&g->starters)) {
        atomic_fetch_and_explicit(&g->ended, ~(uint64_t)STARTING, memory_order_relaxed);
    }
}

__attribute__((noinline)) static void leave_slow(covey_group *g)
{
    struct cvy_wakelist list = {0};

    cvy_lock(&g->lock);
    uint64_t ended = atomic_fetch_add_explicit(&g->ended, END, memory_order_acq_rel);
    if (ended & STARTING) {
        admit_locked(g, &list);
    }
    if (alive(g) == 0) {
        for (struct cvy_waiter *w; (w = cvy_waitq_claim(&g->joiners)) != NULL;) {
            cvy_wakelist_add(&list, w->task);
        }
    }
    cvy_unlock(&g->lock);
    /* g may be gone from here on. */
    cvy_ready_all(cvy_thread_self(), &list);
}

/* One task less. */
static inline void leave(covey_group *g)
{
    /* Acquire: the starts of those that have ended, for is_last(). */
    uint64_t ended = cvy_load_acquire(&g->ended);

    for (;;) {
        CVY_WINDOW_NAMED(CVY_WINDOW_END);
        bool is_watched = (ended & STARTING) || ((ended & JOINING) && is_last(g, ended));
        if (is_watched) {
            leave_slow(g);
            return;
        }
        /* Release: the task's work happens before the wait's return; acquire there. */
        if (cvy_cas_acq_rel(&g->ended, &ended, ended + END)) {
            return;
        }
    }
}

/* A task of g failed, or could not be started. Whether that ends the group. */
static bool note_failure(covey_group *g, struct cvy_message message)
{
    cvy_lock(&g->lock);
    bool is_first = g->first.code == 0;
    if (g->errors) {
        cvy_error_list_add(g->errors, &message);
    }
    if (is_first) {
        g->first = message;
        message.text = NULL;
    }
    cvy_unlock(&g->lock);
    free(message.text);
    return is_first && g->policy == COVEY_FIRST_ERROR;
}

/* Under COVEY_FIRST_SUCCESS alone. Whether that ends the group. */
static bool note_success(covey_group *g)
{
    cvy_lock(&g->lock);
    bool is_first = !g->has_succeeded;
    g->has_succeeded = true;
    cvy_unlock(&g->lock);
    return is_first;
}

static void cancel_rest(struct cvy_thread *th, covey_group *g, int cause)
{
    struct cvy_wakelist list = {0};

    cvy_cancel_fire(cvy_ctx_cancel_of(g->ctx), COVEY_ECANCELED, cause, &list);
    cvy_ready_all(th, &list);
}

void cvy_group_describe(const void *object, char *out, size_t size)
{
    const covey_group *g = object;
    int limit = cvy_load_relaxed(&g->limit);
    int n = snprintf(out, size, "%llu alive", (unsigned long long)alive(g));

    if (limit >= 0) {
        (void)snprintf(out + n, size - (size_t)n, ", limit %d", limit);
    }
}

/* Of one whose limit changes under way nobody knows when the next change comes. A moment's view. */
__attribute__((no_sanitize("thread"), noinline)) int64_t cvy_group_full(const void *object)
{
    const covey_group *g = object;

    return *(const volatile bool *)&g->is_tuned ? 0 : (int64_t)alive(g);
}

/* Apart from the end of a task that changes nothing but the count. */
__attribute__((noinline)) static void note_end(covey_group *g, struct cvy_task *t, int code)
{
    /* The message is not formatted: this is the task's stack, which may be small. */
    bool ends_group =
        code < 0 ? note_failure(g, cvy_message_take(&t->message, code)) : note_success(g);

    if (ends_group) {
        cancel_rest(cvy_thread_self(), g, code < 0 ? code : 0);
    }
}

void cvy_group_member_end(struct cvy_task *t, void *owner, int code)
{
    covey_group *g = owner;

    if (cvy_unlikely(code < 0 || g->policy == COVEY_FIRST_SUCCESS)) {
        note_end(g, t, code);
    }
    leave(g);
}

/* A start that failed counts as a task that did. */
__attribute__((noinline)) static void start_failed(struct cvy_thread *th, covey_group *g, int code)
{
    if (g && note_failure(g, (struct cvy_message){.code = code})) {
        cancel_rest(th, g, code);
    }
    (void)cvy_fail(th->task, code);
}

/* Takes a place in the group, waiting for the limit. may_wait false: COVEY_EAGAIN instead. May
 * switch threads. */
__attribute__((noinline)) static int join_limited(struct cvy_thread *th, covey_group *g,
                                                  bool may_wait)
{
    struct cvy_waiter wr = {0};

    cvy_lock(&g->lock);
    int limit = cvy_load_relaxed(&g->limit);
    bool is_open = cvy_list_is_empty(&g->starters) && (limit < 0 || alive(g) < (uint64_t)limit);
    if (is_open || cvy_cancel_is_done(cvy_ctx_cancel_of(g->ctx))) {
        (void)count_start(g);
        cvy_unlock(&g->lock);
        return 0;
    }
    if (!may_wait) {
        cvy_unlock(&g->lock);
        return COVEY_EAGAIN;
    }
    CVY_WINDOW_NAMED(CVY_WINDOW_LIMIT);
    /* An end that missed this flag was counted before it: look again. */
    (void)atomic_fetch_or_explicit(&g->ended, STARTING, memory_order_acq_rel);
    if (alive(g) < (uint64_t)limit && cvy_list_is_empty(&g->starters)) {
        atomic_fetch_and_explicit(&g->ended, ~(uint64_t)STARTING, memory_order_relaxed);
        (void)count_start(g);
        cvy_unlock(&g->lock);
        return 0;
    }
    /* The end of the group's context is no failure of this call: the caller's message stays. */
    struct cvy_task *t = th->task;
    struct cvy_message message = t->message;
    t->message = (struct cvy_message){0};
    int code = cvy_wait_in(&th, g->ctx, &g->lock, &g->starters, &wr, CVY_WAIT_GROUP_LIMIT, g);
    t->message = message;
    if (code < 0) {
        /* The group is done: the limit no longer holds, and no task is dropped. */
        (void)count_start(g);
    }
    return 0;
}

/* Always inlined: what is to be started need not go through memory. */
__attribute__((always_inline)) static inline int group_start(covey_group *g, struct cvy_start *s,
                                                             bool may_wait)
{
    struct cvy_thread *th = cvy_enter();

    int code = cvy_unlikely(!g) ? -ENOMEM : cvy_task_check_options(s->opts);
    if (code < 0) {
        start_failed(th, g, code);
        goto out;
    }
    bool is_first;
    if (cvy_likely(cvy_load_relaxed(&g->limit) < 0)) {
        is_first = count_start(g);
    } else {
        code = join_limited(th, g, may_wait);
        th = cvy_thread_self();
        if (code < 0) {
            goto out;
        }
        is_first = cvy_load_relaxed(&g->began) == 0;
    }
    if (cvy_unlikely(is_first)) {
        cvy_store_relaxed(&g->began, cvy_rough_now(th));
    }
    s->ctx = g->ctx;
    s->on_end = cvy_group_member_end;
    s->owner = g;
    code = cvy_task_start(th, s);
    if (cvy_unlikely(code < 0)) {
        start_failed(th, g, code);
        leave(g);
    }
out:
    cvy_leave(th);
    return code;
}

int covey_group_go_at(const covey_site *site, covey_group *g, const covey_task_options *opts,
                      covey_fn *fn, void *arg)
{
    struct cvy_start s = {.site = site, .opts = opts, .fn = fn, .arg = arg};
    return group_start(g, &s, true);
}

int covey_group_go_copy_at(const covey_site *site, covey_group *g, const covey_task_options *opts,
                           covey_fn *fn, const void *arg, size_t len)
{
    struct cvy_start s = {
        .site = site, .opts = opts, .fn = fn, .copy = arg, .copy_len = len, .has_copy = true};
    return group_start(g, &s, true);
}

int covey_group_try_go_at(const covey_site *site, covey_group *g, covey_fn *fn, void *arg)
{
    struct cvy_start s = {.site = site, .fn = fn, .arg = arg};
    return group_start(g, &s, false);
}

int covey_group_try_go_copy_at(const covey_site *site, covey_group *g, covey_fn *fn,
                               const void *arg, size_t len)
{
    struct cvy_start s = {.site = site, .fn = fn, .copy = arg, .copy_len = len, .has_copy = true};
    return group_start(g, &s, false);
}

void covey_group_set_limit(covey_group *g, int limit)
{
    struct cvy_thread *th = cvy_enter();
    struct cvy_wakelist list = {0};

    if (g) {
        cvy_lock(&g->lock);
        cvy_store_relaxed(&g->limit, limit < 0 ? -1 : limit);
        g->is_tuned |= alive(g) > 0;
        admit_locked(g, &list);
        cvy_unlock(&g->lock);
        cvy_ready_all(th, &list);
    }
    cvy_leave(th);
}

void covey_group_cancel(covey_group *g, int cause)
{
    covey_ctx_cancel_cause(covey_group_ctx(g), cause);
}

/* Whether all have ended; from now on the last end takes the lock. Lock held. */
static bool is_joined_locked(covey_group *g)
{
    /* Then the look: an end that missed this flag was counted before it. */
    (void)atomic_fetch_or_explicit(&g->ended, JOINING, memory_order_acq_rel);
    return alive(g) == 0;
}

static int result_of(covey_group *g, struct cvy_task *t)
{
    int code = g->first.code;

    if (code == 0 || (g->policy == COVEY_FIRST_SUCCESS && g->has_succeeded)) {
        return 0;
    }
    cvy_message_put(t, g->first);
    g->first.text = NULL;
    return code;
}

/* From its first start to its join, for metrics. */
static void note_time(struct cvy_thread *th, covey_group *g)
{
    int64_t began = cvy_load_relaxed(&g->began);
    struct cvy_runtime *rt = cvy_runtime_get();

    if (began == 0) {
        return;
    }
    if (th->worker) {
        cvy_histogram_add_own(&th->worker->group_time, cvy_rough_now(th) - began);
    } else if (rt) {
        cvy_histogram_add_shared(&rt->group_time, cvy_rough_now(th) - began);
    }
}

int covey_group_wait(covey_group *g)
{
    struct cvy_thread *th = cvy_enter();
    struct cvy_task *t = th->task;
    struct cvy_waiter wr = {0};

    if (cvy_unlikely(!g)) {
        (void)cvy_fail(t, -ENOMEM);
        cvy_leave(th);
        return -ENOMEM;
    }
    COVEY_REQUIRE(!g->scope.opener || g->scope.opener == t,
                  "a group must be waited for by the task that opened it");
    cvy_lock(&g->lock);
    if (is_joined_locked(g)) {
        cvy_unlock(&g->lock);
    } else {
        (void)cvy_wait_in(&th, NULL, &g->lock, &g->joiners, &wr, CVY_WAIT_GROUP, g);
    }
    int code = result_of(g, t);
    note_time(th, g);
    CVY_EMIT(cvy_ring_of(th), group_join, t->id, 0, g);
    if (g->scope.opener) {
        cvy_scope_close(&g->scope);
    }
    covey_ctx *kept = cvy_ctx_end(th, g->ctx, __builtin_return_address(0)) ? NULL : g->ctx;
    free(g->first.text);
    cvy_cell_free(g, sizeof(*g));
    cvy_leave(th);
    if (cvy_unlikely(kept != NULL)) {
        /* For who kept a reference. */
        covey_ctx_cancel(kept);
        covey_ctx_unref(kept);
    }
    return code;
}

/* ---- COVEY_JOINED ---- */

static struct cvy_lock *joined_lock(const covey_case *c, int *code)
{
    (void)code;
    return c->object ? &((covey_group *)c->object)->lock : NULL;
}

static bool joined_try_locked(const covey_case *c, struct cvy_wakelist *list, int *result)
{
    (void)list;
    *result = 0;
    return is_joined_locked(c->object);
}

static bool joined_try_now(const covey_case *c, struct cvy_wakelist *list, int *result)
{
    covey_group *g = c->object;
    (void)list;
    *result = 0;
    return !g || alive(g) == 0;
}

static int joined_enqueue(const covey_case *c, struct cvy_waiter *w)
{
    cvy_list_push_tail(&((covey_group *)c->object)->joiners, &w->node);
    return 0;
}

static void joined_dequeue(const covey_case *c, struct cvy_waiter *w)
{
    (void)c;
    cvy_waitq_remove(w);
}

static int joined_woken(const covey_case *c, struct cvy_waiter *w)
{
    (void)c;
    (void)w;
    return 0;
}

const struct covey_waitable covey_waitable_joined = {
    .name = "joined",
    .rank = CVY_RANK_GROUP,
    .lock = joined_lock,
    .try_now = joined_try_now,
    .try_locked = joined_try_locked,
    .enqueue_locked = joined_enqueue,
    .dequeue_locked = joined_dequeue,
    .woken = joined_woken,
};

/* ---- the same without call sites, for other languages ---- */

covey_group *covey_group_new(covey_ctx *parent)
{
    return covey_group_new_at(NULL, parent, NULL);
}

covey_group *covey_group_new_with(covey_ctx *parent, const covey_group_options *opts)
{
    return covey_group_new_at(NULL, parent, opts);
}

int covey_group_go(covey_group *g, covey_fn *fn, void *arg)
{
    return covey_group_go_at(NULL, g, NULL, fn, arg);
}

int covey_group_go_with(covey_group *g, const covey_task_options *opts, covey_fn *fn, void *arg)
{
    return covey_group_go_at(NULL, g, opts, fn, arg);
}

int covey_group_go_copy(covey_group *g, covey_fn *fn, const void *arg, size_t len)
{
    return covey_group_go_copy_at(NULL, g, NULL, fn, arg, len);
}

int covey_group_try_go(covey_group *g, covey_fn *fn, void *arg)
{
    return covey_group_try_go_at(NULL, g, fn, arg);
}

int covey_group_try_go_copy(covey_group *g, covey_fn *fn, const void *arg, size_t len)
{
    return covey_group_try_go_copy_at(NULL, g, fn, arg, len);
}
