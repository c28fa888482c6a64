/* SPDX-License-Identifier: MIT
 * holders_test.c - who holds what. */
#include "sync/holders.h"

#include "harness.h"

static uint32_t some[8];

TEST(holders_are_those_that_were_added_and_not_removed)
{
    const char a = 0, b = 0;

    cvy_holders_add(&a, 1);
    cvy_holders_add(&b, 2);
    cvy_holders_add(&a, 3);
    cvy_holders_add(&a, 1);
    CHECK_EQ(cvy_holders_of(&a, some, 8), 3);
    CHECK_EQ(some[0] + some[1] + some[2], 5);
    CHECK_EQ(cvy_holders_of(&a, some, 2), 2);
    cvy_holders_remove(&a, 1);
    CHECK_EQ(cvy_holders_of(&a, some, 8), 2);
    CHECK_EQ(some[0] + some[1], 4);
    cvy_holders_remove(&b, 2);
    CHECK_EQ(cvy_holders_of(&b, some, 8), 0);
}

TEST(who_lets_go_for_another_may_take_away_any)
{
    const char a = 0;

    cvy_holders_add(&a, 1);
    CHECK(!cvy_holders_remove(&a, 2));
    CHECK(cvy_holders_remove(&a, 0));
    CHECK_EQ(cvy_holders_of(&a, some, 8), 0);
    CHECK(!cvy_holders_remove(&a, 0));
}

TEST(without_room_a_holder_is_not_known)
{
    const char a = 0, b = 0;

    for (int i = 0; i < 5000; i++) {
        cvy_holders_add(&a, 7);
    }
    cvy_holders_add(&b, 8);
    CHECK_EQ(cvy_holders_of(&b, some, 8), 0);
    cvy_holders_remove(&b, 8);
    cvy_holders_remove(&a, 7);
    cvy_holders_add(&b, 8);
    CHECK_EQ(cvy_holders_of(&b, some, 8), 1);
    CHECK_EQ(some[0], 8);
}
