/* SPDX-License-Identifier: MIT
 * diagnosis.c - see diagnosis.h.
 *
 * A task that waits for a mutex, or for a rwmutex that is being written, waits for the task that
 * holds it; one that wants to write waits for each reader, and one that wants to read for those who
 * want to write and stand in front of it; one that waits for a group, or selects on nothing but its
 * end, waits for each of its tasks; one that has noted what it waits for (a lease) for whoever has
 * told that it holds that. A cycle in that is a deadlock; but where several have a share each
 * (connections of a pool, permits of a semaphore, places in a group with a limit), one of which is
 * enough, only if none of them can go on. The nodes are collected one by one while everything
 * moves, so whoever seems to be stuck is looked at once more; and since time ends some waits, a
 * cycle counts only if two looks in a row have found it. */
#include "sched/diagnosis.h"

#include "base/alloc.h"
#include "base/env.h"
#include "base/hash.h"
#include "sched/dump.h"
#include "sched/note.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_EVERY_NS COVEY_SEC
#define SHARE_OF_TIME 50 /* a look that takes much CPU time is repeated the later */
#define CALLS_MAX 1000   /* deep, where tasks wait for several */
#define REPORTED_MAX 64
#define FOUND_MAX 16    /* cycles in a look */
#define HOLDERS_MAX 256 /* of one object that are followed; others told of with a cycle */
#define ROUNDS_MAX 100
#define NO_WORD UINT32_MAX

atomic_bool cvy_diagnosis_is_on;

/* SEEN: in no cycle that is not known, or able to go on. */
enum mark { UNSEEN, ON_PATH, SEEN };

/* A task that waits for a mutex, a rwmutex, a semaphore, a group, or what it has noted. */
struct node {
    uint32_t owner_id;  /* as cvy_owner_of() has it */
    uint32_t holder;    /* of what it waits for; 0: none, or several */
    unsigned reason;    /* what that is; CVY_WAIT_NONE: what it has noted */
    const void *object; /* may be gone: an address */
    int64_t shares;     /* how many have it, and it waits for one of them; at most 1: for all */
    const struct cvy_scope *group; /* its own; may be NULL */
    struct cvy_task *task;
    uint64_t id;
    int64_t since;
    enum mark mark;
    bool is_told; /* with a cycle of this look */
};

struct graph {
    struct cvy_runtime *rt;
    struct node *nodes; /* by owner_id */
    size_t count, capacity;
    size_t *path; /* has room for each node twice */
    size_t depth;
    int calls;
    size_t cycle_first; /* of the path: where the cycle begins */
    size_t told;        /* where those end who have shares of what is waited for in it */
    bool has_cycle;
    int64_t told_ns; /* CPU time of telling, which is no part of what a look costs */
};

/* The watchdog's. */
static int64_t next_look;
static uint64_t found_last[FOUND_MAX]; /* not yet reported; 0: none */
static uint64_t reported[REPORTED_MAX];
static unsigned reported_count;

void cvy_diagnosis_start(struct cvy_runtime *rt)
{
    bool is_on = rt->options.diagnose || cvy_env_number("COVEY_DIAGNOSE") > 0;

    next_look = 0;
    memset(found_last, 0, sizeof(found_last));
    reported_count = 0;
    if (is_on && cvy_holders_clear) {
        cvy_holders_clear();
    }
    cvy_store_relaxed(&cvy_diagnosis_is_on, is_on);
    cvy_store_relaxed(&cvy_expect_free, is_on ? NO_WORD : 0);
}

void cvy_diagnosis_stop(void)
{
    cvy_store_relaxed(&cvy_diagnosis_is_on, false);
    cvy_store_relaxed(&cvy_expect_free, 0);
}

static bool may_wait_for_tasks(unsigned reason)
{
    return reason == CVY_WAIT_MUTEX || reason == CVY_WAIT_RWMUTEX_READ ||
           reason == CVY_WAIT_RWMUTEX_WRITE || reason == CVY_WAIT_SEM || reason == CVY_WAIT_GROUP ||
           reason == CVY_WAIT_GROUP_LIMIT || reason == CVY_WAIT_SELECT;
}

/* False: it does not wait for tasks, for all that is known. While the one that waits is held, so
 * that the object is there, and its layer. */
static bool read_object(struct node *n)
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
static bool read_notes(const struct cvy_task *t, struct node *n)
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
static bool read_wait(struct cvy_task *t, struct node *n)
{
    uint32_t claim;

    if (!cvy_task_hold(t, &claim)) {
        return false;
    }
    uint64_t wait = cvy_load_relaxed(&t->wait);
    *n = (struct node){.owner_id = cvy_owner_of(t->id),
                       .reason = cvy_wait_reason(wait),
                       .object = cvy_wait_object(wait),
                       .task = t,
                       .id = t->id,
                       .since = cvy_load_relaxed(&t->wait_since)};
    n->group = cvy_group_member_end && t->on_end == cvy_group_member_end ? t->owner : NULL;
    bool is_found = read_object(n) || read_notes(t, n);
    cvy_task_unhold(t, claim);
    return is_found;
}

