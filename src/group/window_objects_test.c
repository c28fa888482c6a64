/* SPDX-License-Identifier: MIT
 * window_objects_test.c - windows of objects that tasks share (window.h). */
#include "harness.h"

#include "group/window.h"

/* ---- a once that ends just when somebody is about to wait for it ---- */

static covey_once_flag once;
static atomic_bool is_running, may_end, has_returned;

static void run_until_told(void *arg)
{
    (void)arg;
    atomic_store(&is_running, true);
    while (!atomic_load(&may_end)) {
    }
}

static int be_first(covey_ctx *ctx, void *arg)
{
    covey_once(&once, run_until_told, NULL);
    return set_flag(ctx, arg);
}

static void end_the_once(void)
{
    atomic_store(&may_end, true);
    while (!atomic_load(&has_returned)) {
        (void)sched_yield();
    }
}

static int come_at_its_end(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    CHECK_EQ(covey_go(be_first, &has_returned), 0);
    while (!atomic_load(&is_running)) {
        covey_yield();
    }
    atomic_store(&event.is_armed, true);
    covey_once(&once, run_until_told, NULL);
    CHECK(atomic_load(&has_returned));
    return 0;
}

TEST(who_comes_to_a_once_at_its_very_end_does_not_wait)
{
    run_with(CVY_WINDOW_ONCE, end_the_once, 2, come_at_its_end);
}

/* ---- two who ask a context for its channel at once ---- */

static covey_ctx *watched;
static covey_chan *of_the_other;

static void ask_first(void)
{
    of_the_other = covey_ctx_done(watched);
}

static int ask_second(covey_ctx *ctx, void *arg)
{
    (void)arg;
    watched = covey_ctx_with_cancel(ctx);
    atomic_store(&event.is_armed, true);
    covey_chan *done = covey_ctx_done(watched);
    CHECK(done && done == of_the_other);
    covey_ctx_cancel(watched);
    CHECK_EQ(covey_chan_recv(NULL, done, NULL), COVEY_ECLOSED);
    covey_ctx_unref(watched);
    return 0;
}

TEST(two_who_ask_for_a_done_channel_at_once_get_the_same)
{
    run_with(CVY_WINDOW_DONE, ask_first, 1, ask_second);
}

/* ---- a map that somebody else changes in the middle of a call ---- */

static covey_map *map;
static int mine, its;

static void store_before(void)
{
    CHECK_EQ(covey_map_store(map, "key", 3, &its), 0);
}

static void delete_before(void)
{
    CHECK(covey_map_delete(map, "key", 3));
}

static int store_what_another_stores(covey_ctx *ctx, void *arg)
{
    void *value = NULL;

    (void)ctx;
    (void)arg;
    map = covey_map_new(NULL);
    atomic_store(&event.is_armed, true);
    CHECK_EQ(covey_map_store(map, "key", 3, &mine), 0);
    CHECK_EQ(covey_map_len(map), 1);
    CHECK(covey_map_load(map, "key", 3, &value) && value == &mine);
    CHECK(covey_map_delete(map, "key", 3) && !covey_map_load(map, "key", 3, &value));
    covey_map_free(map);
    return 0;
}

TEST(two_who_insert_one_key_at_once_make_one_entry)
{
    run_with(CVY_WINDOW_INSERT, store_before, 1, store_what_another_stores);
}

static bool fail_at(const void *key, size_t len, void *value, void *arg)
{
    (void)key;
    (void)len;
    (void)value;
    (void)arg;
    CHECK(!"a range gives what was deleted");
    return false;
}

static int range_over_what_another_deletes(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    map = covey_map_new(NULL);
    CHECK_EQ(covey_map_store(map, "key", 3, &mine), 0);
    atomic_store(&event.is_armed, true);
    covey_map_range(map, fail_at, NULL);
    CHECK(!atomic_load(&event.is_armed));
    covey_map_free(map);
    return 0;
}

TEST(a_range_does_not_give_what_was_deleted_before_it_came_there)
{
    run_with(CVY_WINDOW_RANGE, delete_before, 1, range_over_what_another_deletes);
}
