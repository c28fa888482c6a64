/* SPDX-License-Identifier: MIT
 * blocking.c - the elastic pool: threads for calls that block a whole thread.
 *
 * A job goes to an idle thread or to a new one, up to THREADS_MAX; beyond that it queues. A thread
 * without work for IDLE_NS ends; ended threads are joined by the next that ends, or at the stop.
 * These are plain threads, so a pthread mutex does. */
#define _GNU_SOURCE
#include "base/alloc.h"
#include "sched/wait.h"

#include "trace/emit.h"

#include <covey/error.h>

#include <stdlib.h>
#include <time.h>

#undef errno

#define THREADS_MAX 512
#define IDLE_SECONDS 10

struct pool_thread {
    struct pool_thread *next;
    struct cvy_runtime *runtime;
    pthread_t handle;
};

struct cvy_blocking_pool {
    pthread_mutex_t mutex;
    pthread_cond_t work; /* a job was queued, or it stops */
    pthread_cond_t gone; /* a thread ended */
    /* Guarded by mutex. */
    struct cvy_job *head, **tail;
    struct pool_thread *ended;
    int threads, idle, queued;
    bool stopping;
};

int cvy_blocking_start(struct cvy_runtime *rt)
{
    struct cvy_blocking_pool *p = cvy_alloc_zeroed(sizeof(*p));
    pthread_condattr_t attr;

    if (!p) {
        return -ENOMEM;
    }
    p->tail = &p->head;
    (void)pthread_mutex_init(&p->mutex, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&p->work, &attr);
    (void)pthread_condattr_destroy(&attr);
    (void)pthread_cond_init(&p->gone, NULL);
    rt->blocking = p;
    return 0;
}

static void join_ended(struct pool_thread *list)
{
    while (list) {
        struct pool_thread *t = list;
        list = t->next;
        (void)pthread_join(t->handle, NULL);
        free(t);
    }
}

/* The mutex is held. */
static void threads_add(struct cvy_runtime *rt, struct cvy_blocking_pool *p, int n)
{
    p->threads += n;
    /* For who looks without the pool, which a plain thread may do when it is gone. */
    cvy_store_relaxed(&rt->blocking_threads, p->threads);
}

/* The next job, or NULL when this thread should end. The mutex is held. */
static struct cvy_job *next_job(struct cvy_blocking_pool *p)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += IDLE_SECONDS;
    p->idle++;
    while (!p->head && !p->stopping) {
        if (pthread_cond_timedwait(&p->work, &p->mutex, &until) == ETIMEDOUT) {
            break;
        }
    }
    p->idle--;
    struct cvy_job *job = p->head;
    if (job) {
        p->head = job->next;
        p->queued--;
        if (!p->head) {
            p->tail = &p->head;
        }
    }
    return job;
}

static void *pool_main(void *arg)
{
    struct pool_thread *self = arg;
    struct cvy_runtime *rt = self->runtime;
    struct cvy_blocking_pool *p = rt->blocking;
    struct cvy_job *job;

    if (rt->test) {
        /* The test mode must know when a job itself waits in covey. */
        cvy_thread_foreign()->is_pool = true;
    }
    (void)pthread_mutex_lock(&p->mutex);
    while ((job = next_job(p)) != NULL) {
        (void)pthread_mutex_unlock(&p->mutex);
        cvy_histogram_add_shared(&rt->blocking_wait, cvy_clock_now() - job->queued_at);
        job->run(job);
        /* Last: while it counts, nobody concludes that nothing can wake the waiting task. */
        atomic_fetch_sub_explicit(&rt->blocking_jobs, 1, memory_order_release);
        (void)pthread_mutex_lock(&p->mutex);
    }
    struct pool_thread *others = p->ended;
    self->next = NULL;
    p->ended = self;
    threads_add(rt, p, -1);
    (void)pthread_cond_signal(&p->gone);
    (void)pthread_mutex_unlock(&p->mutex);
    join_ended(others);
    return NULL;
}

/* The mutex is held. */
static bool thread_add(struct cvy_runtime *rt, struct cvy_blocking_pool *p)
{
    struct pool_thread *t = cvy_alloc_zeroed(sizeof(*t));

    if (!t) {
        return false;
    }
    t->runtime = rt;
    if (cvy_alloc_fails() || pthread_create(&t->handle, NULL, pool_main, t) != 0) {
        free(t);
        return false;
    }
    threads_add(rt, p, 1);
    return true;
}

int cvy_blocking_submit(struct cvy_runtime *rt, struct cvy_job *job)
{
    struct cvy_blocking_pool *p = rt->blocking;
    int code = 0;

    (void)pthread_mutex_lock(&p->mutex);
    if (p->idle <= p->queued && p->threads < THREADS_MAX && !thread_add(rt, p) && p->threads == 0) {
        code = -EAGAIN;
    } else {
        job->next = NULL;
        job->queued_at = cvy_clock_now();
        *p->tail = job;
        p->tail = &job->next;
        p->queued++;
        atomic_fetch_add_explicit(&rt->blocking_jobs, 1, memory_order_relaxed);
        (void)pthread_cond_signal(&p->work);
    }
    (void)pthread_mutex_unlock(&p->mutex);
    return code;
}

void cvy_blocking_stop(struct cvy_runtime *rt)
{
    struct cvy_blocking_pool *p = rt->blocking;

    (void)pthread_mutex_lock(&p->mutex);
    p->stopping = true;
    (void)pthread_cond_broadcast(&p->work);
    while (p->threads > 0) {
        (void)pthread_cond_wait(&p->gone, &p->mutex);
    }
    struct pool_thread *ended = p->ended;
    (void)pthread_mutex_unlock(&p->mutex);
    join_ended(ended);
    (void)pthread_cond_destroy(&p->work);
    (void)pthread_cond_destroy(&p->gone);
    (void)pthread_mutex_destroy(&p->mutex);
    free(p);
    rt->blocking = NULL;
}

/* One covey_blocking(); lives in the caller's frame. */
struct call {
    struct cvy_job job;
    struct cvy_task *task;
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

    CVY_EMIT(NULL, blocking_begin, t->id, 0, c->fn);
    c->code = c->fn(c->ctx, c->arg);
    struct cvy_thread *th = cvy_enter();
    c->message = cvy_message_take(&th->task->message, c->code);
    CVY_EMIT(NULL, blocking_end, t->id, 0, (uint32_t)c->code);
    /* Nothing else can claim it: it waits without a context. */
    (void)cvy_claim(t, 0);
    cvy_ready(th, t);
    cvy_leave(th);
}

int covey_blocking(covey_ctx *ctx, covey_fn *fn, void *arg)
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
    struct call call = {.job.run = call_run, .task = t, .fn = fn, .ctx = ctx, .arg = arg};
    (void)cvy_wait_open(t, NULL);
    code = cvy_blocking_submit(th->runtime, &call.job);
    if (code < 0) {
        cvy_store_relaxed(&t->claim, CVY_CLAIM_CLOSED);
        cvy_leave(th);
        return cvy_fail(t, code);
    }
    (void)cvy_wait_park(&th, NULL, CVY_WAIT_BLOCKING, (const void *)(uintptr_t)fn);
    if (call.code < 0) {
        cvy_message_put(t, call.message);
    }
    cvy_leave(th);
    return call.code;
}
