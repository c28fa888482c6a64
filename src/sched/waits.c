/* SPDX-License-Identifier: MIT
 * waits.c - see waits.h: what each task waits for, and who has that. */
#include "sched/waits.h"

#include "base/alloc.h"
#include "sched/note.h"

#include <stdlib.h>

static bool may_wait_for_tasks(unsigned reason)
{
    return reason == CVY_WAIT_MUTEX || reason == CVY_WAIT_RWMUTEX_READ ||
           reason == CVY_WAIT_RWMUTEX_WRITE || reason == CVY_WAIT_SEM || reason == CVY_WAIT_GROUP ||
           reason == CVY_WAIT_GROUP_LIMIT || reason == CVY_WAIT_SELECT;
}

/* False: it does not wait for tasks, for all that is known. While the one that waits is held, so
 * that the object is there, and its layer. */
static bool read_object(struct cvy_waiting *n)
{
    switch (n->reason) {
    case CVY_WAIT_MUTEX:
        n->holder = cvy_mutex_owner(n->object);
        return true;
    case CVY_WAIT_RWMUTEX_READ:
    case CVY_WAIT_RWMUTEX_WRITE:
        n->holder = cvy_rwmutex_owner(n->object);
        return true;
    case CVY_WAIT_SEM:
        n->shares = cvy_sem_held(n->object);
        return n->shares > 0;
    case CVY_WAIT_GROUP:
        return true;
    case CVY_WAIT_GROUP_LIMIT:
        n->shares = cvy_group_full(n->object);
        return n->shares > 0;
    case CVY_WAIT_SELECT: {
        const void *group = cvy_select_joins(n->object);
        n->object = group ? group : n->object;
        return group != NULL;
    }
    default:
        return false;
    }
}

/* It may have notes; a moment's view. */
__attribute__((no_sanitize("thread"), noinline)) static bool
may_have_notes(const struct cvy_task *t)
{
    return t->owns & CVY_OWNS_SCOPES;
}

/* What it has noted that others may hold, the innermost; false: nothing. */
static bool read_notes(const struct cvy_task *t, struct cvy_waiting *n)
{
    const struct cvy_scope *from = t->scopes;
    const covey_wait_note *note;

    while ((note = cvy_note_next(&from)) != NULL) {
        if (note->object) {
            n->reason = CVY_WAIT_NONE;
            n->object = note->object;
            n->shares = (int64_t)note->shares;
            n->since = cvy_note_since(note);
            return true;
        }
    }
    return false;
}

/* What the task waits for, read while it is held. */
static bool read_wait(struct cvy_task *t, struct cvy_waiting *n)
{
    uint32_t claim;

    if (!cvy_task_hold(t, &claim)) {
        return false;
    }
    uint64_t wait = cvy_load_relaxed(&t->wait);
    *n = (struct cvy_waiting){.owner_id = cvy_owner_of(t->id),
                              .reason = cvy_wait_reason(wait),
                              .object = cvy_wait_object(wait),
                              .task = t,
                              .id = t->id,
                              .since = cvy_load_relaxed(&t->wait_since)};
    n->group = cvy_view_group(t);
    bool is_found = read_object(n) || read_notes(t, n);
    cvy_task_unhold(t, claim);
    return is_found;
}

bool cvy_waiting_stands(const struct cvy_waiting *n)
{
    struct cvy_waiting now;

    return read_wait(n->task, &now) && now.id == n->id && now.since == n->since &&
           now.object == n->object && now.holder == n->holder && now.shares == n->shares;
}

static bool collect(struct cvy_task *t, void *arg)
{
    struct cvy_waits *g = arg;
    struct cvy_waiting n;

    if (!(may_wait_for_tasks(cvy_task_reason(t)) || may_have_notes(t)) || !read_wait(t, &n)) {
        return true;
    }
    if (!cvy_grow(&g->nodes, g->count, &g->capacity, sizeof(*g->nodes))) {
        return false;
    }
    g->nodes[g->count++] = n;
    return true;
}

static int compare(const void *a, const void *b)
{
    const struct cvy_waiting *x = a;
    const struct cvy_waiting *y = b;
    return (x->owner_id > y->owner_id) - (x->owner_id < y->owner_id);
}

void cvy_waits_make(struct cvy_waits *g, struct cvy_runtime *rt)
{
    *g = (struct cvy_waits){0};
    (void)cvy_tasks_each(rt, collect, g);
    if (g->count > 0) {
        qsort(g->nodes, g->count, sizeof(*g->nodes), compare);
        g->path = cvy_alloc(2 * g->count * sizeof(*g->path));
    }
    g->count = g->path ? g->count : 0;
}

void cvy_waits_fini(struct cvy_waits *g)
{
    free(g->path);
    free(g->nodes);
}

struct cvy_waiting *cvy_waits_find(const struct cvy_waits *g, uint32_t owner_id)
{
    struct cvy_waiting key = {.owner_id = owner_id};

    return bsearch(&key, g->nodes, g->count, sizeof(key), compare);
}

size_t cvy_waits_holders(const void *object, uint32_t *holders, int64_t *shares)
{
    return cvy_holders_of ? cvy_holders_of(object, holders, shares, CVY_WAITS_HOLDERS_MAX) : 0;
}

bool cvy_waiting_has_holders(const struct cvy_waiting *n)
{
    return n->reason == CVY_WAIT_RWMUTEX_WRITE || n->reason == CVY_WAIT_SEM ||
           n->reason == CVY_WAIT_NONE;
}

/* Who wants to read for who wants to write, who joins a group, or
 * waits for a place in it, for each of its tasks. */
bool cvy_waiting_is_behind(const struct cvy_waiting *a, const struct cvy_waiting *b)
{
    if (a->reason != CVY_WAIT_RWMUTEX_READ) {
        return (const void *)b->group == a->object;
    }
    return b->reason == CVY_WAIT_RWMUTEX_WRITE && b->object == a->object;
}
