/* SPDX-License-Identifier: MIT
 * ready.c - puts tasks that can run into queues. */
#include "sched/testmode.h"
#include "sched/turn.h"

/* Into a full ring, or from a thread without a worker. */
/* NOLINTNEXTLINE(misc-no-recursion): once, as there is room then */
__attribute__((noinline)) static void enqueue_slow(struct cvy_thread *th, struct cvy_task *t)
{
    if (!th->worker) {
        cvy_global_push_one(cvy_runtime_get(), t);
        return;
    }
    cvy_runq_spill(th->worker);
    cvy_enqueue(th, t);
}

/* NOLINTNEXTLINE(misc-no-recursion): as above */
void cvy_enqueue(struct cvy_thread *th, struct cvy_task *t)
{
    struct cvy_worker *w = th->worker;

    /* Tail calls: nothing has to be kept across them on the common path. */
    if (cvy_unlikely(!w || !cvy_runq_push(&w->runq, t))) {
        enqueue_slow(th, t);
        return;
    }
    /* Not ordered after the push: a kick lost to that delays one task until this worker's next
     * turn, and costs nothing on the path that everybody takes. */
    if (cvy_unlikely(cvy_load_relaxed(&w->runtime->idle_count) > 0) &&
        cvy_load_relaxed(&w->runtime->spinning) == 0) {
        cvy_kick(w->runtime);
    }
}

/* t has just left its worker's slot, or goes straight to a queue. */
__attribute__((noinline)) static void enqueue_traced(struct cvy_thread *th, struct cvy_task *t)
{
    if (cvy_recording_is_untold(t)) {
        cvy_recording_ready(th->worker, t);
    }
    cvy_enqueue(th, t);
}

/* is_told: the wake is recorded, and that of the slot's task. */
__attribute__((always_inline)) static inline void ready(struct cvy_thread *th, struct cvy_task *t,
                                                        bool is_told)
{
    if (cvy_unlikely(t->is_foreign)) {
        if (CVY_CONTAINER_OF(t, struct cvy_thread, self)->is_pool) {
            cvy_test_job_waits(-1);
        }
        /* Release: the outcome is written. The record may be gone once wake is seen; the futex
         * call then finds another word or none, which is harmless. */
        cvy_store_release(&t->wake, 1);
        cvy_futex_wake(&t->wake, 1);
        return;
    }
    cvy_store_relaxed(&t->state, CVY_TASK_RUNNABLE | (is_told ? 0 : CVY_TASK_UNTOLD));
    struct cvy_worker *w = th->worker;
    if (cvy_likely(w != NULL)) {
        struct cvy_task *displaced = cvy_load_relaxed(&w->slot);
        cvy_store_relaxed(&w->slot, t);
        if (!displaced) {
            return;
        }
        t = displaced;
    }
    if (!is_told && CVY_TRACES(ready)) {
        enqueue_traced(th, t);
        return;
    }
    cvy_store_relaxed(&t->state, CVY_TASK_RUNNABLE);
    cvy_enqueue(th, t);
}

/* Where each event has its own time. */
__attribute__((noinline)) static void ready_timed(struct cvy_thread *th, struct cvy_task *t)
{
    if (!t->is_foreign) {
        if (th->worker) {
            cvy_recording_settle(th->worker);
        }
        cvy_recording_ready(th->worker, t);
    }
    ready(th, t, true);
}

void cvy_ready(struct cvy_thread *th, struct cvy_task *t)
{
    /* A tail call: nothing has to be kept across it on the common path. */
    if (CVY_TRACES_AT(CVY_LEVEL_FULL)) {
        ready_timed(th, t);
        return;
    }
    ready(th, t, false);
}

void cvy_ready_list(struct cvy_thread *th, struct cvy_wakelist *list)
{
    struct cvy_wakelist tasks = {0};
    struct cvy_task *next;

    for (struct cvy_task *t = list->head; t; t = next) {
        next = t->next;
        if (t->is_foreign) {
            cvy_ready(th, t);
            continue;
        }
        CVY_EMIT(cvy_ring_of(th), ready, t->id, 0, 0);
        cvy_store_relaxed(&t->state, CVY_TASK_RUNNABLE);
        if (!th->worker || !cvy_runq_push(&th->worker->runq, t)) {
            cvy_wakelist_add(&tasks, t);
        }
    }
    *list = (struct cvy_wakelist){0};
    if (tasks.head) {
        cvy_global_push(cvy_runtime_get(), &tasks);
    } else if (th->worker && cvy_load_relaxed(&th->runtime->idle_count) > 0 &&
               (th->task != &th->self || cvy_runq_len(&th->worker->runq) > 1)) {
        /* On the base a single task is what this worker runs next. */
        cvy_kick(th->runtime);
    }
}