/* Whether n has waited on since it was collected, for as many, and, if for one, for the same. */
static bool waits_as_before(const struct node *n)
{
    struct node now;

    return read_wait(n->task, &now) && now.id == n->id && now.since == n->since &&
           now.object == n->object && now.holder == n->holder && now.shares == n->shares;
}

static bool collect(struct cvy_task *t, void *arg)
{
    struct graph *g = arg;
    struct node n;

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
    const struct node *x = a;
    const struct node *y = b;
    return (x->owner_id > y->owner_id) - (x->owner_id < y->owner_id);
}

static struct node *node_of(const struct graph *g, uint32_t owner_id)
{
    struct node key = {.owner_id = owner_id};

    return bsearch(&key, g->nodes, g->count, sizeof(key), compare);
}

static size_t holders_of(const void *object, uint32_t *holders, int64_t *shares)
{
    return cvy_holders_of ? cvy_holders_of(object, holders, shares, HOLDERS_MAX) : 0;
}

/* Whether who has what n waits for, if not one alone, is told by cvy_holders_of(). */
static bool has_holders(const struct node *n)
{
    return n->reason == CVY_WAIT_RWMUTEX_WRITE || n->reason == CVY_WAIT_SEM ||
           n->reason == CVY_WAIT_NONE;
}

/* Else: whether a waits for b. Who wants to read for who wants to write, who joins a group, or
 * waits for a place in it, for each of its tasks. */
static bool waits_behind(const struct node *a, const struct node *b)
{
    if (a->reason != CVY_WAIT_RWMUTEX_READ) {
        return (const void *)b->group == a->object;
    }
    return b->reason == CVY_WAIT_RWMUTEX_WRITE && b->object == a->object;
}

/* ---- who can go on ---- */

/* What those who are stuck keep others from that wait for all of it: their group's end or limit, a
 * rwmutex that they want to write. Sorted addresses, one for each of them. */
struct kept {
    const void **objects;
    size_t count;
};

static int compare_addresses(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t) * (const void *const *)a, y = (uintptr_t) * (const void *const *)b;
    return (x > y) - (x < y);
}

static bool is_stuck(const struct graph *g, uint32_t owner_id)
{
    const struct node *n = node_of(g, owner_id);
    return n && n->mark == UNSEEN;
}

static bool is_stuck_for_shares(const struct graph *g, const struct node *n)
{
    uint32_t holders[HOLDERS_MAX];
    int64_t shares[HOLDERS_MAX], all = 0, stuck = 0;
    size_t count = holders_of(n->object, holders, shares);

    for (size_t i = 0; i < count; i++) {
        all += shares[i];
        stuck += is_stuck(g, holders[i]) ? shares[i] : 0;
    }
    return n->shares > 1 ? stuck == all && all >= n->shares : stuck > 0;
}

