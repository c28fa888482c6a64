/* SPDX-License-Identifier: MIT
 * park.c - stops the running task until another one wakes it, and switches straight to the next.
 *
 * The whole way from a wait to the switch is inlined into few frames: a task that is woken after
 * thousands of others finds each line of its stack out of the cache. */
#include "sched/profile.h"
#include "sched/testmode.h"
#include "sched/turn.h"

/* The base runs next, to go on with next, NULL: with what it finds. */
__attribute__((noinline)) static void turn_to_base(struct cvy_thread *th, struct cvy_task *next,
                                                   uint64_t what)
{
    if (next) {
        th->base_next = next;
    }
    if (CVY_TRACES(park)) {
        cvy_recording_switch_slow(th, NULL, what);
    }
    th->task = &th->self;
}

/* Leaves t, which runs, for next, or for the base; returns when the task runs again. what: the
 * event that it is. */
__attribute__((always_inline)) static inline struct cvy_thread *
switch_away(struct cvy_thread *th, struct cvy_task *t, struct cvy_task *next, uint64_t what)
{
    CVY_ASSERT(!cvy_lock_any_held());
    cvy_check_leaving(t);
    t->saved_errno = *th->errno_ptr;
    th->previous = t;
    if (cvy_likely(next != NULL) && cvy_likely(cvy_is_at_hand(th, next))) {
        if (CVY_TRACES(park)) {
            cvy_recording_switch(th, next, what);
        }
        if (cvy_unlikely(!next->stack)) {
            cvy_stack_bind(th->worker, next);
        }
        cvy_make_current(th, next);
    } else {
        turn_to_base(th, next, what);
        next = NULL;
    }
    cvy_switch_stacks(th, &t->sp, next, false);
    th = cvy_thread_self();
    cvy_after_switch(th);
    *th->errno_ptr = t->saved_errno;
    return th;
}

__attribute__((always_inline)) static inline struct cvy_thread *
park_task(struct cvy_thread *th, struct cvy_task *t, uint64_t wait)
{
    struct cvy_worker *w = th->worker;

    cvy_count(&w->parks);
    /* A pinned task's thread runs nobody else: the base gives the worker away. */
    struct cvy_task *next = cvy_unlikely(t->pins) ? NULL : cvy_pick(th, w);
    if (cvy_unlikely(next == t)) {
        if (CVY_TRACES(park)) {
            cvy_recording_switch(th, next, wait);
        }
        cvy_store_relaxed(&t->state, CVY_TASK_RUNNING);
        return th;
    }
    return switch_away(th, t, next, wait);
}

struct cvy_thread *cvy_yield(struct cvy_thread *th)
{
    struct cvy_task *t = th->task;

    cvy_store_relaxed(&t->state, CVY_TASK_RUNNABLE);
    /* No other worker is woken for it: this one is about to look. */
    cvy_push(th, t);
    struct cvy_task *next = cvy_unlikely(t->pins) ? NULL : cvy_pick(th, th->worker);
    if (next == t) {
        cvy_store_relaxed(&t->state, CVY_TASK_RUNNING);
        return th;
    }
    return switch_away(th, t, next, COVEY_TRACE_yield);
}

struct cvy_thread *cvy_enter_slow(struct cvy_thread *th)
{
    struct cvy_runtime *rt = th->runtime;

