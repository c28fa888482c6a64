/* SPDX-License-Identifier: MIT
 * diagnosis.c - see diagnosis.h.
 *
 * A task that waits for a mutex waits for the task that holds it; one that waits for a group waits
 * for each of its tasks. A cycle in that is a deadlock. The nodes are collected one by one while
 * everything moves, so a cycle counts only if two looks in a row have found the same waits. */
#include "sched/diagnosis.h"

#include "base/alloc.h"
#include "sched/dump.h"

#include <stdlib.h>

#define LOOK_EVERY_NS COVEY_SEC
#define SHARE_OF_TIME 50 /* a look that takes long is repeated the later */
#define DEPTH_MAX 1000
#define REPORTED_MAX 64
#define NO_WORD UINT32_MAX

atomic_bool cvy_diagnosis_is_on;

enum mark { UNSEEN, ON_PATH, SEEN };

/* A task that waits for a mutex or a group. */
struct node {
    uint32_t owner_id;             /* as cvy_owner_of() has it */
    uint32_t holder;               /* of the mutex that it waits for; 0: it waits for a group */
    const void *joins;             /* that group */
    const struct cvy_scope *group; /* its own; may be NULL */
    struct cvy_task *task;
    uint64_t id;
    int64_t since;
    enum mark mark;
};

struct graph {
    struct cvy_runtime *rt;
    struct node *nodes; /* by owner_id */
    size_t count, capacity;
    size_t path[DEPTH_MAX];
    size_t depth;
    size_t cycle_first; /* of the path: where the cycle begins */
    bool has_cycle;
};

/* The watchdog's. */
static int64_t next_look;
static uint64_t found_last;
static uint64_t reported[REPORTED_MAX];
static unsigned reported_count;

void cvy_diagnosis_start(struct cvy_runtime *rt)
{
    bool is_on = rt->options.diagnose || cvy_env_number("COVEY_DIAGNOSE") > 0;

    next_look = 0;
    found_last = 0;
    reported_count = 0;
    cvy_store_relaxed(&cvy_diagnosis_is_on, is_on);
    cvy_store_relaxed(&cvy_expect_free, is_on ? NO_WORD : 0);
}

void cvy_diagnosis_stop(void)
{
    cvy_store_relaxed(&cvy_diagnosis_is_on, false);
    cvy_store_relaxed(&cvy_expect_free, 0);
}

/* What the task waits for, read while it is held. */
static bool read_wait(struct cvy_task *t, struct node *n)
{
    uint32_t claim;

    if (!cvy_task_hold(t, &claim)) {
        return false;
    }
    unsigned reason = cvy_load_relaxed(&t->reason);
    const void *object = cvy_load_relaxed(&t->wait_object);
    *n = (struct node){.owner_id = cvy_owner_of(t->id),
                       .task = t,
                       .id = t->id,
                       .since = cvy_load_relaxed(&t->wait_since)};
    n->group = cvy_group_member_end && t->on_end == cvy_group_member_end ? t->owner : NULL;
    n->joins = reason == CVY_WAIT_GROUP ? object : NULL;
    n->holder = reason == CVY_WAIT_MUTEX && cvy_mutex_owner ? cvy_mutex_owner(object) : 0;
    cvy_task_unhold(t, claim);
    return n->joins || n->holder;
}

