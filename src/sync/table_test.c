/* SPDX-License-Identifier: MIT
 * table_test.c - the table against what it must hold: growth by one, order, keys of equal hash. */
#include "base/rand.h"
#include "sync/table.h"

#include "harness.h"

#include <stdlib.h>

static const struct cvy_hash_seed seed = {UINT64_C(0x243F6A8885A308D3),
                                          UINT64_C(0x13198A2E03707344)};

/* A key whose hash is chosen. */
static struct cvy_key key_at(uint64_t hash, const char *text)
{
    struct cvy_key real = cvy_key_of(&seed, text, strlen(text));
    uint64_t order = 0;

    for (int i = 0; i < 64; i++) {
        order = order << 1 | (hash >> i & 1);
    }
    real.hash = hash;
    real.order = order | 1;
    return real;
}

static struct cvy_entry *put(struct cvy_table *t, const struct cvy_key *key)
{
    struct cvy_entry *e = cvy_entry_new(key);

    CHECK(e);
    cvy_table_insert_locked(t, e);
    return e;
}

static void drop(struct cvy_table *t, struct cvy_entry *e)
{
    cvy_table_remove_locked(t, e);
    free(e);
}

static void empty(struct cvy_table *t)
{
    for (struct cvy_entry *e; (e = cvy_table_pop(t)) != NULL;) {
        free(e);
    }
    cvy_table_fini(t);
}

/* The list is sorted, every bucket's marker is in it, and so are count entries. */
static void check_table(struct cvy_table *t)
{
    size_t markers = 1, entries = 0;
    struct cvy_link *l = &t->first[0];

    for (struct cvy_link *next; (next = l->next) != NULL; l = next) {
        CHECK(l->order < next->order || (l->order == next->order && (l->order & 1)));
        if (next->order & 1) {
            entries++;
        } else {
            markers++;
        }
    }
    CHECK_EQ(markers, t->ready);
    CHECK_EQ(entries, t->count);
}

TEST(what_was_put_is_found_until_it_is_dropped)
{
    enum { N = 5000 };
    struct cvy_table t;
    struct cvy_entry **all = calloc(N, sizeof(*all));

    CHECK(all);
    cvy_table_init(&t);
    for (uint64_t i = 0; i < N; i++) {
        struct cvy_key k = cvy_key_of(&seed, &i, sizeof(i));
        CHECK(!cvy_table_find(&t, &k));
        all[i] = put(&t, &k);
        CHECK(cvy_table_find(&t, &k) == all[i]);
    }
    check_table(&t);
    for (uint64_t i = 0; i < N; i += 2) {
        drop(&t, all[i]);
    }
    check_table(&t);
    for (uint64_t i = 0; i < N; i++) {
        struct cvy_key k = cvy_key_of(&seed, &i, sizeof(i));
        CHECK(cvy_table_find(&t, &k) == (i % 2 ? all[i] : NULL));
    }
    empty(&t);
    free(all);
}

TEST(an_insertion_adds_one_bucket_at_most)
{
    struct cvy_table t;
    size_t before = CVY_TABLE_FIRST;

    cvy_table_init(&t);
    check_table(&t);
    CHECK_EQ(t.ready, CVY_TABLE_FIRST);
    for (uint64_t i = 0; i < 1000; i++) {
        struct cvy_key k = cvy_key_of(&seed, &i, sizeof(i));
        (void)put(&t, &k);
        CHECK(t.ready - before <= 1);
        CHECK(t.ready >= t.count);
        before = t.ready;
    }
    CHECK_EQ(t.ready, 1000);
    empty(&t);
}

TEST(keys_of_one_hash_are_told_apart)
{
    struct cvy_table t;
    const char *names[] = {"a", "b", "c", "d"};
    struct cvy_entry *all[4];

    cvy_table_init(&t);
    for (int i = 0; i < 4; i++) {
        struct cvy_key k = key_at(42, names[i]);
        all[i] = put(&t, &k);
    }
    for (int i = 0; i < 4; i++) {
        struct cvy_key k = key_at(42, names[i]);
        CHECK(cvy_table_find(&t, &k) == all[i]);
        CHECK(cvy_entry_twin(all[i]) == (i < 3 ? all[i + 1] : NULL));
    }
    struct cvy_key other = key_at(42, "e");
    CHECK(!cvy_table_find(&t, &other));
    drop(&t, all[1]);
    CHECK(cvy_entry_twin(all[0]) == all[2]);
    check_table(&t);
    empty(&t);
}

/* The ends of the order: marker 0 is before all, and the last order is also CVY_TABLE_END. */
TEST(extreme_hashes_have_a_place)
{
    struct cvy_table t;
    struct cvy_key none = key_at(0, "none"), all = key_at(UINT64_MAX, "all");
    uint64_t at = CVY_TABLE_START;

    cvy_table_init(&t);
    struct cvy_entry *low = put(&t, &none);
    struct cvy_entry *high = put(&t, &all);
    CHECK(cvy_table_find(&t, &none) == low);
    CHECK(cvy_table_find(&t, &all) == high);
    CHECK(cvy_table_after(&t, &at) == low);
    CHECK(cvy_table_after(&t, &at) == high);
    CHECK(at == CVY_TABLE_END);
    check_table(&t);
    empty(&t);
}

TEST(the_way_round_sees_each_entry_once_in_bounded_steps)
{
    enum { N = 3000 };
    struct cvy_table t;
    struct cvy_entry *e;
    uint64_t at = CVY_TABLE_START;
    size_t seen = 0, gaps = 0;

    cvy_table_init(&t);
    for (uint64_t i = 0; i < N; i++) {
        struct cvy_key k = cvy_key_of(&seed, &i, sizeof(i));
        put(&t, &k)->value = &t;
    }
    /* All but a few go: what is left stands far apart between markers. */
    for (uint64_t i = 10; i < N; i++) {
        struct cvy_key k = cvy_key_of(&seed, &i, sizeof(i));
        drop(&t, cvy_table_find(&t, &k));
    }
    while (at != CVY_TABLE_END) {
        uint64_t before = at;
        e = cvy_table_after(&t, &at);
        CHECK(at > before);
        if (e) {
            CHECK(e->value == &t);
            e->value = NULL;
            seen++;
        } else {
            gaps++;
        }
    }
    CHECK_EQ(seen, 10);
    CHECK(gaps > N / 64 / 2);
    empty(&t);
}

TEST(a_reader_goes_on_from_an_entry_that_was_taken_out)
{
    struct cvy_table t;
    struct cvy_key a = key_at(8, "a"), b = key_at(16, "b"), c = key_at(24, "c");

    cvy_table_init(&t);
    struct cvy_entry *first = put(&t, &b); /* 16 reversed is before 8 reversed */
    struct cvy_entry *second = put(&t, &a);
    struct cvy_entry *third = put(&t, &c);
    cvy_table_remove_locked(&t, first);
    cvy_table_remove_locked(&t, second);
    CHECK(first->link.next == &second->link);
    CHECK(second->link.next == &third->link);
    free(first);
    free(second);
    check_table(&t);
    empty(&t);
}

TEST(an_empty_key_is_a_key)
{
    struct cvy_table t;
    struct cvy_key none = cvy_key_of(&seed, NULL, 0), zero = cvy_key_of(&seed, "", 1);

    cvy_table_init(&t);
    struct cvy_entry *e = put(&t, &none);
    CHECK(cvy_table_find(&t, &none) == e);
    CHECK(!cvy_table_find(&t, &zero));
    empty(&t);
}
