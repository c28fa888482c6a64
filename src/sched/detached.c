/* SPDX-License-Identifier: MIT
 * detached.c - tasks of the root group: covey_go and its kin (covey/task.h). */
#include "sched/wait.h"

#include <covey/error.h>

#undef errno
#undef covey_go
#undef covey_go_with
#undef covey_go_copy

static void detached_end(struct cvy_task *t, void *owner, int code)
{
    struct cvy_runtime *rt = owner;

    if (code < 0) {
        atomic_fetch_add_explicit(&rt->failed, 1, memory_order_relaxed);
        if (rt->options.on_error) {
            const char *text = covey_strerror(code);
            if (t->message.code == code) {
                text = covey_errmsg();
            }
            struct cvy_thread *th = cvy_thread_self();
            cvy_leave(th);
            rt->options.on_error(cvy_task_label(t), t->id, code, text);
            (void)cvy_enter();
        }
    }
    /* Release: the task's work happens before covey_run() returns. */
    if (atomic_fetch_sub_explicit(&rt->detached, 1, memory_order_acq_rel) == 1) {
        cvy_store_release(&rt->detached_wake, 1);
        cvy_futex_wake(&rt->detached_wake, 1);
    }
}

static int start(struct cvy_thread *th, struct cvy_start *s)
{
    struct cvy_runtime *rt = cvy_runtime_get();

    if (!rt) {
        return COVEY_ECLOSED;
    }
    s->ctx = rt->root_ctx;
    s->on_end = detached_end;
    s->owner = rt;
    atomic_fetch_add_explicit(&rt->detached, 1, memory_order_relaxed);
    int code = cvy_task_start(th, s);
    if (code < 0) {
        atomic_fetch_sub_explicit(&rt->detached, 1, memory_order_relaxed);
    }
    return code;
}

int cvy_detached_start(struct cvy_thread *th, const covey_site *site,
                       const covey_task_options *opts, covey_fn *fn, void *arg)
{
    struct cvy_start s = {.site = site, .opts = opts, .fn = fn, .arg = arg};
    return start(th, &s);
}

bool cvy_detached_wait(struct cvy_runtime *rt, int64_t timeout_ns)
{
    int64_t until = cvy_clock_now() + timeout_ns;

    for (;;) {
        cvy_store_relaxed(&rt->detached_wake, 0);
        /* Acquire: pairs with the release of the last to end. */
        if (cvy_load_acquire(&rt->detached) == 0) {
            return true;
        }
        int64_t left = until - cvy_clock_now();
        if (left <= 0) {
            return false;
        }
        /* A wake between the two lines above is seen at the latest 10 ms on. */
        cvy_futex_wait(&rt->detached_wake, 0, left < 10 * COVEY_MS ? left : 10 * COVEY_MS);
    }
}

static int enter_and_start(struct cvy_start *s)
{
    struct cvy_thread *th = cvy_enter();
    const struct cvy_runtime *rt = cvy_runtime_get();
    /* After the first task's end only tasks may start more: those that are left, for clean-up. (An
     * after-func was asked for earlier, and starts whoever ends its context.) */
    bool may_start = th->worker || (rt && !cvy_load_relaxed(&rt->ending));
    int code = may_start ? start(th, s) : COVEY_ECLOSED;
    if (code < 0) {
        (void)cvy_fail(th->task, code);
    }
    cvy_leave(th);
    return code;
}

int covey_go_at(const covey_site *site, const covey_task_options *opts, covey_fn *fn, void *arg)
{
    struct cvy_start s = {.site = site, .opts = opts, .fn = fn, .arg = arg};
    return enter_and_start(&s);
}

int covey_go_copy_at(const covey_site *site, const covey_task_options *opts, covey_fn *fn,
                     const void *arg, size_t len)
{
    struct cvy_start s = {
        .site = site, .opts = opts, .fn = fn, .copy = arg, .copy_len = len, .has_copy = true};
    return enter_and_start(&s);
}

int covey_go(covey_fn *fn, void *arg)
{
    return covey_go_at(NULL, NULL, fn, arg);
}

int covey_go_with(const covey_task_options *opts, covey_fn *fn, void *arg)
{
    return covey_go_at(NULL, opts, fn, arg);
}

int covey_go_copy(covey_fn *fn, const void *arg, size_t len)
{
    return covey_go_copy_at(NULL, NULL, fn, arg, len);
}
