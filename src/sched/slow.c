/* SPDX-License-Identifier: MIT
 * slow.c - tells of tasks that hold their thread for long (covey_options.slow_task_ns), each with
 * the stack that it has at that time: the watchdog notices, and asks the thread (ask.h). */
#define _GNU_SOURCE
#include "sched/slow.h"

#include "sched/ask.h"
#include "sched/dump.h"

#define STILL_NS_MIN (100 * COVEY_MS)
#define STILL_SHARE 4 /* less than so small a part of the time was spent on a CPU */

/* What th runs, and how often it has turned to another task; a moment's view. */
struct moment {
    struct cvy_task *task; /* NULL: none */
    uint64_t id;
    uint32_t turns;
    bool has_worker;
};

__attribute__((no_sanitize("thread"), noinline)) static struct moment
moment_of(const struct cvy_thread *th)
{
    struct moment m = {.task = th->task};
    const struct cvy_worker *w = th->worker;

    if (m.task == &th->self) {
        m.task = NULL;
        return m;
    }
    m.id = m.task->id;
    m.has_worker = w != NULL;
    m.turns = w ? cvy_load_relaxed(&w->turns) : 0;
    return m;
}

static void tell(struct cvy_runtime *rt, struct cvy_task *t, int64_t held_ns)
{
    struct cvy_view v;
    struct cvy_dump d;
    struct cvy_trimmed names;

    if (!cvy_view_take(t, &v, true)) {
        return;
    }
    bool is_answered = cvy_ask_stack(rt, &v);
    cvy_dump_open(&d, rt, stderr, false);
    cvy_dump_trim(&d, &v, &names); /* finding names takes its time: before the lock */
    flockfile(stderr);
    (void)fprintf(stderr, "covey: slow: task %llu ", (unsigned long long)v.id);
    cvy_dump_name(&d, &v);
    (void)fprintf(stderr, " has held its thread for %.3f s", (double)held_ns / (double)COVEY_SEC);
    cvy_dump_site(&d, ", started at", v.started);
    (void)fputc('\n', stderr);
    if (is_answered) {
        cvy_dump_frames(&d, &v, 4);
    }
    (void)fflush(stderr);
    funlockfile(stderr);
    cvy_dump_close(&d);
}

/* For how long the whole process has not run: it was stopped, or had no CPU. Then the watchdog is
 * late too, and no thread has done anything. What was held meanwhile is no task's fault. */
static int64_t look_for_standstill(struct cvy_runtime *rt, int64_t late_ns)
{
    static int64_t spent; /* the watchdog's */
    int64_t before = spent;

    spent = cvy_clock_process();
    if (late_ns < STILL_NS_MIN || spent - before > late_ns / STILL_SHARE) {
        return 0;
    }
    if (late_ns >= rt->options.slow_task_ns) {
        (void)fprintf(stderr,
                      "covey: slow: the whole process stood still for %.3f s: it was stopped, or "
                      "had no CPU\n",
                      (double)late_ns / (double)COVEY_SEC);
    }
    return late_ns;
}

void cvy_slow_look(struct cvy_runtime *rt, int64_t now, int64_t late_ns)
{
    if (rt->options.slow_task_ns <= 0) {
        return;
    }
    int64_t still_ns = look_for_standstill(rt, late_ns);
    /* Threads are added in front, and freed after the watchdog's end. */
    cvy_lock(&rt->lock);
    struct cvy_thread *th = rt->threads;
    cvy_unlock(&rt->lock);
    for (; th; th = th->all_next) {
        struct moment m = moment_of(th);
        th->slow.since += still_ns;
        /* One that has lost its worker still runs the same. */
        bool is_same =
            m.task && m.id == th->slow.id && (!m.has_worker || m.turns == th->slow.turns);
        if (!is_same) {
            th->slow.id = m.task ? m.id : 0;
            th->slow.turns = m.turns;
            th->slow.since = now;
            th->slow.is_told = false;
        } else if (!th->slow.is_told && now - th->slow.since >= rt->options.slow_task_ns) {
            th->slow.is_told = true;
            tell(rt, m.task, now - th->slow.since);
        }
    }
}
