/* SPDX-License-Identifier: MIT
 * cache_test.c - which statements are kept, and which dropped. */
#include "sql/cache.h"

#include "harness.h"

#include <string.h>

static char dropped[32];

static void drop(void *conn, void *handle)
{
    (void)conn;
    strcat(dropped, handle);
}

TEST(the_least_recently_used_is_dropped_first)
{
    struct cvy_sql_cache c;
    char a[] = "a", b[] = "b", d[] = "d";

    CHECK_EQ(cvy_sql_cache_init(&c, 2, drop, NULL), 0);
    CHECK(!cvy_sql_cache_find(&c, "A"));
    CHECK(!cvy_sql_cache_oldest(&c));
    CHECK(cvy_sql_cache_keep(&c, "A", a));
    CHECK(cvy_sql_cache_keep(&c, "B", b));
    CHECK(cvy_sql_cache_find(&c, "A") == a);
    CHECK(cvy_sql_cache_oldest(&c) == b);
    CHECK(cvy_sql_cache_keep(&c, "D", d));
    CHECK_STR(dropped, "b");
    CHECK(!cvy_sql_cache_find(&c, "B"));
    CHECK(cvy_sql_cache_find(&c, "D") == d);
    cvy_sql_cache_forget(&c, a);
    CHECK_STR(dropped, "ba");
    cvy_sql_cache_fini(&c);
    CHECK_STR(dropped, "bad");
}

TEST(a_cache_without_room_keeps_nothing)
{
    struct cvy_sql_cache c;
    char a[] = "a";

    CHECK_EQ(cvy_sql_cache_init(&c, 0, drop, NULL), 0);
    CHECK(!cvy_sql_cache_keep(&c, "A", a));
    CHECK(!cvy_sql_cache_find(&c, "A"));
    CHECK(!cvy_sql_cache_oldest(&c));
    cvy_sql_cache_fini(&c);
    CHECK_STR(dropped, "");
}
