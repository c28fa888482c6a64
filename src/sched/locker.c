/* SPDX-License-Identifier: MIT
 * locker.c - see locker.h.
 *
 * While everything moves: whoever held it when v was taken, and was not alive at a later moment,
 * has ended; if it still holds it after that moment, it left it locked. */
#include "sched/locker.h"

#include "sched/diagnosis.h"

#include <stdio.h>
#include <string.h>

struct search {
    uint32_t owner;
    bool is_alive;
};

/* A record's moment's view. */
__attribute__((no_sanitize("thread"), noinline)) static bool look_at(struct cvy_task *t, void *arg)
{
    struct search *s = arg;

    s->is_alive = cvy_owner_of(t->id) == s->owner;
    return !s->is_alive;
}

/* 0: not known, or it waits for something else. While v's task is held. */
static uint32_t owner_of_wait(unsigned reason, const void *object)
{
    if (reason == CVY_WAIT_MUTEX) {
        return cvy_mutex_owner ? cvy_mutex_owner(object) : 0;
    }
    if (reason == CVY_WAIT_RWMUTEX_READ || reason == CVY_WAIT_RWMUTEX_WRITE) {
        return cvy_rwmutex_owner ? cvy_rwmutex_owner(object) : 0;
    }
    return 0;
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
        owner = owner_of_wait(cvy_wait_reason(wait), v->object);
    }
    cvy_task_unhold(t, claim);
    return owner;
}

bool cvy_is_left_locked(struct cvy_runtime *rt, const struct cvy_view *v, unsigned *searches)
{
    struct search s = {.owner = cvy_diagnosis_on() ? owner_now(v) : 0};
    char words[32];

    (void)snprintf(words, sizeof(words), "held by task %u", s.owner);
    if (s.owner == 0 || strcmp(words, v->detail) != 0) {
        return false;
    }
    ++*searches;
    (void)cvy_tasks_each(rt, look_at, &s);
    return !s.is_alive && owner_now(v) == s.owner;
}