/* How many are kept from what lies below an address. */
static size_t count_below(const struct kept *k, uintptr_t address)
{
    size_t low = 0, high = k->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((uintptr_t)k->objects[middle] < address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Whether, for all that is known, n waits on. */
static bool waits_on(const struct graph *g, const struct kept *k, const struct node *n)
{
    uintptr_t address = (uintptr_t)n->object;

    if (n->holder) {
        return is_stuck(g, n->holder);
    }
    if (has_holders(n)) {
        return is_stuck_for_shares(g, n);
    }
    int64_t stuck = (int64_t)(count_below(k, address + 1) - count_below(k, address));
    return stuck >= (n->shares ? n->shares : 1);
}

static void find_kept(const struct graph *g, struct kept *k)
{
    k->count = 0;
    for (size_t i = 0; i < g->count; i++) {
        const struct node *n = &g->nodes[i];
        if (n->mark == UNSEEN && n->group) {
            k->objects[k->count++] = n->group;
        }
        if (n->mark == UNSEEN && n->reason == CVY_WAIT_RWMUTEX_WRITE) {
            k->objects[k->count++] = n->object;
        }
    }
    if (k->count > 0) {
        qsort(k->objects, k->count, sizeof(k->objects[0]), compare_addresses);
    }
}

/* One round: whoever waits for nobody that is stuck is not. */
static bool spare_some(struct graph *g, struct kept *k)
{
    bool is_changed = false;

    find_kept(g, k);
    for (size_t i = 0; i < g->count; i++) {
        struct node *n = &g->nodes[i];
        if (n->mark == UNSEEN && !waits_on(g, k, n)) {
            n->mark = SEEN;
            is_changed = true;
        }
    }
    return is_changed;
}

/* Whoever has gone on is not stuck. If nobody has, all that was read since they were collected was
 * so at one moment. */
static bool spare_moved(struct graph *g)
{
    bool is_changed = false;

    for (size_t i = 0; i < g->count; i++) {
        struct node *n = &g->nodes[i];
        if (n->mark == UNSEEN && !waits_as_before(n)) {
            n->mark = SEEN;
            is_changed = true;
        }
    }
    return is_changed;
}

static bool wants_share(const struct graph *g)
{
    for (size_t i = 0; i < g->count; i++) {
        if (g->nodes[i].shares > 1) {
            return true;
        }
    }
    return false;
}

/* Leaves those unseen of whom none can go on. If that cannot be found out, who waits for a share is
 * said to be able. */
static void spare_all(struct graph *g)
{
    struct kept k = {0};
    bool is_changed = true;

    if (wants_share(g)) {
        k.objects = cvy_alloc_zeroed(2 * g->count * sizeof(*k.objects));
    }
    for (int i = 0; k.objects && i < ROUNDS_MAX; i++) {
        is_changed = spare_some(g, &k) || spare_moved(g);
        if (!is_changed) {
            break;
        }
    }
    for (size_t i = 0; is_changed && i < g->count; i++) {
        g->nodes[i].mark = g->nodes[i].shares > 1 ? SEEN : g->nodes[i].mark;
    }
    free(k.objects);
}

/* ---- cycles ---- */

/* NOLINTBEGIN(misc-no-recursion): at most CALLS_MAX deep */

static void follow(struct graph *g, struct node *n);

static void follow_task(struct graph *g, uint32_t owner_id)
{
    struct node *next = node_of(g, owner_id);

    if (next && !g->has_cycle) {
        follow(g, next);
    }
}

static void follow_holders(struct graph *g, const void *object)
{
    uint32_t holders[HOLDERS_MAX];
    size_t n = holders_of(object, holders, NULL);

    for (size_t i = 0; i < n; i++) {
        follow_task(g, holders[i]);
    }
}

/* Of those that n waits for if they are several. */
static void follow_all(struct graph *g, const struct node *n)
{
    if (has_holders(n)) {
        follow_holders(g, n->object);
        return;
    }
    for (size_t i = 0; i < g->count && !g->has_cycle; i++) {
        if (waits_behind(n, &g->nodes[i])) {
            follow(g, &g->nodes[i]);
        }
    }
}

/* The path comes back to n. */
static void close_cycle(struct graph *g, const struct node *n)
{
    g->has_cycle = true;
    g->cycle_first = 0;
    while (g->path[g->cycle_first] != (size_t)(n - g->nodes)) {
        g->cycle_first++;
    }
}

/* Who waits for one holder is followed here, however many they are in a row: a call deeper goes
 * only who waits for several. */
static void follow(struct graph *g, struct node *n)
{
    size_t from = g->depth;

    if (g->calls == CALLS_MAX) {
        return;
    }
    g->calls++;
    while (n && n->mark == UNSEEN) {
        n->mark = ON_PATH;
        g->path[g->depth++] = (size_t)(n - g->nodes);
        if (!n->holder) {
            follow_all(g, n);
        }
        n = n->holder ? node_of(g, n->holder) : NULL;
    }
    if (n && n->mark == ON_PATH) {
        close_cycle(g, n);
    }
    g->calls--;
    while (!g->has_cycle && g->depth > from) {
        g->nodes[g->path[--g->depth]].mark = SEEN;
    }
}

/* NOLINTEND(misc-no-recursion) */

static void add_other(struct graph *g, struct node *n)
{
    if (n && !n->is_told && g->told - g->depth < HOLDERS_MAX) {
        g->path[g->told++] = (size_t)(n - g->nodes);
        n->is_told = true;
        n->mark = SEEN;
    }
}

/* Who else has a share of what n waits for, and none of whom can go on either. */
static void add_others(struct graph *g, const struct node *n)
{
    uint32_t holders[HOLDERS_MAX];
    size_t count = has_holders(n) ? holders_of(n->object, holders, NULL) : 0;

    for (size_t i = 0; i < count; i++) {
        add_other(g, node_of(g, holders[i]));
    }
    for (size_t i = 0; i < g->count && !has_holders(n); i++) {
        add_other(g, waits_behind(n, &g->nodes[i]) ? &g->nodes[i] : NULL);
    }
}

/* Behind the cycle on the path those others. */
static void find_others(struct graph *g)
{
    g->told = g->depth;
    for (size_t i = g->cycle_first; i < g->depth; i++) {
        g->nodes[g->path[i]].is_told = true;
    }
    for (size_t i = g->cycle_first; i < g->depth; i++) {
        if (g->nodes[g->path[i]].shares > 1) {
            add_others(g, &g->nodes[g->path[i]]);
        }
    }
}

/* The same for the same waits, wherever the walk came upon them. */
static uint64_t hash_of(const struct graph *g)
{
    uint64_t hash = 1;

    for (size_t i = g->cycle_first; i < g->told; i++) {
        const struct node *n = &g->nodes[g->path[i]];
        /* Mixed before they are added: tasks that wait since nearly the same moment differ little.
         */
        hash += cvy_hash_fold((n->id << 40 | n->id >> 24) ^ (uint64_t)n->since,
                              UINT64_C(0x9E3779B97F4A7C15));
    }
    return hash;
}

static bool is_among(const uint64_t *hashes, size_t count, uint64_t hash)
{
    for (size_t i = 0; i < count; i++) {
        if (hashes[i] == hash) {
            return true;
        }
    }
    return false;
}

static bool was_reported(uint64_t hash)
{
    return is_among(reported, reported_count < REPORTED_MAX ? reported_count : REPORTED_MAX, hash);
}

static void report_node(struct cvy_dump *d, const struct node *node)
{
    struct cvy_view v;

    if (cvy_view_take(node->task, &v, false) && v.id == node->id) {
        cvy_dump_view(d, &v, 1);
    }
}

static void report(struct graph *g)
{
    size_t n = g->told - g->cycle_first;
    int64_t began = cvy_clock_thread();
    struct cvy_dump d;

    cvy_dump_open(&d, g->rt, stderr, false);
    flockfile(stderr);
    if (n == 1) {
        (void)fputs("covey: deadlock: a task waits for itself:\n", stderr);
    } else {
        (void)fprintf(stderr, "covey: deadlock: %zu tasks wait for each other:\n", n);
    }
    for (size_t i = g->cycle_first; i < g->told; i++) {
        report_node(&d, &g->nodes[g->path[i]]);
    }
    (void)fflush(stderr);
    funlockfile(stderr);
    cvy_dump_close(&d);
    g->told_ns += cvy_clock_thread() - began;
}

/* As in spare_moved(). */
static bool cycle_stands(const struct graph *g)
{
    for (size_t i = g->cycle_first; i < g->depth; i++) {
        if (!waits_as_before(&g->nodes[g->path[i]])) {
            return false;
        }
    }
    return true;
}

/* The next cycle that was not told of yet, among the nodes not seen; its hash, or 0. */
static uint64_t next_cycle(struct graph *g)
{
    for (size_t i = 0; i < g->count; i++) {
        if (g->nodes[i].mark != UNSEEN || g->nodes[i].reason == CVY_WAIT_GROUP) {
            continue; /* every cycle has something else in it */
        }
        g->depth = 0;
        g->has_cycle = false;
        follow(g, &g->nodes[i]);
        for (size_t k = 0; k < g->depth; k++) {
            g->nodes[g->path[k]].mark = SEEN;
        }
        if (g->has_cycle) {
            find_others(g);
        }
        uint64_t hash = g->has_cycle ? hash_of(g) : 0;
        if (g->has_cycle && !was_reported(hash) && cycle_stands(g)) {
            return hash;
        }
    }
    return 0;
}

/* The CPU time it took. */
static int64_t look_for_cycles(struct cvy_runtime *rt)
{
    struct graph g = {.rt = rt};
    uint64_t found[FOUND_MAX] = {0};
    uint64_t hash;
    int64_t began = cvy_clock_thread();

    (void)cvy_tasks_each(rt, collect, &g);
    if (g.count > 0) {
        qsort(g.nodes, g.count, sizeof(*g.nodes), compare);
        g.path = cvy_alloc(2 * g.count * sizeof(*g.path));
    }
    g.count = g.path ? g.count : 0;
    spare_all(&g);
    for (size_t n = 0; n < FOUND_MAX && (hash = next_cycle(&g)) != 0; n++) {
        if (is_among(found_last, FOUND_MAX, hash)) {
            reported[reported_count++ % REPORTED_MAX] = hash;
            report(&g);
        } else {
            found[n] = hash;
        }
    }
    memcpy(found_last, found, sizeof(found));
    free(g.path);
    free(g.nodes);
    return cvy_clock_thread() - began - g.told_ns;
}

void cvy_diagnosis_look(struct cvy_runtime *rt, int64_t now)
{
    if (!cvy_diagnosis_on() || now < next_look) {
        return;
    }
    int64_t pause = look_for_cycles(rt) * SHARE_OF_TIME;
    next_look = now + (pause > LOOK_EVERY_NS ? pause : LOOK_EVERY_NS);
}