static bool collect(struct cvy_task *t, void *arg)
{
    struct graph *g = arg;
    struct node n;
    unsigned reason = cvy_load_relaxed(&t->reason);

    if ((reason != CVY_WAIT_MUTEX && reason != CVY_WAIT_GROUP) || !read_wait(t, &n)) {
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
    const struct node *x = a;
    const struct node *y = b;
    return (x->owner_id > y->owner_id) - (x->owner_id < y->owner_id);
}

static void follow(struct graph *g, size_t i);

/* One that waits for a mutex has one way to go; one that waits for a group has as many as that has
 * waiting tasks. */
static void follow_all(struct graph *g, const struct node *n)
{
    if (n->holder) {
        struct node key = {.owner_id = n->holder};
        const struct node *next = bsearch(&key, g->nodes, g->count, sizeof(key), compare);
        if (next) {
            follow(g, (size_t)(next - g->nodes));
        }
        return;
    }
    for (size_t i = 0; i < g->count && !g->has_cycle; i++) {
        if ((const void *)g->nodes[i].group == n->joins) {
            follow(g, i);
        }
    }
}

static void follow(struct graph *g, size_t i)
{
    struct node *n = &g->nodes[i];

    if (n->mark == ON_PATH) {
        g->has_cycle = true;
        g->cycle_first = 0;
        while (g->path[g->cycle_first] != i) {
            g->cycle_first++;
        }
        return;
    }
    if (n->mark == SEEN || g->depth == DEPTH_MAX) {
        return;
    }
    n->mark = ON_PATH;
    g->path[g->depth++] = i;
    follow_all(g, n);
    if (!g->has_cycle) {
        g->depth--;
        n->mark = SEEN;
    }
}

/* The same for the same waits, wherever the walk came upon them. */
static uint64_t hash_of(const struct graph *g)
{
    uint64_t hash = 1;

    for (size_t i = g->cycle_first; i < g->depth; i++) {
        const struct node *n = &g->nodes[g->path[i]];
        hash += (n->id ^ (uint64_t)n->since) * UINT64_C(0x9E3779B97F4A7C15);
    }
    return hash;
}

static bool was_reported(uint64_t hash)
{
    for (unsigned i = 0; i < reported_count && i < REPORTED_MAX; i++) {
        if (reported[i] == hash) {
            return true;
        }
    }
    return false;
}

static void report(const struct graph *g)
{
    size_t n = g->depth - g->cycle_first;
    struct cvy_dump d;

    cvy_dump_open(&d, g->rt, stderr, false);
    if (n == 1) {
        (void)fputs("covey: deadlock: a task waits for itself:\n", stderr);
    } else {
        (void)fprintf(stderr, "covey: deadlock: %zu tasks wait for each other:\n", n);
    }
    for (size_t i = g->cycle_first; i < g->depth; i++) {
        const struct node *node = &g->nodes[g->path[i]];
        struct cvy_view v;
        if (cvy_view_take(node->task, &v, false) && v.id == node->id) {
            cvy_dump_view(&d, &v, 1);
        }
    }
    (void)fflush(stderr);
    cvy_dump_close(&d);
}

/* The next cycle that was not told of yet, among the nodes not seen; its hash, or 0. */
static uint64_t next_cycle(struct graph *g)
{
    for (size_t i = 0; i < g->count; i++) {
        if (g->nodes[i].mark != UNSEEN || !g->nodes[i].holder) {
            continue; /* every cycle has a mutex in it */
        }
        g->depth = 0;
        g->has_cycle = false;
        follow(g, i);
        uint64_t hash = g->has_cycle ? hash_of(g) : 0;
        if (g->has_cycle && !was_reported(hash)) {
            return hash;
        }
        for (size_t k = 0; k < g->depth; k++) {
            g->nodes[g->path[k]].mark = SEEN;
        }
    }
    return 0;
}

static void look_for_cycles(struct cvy_runtime *rt)
{
    struct graph g = {.rt = rt};

    (void)cvy_tasks_each(rt, collect, &g);
    if (g.count > 0) {
        qsort(g.nodes, g.count, sizeof(*g.nodes), compare);
    }
    uint64_t found = next_cycle(&g);
    if (found && found == found_last) {
        reported[reported_count++ % REPORTED_MAX] = found;
        report(&g);
    }
    found_last = found;
    free(g.nodes);
}

void cvy_diagnosis_look(struct cvy_runtime *rt, int64_t now)
{
    if (!cvy_diagnosis_on() || now < next_look) {
        return;
    }
    look_for_cycles(rt);
    int64_t pause = (cvy_clock_now() - now) * SHARE_OF_TIME;
    next_look = now + (pause > LOOK_EVERY_NS ? pause : LOOK_EVERY_NS);
}
