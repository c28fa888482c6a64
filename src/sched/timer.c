/* SPDX-License-Identifier: MIT
 * timer.c - see timer.h. */
#include "sched/timer.h"

#include "sched/recording.h"
#include "sched/wait.h"
#include "trace/emit.h"

static uint64_t tick_at_or_after(int64_t ns, unsigned shift)
{
    const int64_t tick_ns = INT64_C(1) << shift;
    return ns > INT64_MAX - tick_ns ? (uint64_t)INT64_MAX >> shift
                                    : (uint64_t)(ns + tick_ns - 1) >> shift;
}

static void next_update_locked(struct cvy_timers *ts)
{
    uint64_t tick = cvy_wheel_next(&ts->wheel);
    int64_t next = tick == CVY_WHEEL_NEVER ? CVY_NEVER : (int64_t)(tick << ts->shift);
    /* Seq_cst: pairs with the poller, which stores poll_deadline and then loads this. */
    cvy_store_seq_cst(&ts->next, next);
}

int64_t cvy_time_after(int64_t ns)
{
    int64_t now = cvy_clock_now();
    return ns > CVY_NEVER - 1 - now ? CVY_NEVER - 1 : now + ns;
}

void cvy_timers_init(struct cvy_timers *ts, int64_t now, unsigned shift)
{
    ts->shift = shift;
    cvy_lock_init(&ts->lock, CVY_RANK_TIMERS);
    cvy_wheel_init(&ts->wheel, (uint64_t)now >> shift);
    cvy_store_relaxed(&ts->next, CVY_NEVER);
}

bool cvy_timer_add(struct cvy_thread *th, struct cvy_timer *t, int64_t at_ns)
{
    struct cvy_runtime *rt = cvy_runtime_get();
    if (cvy_unlikely(!rt)) {
        return false;
    }
    struct cvy_timers *ts = th->worker ? &th->worker->timers : &rt->workers[0].timers;
    uint64_t tick = tick_at_or_after(at_ns < 0 ? 0 : at_ns, ts->shift);

    cvy_lock(&ts->lock);
    /* Release: the wheel, to the acquire in cvy_timer_cancel(). */
    cvy_store_release(&t->home, ts);
    cvy_wheel_add(&ts->wheel, &t->entry, tick);
    int64_t at = (int64_t)(t->entry.tick << ts->shift);
    bool is_first = at < cvy_load_relaxed(&ts->next);
    if (is_first) {
        next_update_locked(ts);
    }
    cvy_unlock(&ts->lock);
    /* A worker that goes idle looks at its own timers; only one that may be asleep must be told. */
    if (is_first && !th->worker) {
        cvy_poller_hurry(rt, at);
    }
    return true;
}

bool cvy_timer_cancel(struct cvy_timer *t)
{
    struct cvy_timers *ts = cvy_load_acquire(&t->home);
    bool was_armed;

    if (!ts) {
        return false;
    }
    cvy_lock(&ts->lock);
    was_armed = cvy_wheel_is_armed(&t->entry);
    if (was_armed) {
        cvy_wheel_remove(&ts->wheel, &t->entry);
        /* next may now be too early: the look it causes finds nothing and mends it. An empty wheel
         * is told at once, for the deadlock check. */
        if (ts->wheel.count == 0) {
            next_update_locked(ts);
        }
    }
    cvy_unlock(&ts->lock);
    return was_armed;
}

static struct cvy_timer *timer_of(struct cvy_node *n)
{
    struct cvy_wheel_timer *entry = CVY_CONTAINER_OF(n, struct cvy_wheel_timer, node);
    return CVY_CONTAINER_OF(entry, struct cvy_timer, entry);
}

/* One timer out of slot *i or one after it; NULL: none is left. */
static struct cvy_timer *drop_next(struct cvy_timers *ts, size_t *i)
{
    struct cvy_timer *t = NULL;

    cvy_lock(&ts->lock);
    for (; *i < CVY_WHEEL_LEVELS * CVY_WHEEL_SLOTS && !t; (*i)++) {
        struct cvy_node *n = cvy_list_pop_head(&ts->wheel.slots[*i]);
        if (n) {
            t = timer_of(n);
            cvy_store_relaxed(&t->home, NULL);
            (*i)--;
        }
    }
    cvy_unlock(&ts->lock);
    return t;
}

void cvy_timers_drop(struct cvy_timers *ts)
{
    size_t i = 0;

    /* Nobody adds any more, but plain threads may cancel. What has no drop belonged to a task that
     * was discarded. */
    for (struct cvy_timer *t; (t = drop_next(ts, &i)) != NULL;) {
        if (t->drop) {
            t->drop(t);
        }
    }
}

/* A wait timer has fired. */
static void wake_locked(struct cvy_timer *t, struct cvy_wakelist *list)
{
    if (cvy_claim(t->task, t->index)) {
        CVY_EMIT(cvy_ring_of(cvy_thread_self()), timer, t->task->id, 0, t);
        cvy_wakelist_add(list, t->task);
    }
}

void cvy_timers_run(struct cvy_timers *ts, int64_t now, struct cvy_wakelist *list)
{
    struct cvy_node due;
    struct cvy_node *calls = NULL;

    cvy_list_init(&due);
    cvy_lock(&ts->lock);
    cvy_wheel_advance(&ts->wheel, (uint64_t)now >> ts->shift, &due);
    for (struct cvy_node *n; (n = cvy_list_pop_head(&due)) != NULL;) {
        struct cvy_timer *t = timer_of(n);
        if (t->call) {
            /* Out of the wheel for whoever cancels (next is NULL); chained by prev. */
            n->prev = calls;
            calls = n;
        } else {
            wake_locked(t, list);
        }
    }
    next_update_locked(ts);
    cvy_unlock(&ts->lock);
    for (struct cvy_node *n = calls, *next; n; n = next) {
        next = n->prev;
        timer_of(n)->call(timer_of(n), list);
    }
}

size_t cvy_timers_first(struct cvy_timers *ts, int64_t *at_ns)
{
    uint64_t tick;

    cvy_lock(&ts->lock);
    size_t n = cvy_wheel_first(&ts->wheel, &tick);
    cvy_unlock(&ts->lock);
    *at_ns = n > 0 ? (int64_t)(tick << ts->shift) : CVY_NEVER;
    return n;
}

void cvy_timers_fire(struct cvy_timers *ts, size_t i, struct cvy_wakelist *list)
{
    uint64_t tick;

    cvy_lock(&ts->lock);
    (void)cvy_wheel_first(&ts->wheel, &tick);
    struct cvy_timer *t =
        CVY_CONTAINER_OF(cvy_wheel_nth(&ts->wheel, tick, i), struct cvy_timer, entry);
    cvy_wheel_remove(&ts->wheel, &t->entry);
    next_update_locked(ts);
    cvy_timer_fn *call = t->call;
    if (!call) {
        wake_locked(t, list);
    }
    cvy_unlock(&ts->lock);
    if (call) {
        call(t, list);
    }
}

void cvy_timers_pass(struct cvy_timers *ts, int64_t now)
{
    struct cvy_node due;

    cvy_list_init(&due);
    cvy_lock(&ts->lock);
    cvy_wheel_advance(&ts->wheel, (uint64_t)(now - 1) >> ts->shift, &due);
    CVY_ASSERT(cvy_list_is_empty(&due));
    next_update_locked(ts);
    cvy_unlock(&ts->lock);
}
