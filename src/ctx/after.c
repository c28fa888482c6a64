/* SPDX-License-Identifier: MIT
 * after.c - covey_ctx_after_func, and the select case COVEY_DONE. */
#include "base/alloc.h"
#include "ctx/ctx.h"
#include "sched/waitable.h"

#include <stdlib.h>

struct covey_stop {
    struct cvy_cancel_hook hook;
    struct cvy_cancel *cancel; /* held; NULL: can never be done */
    covey_fn *fn;
    void *arg;
    _Atomic uint32_t holds; /* the handle's and the hook's */
    _Atomic bool is_lost;   /* no runtime is left to run fn. Release, acquire */
    struct cvy_timer timer; /* while there is no memory for the task; has the hook's hold */
};

static void stop_unhold(covey_stop *s)
{
    if (atomic_fetch_sub_explicit(&s->holds, 1, memory_order_acq_rel) == 1) {
        free(s);
    }
}

static void start(covey_stop *s);

static void on_retry(struct cvy_timer *timer, struct cvy_wakelist *list)
{
    (void)list;
    start(CVY_CONTAINER_OF(timer, struct covey_stop, timer));
}

static void lose(covey_stop *s)
{
    cvy_store_release(&s->is_lost, true);
    stop_unhold(s);
}

static void on_drop(struct cvy_timer *timer)
{
    lose(CVY_CONTAINER_OF(timer, struct covey_stop, timer));
}

/* Starts the task, and drops the hook's hold. Out of memory has nobody to be told here, and what fn
 * would have released must not be lost: it is tried again. */
static void start(covey_stop *s)
{
    static const covey_site site = {"after_func", "covey_ctx_after_func", 0};
    struct cvy_thread *th = cvy_thread_self();

    int code = cvy_detached_start(th, &site, NULL, s->fn, s->arg);
    if (code == -ENOMEM) {
        s->timer = (struct cvy_timer){.call = on_retry, .drop = on_drop};
        if (cvy_timer_add(th, &s->timer, cvy_clock_now() + COVEY_MS)) {
            return;
        }
    }
    if (code == 0) {
        stop_unhold(s);
        return;
    }
    /* The runtime is past its end. */
    struct cvy_runtime *rt = cvy_runtime_get();
    if (rt) {
        atomic_fetch_add_explicit(&rt->failed, 1, memory_order_relaxed);
    }
    lose(s);
}

static void on_done(struct cvy_cancel_hook *h, struct cvy_wakelist *list)
{
    (void)list;
    start(CVY_CONTAINER_OF(h, struct covey_stop, hook));
}

covey_stop *covey_ctx_after_func(covey_ctx *ctx, covey_fn *fn, void *arg)
{
    struct cvy_cancel *c = cvy_ctx_cancel_of(ctx);
    covey_stop *s = cvy_runtime_get() ? cvy_alloc_zeroed(sizeof(*s)) : NULL;

    if (!s) {
        return NULL;
    }
    s->hook.fn = on_done;
    s->fn = fn;
    s->arg = arg;
    cvy_store_relaxed(&s->holds, c ? 2 : 1);
    if (c) {
        s->cancel = c;
        cvy_cancel_hold(c);
        struct cvy_thread *th = cvy_enter();
        if (!cvy_cancel_hook_add(c, &s->hook)) {
            start(s);
        }
        cvy_leave(th);
    }
    return s;
}

bool covey_stop_call(covey_stop *s)
{
    if (!s) {
        return false;
    }
    struct cvy_cancel *c = s->cancel;
    bool is_stopped = true;

    if (c) {
        struct cvy_thread *th = cvy_enter();
        is_stopped = cvy_cancel_hook_remove(c, &s->hook);
        if (is_stopped) {
            stop_unhold(s);
        } else {
            is_stopped = cvy_load_acquire(&s->is_lost);
        }
        cvy_cancel_unhold(c);
        cvy_leave(th);
    }
    stop_unhold(s);
    return is_stopped;
}

static struct cvy_lock *done_lock(const covey_case *c, int *code)
{
    struct cvy_cancel *cancel = cvy_ctx_cancel_of(c->object);
    (void)code;
    return cancel ? &cancel->lock : NULL;
}

static bool done_try(const covey_case *c, struct cvy_wakelist *list, int *result)
{
    struct cvy_cancel *cancel = cvy_ctx_cancel_of(c->object);
    (void)list;
    *result = 0;
    return cancel && cvy_cancel_is_done(cancel);
}

static int done_enqueue(const covey_case *c, struct cvy_waiter *w)
{
    cvy_list_push_tail(&cvy_ctx_cancel_of(c->object)->waiters, &w->node);
    return 0;
}

static void done_dequeue(const covey_case *c, struct cvy_waiter *w)
{
    (void)c;
    cvy_waitq_remove(w);
}

static int done_woken(const covey_case *c, struct cvy_waiter *w)
{
    (void)c;
    (void)w;
    return 0;
}

const struct covey_waitable covey_waitable_done = {
    .name = "done",
    .rank = CVY_RANK_CANCEL,
    .lock = done_lock,
    .try_now = done_try,
    .try_locked = done_try,
    .enqueue_locked = done_enqueue,
    .dequeue_locked = done_dequeue,
    .woken = done_woken,
};
