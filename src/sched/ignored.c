/* SPDX-License-Identifier: MIT
 * ignored.c - see ignored.h.
 *
 * The watchdog looks at all tasks now and then. One goes on after its context's end if that is done
 * and it waits all the same, under no context or for another reason than the join of a group, whose
 * tasks are then the ones to blame; or if it runs C code. One that cleans up under a context of its
 * own that lives is left in peace. Parked tasks are held for the look (view.h). A running one is
 * kept in its C code by the handshake of worker.h, so that its context stays. */
#include "sched/ignored.h"

#include "sched/ask.h"
#include "sched/dump.h"

#include <covey/error.h>

#define LOOK_EVERY_NS (50 * COVEY_MS)
#define IDLE_LOOK_NS COVEY_SEC
#define SHARE_OF_TIME 50 /* a look that takes much CPU time is repeated the later */
#define SEEN_MAX 1024u   /* more are not told of */
#define BUCKETS (4 * SEEN_MAX)

struct seen {
    uint64_t id; /* 0: free */
    int64_t since;
    bool is_told;
};

struct table {
    uint32_t count;
    struct seen seen[BUCKETS]; /* open addressing */
};

/* The watchdog fills the one that dumps do not read. */
static struct table tables[2];
/* Guards current and what it points to. */
static struct cvy_lock current_lock = CVY_LOCK_INIT(CVY_RANK_TRACE);
static struct table *current; /* NULL: the option is off */
static int64_t next_look;

static struct seen *find(struct table *t, uint64_t id)
{
    uint64_t i = id * UINT64_C(0x9E3779B97F4A7C15) >> 32;

    while (t->seen[i % BUCKETS].id != 0 && t->seen[i % BUCKETS].id != id) {
        i++;
    }
    return &t->seen[i % BUCKETS];
}

void cvy_ignored_start(struct cvy_runtime *rt)
{
    tables[0] = tables[1] = (struct table){0};
    next_look = 0;
    current = rt->options.ignored_end_ns > 0 ? &tables[0] : NULL;
}

void cvy_ignored_stop(void)
{
    cvy_lock(&current_lock);
    current = NULL;
    cvy_unlock(&current_lock);
}

int64_t cvy_ignored_since(uint64_t id)
{
    int64_t since = 0;

    cvy_lock(&current_lock);
    if (current) {
        const struct seen *s = find(current, id);
        since = s->id == id ? s->since : 0;
    }
    cvy_unlock(&current_lock);
    return since;
}

int64_t cvy_ignored_period(void)
{
    if (!current) {
        return CVY_NEVER;
    }
    return current->count > 0 ? LOOK_EVERY_NS : IDLE_LOOK_NS;
}

/* ---- one look ---- */

struct look {
    struct cvy_runtime *rt;
    int64_t now;
    struct table *before, *after;
    int64_t told_ns; /* CPU time of telling, which is no part of what a look costs */
};

enum verdict { STOPS, GOES_ON, UNKNOWN };

static bool is_done(const covey_ctx *ctx)
{
    const struct cvy_cancel *c = cvy_ctx_cancel_of((covey_ctx *)(uintptr_t)ctx);
    return c && cvy_load_relaxed(&c->done) != 0;
}

/* What is to be said of a parked task; of another, UNKNOWN. */
static enum verdict judge_parked(struct cvy_task *t)
{
    uint32_t claim;

    if (!cvy_task_hold(t, &claim)) {
        return UNKNOWN;
    }
    bool is_in_peace =
        (claim == CVY_CLAIM_OPEN_CTX && cvy_load_relaxed(&t->registered->done) == 0) ||
        cvy_task_reason(t) == CVY_WAIT_GROUP;
    enum verdict verdict = is_done(t->ctx) && !is_in_peace ? GOES_ON : STOPS;
    cvy_task_unhold(t, claim);
    return verdict;
}

