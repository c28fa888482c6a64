/* SPDX-License-Identifier: MIT
 * blocking.c - the elastic pool: threads for calls that block a whole thread, or need one for long.
 *
 * It has two lanes, since a thread that stands back for others cannot become a usual one again. In
 * each, a job goes to an idle thread or to a new one, up to THREADS_MAX; beyond that it queues. Who
 * calls (blocking_call.c) waits for a slot before it has a job, so that a context can end that. A
 * thread without work for IDLE_SECONDS ends; ended threads are joined by the next that ends, or at
 * the stop. These are plain threads, so a pthread mutex does. */
#define _GNU_SOURCE
#include "base/alloc.h"
#include "sched/note.h"

#include <covey/error.h>

#include <stdlib.h>
#include <time.h>

#undef errno

#define THREADS_MAX 512
#define IDLE_SECONDS 10

struct pool_thread {
    struct pool_thread *next;
    struct cvy_runtime *runtime;
    struct lane *lane;
    pthread_t handle;
    const void *base;       /* its stack is below it while it does a job */
    _Atomic uint32_t turns; /* odd while it does a job; only this thread writes */
    /* Guarded by the pool's mutex. */
    const struct cvy_task *task; /* that waits for the job it does */
    uint32_t id;                 /* the system's */
};

struct lane {
    pthread_cond_t work; /* a job was queued, or the pool stops */
    bool stands_back;    /* immutable: its threads have the lowest priority */
    /* Guarded by the pool's mutex. */
    struct cvy_job *head, **tail;
    int threads, idle, queued;

    struct cvy_lock lock; /* rank CVY_RANK_CHAN; guards the rest */
    int slots;            /* calls that may yet begin; with waiters there are none */
    struct cvy_node waiters;
};

struct cvy_blocking_pool {
    pthread_mutex_t mutex;
    pthread_cond_t gone; /* a thread ended */
    struct lane lanes[2];
    /* Guarded by mutex. */
    struct pool_thread *threads, *ended;
    bool stopping;
};

