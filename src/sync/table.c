/* SPDX-License-Identifier: MIT
 * table.c - see table.h. */
#include "sync/table.h"

#include "base/alloc.h"
#include "base/panic.h"
#include "base/rand.h"
#include "sched/worker.h"

#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 64

static uint64_t reverse(uint64_t x)
{
    x = (x >> 1 & UINT64_C(0x5555555555555555)) | (x & UINT64_C(0x5555555555555555)) << 1;
    x = (x >> 2 & UINT64_C(0x3333333333333333)) | (x & UINT64_C(0x3333333333333333)) << 2;
    x = (x >> 4 & UINT64_C(0x0F0F0F0F0F0F0F0F)) | (x & UINT64_C(0x0F0F0F0F0F0F0F0F)) << 4;
    return __builtin_bswap64(x);
}

static bool is_marker(const struct cvy_link *l)
{
    return !(l->order & 1);
}

static struct cvy_link *next_of(const struct cvy_link *l)
{
    /* Acquire: pairs with the release in link_after(); the next link's fields are complete. */
    return cvy_load_acquire(&l->next);
}

static unsigned top_bit(size_t i)
{
    return 63u - (unsigned)__builtin_clzll(i);
}

static const struct cvy_link *marker_of(const struct cvy_table *t, size_t bucket)
{
    if (bucket < CVY_TABLE_FIRST) {
        return &t->first[bucket];
    }
    unsigned bit = top_bit(bucket);
    return &t->segments[bit - CVY_TABLE_FIRST_BITS][bucket - ((size_t)1 << bit)];
}

/* The marker that stands before every link of this hash. */
static const struct cvy_link *marker_before(const struct cvy_table *t, uint64_t hash)
{
    /* Acquire: pairs with the release in grow(); the markers below it and their segments. */
    size_t ready = cvy_load_acquire(&t->ready);
    size_t mask = ((size_t)2 << top_bit(ready - 1)) - 1;
    size_t bucket = hash & mask;

    /* Not split yet: its entries are still with the bucket that it will be split from. */
    return marker_of(t, bucket < ready ? bucket : bucket & mask >> 1);
}

static void link_after(struct cvy_link *before, struct cvy_link *l)
{
    cvy_store_relaxed(&l->next, cvy_load_relaxed(&before->next));
    /* Release: pairs with the acquire in next_of(). */
    cvy_store_release(&before->next, l);
}

/* Under the lock: the last link at or below order. */
static struct cvy_link *place_of(const struct cvy_table *t, uint64_t hash, uint64_t order)
{
    const struct cvy_link *before = marker_before(t, hash);

    for (struct cvy_link *l; (l = next_of(before)) != NULL && l->order <= order;) {
        before = l;
    }
    return (struct cvy_link *)before; /* t is the caller's to change */
}

/* Splits one bucket more. */
static void grow(struct cvy_table *t)
{
    size_t bucket = cvy_load_relaxed(&t->ready);

    if (bucket >= CVY_TABLE_FIRST) {
        unsigned bit = top_bit(bucket);
        unsigned s = bit - CVY_TABLE_FIRST_BITS;
        if (s >= CVY_TABLE_SEGMENTS) {
            return;
        }
        if (!t->segments[s]) {
            t->segments[s] = cvy_alloc_zeroed(((size_t)1 << bit) * sizeof(struct cvy_link));
            if (!t->segments[s]) {
                return;
            }
        }
    }
    struct cvy_link *marker = (struct cvy_link *)marker_of(t, bucket);
    marker->order = reverse(bucket);
    link_after(place_of(t, bucket, marker->order), marker);
    /* Release: pairs with the acquire in marker_before(). */
    cvy_store_release(&t->ready, bucket + 1);
}

struct cvy_hash_seed cvy_table_seed(void)
{
    if (cvy_load_relaxed(&cvy_test_is_on)) {
        /* A run is to be repeated, with the order in which a range goes. */
        return (struct cvy_hash_seed){UINT64_C(0x9E3779B97F4A7C15), UINT64_C(0xBF58476D1CE4E5B9)};
    }
    uint64_t state = cvy_rand_seed(cvy_random_seed());
    return (struct cvy_hash_seed){cvy_rand_next(&state), cvy_random_seed()};
}