/* The task that th runs in C code, if its context is done. */
static struct cvy_task *judge_running(struct cvy_runtime *rt, struct cvy_thread *th, uint64_t *id)
{
    struct cvy_task *found = NULL;

    cvy_lock(&rt->lock);
    /* 1 already: its worker was taken, and it must still find out. */
    bool was_asked = cvy_load_relaxed(&th->retake) != 0;
    cvy_store_relaxed(&th->retake, 1);
    CVY_WINDOW();
    /* Pairs with the light fence in cvy_enter(): who is not in the runtime now stays out of it
     * until the lock is free. */
    cvy_membarrier();
    if (!cvy_load_acquire(&th->in_runtime) && th->task != &th->self && is_done(th->task->ctx)) {
        found = th->task;
        *id = found->id;
    }
    if (!was_asked) {
        cvy_store_relaxed(&th->retake, 0);
    }
    cvy_unlock(&rt->lock);
    return found;
}

/* Notes that a task goes on, since when it was first seen to. True: it is to be told of. */
static bool note(struct look *l, uint64_t id, bool is_new)
{
    const struct seen *before = find(l->before, id);
    struct seen *after = find(l->after, id);
    bool was_there = before->id == id;

    if (after->id == id || (!was_there && !is_new) || l->after->count == SEEN_MAX) {
        return false;
    }
    *after = was_there ? *before : (struct seen){.id = id, .since = l->now};
    l->after->count++;
    /* One of which it is not known now is told of the next time that it is. */
    bool is_due =
        is_new && !after->is_told && l->now - after->since >= l->rt->options.ignored_end_ns;
    after->is_told |= is_due;
    return is_due;
}

static void tell(struct look *l, struct cvy_task *t)
{
    int64_t began = cvy_clock_thread();
    struct cvy_view v;
    struct cvy_dump d;

    if (!cvy_view_take(t, &v, false)) {
        return;
    }
    (void)cvy_ask_stack(l->rt, &v);
    cvy_dump_open(&d, l->rt, stderr, false);
    flockfile(stderr);
    (void)fputs("covey: ignored: ", stderr);
    cvy_dump_view(&d, &v, 0);
    (void)fflush(stderr);
    funlockfile(stderr);
    cvy_dump_close(&d);
    l->told_ns += cvy_clock_thread() - began;
}

static bool look_at(struct cvy_task *t, void *arg)
{
    struct look *l = arg;
    enum verdict verdict = judge_parked(t);

    /* One that runs, or is about to, is seen below or another time. */
    if (verdict != STOPS && note(l, t->id, verdict == GOES_ON)) {
        tell(l, t);
    }
    return true;
}

static void look_at_running(struct look *l)
{
    /* Threads are added in front, and freed after the watchdog's end. */
    cvy_lock(&l->rt->lock);
    struct cvy_thread *th = l->rt->threads;
    cvy_unlock(&l->rt->lock);
    for (; th; th = th->all_next) {
        uint64_t id;
        struct cvy_task *t = judge_running(l->rt, th, &id);
        if (t && note(l, id, true)) {
            tell(l, t);
        }
    }
}

void cvy_ignored_look(struct cvy_runtime *rt, int64_t now)
{
    if (!current || now < next_look) {
        return;
    }
    int64_t spent = cvy_clock_thread();
    struct look l = {.rt = rt, .now = now, .before = current};
    l.after = current == &tables[0] ? &tables[1] : &tables[0];
    *l.after = (struct table){0};
    look_at_running(&l);
    (void)cvy_tasks_each(rt, look_at, &l);
    cvy_lock(&current_lock);
    current = l.after;
    cvy_unlock(&current_lock);
    /* Not by the clock: on a busy machine, where such tasks matter most, a look is kept off its CPU
     * for long. */
    int64_t pause = (cvy_clock_thread() - spent - l.told_ns) * SHARE_OF_TIME;
    next_look = now + (pause > LOOK_EVERY_NS ? pause : LOOK_EVERY_NS);
}
