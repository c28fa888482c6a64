/* SPDX-License-Identifier: MIT
 * untimed.c - deadlines that no timer sees to, for want of a runtime: set before one is up, or left
 * over from the last. They stand here, by their timers' nodes, until the next one starts, whose
 * timers they become. Meanwhile plain threads look at the clock by themselves (park.c, ctx.c). */
#include "sched/wait.h"

static struct cvy_lock untimed_lock = CVY_LOCK_INIT(CVY_RANK_CANCEL);
static struct cvy_node untimed = {&untimed, &untimed}; /* guarded by it */

static void push_locked(struct cvy_cancel *c)
{
    c->is_untimed = true;
    cvy_list_push_tail(&untimed, &c->timer.entry.node);
}

/* The first in line; false: there was none, or the runtime has ended. */
static bool adopt_locked(struct cvy_thread *th)
{
    struct cvy_node *n = cvy_list_pop_head(&untimed);

    if (!n) {
        return false;
    }
    struct cvy_wheel_timer *entry = CVY_CONTAINER_OF(n, struct cvy_wheel_timer, node);
    struct cvy_cancel *c = CVY_CONTAINER_OF(entry, struct cvy_cancel, timer.entry);
    c->is_untimed = false;
    bool is_armed = cvy_timer_add(th, &c->timer, c->deadline);
    if (!is_armed) {
        push_locked(c);
    }
    return is_armed;
}

void cvy_untimed_adopt(struct cvy_thread *th)
{
    bool is_more;

    do {
        cvy_lock(&untimed_lock);
        is_more = adopt_locked(th);
        cvy_unlock(&untimed_lock);
    } while (is_more);
}

void cvy_untimed_add(struct cvy_cancel *c, struct cvy_thread *th)
{
    cvy_lock(&untimed_lock);
    /* Who ends it looks here after that. */
    bool is_open = !cvy_cancel_is_done(c);
    if (is_open) {
        push_locked(c);
    }
    cvy_unlock(&untimed_lock);
    if (!is_open) {
        cvy_cancel_unhold(c);
        return;
    }
    /* One may have started since, and looked here before. */
    const struct cvy_runtime *rt = cvy_runtime_get();
    if (rt && !rt->test) {
        cvy_untimed_adopt(th);
    }
}

bool cvy_untimed_remove(struct cvy_cancel *c)
{
    cvy_lock(&untimed_lock);
    bool was_there = c->is_untimed;
    if (was_there) {
        c->is_untimed = false;
        cvy_list_remove(&c->timer.entry.node);
    }
    cvy_unlock(&untimed_lock);
    return was_there;
}
