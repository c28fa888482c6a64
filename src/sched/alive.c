/* SPDX-License-Identifier: MIT
 * alive.c - the tasks and groups that a trace finds at its beginning, and a snapshot at its end.
 *
 * A group is known from any of its parked members, or from the opener if that is parked, as in
 * dumps (dump_tree.c): while they are held it cannot go. */
#include "base/alloc.h"
#include "sched/recording.h"
#include "sched/view.h"

#include <assert.h>
#include <stdlib.h>

#define OPENED_MAX 16 /* of one task, that are copied while it is held */

static_assert(sizeof(((covey_trace_task *)0)->name) == sizeof(((struct cvy_task *)0)->name),
              "a trace has room for a name");

struct collection {
    struct cvy_trace_alive *alive;
    size_t task_room, group_room;
};

/* As in a dump (view.c): a moment's view of what the owner may be writing. */
__attribute__((no_sanitize("thread"), noinline)) static void look_at(const struct cvy_task *t,
                                                                     covey_trace_task *out)
{
    *out = (covey_trace_task){.id = t->id,
                              .site = (uint64_t)(uintptr_t)t->site,
                              .group = (uint64_t)(uintptr_t)cvy_view_group(t)};
    cvy_view_name(t, out->name);
}

static covey_trace_group group_of(const struct cvy_scope *s)
{
    return (covey_trace_group){.address = (uint64_t)(uintptr_t)s,
                               .site = (uint64_t)(uintptr_t)s->site,
                               .opener = s->opener ? s->opener->id : 0};
}

/* Its own, and those that it has opened; how many. t is held, or the caller's. */
static size_t groups_of(const struct cvy_task *t, const covey_trace_task *seen,
                        covey_trace_group groups[1 + OPENED_MAX])
{
    /* The list is in a cold line of the record. */
    const struct cvy_scope *opened = t->owns & CVY_OWNS_SCOPES ? t->scopes : NULL;
    size_t n = 0;

    if (seen->group) {
        /* It lives at least as long as its member, and its opener as long as it. */
        groups[n++] = group_of((const struct cvy_scope *)(uintptr_t)seen->group);
    }
    for (; opened && n < OPENED_MAX; opened = opened->next) {
        if (opened->kind == CVY_SCOPE_GROUP) {
            groups[n++] = group_of(opened);
        }
    }
    return n;
}

static bool group_add(struct collection *c, const covey_trace_group *group)
{
    struct cvy_trace_alive *a = c->alive;

    /* A crowd's members often come one after the other. */
    if (a->group_count > 0 && a->groups[a->group_count - 1].address == group->address) {
        return true;
    }
    if (!cvy_grow(&a->groups, a->group_count, &c->group_room, sizeof(*a->groups))) {
        return false;
    }
    a->groups[a->group_count++] = *group;
    return true;
}

/* The caller's own may be read too; in a fault's handler it may be in any state. */
static bool is_callers(const struct cvy_task *t)
{
    return t == cvy_task_self() && !cvy_thread_self()->is_faulting;
}

static bool collect(struct cvy_task *t, void *arg)
{
    struct collection *c = arg;
    covey_trace_group groups[1 + OPENED_MAX];
    size_t n = 0;
    uint32_t claim;

    if (!cvy_grow(&c->alive->tasks, c->alive->task_count, &c->task_room,
                  sizeof(*c->alive->tasks))) {
        return false;
    }
    covey_trace_task *seen = &c->alive->tasks[c->alive->task_count++];
    if (cvy_task_hold(t, &claim)) {
        look_at(t, seen);
        n = groups_of(t, seen, groups);
        cvy_task_unhold(t, claim);
    } else {
        look_at(t, seen);
        n = is_callers(t) ? groups_of(t, seen, groups) : 0;
    }
    bool is_added = true;
    for (size_t i = 0; i < n && is_added; i++) {
        is_added = group_add(c, &groups[i]);
    }
    return is_added;
}

static int compare_groups(const void *a, const void *b)
{
    uint64_t x = ((const covey_trace_group *)a)->address;
    uint64_t y = ((const covey_trace_group *)b)->address;
    return (x > y) - (x < y);
}

/* Many have told of the same one. */
static void groups_merge(struct cvy_trace_alive *a)
{
    size_t count = 0;

    if (a->group_count > 0) {
        qsort(a->groups, a->group_count, sizeof(*a->groups), compare_groups);
    }
    for (size_t i = 0; i < a->group_count; i++) {
        if (count == 0 || a->groups[count - 1].address != a->groups[i].address) {
            a->groups[count++] = a->groups[i];
        }
    }
    a->group_count = count;
}

void cvy_recording_alive(struct cvy_trace_alive *out)
{
    struct collection c = {.alive = out};
    struct cvy_thread *th = cvy_enter();
    struct cvy_runtime *rt = cvy_runtime_get();

    if (rt) {
        (void)cvy_tasks_each(rt, collect, &c);
    }
    cvy_leave(th);
    groups_merge(out);
}
