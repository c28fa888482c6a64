/* SPDX-License-Identifier: MIT */
#include "http/buffer.h"

#include "harness.h"

#include <covey/error.h>

#include <string.h>

TEST(grows_and_keeps_what_it_has)
{
    struct cvy_http_buffer b = {0};

    for (int i = 0; i < 10000; i++) {
        char c = (char)('a' + i % 26);
        CHECK_EQ(cvy_http_buffer_append(&b, &c, 1, 1 << 20), 0);
    }
    CHECK_EQ(b.len, 10000);
    for (int i = 0; i < 10000; i++) {
        CHECK(b.data[i] == 'a' + i % 26);
    }
    b.data[b.len] = '\0'; /* there is room for it */
    cvy_http_buffer_reset(&b, 1 << 20);
    CHECK(b.len == 0 && b.data);
    cvy_http_buffer_reset(&b, 0);
    CHECK(!b.data && b.cap == 0);
}

TEST(stops_at_the_limit_and_appends_all_or_nothing)
{
    struct cvy_http_buffer b = {0};

    CHECK_EQ(cvy_http_buffer_append(&b, "12345", 5, 8), 0);
    CHECK_EQ(cvy_http_buffer_append(&b, "6789", 4, 8), COVEY_ETOOLARGE);
    CHECK_EQ(b.len, 5);
    CHECK_EQ(cvy_http_buffer_append(&b, "678", 3, 8), 0);
    CHECK(memcmp(b.data, "12345678", 8) == 0);
    CHECK_EQ(cvy_http_buffer_append(&b, "", 0, 8), 0);
    CHECK_EQ(cvy_http_buffer_append(&b, "9", 1, 8), COVEY_ETOOLARGE);
    cvy_http_buffer_reset(&b, 0);
    CHECK_EQ(cvy_http_buffer_append(&b, NULL, 0, 8), 0); /* an empty body is a body */
    CHECK(b.data);
    cvy_http_buffer_reset(&b, 0);
}
