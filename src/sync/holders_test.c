/* SPDX-License-Identifier: MIT
 * holders_test.c - who holds what. */
#include "sync/holders.h"

#include "harness.h"

static uint32_t some[8];
static int64_t shares[8];

TEST(holders_are_those_that_were_added_and_not_removed)
{
    const char a = 0, b = 0;

    cvy_holders_add(&a, 1, 1);
    cvy_holders_add(&b, 2, 1);
    cvy_holders_add(&a, 3, 1);
    cvy_holders_add(&a, 1, 1);
    CHECK_EQ(cvy_holders_of(&a, some, shares, 8), 3);
    CHECK_EQ(some[0] + some[1] + some[2], 5);
    CHECK_EQ(cvy_holders_of(&a, some, NULL, 2), 2);
    CHECK_EQ(cvy_holders_take(&a, 1, 1), 1);
    CHECK_EQ(cvy_holders_of(&a, some, shares, 8), 2);
    CHECK_EQ(some[0] + some[1], 4);
    CHECK_EQ(cvy_holders_take(&b, 2, 1), 1);
    CHECK_EQ(cvy_holders_of(&b, some, shares, 8), 0);
}

TEST(who_lets_go_for_another_may_take_away_any)
{
    const char a = 0;

    cvy_holders_add(&a, 1, 1);
    CHECK(!cvy_holders_take(&a, 2, 1));
    CHECK(cvy_holders_take(&a, 0, 1));
    CHECK_EQ(cvy_holders_of(&a, some, shares, 8), 0);
    CHECK(!cvy_holders_take(&a, 0, 1));
}

TEST(shares_are_taken_as_far_as_there_are)
{
    const char a = 0;

    cvy_holders_add(&a, 1, 5);
    cvy_holders_add(&a, 2, 1);
    cvy_holders_add(&a, 1, 3);
    CHECK_EQ(cvy_holders_take(&a, 1, 6), 6);
    CHECK_EQ(cvy_holders_of(&a, some, shares, 8), 2);
    CHECK_EQ(shares[0] + shares[1], 3);
    CHECK_EQ(cvy_holders_take(&a, 1, 6), 2);
    CHECK_EQ(cvy_holders_take(&a, 1, 6), 0);
    cvy_holders_add(&a, 3, 4);
    CHECK_EQ(cvy_holders_take(&a, 0, INT64_MAX), 5);
    CHECK_EQ(cvy_holders_of(&a, some, shares, 8), 0);
}

TEST(a_run_begins_without_holders)
{
    const char a = 0;

    cvy_holders_add(&a, 1, 1);
    cvy_holders_clear();
    CHECK_EQ(cvy_holders_of(&a, some, shares, 8), 0);
    CHECK_EQ(cvy_holders_take(&a, 1, 1), 0);
}

TEST(without_room_a_holder_is_not_known)
{
    const char a = 0, b = 0;

    for (int i = 0; i < 5000; i++) {
        cvy_holders_add(&a, 7, 1);
    }
    cvy_holders_add(&b, 8, 1);
    CHECK_EQ(cvy_holders_of(&b, some, shares, 8), 0);
    CHECK_EQ(cvy_holders_take(&b, 8, 1), 0);
    CHECK_EQ(cvy_holders_take(&a, 7, 1), 1);
    cvy_holders_add(&b, 8, 1);
    CHECK_EQ(cvy_holders_of(&b, some, shares, 8), 1);
    CHECK_EQ(some[0], 8);
}
