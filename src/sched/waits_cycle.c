/* SPDX-License-Identifier: MIT
 * waits_cycle.c - see waits.h: a walk from who waits to who is waited for that comes back. */
#include "sched/waits.h"

#include "base/hash.h"

#define CALLS_MAX 1000 /* deep, where tasks wait for several */

/* NOLINTBEGIN(misc-no-recursion): at most CALLS_MAX deep */

static void follow(struct cvy_waits *g, struct cvy_waiting *n);

static void follow_task(struct cvy_waits *g, uint32_t owner_id)
{
    struct cvy_waiting *next = cvy_waits_find(g, owner_id);

    if (next && !g->has_cycle) {
        follow(g, next);
    }
}

static void follow_holders(struct cvy_waits *g, const void *object)
{
    uint32_t holders[CVY_WAITS_HOLDERS_MAX];
    size_t n = cvy_waits_holders(object, holders, NULL);

    for (size_t i = 0; i < n; i++) {
        follow_task(g, holders[i]);
    }
}

/* Of those that n waits for if they are several. */
static void follow_all(struct cvy_waits *g, const struct cvy_waiting *n)
{
    if (cvy_waiting_has_holders(n)) {
        follow_holders(g, n->object);
        return;
    }
    for (size_t i = 0; i < g->count && !g->has_cycle; i++) {
        if (cvy_waiting_is_behind(n, &g->nodes[i])) {
            follow(g, &g->nodes[i]);
        }
    }
}

/* The path comes back to n. */
static void close_cycle(struct cvy_waits *g, const struct cvy_waiting *n)
{
    g->has_cycle = true;
    g->cycle_first = 0;
    while (g->path[g->cycle_first] != (size_t)(n - g->nodes)) {
        g->cycle_first++;
    }
}

/* Who waits for one holder is followed here, however many they are in a row: a call deeper goes
 * only who waits for several. */
static void follow(struct cvy_waits *g, struct cvy_waiting *n)
{
    size_t from = g->depth;

    if (g->calls == CALLS_MAX) {
        return;
    }
    g->calls++;
    while (n && n->mark == CVY_WAITING_UNSEEN) {
        n->mark = CVY_WAITING_ON_PATH;
        g->path[g->depth++] = (size_t)(n - g->nodes);
        if (!n->holder) {
            follow_all(g, n);
        }
        n = n->holder ? cvy_waits_find(g, n->holder) : NULL;
    }
    if (n && n->mark == CVY_WAITING_ON_PATH) {
        close_cycle(g, n);
    }
    g->calls--;
    while (!g->has_cycle && g->depth > from) {
        g->nodes[g->path[--g->depth]].mark = CVY_WAITING_SEEN;
    }
}

/* NOLINTEND(misc-no-recursion) */

static void add_other(struct cvy_waits *g, struct cvy_waiting *n)
{
    if (n && !n->is_told && g->told - g->depth < CVY_WAITS_HOLDERS_MAX) {
        g->path[g->told++] = (size_t)(n - g->nodes);
        n->is_told = true;
        n->mark = CVY_WAITING_SEEN;
    }
}

/* Who else has a share of what n waits for, and none of whom can go on either. */
static void add_others(struct cvy_waits *g, const struct cvy_waiting *n)
{
    uint32_t holders[CVY_WAITS_HOLDERS_MAX];
    size_t count = cvy_waiting_has_holders(n) ? cvy_waits_holders(n->object, holders, NULL) : 0;

    for (size_t i = 0; i < count; i++) {
        add_other(g, cvy_waits_find(g, holders[i]));
    }
    for (size_t i = 0; i < g->count && !cvy_waiting_has_holders(n); i++) {
        add_other(g, cvy_waiting_is_behind(n, &g->nodes[i]) ? &g->nodes[i] : NULL);
    }
}

/* Behind the cycle on the path those others. */
static void find_others(struct cvy_waits *g)
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

/* Wherever the walk came upon them. */
static uint64_t hash_of(const struct cvy_waits *g)
{
    uint64_t hash = 1;

    for (size_t i = g->cycle_first; i < g->told; i++) {
        const struct cvy_waiting *n = &g->nodes[g->path[i]];
        /* Mixed before they are added: tasks that wait since nearly the same moment differ little.
         */
        hash += cvy_hash_fold((n->id << 40 | n->id >> 24) ^ (uint64_t)n->since,
                              UINT64_C(0x9E3779B97F4A7C15));
    }
    return hash;
}

/* None of it has gone on: it was so at one moment. */
static bool cycle_stands(const struct cvy_waits *g)
{
    for (size_t i = g->cycle_first; i < g->depth; i++) {
        if (!cvy_waiting_stands(&g->nodes[g->path[i]])) {
            return false;
        }
    }
    return true;
}

uint64_t cvy_waits_next_cycle(struct cvy_waits *g)
{
    for (size_t i = 0; i < g->count; i++) {
        if (g->nodes[i].mark != CVY_WAITING_UNSEEN || g->nodes[i].reason == CVY_WAIT_GROUP) {
            continue; /* every cycle has something else in it */
        }
        g->depth = 0;
        g->has_cycle = false;
        follow(g, &g->nodes[i]);
        for (size_t k = 0; k < g->depth; k++) {
            g->nodes[g->path[k]].mark = CVY_WAITING_SEEN;
        }
        if (g->has_cycle) {
            find_others(g);
            if (cycle_stands(g)) {
                return hash_of(g);
            }
        }
    }
    return 0;
}
