/* SPDX-License-Identifier: MIT
 * blocking_call.c - covey_blocking() and covey_compute(): a task waits for a job of the pool
 * (blocking.c). */
#include "sched/wait.h"

#include "trace/emit.h"

#include <covey/error.h>

/* One call; lives in the caller's frame. */
struct call {
    struct cvy_job job;
    struct cvy_runtime *runtime;
    struct cvy_task *task; /* job.task, to be woken */
    covey_fn *fn;
    covey_ctx *ctx;
    void *arg;
    int code;
    struct cvy_message message;
};

static void call_run(struct cvy_job *job)
{
    struct call *c = CVY_CONTAINER_OF(job, struct call, job);
    struct cvy_task *t = c->task;
    struct cvy_runtime *rt = c->runtime;
    bool stands_back = job->stands_back;

    CVY_EMIT(NULL, blocking_begin, t->id, 0, c->fn);
    c->code = c->fn(c->ctx, c->arg);
    struct cvy_thread *th = cvy_enter();
    c->message = cvy_message_take(&th->task->message, c->code);
    CVY_EMIT(NULL, blocking_end, t->id, 0, (uint32_t)c->code);
    /* Nothing else can claim it: it waits without a context. */
    (void)cvy_claim(t, 0);
    cvy_ready(th, t);
    cvy_blocking_give_slot(th, rt, stands_back);
    cvy_leave(th);
}

/* Inlined, so that what the user called has a frame in stacks: else it would end in a jump. */
__attribute__((always_inline)) static inline int call(covey_ctx *ctx, covey_fn *fn, void *arg,
                                                      bool stands_back)
{
    struct cvy_thread *th = cvy_enter();
    struct cvy_task *t = th->task;

    int code = cvy_ctx_check(t, ctx);
    if (code < 0) {
        cvy_leave(th);
        return code;
    }
    if (t->is_foreign) {
        cvy_leave(th);
        code = fn(ctx, arg);
        if (code < 0) {
            cvy_message_put(t, cvy_message_take(&t->message, code));
        }
        return code;
    }
    code = cvy_blocking_take_slot(&th, ctx, stands_back, fn);
    if (code < 0) {
        cvy_leave(th);
        return code;
    }
    struct call c = {.job = {.run = call_run, .task = t, .stands_back = stands_back},
                     .runtime = th->runtime,
                     .task = t,
                     .fn = fn,
                     .ctx = ctx,
                     .arg = arg};
    (void)cvy_wait_open(t, NULL);
    code = cvy_blocking_submit(th->runtime, &c.job);
    if (code < 0) {
        /* Nobody has the job, but a dump may look at the task. */
        (void)cvy_claim(t, 0);
        cvy_store_relaxed(&t->claim, CVY_CLAIM_CLOSED);
        cvy_blocking_give_slot(th, th->runtime, stands_back);
        cvy_leave(th);
        return cvy_fail(t, code);
    }
    (void)cvy_wait_park(&th, NULL, CVY_WAIT_BLOCKING, (const void *)(uintptr_t)fn);
    if (c.code < 0) {
        cvy_message_put(t, c.message);
    }
    cvy_leave(th);
    return c.code;
}

int covey_blocking(covey_ctx *ctx, covey_fn *fn, void *arg)
{
    return call(ctx, fn, arg, false);
}

int covey_compute(covey_ctx *ctx, covey_fn *fn, void *arg)
{
    return call(ctx, fn, arg, true);
}
