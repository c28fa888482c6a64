/* SPDX-License-Identifier: MIT
 * map_test.c - covey_map: the situations of Go's sync.Map tests, and what C adds: who owns a
 * counted value after each call. Every test runs on both kinds. */
#include "support.h"

#include <pthread.h>

/* A counted value. Freed memory is not touched by the checks: the last unref only marks it. */
struct thing {
    atomic_int refs;
    int number;
};

static void thing_ref(void *value)
{
    CHECK(atomic_fetch_add(&((struct thing *)value)->refs, 1) > 0);
}

static void thing_unref(void *value)
{
    CHECK(atomic_fetch_sub(&((struct thing *)value)->refs, 1) > 0);
}

#define KEY(text) (text), strlen(text)
#define CHECK_REFS(thing, n) CHECK_EQ(atomic_load(&(thing).refs), (n))

/* A test of a plain map and of a counted one, each of both kinds, without a runtime. */
#define MAP_TEST(test, counted)                                                                    \
    static void body_##test(covey_map *m);                                                         \
    static void run_##test(covey_map_kind kind)                                                    \
    {                                                                                              \
        covey_map_options opts = {.kind = kind};                                                   \
        if (counted) {                                                                             \
            opts.value_ref = thing_ref;                                                            \
            opts.value_unref = thing_unref;                                                        \
        }                                                                                          \
        covey_map *m = covey_map_new(&opts);                                                       \
        CHECK(m);                                                                                  \
        body_##test(m);                                                                            \
    }                                                                                              \
    TEST(test##_read_mostly)                                                                       \
    {                                                                                              \
        run_##test(COVEY_MAP_READ_MOSTLY);                                                         \
    }                                                                                              \
    TEST(test##_sharded)                                                                           \
    {                                                                                              \
        run_##test(COVEY_MAP_SHARDED);                                                             \
    }                                                                                              \
    static void body_##test(covey_map *m)

#define PLAIN_MAP_TEST(test) MAP_TEST(test, false)
#define COUNTED_MAP_TEST(test) MAP_TEST(test, true)

static int one, two, three;

static void *loaded(covey_map *m, const char *key)
{
    void *value = NULL;
    return covey_map_load(m, KEY(key), &value) ? value : NULL;
}

PLAIN_MAP_TEST(what_was_stored_is_loaded)
{
    void *value = &three;

    CHECK(!covey_map_load(m, KEY("a"), &value));
    CHECK(value == &three); /* left alone */
    CHECK_EQ(covey_map_store(m, KEY("a"), &one), 0);
    CHECK(covey_map_load(m, KEY("a"), &value));
    CHECK(value == &one);
    CHECK_EQ(covey_map_store(m, KEY("a"), &two), 0);
    CHECK(loaded(m, "a") == &two);
    CHECK_EQ(covey_map_len(m), 1);
    CHECK(covey_map_load(m, KEY("a"), NULL));
    CHECK(!covey_map_load(m, KEY("b"), NULL));
    covey_map_free(m);
}

PLAIN_MAP_TEST(keys_are_bytes_and_copied)
{
    char key[4] = "k\0x";

    CHECK_EQ(covey_map_store(m, key, 3, &one), 0);
    CHECK_EQ(covey_map_store(m, key, 2, &two), 0);
    CHECK_EQ(covey_map_store(m, NULL, 0, &three), 0);
    key[2] = 'y';
    CHECK(!covey_map_load(m, key, 3, NULL));
    key[2] = 'x';
    CHECK(covey_map_load(m, key, 3, NULL));
    CHECK(covey_map_load(m, "", 0, NULL));
    CHECK_EQ(covey_map_len(m), 3);
    covey_map_free(m);
}

PLAIN_MAP_TEST(null_is_a_value)
{
    void *value = &one;

    CHECK_EQ(covey_map_store(m, KEY("a"), NULL), 0);
    CHECK(covey_map_load(m, KEY("a"), &value));
    CHECK(value == NULL);
    CHECK(covey_map_compare_and_swap(m, KEY("a"), NULL, &two));
    CHECK(loaded(m, "a") == &two);
    covey_map_free(m);
}

PLAIN_MAP_TEST(load_or_store_stores_once)
{
    void *actual = NULL;

    CHECK(!covey_map_load_or_store(m, KEY("a"), &one, &actual));
    CHECK(actual == &one);
    CHECK(covey_map_load_or_store(m, KEY("a"), &two, &actual));
    CHECK(actual == &one);
    CHECK(covey_map_load_or_store(m, KEY("a"), &two, NULL));
    CHECK(loaded(m, "a") == &one);
    covey_map_free(m);
}

PLAIN_MAP_TEST(delete_tells_whether_it_was_there)
{
    void *value = &three;

    CHECK(!covey_map_delete(m, KEY("a")));
    CHECK(!covey_map_load_and_delete(m, KEY("a"), &value));
    CHECK(value == &three);
    CHECK_EQ(covey_map_store(m, KEY("a"), &one), 0);
    CHECK(covey_map_load_and_delete(m, KEY("a"), &value));
    CHECK(value == &one);
    CHECK(!covey_map_load(m, KEY("a"), NULL));
    CHECK_EQ(covey_map_store(m, KEY("a"), &two), 0);
    CHECK(covey_map_delete(m, KEY("a")));
    CHECK_EQ(covey_map_len(m), 0);
    covey_map_free(m);
}

PLAIN_MAP_TEST(swap_gives_the_previous)
{
    void *previous = &three;

    CHECK(!covey_map_swap(m, KEY("a"), &one, &previous));
    CHECK(previous == NULL);
    CHECK(covey_map_swap(m, KEY("a"), &two, &previous));
    CHECK(previous == &one);
    CHECK(covey_map_swap(m, KEY("a"), &three, NULL));
    CHECK(loaded(m, "a") == &three);
    covey_map_free(m);
}

PLAIN_MAP_TEST(compare_and_swap_needs_the_old_value)
{
    CHECK(!covey_map_compare_and_swap(m, KEY("a"), NULL, &one)); /* absent is not NULL */
    CHECK(!covey_map_load(m, KEY("a"), NULL));
    CHECK_EQ(covey_map_store(m, KEY("a"), &one), 0);
    CHECK(!covey_map_compare_and_swap(m, KEY("a"), &two, &three));
    CHECK(covey_map_compare_and_swap(m, KEY("a"), &one, &two));
    CHECK(loaded(m, "a") == &two);
    CHECK(!covey_map_compare_and_delete(m, KEY("a"), &one));
    CHECK(!covey_map_compare_and_delete(m, KEY("b"), &two));
    CHECK(covey_map_compare_and_delete(m, KEY("a"), &two));
    CHECK_EQ(covey_map_len(m), 0);
    covey_map_free(m);
}

struct step {
    int calls;
    bool expects, stays;
    void *finds, *leaves;
};

static bool take_step(void **value, bool present, void *arg)
{
    struct step *s = arg;

    s->calls++;
    CHECK_EQ(present, s->expects);
    CHECK(*value == s->finds);
    *value = s->leaves;
    return s->stays;
}

PLAIN_MAP_TEST(update_makes_changes_and_drops_an_entry)
{
    struct step steps[] = {
        {.expects = false, .stays = false, .leaves = &one},
        {.expects = false, .stays = true, .leaves = &one},
        {.expects = true, .stays = true, .finds = &one, .leaves = &two},
        {.expects = true, .stays = true, .finds = &two, .leaves = &two},
        {.expects = true, .stays = false, .finds = &two, .leaves = &three},
        {.expects = false, .stays = true, .leaves = NULL},
    };

    for (int i = 0; i < 6; i++) {
        CHECK_EQ(covey_map_update(m, KEY("a"), take_step, &steps[i]), 0);
        CHECK_EQ(steps[i].calls, 1);
        CHECK_EQ(covey_map_len(m), steps[i].stays);
        CHECK_EQ(covey_map_load(m, KEY("a"), NULL), steps[i].stays);
    }
    covey_map_free(m);
}

enum { MANY = 3000 };

static int seen[MANY];

static bool count_seen(const void *key, size_t len, void *value, void *arg)
{
    int i;

    CHECK_EQ(len, sizeof(i));
    memcpy(&i, key, sizeof(i));
    CHECK(value == &seen[i]);
    seen[i]++;
    ++*(int *)arg;
    return true;
}

static void store_many(covey_map *m)
{
    for (int i = 0; i < MANY; i++) {
        CHECK_EQ(covey_map_store(m, &i, sizeof(i), &seen[i]), 0);
    }
}

PLAIN_MAP_TEST(range_sees_each_entry_once)
{
    int n = 0;

    covey_map_range(m, count_seen, &n);
    CHECK_EQ(n, 0);
    store_many(m);
    CHECK_EQ(covey_map_len(m), MANY);
    covey_map_range(m, count_seen, &n);
    CHECK_EQ(n, MANY);
    for (int i = 0; i < MANY; i++) {
        CHECK_EQ(seen[i], 1);
    }
    covey_map_free(m);
}

static bool stop_at_ten(const void *key, size_t len, void *value, void *arg)
{
    (void)key;
    (void)len;
    (void)value;
    return ++*(int *)arg < 10;
}

PLAIN_MAP_TEST(range_ends_when_fn_says_so)
{
    int n = 0;

    store_many(m);
    covey_map_range(m, stop_at_ten, &n);
    CHECK_EQ(n, 10);
    covey_map_free(m);
}

static bool delete_and_store(const void *key, size_t len, void *value, void *arg)
{
    int i, next;
    covey_map *m = arg;

    CHECK(value); /* never one that a fn stored again: no key is seen twice */
    memcpy(&i, key, sizeof(i));
    seen[i]++;
    CHECK(covey_map_delete(m, key, len));
    memcpy(&next, key, sizeof(next)); /* the key outlives its entry for this call */
    CHECK_EQ(next, i);
    CHECK_EQ(covey_map_store(m, key, len, NULL), 0);
    return true;
}

PLAIN_MAP_TEST(range_may_change_the_map)
{
    store_many(m);
    covey_map_range(m, delete_and_store, m);
    CHECK_EQ(covey_map_len(m), MANY);
    for (int i = 0; i < MANY; i++) {
        void *value = m;
        CHECK_EQ(seen[i], 1);
        CHECK(covey_map_load(m, &i, sizeof(i), &value));
        CHECK(value == NULL);
    }
    covey_map_free(m);
}

static bool delete_all_others(const void *key, size_t len, void *value, void *arg)
{
    (void)key;
    (void)len;
    (void)value;
    covey_map_clear(arg);
    return true;
}

static bool count_calls(const void *key, size_t len, void *value, void *arg)
{
    (void)key;
    (void)len;
    (void)value;
    ++*(int *)arg;
    return true;
}

PLAIN_MAP_TEST(range_does_not_see_what_was_deleted_before_its_turn)
{
    int n = 0;

    store_many(m);
    covey_map_range(m, delete_all_others, m);
    CHECK_EQ(covey_map_len(m), 0);
    covey_map_range(m, count_calls, &n);
    CHECK_EQ(n, 0);
    covey_map_free(m);
}

PLAIN_MAP_TEST(a_cleared_map_is_empty_and_goes_on)
{
    int n = 0;

    store_many(m);
    covey_map_clear(m);
    CHECK_EQ(covey_map_len(m), 0);
    covey_map_range(m, count_seen, &n);
    CHECK_EQ(n, 0);
    store_many(m);
    CHECK_EQ(covey_map_len(m), MANY);
    covey_map_free(m);
}

TEST(options_out_of_range_make_no_map)
{
    CHECK(!covey_map_new(&(covey_map_options){.kind = (covey_map_kind)7}));
    CHECK(!covey_map_new(&(covey_map_options){.shards = -1}));
    CHECK(!covey_map_new(&(covey_map_options){.shards = 65537}));
    CHECK(!covey_map_new(&(covey_map_options){.value_ref = thing_ref}));
    CHECK(!covey_map_new(&(covey_map_options){.value_unref = thing_unref}));
    covey_map_free(NULL);
}

TEST(any_number_of_shards_works)
{
    int counts[] = {1, 2, 3, 64, 100};

    for (int i = 0; i < 5; i++) {
        covey_map *m =
            covey_map_new(&(covey_map_options){COVEY_MAP_SHARDED, counts[i], NULL, NULL});
        int n = 0;
        memset(seen, 0, sizeof(seen));
        CHECK(m);
        store_many(m);
        covey_map_range(m, count_seen, &n);
        CHECK_EQ(n, MANY);
        covey_map_free(m);
    }
}

TEST(no_options_are_a_read_mostly_map)
{
    covey_map *m = covey_map_new(NULL);

    CHECK(m);
    CHECK_EQ(covey_map_store(m, KEY("a"), &one), 0);
    CHECK(loaded(m, "a") == &one);
    covey_map_free(m);
}

/* Counted values. */

COUNTED_MAP_TEST(store_takes_the_reference_and_free_releases_it)
{
    struct thing a = {.refs = 1};

    CHECK_EQ(covey_map_store(m, KEY("a"), &a), 0);
    CHECK_REFS(a, 1);
    covey_map_free(m);
    CHECK_REFS(a, 0);
}

COUNTED_MAP_TEST(load_counts_for_the_caller)
{
    struct thing a = {.refs = 1};
    void *value = NULL;

    CHECK_EQ(covey_map_store(m, KEY("a"), &a), 0);
    CHECK(covey_map_load(m, KEY("a"), NULL));
    CHECK_REFS(a, 1);
    CHECK(covey_map_load(m, KEY("a"), &value));
    CHECK_REFS(a, 2);
    CHECK(covey_map_delete(m, KEY("a")));
    CHECK_REFS(a, 1); /* ours, and the map's is gone at once */
    covey_map_free(m);
    CHECK_REFS(a, 1);
}

COUNTED_MAP_TEST(an_overwritten_value_is_released)
{
    struct thing a = {.refs = 1}, b = {.refs = 1};

    CHECK_EQ(covey_map_store(m, KEY("a"), &a), 0);
    CHECK_EQ(covey_map_store(m, KEY("a"), &b), 0);
    CHECK_REFS(a, 0);
    CHECK_REFS(b, 1);
    covey_map_free(m);
    CHECK_REFS(b, 0);
}

COUNTED_MAP_TEST(storing_the_same_again_gives_up_one_reference)
{
    struct thing a = {.refs = 2};

    CHECK_EQ(covey_map_store(m, KEY("a"), &a), 0);
    CHECK_EQ(covey_map_store(m, KEY("a"), &a), 0);
    CHECK_REFS(a, 1);
    atomic_fetch_add(&a.refs, 1);
    CHECK(covey_map_compare_and_swap(m, KEY("a"), &a, &a));
    CHECK_REFS(a, 1);
    covey_map_free(m);
    CHECK_REFS(a, 0);
}

COUNTED_MAP_TEST(load_or_store_counts_what_it_gives)
{
    struct thing a = {.refs = 1}, b = {.refs = 1};
    void *actual = NULL;

    CHECK(!covey_map_load_or_store(m, KEY("a"), &a, &actual));
    CHECK(actual == &a);
    CHECK_REFS(a, 2);
    CHECK(covey_map_load_or_store(m, KEY("a"), &b, &actual));
    CHECK(actual == &a);
    CHECK_REFS(a, 3);
    CHECK_REFS(b, 1); /* still the caller's */
    CHECK(covey_map_load_or_store(m, KEY("a"), &b, NULL));
    CHECK_REFS(a, 3);
    covey_map_free(m);
    CHECK_REFS(a, 2);
}

COUNTED_MAP_TEST(what_swap_and_load_and_delete_give_is_the_callers)
{
    struct thing a = {.refs = 1}, b = {.refs = 1}, c = {.refs = 1};
    void *value = NULL;

    CHECK(!covey_map_swap(m, KEY("a"), &a, &value));
    CHECK(covey_map_swap(m, KEY("a"), &b, &value));
    CHECK(value == &a);
    CHECK_REFS(a, 1);
    CHECK(covey_map_load_and_delete(m, KEY("a"), &value));
    CHECK(value == &b);
    CHECK_REFS(b, 1);
    CHECK(!covey_map_swap(m, KEY("a"), &c, NULL));
    atomic_store(&a.refs, 1);
    CHECK(covey_map_swap(m, KEY("a"), &a, NULL));
    CHECK_REFS(c, 0);
    CHECK(covey_map_load_and_delete(m, KEY("a"), NULL));
    CHECK_REFS(a, 0);
    covey_map_free(m);
}

COUNTED_MAP_TEST(compare_and_swap_borrows_old)
{
    struct thing a = {.refs = 1}, b = {.refs = 1};

    CHECK_EQ(covey_map_store(m, KEY("a"), &a), 0);
    CHECK(!covey_map_compare_and_swap(m, KEY("a"), &b, &b));
    CHECK_REFS(a, 1);
    CHECK_REFS(b, 1);
    CHECK(covey_map_compare_and_swap(m, KEY("a"), &a, &b));
    CHECK_REFS(a, 0);
    CHECK_REFS(b, 1);
    CHECK(!covey_map_compare_and_delete(m, KEY("a"), &a));
    CHECK_REFS(b, 1);
    CHECK(covey_map_compare_and_delete(m, KEY("a"), &b));
    CHECK_REFS(b, 0);
    covey_map_free(m);
}

COUNTED_MAP_TEST(update_releases_what_it_replaces)
{
    struct thing a = {.refs = 1}, b = {.refs = 1}, c = {.refs = 1};
    struct step steps[] = {
        {.expects = false, .stays = true, .leaves = &a},
        {.expects = true, .stays = true, .finds = &a, .leaves = &a},
        {.expects = true, .stays = true, .finds = &a, .leaves = &b},
        {.expects = true, .stays = false, .finds = &b, .leaves = &c},
        {.expects = false, .stays = false, .leaves = &c},
    };
    int refs_of_a[] = {1, 1, 0, 0, 0}, refs_of_b[] = {1, 1, 1, 0, 0};

    for (int i = 0; i < 5; i++) {
        CHECK_EQ(covey_map_update(m, KEY("a"), take_step, &steps[i]), 0);
        CHECK_REFS(a, refs_of_a[i]);
        CHECK_REFS(b, refs_of_b[i]);
        CHECK_REFS(c, 1);
    }
    covey_map_free(m);
}

static bool check_held(const void *key, size_t len, void *value, void *arg)
{
    struct thing *t = value;

    CHECK_REFS(*t, 2);
    CHECK(covey_map_delete(arg, key, len));
    CHECK_REFS(*t, 1); /* the range's, for this call */
    t->number++;
    return true;
}

COUNTED_MAP_TEST(a_value_outlives_its_entry_for_the_call_of_a_range)
{
    struct thing all[100] = {0};

    for (int i = 0; i < 100; i++) {
        atomic_store(&all[i].refs, 1);
        CHECK_EQ(covey_map_store(m, &i, sizeof(i), &all[i]), 0);
    }
    covey_map_range(m, check_held, m);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(all[i].number, 1);
        CHECK_REFS(all[i], 0);
    }
    covey_map_free(m);
}

COUNTED_MAP_TEST(clear_releases_all)
{
    struct thing all[500] = {0};

    for (int i = 0; i < 500; i++) {
        atomic_store(&all[i].refs, 1);
        CHECK_EQ(covey_map_store(m, &i, sizeof(i), &all[i]), 0);
    }
    CHECK_EQ(covey_map_store(m, KEY("null"), NULL), 0);
    covey_map_clear(m);
    for (int i = 0; i < 500; i++) {
        CHECK_REFS(all[i], 0);
    }
    CHECK_EQ(covey_map_len(m), 0);
    covey_map_free(m);
}

/* Tasks and threads. */

enum { TASKS = 8, ROUNDS = 2000 };

static bool increment(void **value, bool present, void *arg)
{
    (void)arg;
    *value = (void *)((uintptr_t)*value + 1);
    CHECK(present == ((uintptr_t)*value > 1));
    return true;
}

static int increment_often(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_EQ(covey_map_update(arg, KEY("counter"), increment, NULL), 0);
        if (i % 100 == 0) {
            covey_yield();
        }
    }
    return 0;
}

