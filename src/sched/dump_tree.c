/* SPDX-License-Identifier: MIT
 * dump_tree.c - all tasks, under the groups they run in and the tasks that opened those.
 *
 * First a small node for each task and each group, then the sorted nodes are printed from the roots
 * down, with a second look at each task. A group's opener is known from any of its parked members,
 * or from the opener if that is parked; who has neither goes to the root. */
#include "base/alloc.h"
#include "sched/dump.h"

#include <stdlib.h>

#define DEPTH_MAX 32

struct node {
    uint64_t opener; /* task that opened the group; 0: a root */
    const struct cvy_scope *group;
    uint64_t id;
    struct cvy_task *task;
    bool is_printed;
};

struct group_node {
    const struct cvy_scope *group;
    uint64_t opener;
    const covey_site *site;
};

struct tree {
    struct cvy_dump *dump;
    struct node *nodes;
    size_t count, capacity;
    struct group_node *groups;
    size_t group_count, group_capacity;
    bool is_short_of_memory;
};

static bool group_add(struct tree *t, const struct cvy_scope *group, uint64_t opener,
                      const covey_site *site)
{
    if (!cvy_grow(&t->groups, t->group_count, &t->group_capacity, sizeof(*t->groups))) {
        return false;
    }
    t->groups[t->group_count++] =
        (struct group_node){.group = group, .opener = opener, .site = site};
    return true;
}

static bool node_add(struct tree *t, struct cvy_task *task, const struct cvy_view *v)
{
    if (!cvy_grow(&t->nodes, t->count, &t->capacity, sizeof(*t->nodes))) {
        return false;
    }
    t->nodes[t->count++] = (struct node){.group = v->group, .id = v->id, .task = task};
    return !v->is_parked || !v->group || group_add(t, v->group, v->group_opener, v->group_site);
}

/* The groups that a parked task has opened: only itself changes their list. At most a few are
 * copied while it is held. */
static bool add_opened(struct tree *t, struct cvy_task *task)
{
    struct group_node opened[16];
    size_t n = 0;
    uint32_t claim;

    if (!cvy_task_hold(task, &claim)) {
        return true;
    }
    for (const struct cvy_scope *s = task->scopes; s && n < 16; s = s->next) {
        if (s->kind == CVY_SCOPE_GROUP) {
            opened[n++] = (struct group_node){.group = s, .opener = task->id, .site = s->site};
        }
    }
    cvy_task_unhold(task, claim);
    bool is_added = true;
    while (n > 0 && is_added) {
        n--;
        is_added = group_add(t, opened[n].group, opened[n].opener, opened[n].site);
    }
    return is_added;
}

static bool collect_one(struct cvy_task *task, void *arg)
{
    struct tree *t = arg;
    struct cvy_view v;

    t->is_short_of_memory =
        cvy_view_take(task, &v, true) && !(node_add(t, task, &v) && add_opened(t, task));
    return !t->is_short_of_memory;
}

static int compare_groups(const void *a, const void *b)
{
    const struct group_node *x = a;
    const struct group_node *y = b;
    return (x->group > y->group) - (x->group < y->group);
}

static int compare_nodes(const void *a, const void *b)
{
    const struct node *x = a;
    const struct node *y = b;
    int by_opener = (x->opener > y->opener) - (x->opener < y->opener);
    int by_group = (x->group > y->group) - (x->group < y->group);
    int by_id = (x->id > y->id) - (x->id < y->id);
    return by_opener ? by_opener : by_group ? by_group : by_id;
}

static const struct group_node *group_find(const struct tree *t, const struct cvy_scope *group)
{
    struct group_node key = {.group = group};
    return t->group_count == 0
               ? NULL
               : bsearch(&key, t->groups, t->group_count, sizeof(key), compare_groups);
}

static void print_group(struct tree *t, const struct node *n, int depth)
{
    const struct group_node *g = group_find(t, n->group);

    (void)fprintf(t->dump->out, "%*sgroup %p", depth * 2, "", (const void *)n->group);
    cvy_dump_site(t->dump, ", opened at", g ? g->site : NULL);
    (void)fputc('\n', t->dump->out);
}

/* The first node of an opener, or where it would be. */
static size_t first_of(const struct tree *t, uint64_t opener)
{
    size_t low = 0;
    size_t high = t->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (t->nodes[middle].opener < opener) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Outlined, so that the frames of the recursion stay small. */
__attribute__((noinline)) static void print_task(struct tree *t, const struct node *n, int depth)
{
    struct cvy_view v;

    /* Another one may have the record by now. */
    if (cvy_dump_take(t->dump, n->task, &v) && v.id == n->id) {
        cvy_dump_view(t->dump, &v, depth);
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): at most DEPTH_MAX deep */
static void print_from(struct tree *t, uint64_t opener, int depth)
{
    const struct cvy_scope *group = NULL;

    for (size_t i = first_of(t, opener); i < t->count && t->nodes[i].opener == opener; i++) {
        struct node *n = &t->nodes[i];
        if (n->is_printed) {
            continue;
        }
        n->is_printed = true;
        if (n->group && n->group != group) {
            print_group(t, n, depth);
        }
        group = n->group;
        int own = depth + (n->group ? 1 : 0);
        print_task(t, n, own);
        if (own < DEPTH_MAX) {
            print_from(t, n->id, own + 1);
        }
    }
}

bool cvy_dump_tree(struct cvy_dump *d)
{
    struct tree t = {.dump = d};

    (void)cvy_tasks_each(d->rt, collect_one, &t);
    if (t.group_count > 0) {
        qsort(t.groups, t.group_count, sizeof(*t.groups), compare_groups);
    }
    for (size_t i = 0; i < t.count; i++) {
        const struct group_node *g = group_find(&t, t.nodes[i].group);
        t.nodes[i].opener = g ? g->opener : 0;
    }
    if (t.count > 0) {
        qsort(t.nodes, t.count, sizeof(*t.nodes), compare_nodes);
    }
    size_t all = t.is_short_of_memory ? cvy_tasks_each(d->rt, NULL, NULL) : t.count;
    (void)fprintf(d->out, "covey: %zu task(s) on %d worker(s)\n", all, d->rt->worker_count);
    print_from(&t, 0, 1);
    /* Too deep, or their opener has just come or gone. */
    for (size_t i = 0; i < t.count; i++) {
        if (!t.nodes[i].is_printed) {
            print_task(&t, &t.nodes[i], 1);
        }
    }
    cvy_dump_print_threads(d);
    if (t.is_short_of_memory) {
        (void)fprintf(d->out, "covey: out of memory for all but %zu of the tasks\n", t.count);
    }
    free(t.groups);
    free(t.nodes);
    return !t.is_short_of_memory;
}
