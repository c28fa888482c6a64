/* SPDX-License-Identifier: MIT
 * inspect.c - looks at the tasks from outside: dumps, figures, and whether all are asleep.
 *
 * A dump reads records that their owners write at the same time; each field is a moment's view. */
#include "sched/recording.h"
#include "sched/slab.h"
#include "sched/wait.h"

#include <string.h>

static const char *const reasons[] = {
    [CVY_WAIT_NONE] = "",
    [CVY_WAIT_SEND] = "chan send",
    [CVY_WAIT_RECV] = "chan receive",
    [CVY_WAIT_SELECT] = "select",
    [CVY_WAIT_MUTEX] = "mutex",
    [CVY_WAIT_RWMUTEX_READ] = "rwmutex read",
    [CVY_WAIT_RWMUTEX_WRITE] = "rwmutex write",
    [CVY_WAIT_COND] = "cond",
    [CVY_WAIT_SEM] = "semaphore",
    [CVY_WAIT_WAITGROUP] = "waitgroup",
    [CVY_WAIT_ONCE] = "once",
    [CVY_WAIT_GROUP] = "group wait",
    [CVY_WAIT_GROUP_LIMIT] = "group limit",
    [CVY_WAIT_SLEEP] = "sleep",
    [CVY_WAIT_READ] = "read",
    [CVY_WAIT_WRITE] = "write",
    [CVY_WAIT_ACCEPT] = "accept",
    [CVY_WAIT_DIAL] = "dial",
    [CVY_WAIT_BLOCKING] = "blocking call",
    [CVY_WAIT_RESOLVE] = "name lookup",
    [CVY_WAIT_SINGLEFLIGHT] = "singleflight",
    [CVY_WAIT_SETTLE] = "test settle",
};

static const char *const states[] = {
    [CVY_TASK_FREE] = "free",         [CVY_TASK_NEW] = "new",
    [CVY_TASK_RUNNABLE] = "runnable", [CVY_TASK_RUNNING] = "running",
    [CVY_TASK_WAITING] = "waiting",
};

const char *cvy_reason_words(unsigned reason)
{
    return reason < sizeof(reasons) / sizeof(reasons[0]) ? reasons[reason] : "?";
}