    cvy_fork_check();
    if (!rt) {
        /* A plain thread: see cvy_foreign_quiesce(). Release: what it did before is done. */
        cvy_store_release(&th->retake, 0);
        return th;
    }
    if (rt->test) {
        cvy_test_enter(th);
        return th;
    }
    /* The watchdog holds this lock from raising retake to its decision. */
    cvy_lock(&rt->lock);
    bool is_lost = !th->worker;
    cvy_store_relaxed(&th->retake, 0);
    cvy_unlock(&rt->lock);
    if (!is_lost) {
        return th;
    }
    cvy_store_relaxed(&th->task->state, CVY_TASK_RUNNABLE);
    cvy_global_push_one(rt, th->task);
    return switch_away(th, th->task, NULL, COVEY_TRACE_return);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* A plain thread waits on its futex and keeps its own time, also that of its context's deadline:
 * the runtime may end meanwhile, and its timers with it. */
__attribute__((noinline)) static struct cvy_thread *
park_thread(struct cvy_thread *th, struct cvy_cancel *c, int64_t at_ns, int32_t index)
{
    struct cvy_task *t = th->task;
    int64_t deadline = c ? c->deadline : CVY_NEVER;

    /* Not in the runtime meanwhile, whose end does not wait for it. */
    cvy_leave(th);
    if (th->is_pool) {
        cvy_test_job_waits(1);
    }
    /* Release: what it waits for is there to be looked at, to the acquire in cvy_task_hold(). */
    cvy_store_release(&t->on_cpu, 0);
    /* Acquire: pairs with the release in cvy_ready(). */
    while (cvy_load_acquire(&t->wake) == 0) {
        int64_t until = earlier(at_ns, deadline);
        int64_t now = until == CVY_NEVER ? 0 : cvy_clock_now();
        if (until > now) {
            cvy_futex_wait(&t->wake, 0, until == CVY_NEVER ? -1 : until - now);
        } else if (at_ns <= now) {
            if (cvy_claim(t, index)) {
                if (th->is_pool) {
                    cvy_test_job_waits(-1);
                }
                cvy_store_relaxed(&t->on_cpu, 1);
                return cvy_enter();
            }
            at_ns = CVY_NEVER; /* claimed by another: the wake is on its way */
        } else {
            deadline = CVY_NEVER;
            cvy_cancel_expire(c);
        }
    }
    cvy_store_relaxed(&t->wake, 0);
    cvy_store_relaxed(&t->on_cpu, 1);
    return cvy_enter();
}

/* at_ns and index count in plain threads only. */
__attribute__((always_inline)) static inline int32_t park_since(struct cvy_thread **thp,
                                                                covey_ctx *ctx, uint64_t wait,
                                                                int64_t at_ns, int32_t index,
                                                                int64_t since)
{
    struct cvy_thread *th = *thp;
    struct cvy_task *t = th->task;
    struct cvy_cancel *c = cvy_ctx_cancel_of(ctx);
    bool is_foreign = t->is_foreign;

    CVY_WINDOW();
    if (c) {
        /* Pairs with the membarrier in cvy_cancel_fire(): the open claim, then this look. */
        cvy_light_fence();
        if (cvy_unlikely(cvy_cancel_is_done(c)) && cvy_claim_from_ctx(t, CVY_CLAIM_CLOSED)) {
            return CVY_INDEX_CTX;
        }
    }
    cvy_store_relaxed(&t->wait, wait);
    if (cvy_likely(since == 0 && !is_foreign)) {
        since = th->worker->checked_at;
    }
    cvy_store_relaxed(&t->wait_since, since);
    /* May overwrite a waker's "runnable"; a dump then looks at the claim, which does not lie. */
    cvy_store_relaxed(&t->state, CVY_TASK_WAITING | CVY_TASK_UNTOLD);
    CVY_WINDOW();
    *thp = cvy_unlikely(is_foreign) ? park_thread(th, c, at_ns, index) : park_task(th, t, wait);
    /* Acquire: what the claimer wrote before it claimed. What it wrote after (result, the element)
     * is ordered by the queue that brought the task here. */
    uint32_t claim = cvy_load_acquire(&t->claim);
    CVY_ASSERT(claim & CVY_CLAIM_TAKEN);
    cvy_store_relaxed(&t->claim, CVY_CLAIM_CLOSED);
    return (int32_t)(claim >> CVY_CLAIM_SHIFT);
}

/* With the time that it takes; a mutex's profile too needs it exact. */
__attribute__((noinline)) static int32_t park_profiled(struct cvy_thread *th, covey_ctx *ctx,
                                                       uint64_t wait, int64_t at_ns, int32_t index)
{
    int64_t since = cvy_clock_now();
    int32_t outcome = park_since(&th, ctx, wait, at_ns, index, since);

    /* So that nobody takes it for the time of the next wait. */
    cvy_store_relaxed(&th->task->wait_since, 0);
    if (cvy_profile_is_on(CVY_PROFILE_BLOCK)) {
        cvy_profile_wait(th, cvy_wait_reason(wait), cvy_clock_now() - since);
    }
    return outcome;
}

__attribute__((always_inline)) static inline int32_t
park(struct cvy_thread **thp, covey_ctx *ctx, uint64_t wait, int64_t at_ns, int32_t index)
{
    if (cvy_unlikely(cvy_load_relaxed(&cvy_profiles_on) &
                     (1u << CVY_PROFILE_BLOCK | 1u << CVY_PROFILE_MUTEX))) {
        /* Not by way of thp: who parks keeps its thread in a register. */
        int32_t outcome = park_profiled(*thp, ctx, wait, at_ns, index);
        *thp = cvy_thread_self();
        return outcome;
    }
    return park_since(thp, ctx, wait, at_ns, index, 0);
}

int32_t cvy_wait_park_for(struct cvy_thread **thp, covey_ctx *ctx, uint64_t wait)
{
    return park(thp, ctx, wait, CVY_NEVER, 0);
}

int32_t cvy_wait_park_for_until(struct cvy_thread **thp, covey_ctx *ctx, uint64_t wait,
                                int64_t at_ns, int32_t index)
{
    struct cvy_task *t = (*thp)->task;
    struct cvy_timer timer = {.task = t, .index = index};
    /* A plain thread looks at the clock itself, unless that is the test mode's. */
    bool has_timer = !t->is_foreign || (*thp)->is_pool;

    if (has_timer) {
        (void)cvy_timer_add(*thp, &timer, at_ns); /* it has a runtime */
    }
    int32_t outcome = park(thp, ctx, wait, at_ns, index);
    if (has_timer && outcome != index) {
        (void)cvy_timer_cancel(&timer);
    }
    return outcome;
}

int cvy_wait_error(struct cvy_task *t, covey_ctx *ctx, int32_t index)
{
    switch (index) {
    case CVY_INDEX_CTX:
        return cvy_ctx_check(t, ctx);
    case CVY_INDEX_ENDED:
        return cvy_fail(t, COVEY_ECLOSED);
    default:
        return 0;
    }
}

__attribute__((always_inline)) static inline int wait_in_at(struct cvy_thread **thp, covey_ctx *ctx,
                                                            struct cvy_lock *lock,
                                                            struct cvy_node *at,
                                                            struct cvy_waiter *wr, uint64_t wait)
{
    struct cvy_task *t = (*thp)->task;

