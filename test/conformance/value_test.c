/* SPDX-License-Identifier: MIT
 * value_test.c - covey_value: whole snapshots, each destroyed once, after its last release. */
#include "support.h"

#include <pthread.h>

enum { SNAPSHOTS = 20 };

/* The snapshots are numbers; destroyed[i] counts the ends of number i. */
static int numbers[SNAPSHOTS];
static atomic_int destroyed[SNAPSHOTS];

static void destroy(void *snapshot)
{
    CHECK(snapshot);
    atomic_fetch_add(&destroyed[(int *)snapshot - numbers], 1);
}

static int ends(int i)
{
    return atomic_load(&destroyed[i]);
}

TEST(acquire_gives_the_last_stored)
{
    covey_value *v = covey_value_new(&numbers[0], destroy);

    CHECK(v);
    for (int i = 1; i < 5; i++) {
        const void *s = covey_value_acquire(v);
        CHECK(s == &numbers[i - 1]);
        covey_value_release(v, s);
        CHECK_EQ(covey_value_store(v, &numbers[i]), 0);
        CHECK_EQ(ends(i - 1), 1);
    }
    covey_value_free(v);
    CHECK_EQ(ends(4), 1);
}

TEST(a_snapshot_that_is_read_stays)
{
    covey_value *v = covey_value_new(&numbers[0], destroy);
    const void *s = covey_value_acquire(v), *again = covey_value_acquire(v);

    CHECK_EQ(covey_value_store(v, &numbers[1]), 0);
    CHECK_EQ(ends(0), 0);
    covey_value_release(v, s);
    CHECK_EQ(ends(0), 0);
    covey_value_release(v, again);
    CHECK_EQ(ends(0), 1);
    covey_value_free(v);
    CHECK_EQ(ends(0), 1);
    CHECK_EQ(ends(1), 1);
}

TEST(many_old_snapshots_are_read_at_once)
{
    covey_value *v = covey_value_new(&numbers[0], destroy);

    for (int i = 0; i < SNAPSHOTS; i++) {
        CHECK(covey_value_acquire(v) == &numbers[i]);
        CHECK_EQ(covey_value_store(v, i + 1 < SNAPSHOTS ? &numbers[i + 1] : NULL), 0);
    }
    for (int i = 0; i < SNAPSHOTS; i += 2) {
        covey_value_release(v, &numbers[i]);
        CHECK_EQ(ends(i), 1);
        CHECK_EQ(ends(i + 1), 0);
    }
    covey_value_free(v); /* destroys all, late rather than never */
    for (int i = 0; i < SNAPSHOTS; i++) {
        CHECK_EQ(ends(i), 1);
    }
}

TEST(null_is_a_snapshot_that_is_not_destroyed)
{
    covey_value *v = covey_value_new(NULL, destroy);

    CHECK(covey_value_acquire(v) == NULL);
    CHECK_EQ(covey_value_store(v, &numbers[0]), 0);
    covey_value_release(v, NULL);
    CHECK_EQ(covey_value_store(v, NULL), 0);
    CHECK_EQ(ends(0), 1);
    covey_value_free(v);
    covey_value_free(NULL);
}

TEST(storing_the_present_one_changes_nothing)
{
    covey_value *v = covey_value_new(&numbers[0], destroy);

    CHECK_EQ(covey_value_store(v, &numbers[0]), 0);
    CHECK_EQ(ends(0), 0);
    covey_value_free(v);
    CHECK_EQ(ends(0), 1);
}

TEST(storing_one_that_is_still_read_revives_it)
{
    covey_value *v = covey_value_new(&numbers[0], destroy);
    const void *s = covey_value_acquire(v);

    CHECK_EQ(covey_value_store(v, &numbers[1]), 0);
    CHECK_EQ(covey_value_store(v, &numbers[0]), 0);
    CHECK_EQ(ends(1), 1);
    covey_value_release(v, s);
    CHECK_EQ(ends(0), 0);
    CHECK_EQ(covey_value_store(v, &numbers[2]), 0);
    CHECK_EQ(ends(0), 1);
    covey_value_free(v);
}

static covey_value *global;

/* Puts another snapshot in place while one is destroyed. */
static void destroy_and_store(void *snapshot)
{
    destroy(snapshot);
    if (snapshot == &numbers[0]) {
        CHECK_EQ(covey_value_store(global, &numbers[2]), 0);
    }
}

TEST(destroy_may_use_the_value)
{
    global = covey_value_new(&numbers[0], destroy_and_store);
    CHECK_EQ(covey_value_store(global, &numbers[1]), 0);
    CHECK_EQ(ends(0), 1);
    CHECK_EQ(ends(1), 1);
    CHECK(covey_value_acquire(global) == &numbers[2]);
    covey_value_release(global, &numbers[2]);
    covey_value_free(global);
}

TEST(without_destroy_snapshots_are_the_users)
{
    covey_value *v = covey_value_new(&numbers[0], NULL);

    CHECK_EQ(covey_value_store(v, &numbers[1]), 0);
    covey_value_free(v);
    CHECK_EQ(ends(0) + ends(1), 0);
}

static int read_once(covey_ctx *ctx, void *arg)
{
    const void *s = covey_value_acquire(arg);

    (void)ctx;
    CHECK(s == &numbers[0]);
    covey_yield(); /* a reader may park, and go on on another thread */
    covey_value_release(arg, s);
    return 0;
}

static void *read_in_thread(void *arg)
{
    CHECK_EQ(read_once(NULL, arg), 0);
    return NULL;
}

static int read_everywhere(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);
    pthread_t thread;

    CHECK_EQ(pthread_create(&thread, NULL, read_in_thread, arg), 0);
    for (int i = 0; i < 100; i++) {
        GO(g, read_once, arg);
    }
    JOIN(g);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    return 0;
}

TEST(a_value_outlives_runtimes)
{
    covey_value *v = covey_value_new(&numbers[0], destroy);

    CHECK_EQ(read_once(NULL, v), 0);
    CHECK_EQ(covey_run(read_everywhere, v), 0);
    CHECK_EQ(covey_run(read_everywhere, v), 0);
    CHECK_EQ(covey_value_store(v, &numbers[1]), 0);
    CHECK_EQ(ends(0), 1);
    covey_value_free(v);
}

static int release_of_another(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    covey_value_release(arg, &numbers[0]);
    return 0;
}

TASK_TEST(another_task_may_release)
{
    covey_value *v = covey_value_new(&numbers[0], destroy);
    covey_group *g = covey_group_new(ctx);

    CHECK(covey_value_acquire(v) == &numbers[0]);
    CHECK_EQ(covey_value_store(v, &numbers[1]), 0);
    GO(g, release_of_another, v);
    JOIN(g);
    CHECK_EQ(ends(0), 1);
    covey_value_free(v);
}
