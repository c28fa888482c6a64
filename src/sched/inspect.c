/* SPDX-License-Identifier: MIT
 * inspect.c - looks at the tasks from outside: figures, and whether all are asleep. */
#include "sched/dump.h"
#include "sched/recording.h"
#include "sched/slab.h"

#include <string.h>

size_t cvy_tasks_each(struct cvy_runtime *rt, bool (*fn)(struct cvy_task *t, void *arg), void *arg)
{
    size_t n = 0;

    /* Slabs are only ever added in front, and freed with the runtime. No lock: this also runs in
     * fatal errors. */
    for (struct cvy_slab *s = cvy_load_acquire(&rt->tasks.slabs); s; s = s->next) {
        uint32_t used = cvy_load_relaxed(&s->used);
        for (uint32_t i = 0; i < used; i++) {
            /* Acquire: pairs with the release in cvy_task_start(). */
            if (cvy_load_acquire(&s->tasks[i].state) == CVY_TASK_FREE) {
                continue;
            }
            n++;
            if (fn && !fn(&s->tasks[i], arg)) {
                return n;
            }
        }
    }
    return n;
}

void cvy_dump_tasks(struct cvy_runtime *rt, FILE *out)
{
    struct cvy_dump d;

    cvy_dump_open(&d, rt, out, false);
    cvy_dump_any(&d);
    cvy_dump_close(&d);
}

static bool has_timers(struct cvy_runtime *rt)
{
    for (int i = 0; i < rt->worker_count; i++) {
        if (cvy_load_relaxed(&rt->workers[i].timers.next) != CVY_NEVER) {
            return true;
        }
    }
    return false;
}

/* False in *arg for one that can go on by itself: it runs, perhaps on a thread that lost its
 * worker, or is about to. */
static bool is_asleep(struct cvy_task *t, void *arg)
{
    uint32_t claim = cvy_load_acquire(&t->claim) & ~CVY_CLAIM_HELD;
    bool *is_all_asleep = arg;

    *is_all_asleep = claim == CVY_CLAIM_OPEN || claim == CVY_CLAIM_OPEN_CTX;
    return *is_all_asleep;
}

void cvy_check_deadlock(struct cvy_runtime *rt)
{
    if (rt->options.no_deadlock_check || CVY_TSAN || cvy_load_relaxed(&rt->ending) ||
        cvy_load_relaxed(&rt->stopping)) {
        return;
    }
    /* Threads are counted before the rest is looked at: one that is gone by now can have done
     * nothing later. Covey's own are carriers, pool, watchdog, and the one inside covey_run(). */
    int threads = cvy_thread_count();
    int own = cvy_load_relaxed(&rt->blocking_threads) + cvy_trace_threads() + 2;
    cvy_lock(&rt->lock);
    own += rt->thread_count;
    bool is_quiet = cvy_load_relaxed(&rt->idle_count) == (uint32_t)rt->worker_count &&
                    rt->global.count == 0 && cvy_load_acquire(&rt->blocking_jobs) == 0 &&
                    cvy_load_relaxed(&rt->fd_waiters) == 0 && !has_timers(rt);
    cvy_unlock(&rt->lock);
    bool is_all_asleep = true;
    if (is_quiet && threads == own && cvy_tasks_each(rt, is_asleep, &is_all_asleep) > 0 &&
        is_all_asleep) {
        cvy_fatal("all tasks are asleep - deadlock!");
    }
}

int covey_workers(void)
{
    struct cvy_thread *th = cvy_enter();
    struct cvy_runtime *rt = cvy_runtime_get();
    int n = rt ? rt->worker_count : 0;
    cvy_leave(th);
    return n;
}

static void stats_of(struct cvy_runtime *rt, covey_stats *out)
{
    /* Before all that were started: none has ended that was not. */
    for (int i = 0; i < rt->worker_count; i++) {
        out->tasks_ended += cvy_load_acquire(&rt->workers[i].ended);
    }
    out->tasks_started = cvy_load_relaxed(&rt->foreign_started);
    for (int i = 0; i < rt->worker_count; i++) {
        struct cvy_worker *w = &rt->workers[i];
        out->tasks_started += cvy_load_relaxed(&w->started);
        out->parks += cvy_load_relaxed(&w->parks);
        out->steals += cvy_load_relaxed(&w->steals);
    }
    out->tasks_failed = cvy_load_relaxed(&rt->failed);
    out->takeovers = cvy_load_relaxed(&rt->takeovers);
    out->workers = rt->worker_count;
    cvy_lock(&rt->lock);
    out->threads = rt->thread_count;
    cvy_unlock(&rt->lock);
    out->blocking_threads = cvy_load_relaxed(&rt->blocking_threads);
}

void covey_stats_get(covey_stats *out)
{
    struct cvy_thread *th = cvy_enter();
    struct cvy_runtime *rt = cvy_runtime_get();

    memset(out, 0, sizeof(*out));
    if (rt) {
        stats_of(rt, out);
    }
    cvy_leave(th);
}
