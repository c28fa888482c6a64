/* SPDX-License-Identifier: MIT
 * schedule_test.c - the choices of the test mode, without tasks. */
#include "sched/schedule.h"

#include "harness.h"

#include <string.h>

#define TASKS 4

static const uint64_t ids[TASKS] = {1, 3, 5, 7};

static void begin(struct cvy_schedule *s, uint64_t seed, covey_test_strategy strategy, int depth)
{
    cvy_schedule_begin(s, seed, strategy, depth);
}

TEST(the_same_seed_makes_the_same_choices)
{
    struct cvy_schedule a = {0};
    struct cvy_schedule b = {0};

    for (uint64_t seed = 0; seed < 100; seed++) {
        begin(&a, seed, COVEY_TEST_MIXED, 3);
        begin(&b, seed, COVEY_TEST_MIXED, 3);
        for (int i = 0; i < 100; i++) {
            size_t running = i % 3 ? (size_t)i % TASKS : CVY_SCHEDULE_NONE;
            CHECK_EQ(cvy_schedule_pick(&a, ids, TASKS, running),
                     cvy_schedule_pick(&b, ids, TASKS, running));
        }
        CHECK(a.fingerprint == b.fingerprint);
        CHECK_EQ(a.is_pct, seed % 2);
    }
    cvy_schedule_fini(&a);
    cvy_schedule_fini(&b);
}

TEST(random_takes_each_task_first_equally_often)
{
    struct cvy_schedule s = {0};
    int seen[TASKS] = {0};

    for (uint64_t seed = 0; seed < 4000; seed++) {
        begin(&s, seed, COVEY_TEST_RANDOM, 3);
        seen[cvy_schedule_pick(&s, ids, TASKS, CVY_SCHEDULE_NONE)]++;
    }
    for (int i = 0; i < TASKS; i++) {
        CHECK(seen[i] > 850);
        CHECK(seen[i] < 1150);
    }
    cvy_schedule_fini(&s);
}

/* With depth 1 nothing falls: one order of all tasks from the first step to the last. */
TEST(pct_of_depth_1_keeps_one_order_and_draws_all_of_them)
{
    struct cvy_schedule s = {0};
    int seen[TASKS][TASKS] = {{0}};

    for (uint64_t seed = 0; seed < 2400; seed++) {
        begin(&s, seed, COVEY_TEST_PCT, 1);
        size_t first = cvy_schedule_pick(&s, ids, TASKS, CVY_SCHEDULE_NONE);
        for (int i = 0; i < 50; i++) {
            CHECK_EQ(cvy_schedule_pick(&s, ids, TASKS, first), first);
        }
        uint64_t rest[TASKS - 1];
        memcpy(rest, ids, first * sizeof(ids[0]));
        memcpy(rest + first, ids + first + 1, (TASKS - 1 - first) * sizeof(ids[0]));
        size_t second = cvy_schedule_pick(&s, rest, TASKS - 1, CVY_SCHEDULE_NONE);
        seen[first][second >= first ? second + 1 : second]++;
    }
    for (int i = 0; i < TASKS; i++) {
        for (int k = 0; k < TASKS; k++) {
            CHECK(i == k ? seen[i][k] == 0 : seen[i][k] > 130 && seen[i][k] < 270);
        }
    }
    cvy_schedule_fini(&s);
}

/* Depth 2: once, at a step whose magnitude is drawn, the running task falls below the other. */
TEST(pct_of_depth_2_falls_at_steps_near_and_far)
{
    struct cvy_schedule s = {0};
    int near = 0;
    int far = 0;
    int never = 0;

    for (uint64_t seed = 0; seed < 2000; seed++) {
        begin(&s, seed, COVEY_TEST_PCT, 2);
        size_t first = cvy_schedule_pick(&s, ids, 2, CVY_SCHEDULE_NONE);
        int step = 2;
        while (step < 3000 && cvy_schedule_pick(&s, ids, 2, first) == first) {
            /* Others do run in between: it does not spin. */
            s.repeated = 0;
            step++;
        }
        never += step == 3000;
        near += step < 16;
        far += step >= 512 && step < 3000;
    }
    CHECK(never < 250);
    CHECK(near > 500);
    CHECK(far > 250);
    cvy_schedule_fini(&s);
}

TEST(who_spins_or_yields_goes_last_under_pct)
{
    struct cvy_schedule s = {0};

    begin(&s, 1, COVEY_TEST_PCT, 1);
    size_t first = cvy_schedule_pick(&s, ids, 2, CVY_SCHEDULE_NONE);
    int steps = 0;
    while (cvy_schedule_pick(&s, ids, 2, first) == first) {
        CHECK(++steps < 5000);
    }
    CHECK(steps >= 900);
    cvy_schedule_yielded(&s, ids[1 - first]);
    CHECK_EQ(cvy_schedule_pick(&s, ids, 2, 1 - first), first);
    cvy_schedule_fini(&s);
}

TEST(numbers_are_below_their_limit_and_change_the_fingerprint)
{
    struct cvy_schedule s = {0};

    begin(&s, 5, COVEY_TEST_RANDOM, 0);
    for (uint32_t n = 1; n < 1000; n++) {
        uint64_t before = s.fingerprint;
        CHECK(cvy_schedule_below(&s, n) < n);
        CHECK(s.fingerprint != before);
    }
    cvy_schedule_fini(&s);
}
