/* SPDX-License-Identifier: MIT
 * wheel_test.c - the timing wheel against a plain array that does the same. */
#include "base/rand.h"
#include "base/wheel.h"

#include "harness.h"

#include <stdlib.h>

#define TIMERS 2000

static size_t advance(struct cvy_wheel *w, uint64_t now)
{
    struct cvy_node due;
    size_t n = 0;

    cvy_list_init(&due);
    cvy_wheel_advance(w, now, &due);
    for (struct cvy_node *i; (i = cvy_list_pop_head(&due)) != NULL; n++) {
        struct cvy_wheel_timer *t = CVY_CONTAINER_OF(i, struct cvy_wheel_timer, node);
        CHECK(t->tick <= now);
        CHECK(!cvy_wheel_is_armed(t));
    }
    return n;
}

TEST(fires_at_its_tick_and_not_before)
{
    static const uint64_t distances[] = {1, 63, 64, 65, 4095, 4096, 262144, 1u << 30};

    for (size_t i = 0; i < sizeof(distances) / sizeof(distances[0]); i++) {
        struct cvy_wheel w;
        struct cvy_wheel_timer t = {0};
        cvy_wheel_init(&w, 1000);
        cvy_wheel_add(&w, &t, 1000 + distances[i]);
        CHECK_EQ(advance(&w, 1000 + distances[i] - 1), 0);
        CHECK(cvy_wheel_next(&w) <= 1000 + distances[i]);
        CHECK_EQ(advance(&w, 1000 + distances[i]), 1);
        CHECK(cvy_wheel_next(&w) == CVY_WHEEL_NEVER);
    }
}

TEST(a_tick_that_has_passed_fires_at_the_next)
{
    struct cvy_wheel w;
    struct cvy_wheel_timer t = {0};

    cvy_wheel_init(&w, 50);
    cvy_wheel_add(&w, &t, 3);
    CHECK_EQ(advance(&w, 50), 0);
    CHECK_EQ(advance(&w, 51), 1);
}

TEST(the_present_tick_counts_as_passed)
{
    struct cvy_wheel w;
    struct cvy_wheel_timer t = {0};

    cvy_wheel_init(&w, 50);
    cvy_wheel_add(&w, &t, 50);
    CHECK_EQ(cvy_wheel_next(&w), 51);
    CHECK_EQ(advance(&w, 50), 0);
    CHECK_EQ(advance(&w, 51), 1);
}

TEST(a_jump_fires_in_the_order_of_ticks)
{
    struct cvy_wheel w;
    struct cvy_wheel_timer late = {0}, early = {0};
    struct cvy_node due;

    /* Both stand in one slot of the second level, the later one in front. */
    cvy_wheel_init(&w, 0);
    cvy_wheel_add(&w, &late, 70);
    cvy_wheel_add(&w, &early, 65);
    cvy_list_init(&due);
    cvy_wheel_advance(&w, 100, &due);
    CHECK(due.next == &early.node);
    CHECK(due.prev == &late.node);
}

TEST(time_passes_also_when_nothing_is_due)
{
    struct cvy_wheel w;
    struct cvy_wheel_timer t = {0};

    cvy_wheel_init(&w, 0);
    CHECK_EQ(advance(&w, 100), 0);
    cvy_wheel_add(&w, &t, 50);
    CHECK_EQ(cvy_wheel_next(&w), 101);
}

TEST(a_removed_timer_never_fires)
{
    struct cvy_wheel w;
    struct cvy_wheel_timer a = {0};
    struct cvy_wheel_timer b = {0};

    cvy_wheel_init(&w, 0);
    cvy_wheel_add(&w, &a, 100);
    cvy_wheel_add(&w, &b, 100);
    cvy_wheel_remove(&w, &a);
    CHECK_EQ(w.count, 1);
    CHECK_EQ(advance(&w, 1000), 1);
}

TEST(the_furthest_time_is_kept)
{
    struct cvy_wheel w;
    struct cvy_wheel_timer t = {0};

    cvy_wheel_init(&w, 7);
    cvy_wheel_add(&w, &t, UINT64_MAX >> 1);
    CHECK(cvy_wheel_next(&w) != CVY_WHEEL_NEVER);
    CHECK_EQ(advance(&w, (UINT64_MAX >> 1) - 1), 0);
    CHECK_EQ(advance(&w, UINT64_MAX >> 1), 1);
}

TEST(those_that_expire_first_can_be_told_and_taken_one_by_one)
{
    struct cvy_wheel_timer timers[5] = {0};
    static const uint64_t ticks[] = {4096, 5000, 4096, 4097, 70};
    struct cvy_wheel w;
    uint64_t tick;

    cvy_wheel_init(&w, 63);
    CHECK_EQ(cvy_wheel_first(&w, &tick), 0);
    for (size_t i = 0; i < 5; i++) {
        cvy_wheel_add(&w, &timers[i], ticks[i]);
    }
    CHECK_EQ(cvy_wheel_first(&w, &tick), 1);
    CHECK_EQ(tick, 70);
    cvy_wheel_remove(&w, cvy_wheel_nth(&w, tick, 0));
    CHECK_EQ(cvy_wheel_first(&w, &tick), 2);
    CHECK_EQ(tick, 4096);
    /* Right up to the edge of the slot: one added now finds the same slot. */
    CHECK_EQ(advance(&w, 4095), 0);
    timers[4] = (struct cvy_wheel_timer){0};
    cvy_wheel_add(&w, &timers[4], 4096);
    CHECK_EQ(cvy_wheel_first(&w, &tick), 3);
    CHECK(cvy_wheel_nth(&w, tick, 2) == &timers[4]);
    CHECK(cvy_wheel_nth(&w, tick, 3) == NULL);
}

TEST(random_adds_removes_and_jumps_match_a_model)
{
    static struct cvy_wheel_timer timers[TIMERS];
    static uint64_t due[TIMERS]; /* 0: not armed */
    uint64_t rand = cvy_rand_seed(42);
    uint64_t now = 1;
    struct cvy_wheel w;

    cvy_wheel_init(&w, now);
    for (int round = 0; round < 200000; round++) {
        size_t i = cvy_rand_below(&rand, TIMERS);
        if (!due[i]) {
            due[i] = now + 1 + (cvy_rand_next(&rand) >> (40 + cvy_rand_below(&rand, 23)));
            cvy_wheel_add(&w, &timers[i], due[i]);
        } else if (cvy_rand_below(&rand, 3) == 0) {
            cvy_wheel_remove(&w, &timers[i]);
            due[i] = 0;
        }
        if (cvy_rand_below(&rand, 10) == 0) {
            size_t expected = 0;
            now += cvy_rand_next(&rand) >> (44 + cvy_rand_below(&rand, 20));
            for (size_t k = 0; k < TIMERS; k++) {
                if (due[k] && due[k] <= now) {
                    due[k] = 0;
                    expected++;
                }
            }
            CHECK_EQ(advance(&w, now), expected);
        }
        CHECK(cvy_wheel_next(&w) > w.now);
    }
}
