/* SPDX-License-Identifier: MIT
 * locker.c - see locker.h.
 *
 * While everything moves: whoever held it when v was taken, and was not alive at a later moment,
 * has ended; if it still holds it after that moment, it left it locked. */
#include "sched/locker.h"

#include "sched/diagnosis.h"

struct search {
    uint32_t owner;
    uint64_t id; /* 0: no task that is alive */
};

/* A record's moment's view. */
__attribute__((no_sanitize("thread"), noinline)) static bool look_at(struct cvy_task *t, void *arg)
{
    struct search *s = arg;

    s->id = cvy_owner_of(t->id) == s->owner ? t->id : 0;
    return !s->id;
}

/* Who holds what v still waits for; 0: it goes on, or that is not known. */
__attribute__((no_sanitize("thread"), noinline)) static uint32_t owner_now(const struct cvy_view *v)
{
    struct cvy_task *t = v->task;
    uint32_t claim, owner = 0;

    if (!cvy_task_hold(t, &claim)) {
        return 0;
    }
    uint64_t wait = cvy_load_relaxed(&t->wait);
    if (t->id == v->id && cvy_wait_object(wait) == v->object) {
        owner = cvy_view_lock_owner(cvy_wait_reason(wait), v->object);
    }
    cvy_task_unhold(t, claim);
    return owner;
}

bool cvy_is_left_locked(struct cvy_runtime *rt, const struct cvy_view *v, unsigned *searches)
{
    struct search s = {.owner = cvy_diagnosis_on() ? owner_now(v) : 0};

    if (s.owner == 0 || v->owner_count == 0 || v->are_readers || s.owner != v->owners[0]) {
        return false;
    }
    ++*searches;
    (void)cvy_tasks_each(rt, look_at, &s);
    return s.id == 0 && owner_now(v) == s.owner;
}

/* Whether no task has had a greater number than a word has room for. */
static bool are_small(struct cvy_runtime *rt)
{
    uint64_t most = cvy_load_relaxed(&rt->foreign_started);

    for (int i = 0; i < rt->worker_count; i++) {
        uint64_t started = cvy_load_relaxed(&rt->workers[i].started);
        most = started > most ? started : most;
    }
    return (most + 1) * cvy_id_lanes(rt) < cvy_owner_of(UINT64_MAX);
}

uint64_t cvy_owner_number(struct cvy_runtime *rt, uint32_t owner, unsigned *searches)
{
    struct search s = {.owner = owner};

    if (are_small(rt)) {
        return owner;
    }
    ++*searches;
    (void)cvy_tasks_each(rt, look_at, &s);
    return s.id ? s.id : owner;
}