size_t cvy_tasks_each(struct cvy_runtime *rt, bool (*fn)(struct cvy_task *t, void *arg), void *arg)
{
    size_t n = 0;

    /* Slabs are only ever added in front, and freed with the runtime. No lock: this also runs in
     * fatal errors. */
    for (struct cvy_slab *s = cvy_load_acquire(&rt->tasks.slabs); s; s = s->next) {
        uint32_t used = cvy_load_relaxed(&s->used);
        for (uint32_t i = 0; i < used; i++) {
            if (cvy_load_relaxed(&s->tasks[i].state) == CVY_TASK_FREE) {
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

struct dump {
    FILE *out;
    int64_t now;
};

/* A record's fields, copied while their owner may write them. */
struct view {
    uint64_t id;
    const covey_site *site;
    const void *object;
    int64_t since;
    unsigned state, reason;
    char name[sizeof(((struct cvy_task *)0)->name)];
};

/* TSan would rightly call these races; each field is a moment's view, and the name's last byte is
 * always 0. */
__attribute__((no_sanitize("thread"), noinline)) static void look_at(const struct cvy_task *t,
                                                                     struct view *v)
{
    v->id = t->id;
    v->site = t->site;
    v->object = cvy_load_relaxed(&t->wait_object);
    v->since = cvy_load_relaxed(&t->wait_since);
    v->state = cvy_load_relaxed(&t->state);
    v->reason = cvy_load_relaxed(&t->reason);
    for (size_t i = 0; i < sizeof(v->name); i++) {
        v->name[i] = ((const volatile char *)t->name)[i];
    }
    v->name[sizeof(v->name) - 1] = '\0';
}

static bool dump_one(struct cvy_task *t, void *arg)
{
    struct dump *d = arg;
    struct view v;

    look_at(t, &v);
    const char *label = v.name[0] ? v.name : v.site && v.site->name ? v.site->name : "task";
    (void)fprintf(d->out, "  task %llu \"%s\" %s", (unsigned long long)v.id, label,
                  v.state <= CVY_TASK_WAITING ? states[v.state] : "?");
    if (v.state == CVY_TASK_WAITING) {
        (void)fprintf(d->out, " in %s %p", cvy_reason_words(v.reason), v.object);
        if (v.since > 0 && d->now > v.since) {
            (void)fprintf(d->out, " for %.3f s", (double)(d->now - v.since) / (double)COVEY_SEC);
        }
    }
    if (v.site) {
        (void)fprintf(d->out, ", started at %s:%d", v.site->file, v.site->line);
    }
    (void)fputc('\n', d->out);
    return true;
}

void cvy_dump_tasks(struct cvy_runtime *rt, FILE *out)
{
    struct dump d = {.out = out, .now = cvy_clock_now()};

    (void)fprintf(out, "covey: tasks on %d worker(s):\n", rt->worker_count);
    size_t n = cvy_tasks_each(rt, dump_one, &d);
    (void)fprintf(out, "covey: %zu task(s)\n", n);
}

void covey_dump(FILE *out)
{
    struct cvy_thread *th = cvy_enter();
    struct cvy_runtime *rt = cvy_runtime_get();

    if (rt) {
        cvy_dump_tasks(rt, out);
    } else {
        (void)fputs("covey: no runtime is up\n", out);
    }
    cvy_leave(th);
}

void cvy_fatal_dump(void)
{
    struct cvy_runtime *rt = cvy_runtime_get();
    struct cvy_thread *th = cvy_thread_self();

    if (th && th->task && !th->task->is_foreign) {
        (void)fprintf(stderr, "covey: in task %llu \"%s\"\n", (unsigned long long)th->task->id,
                      cvy_task_label(th->task));
    }
    if (rt) {
        cvy_dump_tasks(rt, stderr);
    }
    cvy_recording_fatal();
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

/* A task that held its thread too long runs on without a worker: it may yet wake others. */
static bool is_off_its_stack(struct cvy_task *t, void *arg)
{
    bool *any_runs = arg;

    *any_runs = cvy_load_acquire(&t->on_cpu) != 0;
    return !*any_runs;
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
    int own = cvy_blocking_threads(rt) + cvy_trace_threads() + 2;
    cvy_lock(&rt->lock);
    own += rt->thread_count;
    bool is_quiet = cvy_load_relaxed(&rt->idle_count) == (uint32_t)rt->worker_count &&
                    rt->global.count == 0 && cvy_load_acquire(&rt->blocking_jobs) == 0 &&
                    cvy_load_relaxed(&rt->fd_waiters) == 0 && !has_timers(rt);
    cvy_unlock(&rt->lock);
    bool any_runs = false;
    if (is_quiet && threads == own && cvy_tasks_each(rt, is_off_its_stack, &any_runs) > 0 &&
        !any_runs) {
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
    out->tasks_started = cvy_load_relaxed(&rt->foreign_started);
    for (int i = 0; i < rt->worker_count; i++) {
        struct cvy_worker *w = &rt->workers[i];
        out->tasks_started += cvy_load_relaxed(&w->started);
        out->tasks_ended += cvy_load_relaxed(&w->ended);
        out->parks += cvy_load_relaxed(&w->parks);
        out->steals += cvy_load_relaxed(&w->steals);
    }
    out->tasks_failed = cvy_load_relaxed(&rt->failed);
    out->takeovers = cvy_load_relaxed(&rt->takeovers);
    out->workers = rt->worker_count;
    cvy_lock(&rt->lock);
    out->threads = rt->thread_count;
    cvy_unlock(&rt->lock);
    out->blocking_threads = cvy_blocking_threads(rt);
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
