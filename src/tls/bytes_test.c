/* SPDX-License-Identifier: MIT */
#include "tls/bytes.h"

#include "harness.h"

#include <string.h>

TEST(bytes_come_out_in_the_order_they_went_in)
{
    struct cvy_tls_bytes b = {0};
    unsigned char in = 0, out = 0, buf[100];

    for (int round = 0; round < 1000; round++) {
        size_t n = (size_t)(round * 37 % 90);
        for (size_t i = 0; i < n; i++) {
            buf[i] = in++;
        }
        CHECK(cvy_tls_bytes_append(&b, buf, n));
        n = cvy_tls_bytes_take(&b, buf, (size_t)(round * 53 % 97));
        for (size_t i = 0; i < n; i++) {
            CHECK_EQ(buf[i], out++);
        }
    }
    while (cvy_tls_bytes_len(&b) > 0) {
        CHECK_EQ(*(const unsigned char *)cvy_tls_bytes_front(&b), out++);
        cvy_tls_bytes_consume(&b, 1);
    }
    CHECK_EQ(in, out);
    CHECK_EQ(cvy_tls_bytes_take(&b, buf, 1), 0);
    cvy_tls_bytes_free(&b);
    CHECK_EQ(b.capacity, 0);
}

TEST(room_is_made_at_the_front_before_more_is_asked_for)
{
    struct cvy_tls_bytes b = {0};

    CHECK(cvy_tls_bytes_append(&b, "0123456789", 10));
    CHECK_EQ(b.capacity, 10);
    cvy_tls_bytes_consume(&b, 6);
    CHECK(cvy_tls_bytes_append(&b, "abcdef", 6));
    CHECK_EQ(b.capacity, 10);
    CHECK_EQ(cvy_tls_bytes_len(&b), 10);
    CHECK(memcmp(cvy_tls_bytes_front(&b), "6789abcdef", 10) == 0);
    cvy_tls_bytes_free(&b);
}
