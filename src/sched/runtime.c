/* SPDX-License-Identifier: MIT
 * runtime.c - brings workers, poller, pool and watchdog up, and takes them down. */
#include "base/alloc.h"
#include "base/env.h"
#include "os/unwind.h"
#include "sched/ask.h"
#include "sched/diagnosis.h"
#include "sched/ignored.h"
#include "sched/recording.h"
#include "sched/wait.h"

#include <covey/error.h>

#include <limits.h>
#include <stdlib.h>

#undef errno

#define SPARE_THREADS_MAX 256
#define STACK_SIZE_DEFAULT ((size_t)256 << 10)
#define STACK_SIZE_MIN ((size_t)16 << 10)
#define STACK_SIZE_MAX ((size_t)1 << 30)
#define GRACE_NS_DEFAULT (10 * COVEY_SEC)

struct cvy_runtime *_Atomic cvy_runtime_now;

static int options_fill(covey_options *o)
{
    if (o->workers == 0) {
        int64_t n = cvy_env_number("COVEY_WORKERS");
        o->workers = n < INT_MAX ? (int)n : INT_MAX;
    }
    if (o->workers == 0) {
        o->workers = cvy_cpu_count();
    }
    if (o->stack_size == 0) {
        o->stack_size = (size_t)cvy_env_number("COVEY_STACK_SIZE");
    }
    if (o->stack_size == 0) {
        o->stack_size = STACK_SIZE_DEFAULT;
    }
    if (o->stack_size < STACK_SIZE_MIN) {
        o->stack_size = STACK_SIZE_MIN;
    }
    if (o->dump_signal == 0) {
        o->dump_signal = cvy_dump_signal_from_environment();
    }
    if (o->exit_grace_ns == 0) {
        o->exit_grace_ns = GRACE_NS_DEFAULT;
    }
    const struct {
        bool is_valid;
        const char *rule;
    } rules[] = {
        {o->workers > 0 && o->workers <= CVY_WORKERS_MAX, "workers (COVEY_WORKERS): 1 to 1024"},
        {o->stack_size <= STACK_SIZE_MAX, "stack_size (COVEY_STACK_SIZE): up to 1 GiB"},
        {o->exit_grace_ns > 0, "exit_grace_ns: not negative"},
        {cvy_dump_signal_is_valid(o->dump_signal),
         "dump_signal (COVEY_DUMP_SIGNAL): one that can be caught"},
        {o->ignored_end_ns >= 0, "ignored_end_ns: not negative"},
    };
    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
        if (!rules[i].is_valid) {
            return covey_errorf(-EINVAL, "covey_run: %s", rules[i].rule);
        }
    }
    return 0;
}

static void worker_init(struct cvy_runtime *rt, int index)
{
    struct cvy_worker *w = &rt->workers[index];

    w->runtime = rt;
    w->index = index;
    w->ring = &cvy_trace_rings[index];
    w->turns_to_check = 1;
    w->check_every = 1;
    w->checked_at = cvy_clock_now();
    w->rand = cvy_rand_seed(cvy_random_seed() + (uint64_t)index);
    cvy_lock_init(&w->fresh.lock, CVY_RANK_SCHED);
    cvy_timers_init(&w->timers, w->checked_at, CVY_TICK_SHIFT);
}

/* NOLINTNEXTLINE(readability-function-size): step after step, undone in reverse order */
int cvy_runtime_start(const covey_options *options, covey_ctx *root_ctx, struct cvy_test *test,
                      struct cvy_runtime **out)
{
    struct cvy_runtime *none = NULL;
    int code;

    struct cvy_runtime *rt = cvy_alloc_lines(sizeof(*rt));
    if (!rt) {
        return -ENOMEM;
    }
    rt->options = options ? *options : (covey_options){0};
    code = options_fill(&rt->options);
    if (code < 0) {
        goto fail_runtime;
    }
    cvy_lock_init(&rt->lock, CVY_RANK_SCHED);
    cvy_lock_init(&rt->cells.lock, CVY_RANK_POOL);
    rt->root_ctx = root_ctx;
    rt->test = test;
    rt->worker_count = rt->options.workers;
    rt->threads_max = rt->worker_count + SPARE_THREADS_MAX;
    rt->can_spin = rt->worker_count > 1 && cvy_cpu_count() > 1;
    rt->has_takeover = cvy_membarrier_init();
    rt->default_class = cvy_stack_class(rt->options.stack_size);
    cvy_list_init(&rt->idle);
    cvy_list_init(&rt->spares);
    cvy_list_init(&rt->tasks.open);
    cvy_stack_pool_init(&rt->stacks);
    rt->workers = cvy_alloc_lines((size_t)rt->worker_count * sizeof(*rt->workers));
    if (!rt->workers) {
        code = -ENOMEM;
        goto fail_runtime;
    }
    for (int i = 0; i < rt->worker_count; i++) {
        worker_init(rt, i);
    }
    code = cvy_poll_open(&rt->poll);
    if (code < 0) {
        goto fail_workers;
    }
    code = cvy_blocking_start(rt);
    if (code < 0) {
        goto fail_poll;
    }
    /* Release: all of the above, to cvy_runtime_get(). */
    if (!atomic_compare_exchange_strong_explicit(&cvy_runtime_now, &none, rt, memory_order_acq_rel,
                                                 memory_order_relaxed)) {
        code = -EBUSY;
        goto fail_blocking;
    }
    /* Without memory for rings the program runs unrecorded. */
    (void)cvy_trace_attach(rt->worker_count, (uint16_t)cvy_id_lanes(rt));
    rt->has_env_trace = cvy_recording_from_environment();
    cvy_store_release(&cvy_fatal_hook, cvy_fatal_dump);
    if (!rt->options.no_fault_handler) {
        cvy_fault_install();
    }
    cvy_unwind_prepare();
    if (!test) {
        cvy_dump_signal_install(rt); /* the watchdog answers it */
    }
    cvy_diagnosis_start(rt);
    cvy_ignored_start(rt);
    cvy_pause_install();
    cvy_native_start();
    cvy_fork_watch();
    if (test) {
        /* Its carrier is the calling thread, which nobody takes the worker from. */
        *out = rt;
        return 0;
    }
    for (int i = 0; i < rt->worker_count; i++) {
        if (!cvy_worker_give(rt, &rt->workers[i], NULL)) {
            code = -EAGAIN;
            goto fail_threads;
        }
    }
    if (cvy_alloc_fails() || pthread_create(&rt->watchdog, NULL, cvy_watchdog_main, rt) != 0) {
        code = -EAGAIN;
        goto fail_threads;
    }
    *out = rt;
    return 0;

fail_threads:
    rt->watchdog = 0;
    cvy_runtime_stop(rt);
    return code;
fail_blocking:
    cvy_blocking_stop(rt);
fail_poll:
    cvy_poll_close(&rt->poll);
fail_workers:
    free(rt->workers);
fail_runtime:
    free(rt);
    return code;
}