int cvy_blocking_start(struct cvy_runtime *rt)
{
    struct cvy_blocking_pool *p = cvy_alloc_zeroed(sizeof(*p));
    pthread_condattr_t attr;

    if (!p) {
        return -ENOMEM;
    }
    (void)pthread_mutex_init(&p->mutex, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    for (int i = 0; i < 2; i++) {
        struct lane *l = &p->lanes[i];
        l->tail = &l->head;
        l->stands_back = i == 1;
        l->slots = THREADS_MAX;
        cvy_lock_init(&l->lock, CVY_RANK_CHAN);
        cvy_list_init(&l->waiters);
        (void)pthread_cond_init(&l->work, &attr);
    }
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
static void threads_add(struct cvy_runtime *rt, struct lane *l, int n)
{
    l->threads += n;
    /* For who looks without the pool, which a plain thread may do when it is gone. */
    cvy_store_relaxed(&rt->blocking_threads, cvy_load_relaxed(&rt->blocking_threads) + n);
}

/* The next job, or NULL when this thread should end. The mutex is held. */
static struct cvy_job *next_job(struct cvy_blocking_pool *p, struct lane *l)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += IDLE_SECONDS;
    l->idle++;
    while (!l->head && !p->stopping) {
        if (pthread_cond_timedwait(&l->work, &p->mutex, &until) == ETIMEDOUT) {
            break;
        }
    }
    l->idle--;
    struct cvy_job *job = l->head;
    if (job) {
        l->head = job->next;
        l->queued--;
        if (!l->head) {
            l->tail = &l->head;
        }
    }
    return job;
}

/* Relaxed: who compares it with what it was does so on this thread, in a signal's handler. */
static void turn(struct pool_thread *self)
{
    cvy_store_relaxed(&self->turns, cvy_load_relaxed(&self->turns) + 1);
    cvy_compiler_fence();
}

uint32_t cvy_blocking_thread(struct cvy_runtime *rt, const struct cvy_task *t,
                             struct cvy_blocking_place *out)
{
    struct cvy_blocking_pool *p = rt->blocking;
    uint32_t id = 0;

    (void)pthread_mutex_lock(&p->mutex);
    for (struct pool_thread *th = p->threads; th && !id; th = th->next) {
        uint32_t turn = cvy_load_relaxed(&th->turns);
        /* Odd: not between the job's end and the mutex. */
        if (th->task == t && turn % 2 == 1) {
            id = th->id;
            *out = (struct cvy_blocking_place){&th->turns, turn, th->base};
        }
    }
    (void)pthread_mutex_unlock(&p->mutex);
    return id;
}

static void *pool_main(void *arg)
{
    struct pool_thread *self = arg;
    struct cvy_runtime *rt = self->runtime;
    struct cvy_blocking_pool *p = rt->blocking;
    struct cvy_job *job;

    self->base = __builtin_frame_address(0);
    if (self->lane->stands_back) {
        cvy_thread_stand_back();
    }
    if (rt->test) {
        /* The test mode must know when a job itself waits in covey. */
        cvy_thread_foreign()->is_pool = true;
    }
    (void)pthread_mutex_lock(&p->mutex);
    self->id = cvy_thread_id();
    self->next = p->threads;
    p->threads = self;
    while ((job = next_job(p, self->lane)) != NULL) {
        self->task = job->task;
        turn(self);
        (void)pthread_mutex_unlock(&p->mutex);
        cvy_histogram_add_shared(&rt->blocking_wait, cvy_clock_now() - job->queued_at);
        job->run(job);
        turn(self);
        /* Last: while it counts, nobody concludes that nothing can wake the waiting task. */
        atomic_fetch_sub_explicit(&rt->blocking_jobs, 1, memory_order_release);
        (void)pthread_mutex_lock(&p->mutex);
        self->task = NULL;
    }
    struct pool_thread **at = &p->threads;
    while (*at != self) {
        at = &(*at)->next;
    }
    *at = self->next;
    struct pool_thread *others = p->ended;
    self->next = NULL;
    p->ended = self;
    threads_add(rt, self->lane, -1);
    (void)pthread_cond_signal(&p->gone);
    (void)pthread_mutex_unlock(&p->mutex);
    join_ended(others);
    return NULL;
}

/* The mutex is held. */
static bool thread_add(struct cvy_runtime *rt, struct lane *l)
{
    struct pool_thread *t = cvy_alloc_zeroed(sizeof(*t));

    if (!t) {
        return false;
    }
    t->runtime = rt;
    t->lane = l;
    if (cvy_alloc_fails() || pthread_create(&t->handle, NULL, pool_main, t) != 0) {
        free(t);
        return false;
    }
    threads_add(rt, l, 1);
    return true;
}

int cvy_blocking_submit(struct cvy_runtime *rt, struct cvy_job *job)
{
    struct cvy_blocking_pool *p = rt->blocking;
    struct lane *l = &p->lanes[job->stands_back];
    int code = 0;

    (void)pthread_mutex_lock(&p->mutex);
    if (l->idle <= l->queued && l->threads < THREADS_MAX && !thread_add(rt, l) && l->threads == 0) {
        code = -EAGAIN;
    } else {
        job->next = NULL;
        job->queued_at = cvy_clock_now();
        *l->tail = job;
        l->tail = &job->next;
        l->queued++;
        atomic_fetch_add_explicit(&rt->blocking_jobs, 1, memory_order_relaxed);
        (void)pthread_cond_signal(&l->work);
    }
    (void)pthread_mutex_unlock(&p->mutex);
    return code;
}

void cvy_blocking_stop(struct cvy_runtime *rt)
{
    struct cvy_blocking_pool *p = rt->blocking;

    (void)pthread_mutex_lock(&p->mutex);
    p->stopping = true;
    (void)pthread_cond_broadcast(&p->lanes[0].work);
    (void)pthread_cond_broadcast(&p->lanes[1].work);
    while (cvy_load_relaxed(&rt->blocking_threads) > 0) {
        (void)pthread_cond_wait(&p->gone, &p->mutex);
    }
    struct pool_thread *ended = p->ended;
    (void)pthread_mutex_unlock(&p->mutex);
    join_ended(ended);
    (void)pthread_cond_destroy(&p->lanes[0].work);
    (void)pthread_cond_destroy(&p->lanes[1].work);
    (void)pthread_cond_destroy(&p->gone);
    (void)pthread_mutex_destroy(&p->mutex);
    free(p);
    rt->blocking = NULL;
}

/* ---- slots ---- */

int cvy_blocking_take_slot(struct cvy_thread **thp, covey_ctx *ctx, bool stands_back, covey_fn *fn)
{
    struct lane *l = &(*thp)->runtime->blocking->lanes[stands_back];
    struct cvy_waiter wr = {0};

    cvy_lock(&l->lock);
    if (cvy_likely(l->slots > 0)) {
        l->slots--;
        cvy_unlock(&l->lock);
        return 0;
    }
    /* It has not begun. */
    covey_wait_note note = {.what = "thread", .text = "all 512 are in use"};
    static_assert(THREADS_MAX == 512, "as it says");
    cvy_note_open(*thp, &note);
    int code = cvy_wait_in(thp, ctx, &l->lock, &l->waiters, &wr, CVY_WAIT_BLOCKING,
                           (const void *)(uintptr_t)fn);
    covey_wait_note_end(&note);
    return code;
}

/* To the first in line, if there is one. */
void cvy_blocking_give_slot(struct cvy_thread *th, struct cvy_runtime *rt, bool stands_back)
{
    struct lane *l = &rt->blocking->lanes[stands_back];
    struct cvy_waiter *w;

    cvy_lock(&l->lock);
    while ((w = cvy_waitq_first(&l->waiters)) != NULL) {
        cvy_list_remove(&w->node);
        if (cvy_claim(w->task, w->index)) {
            break;
        }
    }
    l->slots += w == NULL;
    cvy_unlock(&l->lock);
    if (w) {
        cvy_ready(th, w->task);
    }
}
