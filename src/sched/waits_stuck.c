/* SPDX-License-Identifier: MIT
 * waits_stuck.c - see waits.h: who can go on, and lets others go on then. */
#include "sched/waits.h"

#include "base/alloc.h"

#include <stdlib.h>

#define ROUNDS_MAX 100

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

static bool is_stuck(const struct cvy_waits *g, uint32_t owner_id)
{
    const struct cvy_waiting *n = cvy_waits_find(g, owner_id);
    return n && n->mark == CVY_WAITING_UNSEEN;
}

static bool is_stuck_for_shares(const struct cvy_waits *g, const struct cvy_waiting *n)
{
    uint32_t holders[CVY_WAITS_HOLDERS_MAX];
    int64_t shares[CVY_WAITS_HOLDERS_MAX], all = 0, stuck = 0;
    size_t count = cvy_waits_holders(n->object, holders, shares);

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
static bool waits_on(const struct cvy_waits *g, const struct kept *k, const struct cvy_waiting *n)
{
    uintptr_t address = (uintptr_t)n->object;

    if (n->holder) {
        return is_stuck(g, n->holder);
    }
    if (cvy_waiting_has_holders(n)) {
        return is_stuck_for_shares(g, n);
    }
    int64_t stuck = (int64_t)(count_below(k, address + 1) - count_below(k, address));
    return stuck >= (n->shares ? n->shares : 1);
}

static void find_kept(const struct cvy_waits *g, struct kept *k)
{
    k->count = 0;
    for (size_t i = 0; i < g->count; i++) {
        const struct cvy_waiting *n = &g->nodes[i];
        if (n->mark == CVY_WAITING_UNSEEN && n->group) {
            k->objects[k->count++] = n->group;
        }
        if (n->mark == CVY_WAITING_UNSEEN && n->reason == CVY_WAIT_RWMUTEX_WRITE) {
            k->objects[k->count++] = n->object;
        }
    }
    if (k->count > 0) {
        qsort(k->objects, k->count, sizeof(k->objects[0]), compare_addresses);
    }
}

/* One round: whoever waits for nobody that is stuck is not. */
static bool spare_some(struct cvy_waits *g, struct kept *k)
{
    bool is_changed = false;

    find_kept(g, k);
    for (size_t i = 0; i < g->count; i++) {
        struct cvy_waiting *n = &g->nodes[i];
        if (n->mark == CVY_WAITING_UNSEEN && !waits_on(g, k, n)) {
            n->mark = CVY_WAITING_SEEN;
            is_changed = true;
        }
    }
    return is_changed;
}

/* Whoever has gone on is not stuck. If nobody has, all that was read since they were collected was
 * so at one moment. */
static bool spare_moved(struct cvy_waits *g)
{
    bool is_changed = false;

    for (size_t i = 0; i < g->count; i++) {
        struct cvy_waiting *n = &g->nodes[i];
        if (n->mark == CVY_WAITING_UNSEEN && !cvy_waiting_stands(n)) {
            n->mark = CVY_WAITING_SEEN;
            is_changed = true;
        }
    }
    return is_changed;
}

static bool wants_share(const struct cvy_waits *g)
{
    for (size_t i = 0; i < g->count; i++) {
        if (g->nodes[i].shares > 1) {
            return true;
        }
    }
    return false;
}

void cvy_waits_spare(struct cvy_waits *g)
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
        g->nodes[i].mark = g->nodes[i].shares > 1 ? CVY_WAITING_SEEN : g->nodes[i].mark;
    }
    free(k.objects);
}