/* The next carrier to join, out of the list; a thread may still be starting another. */
static struct cvy_thread *thread_pop(struct cvy_runtime *rt)
{
    cvy_lock(&rt->lock);
    struct cvy_thread *th = rt->threads;
    if (th) {
        rt->threads = th->all_next;
    }
    cvy_unlock(&rt->lock);
    return th;
}

static void threads_stop(struct cvy_runtime *rt)
{
    struct cvy_thread *joined = NULL;

    cvy_store_seq_cst(&rt->stopping, true);
    if (rt->watchdog) {
        cvy_watchdog_rouse(rt);
        (void)pthread_join(rt->watchdog, NULL);
    }
    for (struct cvy_thread *th; (th = thread_pop(rt)) != NULL;) {
        cvy_store_release(&th->wake, 1);
        cvy_futex_wake(&th->wake, 1);
        cvy_poll_wake(&rt->poll);
        (void)pthread_join(th->handle, NULL);
        th->all_next = joined;
        joined = th;
    }
    /* Others may still look at the records, or wake one. */
    cvy_lock(&rt->lock);
    rt->threads = joined;
    cvy_unlock(&rt->lock);
}

static void threads_free(struct cvy_runtime *rt)
{
    for (struct cvy_thread *th; (th = thread_pop(rt)) != NULL;) {
        free(th);
    }
}

void cvy_runtime_close(struct cvy_runtime *rt)
{
    cvy_store_seq_cst(&rt->closed, true);
    cvy_foreign_release();
}

/* Tasks that were discarded still own names and copies; nobody can claim them any more. */
static bool clear_discarded(struct cvy_task *t, void *arg)
{
    (void)arg;
    /* Not while a dump looks at it. */
    (void)cvy_claim(t, CVY_INDEX_ENDED);
    cvy_store_seq_cst(&t->claim, CVY_CLAIM_CLOSED);
    cvy_cancel_unregister(t);
    cvy_task_clear(t);
    if (t->stack) {
        /* What it has is told of as a task that was left, not byte by byte. */
        CVY_LSAN_ROOT(t->stack->low, t->stack->span);
    }
    return true;
}

void cvy_runtime_stop(struct cvy_runtime *rt)
{
    cvy_runtime_close(rt);
    threads_stop(rt);
    cvy_ask_stop();
    cvy_blocking_stop(rt);
    if (!rt->options.no_fault_handler) {
        cvy_fault_remove();
    }
    cvy_dump_signal_remove(rt);
    cvy_diagnosis_stop();
    cvy_ignored_stop();
    bool has_discarded = cvy_tasks_each(rt, clear_discarded, NULL) > 0;
    if (has_discarded) {
        /* A plain thread that had claimed one before is about to put it into a queue. */
        cvy_foreign_quiesce();
    }
    threads_free(rt);
    for (int i = 0; i < rt->worker_count; i++) {
        cvy_taskq_clear(&rt->workers[i].fresh.queue);
    }
    cvy_taskq_clear(&rt->global);
    if (rt->has_env_trace) {
        cvy_recording_close();
    }
    cvy_trace_detach();
    cvy_store_release(&cvy_fatal_hook, NULL);
    /* Before the next runtime can start: io's tables go with the poller. */
    cvy_poll_detach(&rt->poll);
    cvy_store_seq_cst(&cvy_runtime_now, NULL);
    /* Nobody adds a timer or wakes the poller from here on; then nobody who still saw a timer armed
     * is at its wheel. */
    cvy_foreign_quiesce();
    for (int i = 0; i < rt->worker_count; i++) {
        cvy_timers_drop(&rt->workers[i].timers);
    }
    cvy_foreign_quiesce();
    cvy_poll_close(&rt->poll);
    /* Waiters of discarded tasks still stand in queues that may outlive the runtime: records and
     * stacks stay, which docs/design/0004 explains. */
    cvy_slabs_fini(rt, has_discarded);
    for (int i = 0; i < rt->worker_count; i++) {
        cvy_cell_store_drain(&rt->workers[i].cells);
    }
    cvy_cell_store_drain(&rt->cells);
    free(rt->workers);
    free(rt);
}