    wr->task = t;
    wr->index = 0;
    int code = cvy_wait_open(t, ctx);
    if (cvy_unlikely(code < 0)) {
        cvy_unlock(lock);
        return code;
    }
    cvy_list_push_head(at, &wr->node);
    cvy_unlock(lock);
    int32_t index = park(thp, ctx, wait, CVY_NEVER, 0);
    if (cvy_likely(index == 0)) {
        return 0;
    }
    cvy_lock(lock);
    cvy_waitq_remove(wr);
    cvy_unlock(lock);
    return cvy_wait_error(t, ctx, index);
}

int cvy_wait_in_at(struct cvy_thread **thp, covey_ctx *ctx, struct cvy_lock *lock,
                   struct cvy_node *at, struct cvy_waiter *wr, uint64_t wait)
{
    return wait_in_at(thp, ctx, lock, at, wr, wait);
}

int cvy_wait_for_elem(struct cvy_thread *th, covey_ctx *ctx, struct cvy_lock *lock,
                      struct cvy_node *q, void *elem, uint64_t wait)
{
    struct cvy_waiter wr;

    wr.elem = elem;
    wr.result = 0;
    int code = wait_in_at(&th, ctx, lock, q->prev, &wr, wait);
    if (code == 0 && cvy_unlikely(wr.result < 0)) {
        code = cvy_fail(th->task, wr.result);
    }
    cvy_leave(th);
    return code;
}