struct cvy_key cvy_key_of(const struct cvy_hash_seed *seed, const void *data, size_t len)
{
    uint64_t hash = cvy_hash_bytes(seed, data, len);
    return (struct cvy_key){.data = data, .len = len, .hash = hash, .order = reverse(hash) | 1};
}

void cvy_table_init(struct cvy_table *t)
{
    memset(t, 0, sizeof(*t));
    cvy_store_relaxed(&t->ready, 1);
    /* marker_before() takes ready - 1 for a bucket: two at least. */
    t->first[1].order = reverse(1);
    link_after(&t->first[0], &t->first[1]);
    cvy_store_relaxed(&t->ready, 2);
    while (cvy_load_relaxed(&t->ready) < CVY_TABLE_FIRST) {
        grow(t);
    }
}

void cvy_table_fini(struct cvy_table *t)
{
    for (unsigned s = 0; s < CVY_TABLE_SEGMENTS; s++) {
        free(t->segments[s]);
    }
}

struct cvy_entry *cvy_entry_new(const struct cvy_key *key)
{
    if (key->len > SIZE_MAX - sizeof(struct cvy_entry)) {
        return NULL;
    }
    struct cvy_entry *e = cvy_alloc(sizeof(*e) + key->len);
    if (!e) {
        return NULL;
    }
    memset(e, 0, sizeof(*e));
    e->link.order = key->order;
    cvy_store_relaxed(&e->holds, 1);
    e->len = key->len;
    if (key->len > 0) {
        memcpy(e->key, key->data, key->len);
    }
    return e;
}

static bool is_key(const struct cvy_entry *e, const struct cvy_key *key)
{
    return e->len == key->len && (key->len == 0 || memcmp(e->key, key->data, key->len) == 0);
}

struct cvy_entry *cvy_table_find(const struct cvy_table *t, const struct cvy_key *key)
{
    struct cvy_link *l = next_of(marker_before(t, key->hash));

    for (; l && l->order <= key->order; l = next_of(l)) {
        if (l->order == key->order && is_key((struct cvy_entry *)l, key)) {
            return (struct cvy_entry *)l;
        }
    }
    return NULL;
}

void cvy_table_insert_locked(struct cvy_table *t, struct cvy_entry *e)
{
    size_t count = cvy_load_relaxed(&t->count) + 1;

    link_after(place_of(t, reverse(e->link.order), e->link.order), &e->link);
    cvy_store_relaxed(&t->count, count);
    if (count > cvy_load_relaxed(&t->ready)) {
        grow(t);
    }
}

void cvy_table_remove_locked(struct cvy_table *t, struct cvy_entry *e)
{
    const struct cvy_link *before = marker_before(t, reverse(e->link.order));

    while (next_of(before) != &e->link) {
        before = next_of(before);
        CVY_ASSERT(before && before->order <= e->link.order);
    }
    /* Release: who reads past e gets links that were published before. e's own link stays. */
    cvy_store_release(&((struct cvy_link *)before)->next, next_of(&e->link));
    cvy_store_relaxed(&t->count, cvy_load_relaxed(&t->count) - 1);
}

struct cvy_entry *cvy_table_pop(struct cvy_table *t)
{
    struct cvy_link *head = &t->first[0];
    struct cvy_link *l = next_of(head);

    while (l && is_marker(l)) {
        l = next_of(l);
    }
    cvy_store_relaxed(&head->next, l ? next_of(l) : NULL);
    return (struct cvy_entry *)l;
}

struct cvy_entry *cvy_table_after(const struct cvy_table *t, uint64_t *at)
{
    struct cvy_link *l = next_of(marker_before(t, reverse(*at)));

    for (int steps = 0; l; l = next_of(l)) {
        if (l->order <= *at) {
            continue;
        }
        if (!is_marker(l)) {
            *at = l->order;
            return (struct cvy_entry *)l;
        }
        if (++steps == STEPS_MAX) {
            *at = l->order;
            return NULL;
        }
    }
    *at = CVY_TABLE_END;
    return NULL;
}

struct cvy_entry *cvy_entry_twin(const struct cvy_entry *e)
{
    struct cvy_link *l = next_of(&e->link);
    return l && l->order == e->link.order ? (struct cvy_entry *)l : NULL;
}