static void *increment_thread(void *arg)
{
    CHECK_EQ(increment_often(NULL, arg), 0);
    return NULL;
}

static void check_increments(covey_ctx *ctx, covey_map_kind kind)
{
    covey_map *m = covey_map_new(&(covey_map_options){.kind = kind});
    covey_group *g = covey_group_new(ctx);
    pthread_t thread;

    CHECK_EQ(pthread_create(&thread, NULL, increment_thread, m), 0);
    for (int i = 0; i < TASKS; i++) {
        GO(g, increment_often, m);
    }
    JOIN(g);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ((uintptr_t)loaded(m, "counter"), (TASKS + 1) * ROUNDS);
    covey_map_free(m);
}

TASK_TEST(update_is_atomic_between_tasks_and_threads)
{
    check_increments(ctx, COVEY_MAP_READ_MOSTLY);
    check_increments(ctx, COVEY_MAP_SHARDED);
}

struct race {
    covey_map *m;
    atomic_int stored;
    struct thing things[TASKS];
};

struct racer {
    struct race *race;
    int index;
};

static int store_first(covey_ctx *ctx, void *arg)
{
    struct racer *r = arg;
    struct thing *mine = &r->race->things[r->index];
    void *actual = NULL;

    (void)ctx;
    if (!covey_map_load_or_store(r->race->m, KEY("a"), mine, &actual)) {
        atomic_fetch_add(&r->race->stored, 1);
        CHECK(actual == mine);
    }
    thing_unref(actual);
    return 0;
}

