/* SPDX-License-Identifier: MIT
 * run.c - covey_run: the first task, and the end of everything (covey/runtime.h). */
#include "base/env.h"
#include "group/explore.h"
#include "sched/dump.h"

#include <covey/error.h>
#include <covey/runtime.h>

#include <stdlib.h>
#include <time.h>

#undef errno
#undef covey_run
#undef covey_run_with

struct main_task {
    int code;
    struct cvy_message message;
    _Atomic uint32_t has_ended; /* futex; release by the task, acquire by covey_run */
};

static void main_end(struct cvy_task *t, void *owner, int code)
{
    struct main_task *m = owner;

    m->code = code;
    m->message = cvy_message_take(&t->message, code);
    cvy_store_release(&m->has_ended, 1);
    cvy_futex_wake(&m->has_ended, 1);
}

#define LEAKS_LISTED_MAX 100

struct report {
    struct cvy_dump dump;
    size_t count;
    bool has_running;
};

static bool report_one(struct cvy_task *t, void *arg)
{
    struct report *r = arg;
    struct cvy_view v;

    if (cvy_dump_take(&r->dump, t, &v)) {
        /* A blocking call runs C code too; one that still waits for a thread has ended. */
        r->has_running |= v.state == CVY_TASK_RUNNING ||
                          (v.state == CVY_TASK_WAITING && v.reason == CVY_WAIT_BLOCKING);
        if (r->count++ < LEAKS_LISTED_MAX) {
            (void)fputs("covey: leak: ", stderr);
            cvy_dump_view(&r->dump, &v, 0);
        }
    }
    return true;
}

/* Whether no task is alive; exact, since no start happened during the scan. */
static bool is_empty(struct cvy_runtime *rt)
{
    covey_stats before;
    covey_stats after;

    covey_stats_get(&before);
    size_t n = cvy_tasks_each(rt, NULL, NULL);
    covey_stats_get(&after);
    return n == 0 && before.tasks_started == after.tasks_started;
}

/* Waits for every task to be gone: detached ones, then those of groups that plain threads opened,
 * then records on their way back to the slab. */
static bool all_gone(struct cvy_runtime *rt, int64_t until)
{
    if (!cvy_detached_wait(rt, until - cvy_clock_now())) {
        return false;
    }
    while (!is_empty(rt)) {
        if (cvy_clock_now() >= until) {
            return false;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
    }
    return true;
}

static void report_leaks(struct cvy_runtime *rt)
{
    struct report r = {0};

    cvy_dump_open(&r.dump, rt, stderr, false);
    (void)cvy_tasks_each(rt, report_one, &r);
    (void)fprintf(stderr, "covey: leak: %zu task(s) left %g s after the root context ended\n",
                  r.count, (double)rt->options.exit_grace_ns / (double)COVEY_SEC);
    if (r.count > LEAKS_LISTED_MAX) {
        (void)cvy_dump_folded(&r.dump);
    }
    cvy_dump_close(&r.dump);
    if (r.has_running) {
        cvy_fatal("a task still runs after the end of covey_run; nothing else is safe");
    }
}

static int run_main(struct cvy_runtime *rt, const covey_site *site, covey_fn *fn, void *arg,
                    struct main_task *m)
{
    struct cvy_start s = {
        .site = site, .fn = fn, .arg = arg, .ctx = rt->root_ctx, .on_end = main_end, .owner = m};
    struct cvy_thread *th = cvy_enter();
    cvy_untimed_adopt(th);
    int code = cvy_task_start(th, &s);
    cvy_leave(th);
    if (code < 0) {
        return code;
    }
    while (!cvy_load_acquire(&m->has_ended)) {
        /* TSan holds signals back while a thread is in a raw system call: not for long, then. */
        cvy_futex_wait(&m->has_ended, 0, CVY_TSAN ? 20 * COVEY_MS : -1);
    }
    return m->code;
}

int covey_run_at(const covey_site *site, const covey_options *opts, covey_fn *main_fn, void *arg)
{
    struct cvy_task *self = cvy_task_self();
    struct cvy_runtime *rt;
    struct main_task m = {0};
    uint64_t seed;

    if (cvy_runtime_get()) {
        return cvy_fail(self, -EBUSY);
    }
    if (cvy_env_seed("COVEY_SEED", &seed)) {
        return cvy_run_seeded(site, opts, seed, main_fn, arg);
    }
    covey_ctx *root = covey_ctx_with_cancel(NULL);
    /* Under a root that is done from the start nothing would run as it should. */
    int code = cvy_ctx_is_exhausted(root) ? -ENOMEM : cvy_runtime_start(opts, root, NULL, &rt);
    if (code < 0) {
        covey_ctx_unref(root);
        return code == -EINVAL ? code /* told */ : cvy_fail(self, code);
    }
    code = run_main(rt, site, main_fn, arg, &m);
    cvy_store_relaxed(&rt->ending, true);
    covey_ctx_cancel(root);
    int64_t until = cvy_clock_now() + rt->options.exit_grace_ns;
    bool is_over = all_gone(rt, until);
    /* A plain thread may have started one just now. */
    cvy_runtime_close(rt);
    if (!is_over || !all_gone(rt, until)) {
        report_leaks(rt);
    }
    cvy_runtime_stop(rt);
    covey_ctx_unref(root);
    if (code < 0) {
        /* The first task's words, if it is its code and not that of a failed start. */
        cvy_message_put(self, cvy_message_take(&m.message, code));
    }
    return code;
}

int covey_run_with(const covey_options *opts, covey_fn *main_fn, void *arg)
{
    return covey_run_at(NULL, opts, main_fn, arg);
}

int covey_run(covey_fn *main_fn, void *arg)
{
    return covey_run_at(NULL, NULL, main_fn, arg);
}