static void check_one_wins(covey_ctx *ctx, covey_map_kind kind)
{
    struct race race = {.m = covey_map_new(&(covey_map_options){
                            .kind = kind, .value_ref = thing_ref, .value_unref = thing_unref})};
    covey_group *g = covey_group_new(ctx);
    int refs = 0;

    for (int i = 0; i < TASKS; i++) {
        atomic_store(&race.things[i].refs, 1);
        struct racer r = {&race, i};
        CHECK_EQ(covey_group_go_copy(g, store_first, &r, sizeof(r)), 0);
    }
    JOIN(g);
    CHECK_EQ(atomic_load(&race.stored), 1);
    covey_map_free(race.m);
    for (int i = 0; i < TASKS; i++) {
        refs += atomic_load(&race.things[i].refs);
    }
    CHECK_EQ(refs, TASKS - 1); /* the stored one was the map's */
}

TASK_TEST(one_of_many_load_or_stores_wins)
{
    for (int i = 0; i < 20; i++) {
        check_one_wins(ctx, COVEY_MAP_READ_MOSTLY);
        check_one_wins(ctx, COVEY_MAP_SHARDED);
    }
}

static bool park_in_range(const void *key, size_t len, void *value, void *arg)
{
    covey_yield();
    CHECK(covey_map_delete(arg, key, len));
    CHECK_EQ(covey_sleep(NULL, 10 * COVEY_US), 0);
    (void)value;
    return true;
}

TASK_TEST(a_range_may_park)
{
    covey_map *m = covey_map_new(NULL);

    for (int i = 0; i < 50; i++) {
        CHECK_EQ(covey_map_store(m, &i, sizeof(i), &one), 0);
    }
    covey_map_range(m, park_in_range, m);
    CHECK_EQ(covey_map_len(m), 0);
    covey_map_free(m);
}

static int touch_map(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    CHECK(loaded(arg, "before") == &one);
    CHECK_EQ(covey_map_store(arg, KEY("during"), &two), 0);
    return 0;
}

TEST(a_map_outlives_runtimes)
{
    covey_map *m = covey_map_new(NULL);

    CHECK_EQ(covey_map_store(m, KEY("before"), &one), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(covey_run(touch_map, m), 0);
        CHECK(loaded(m, "during") == &two);
    }
    CHECK(covey_map_delete(m, KEY("before")));
    covey_map_free(m);
}
