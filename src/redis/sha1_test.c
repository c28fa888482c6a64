/* SPDX-License-Identifier: MIT
 * sha1_test.c - the examples of RFC 3174 and FIPS 180, and the lengths where the padding turns. */
#include "redis/sha1.h"

#include "harness.h"

#include <string.h>

static void check(const char *text, size_t len, const char *digits)
{
    char out[41];

    cvy_sha1_hex(text, len, out);
    CHECK_STR(out, digits);
}

TEST(the_standards_examples)
{
    static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";

    check("", 0, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    check("abc", 3, "a9993e364706816aba3e25717850c26c9cd0d89d");
    check(two_blocks, strlen(two_blocks), "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
}

TEST(lengths_about_a_block)
{
    char a[64];

    memset(a, 'a', sizeof(a));
    check(a, 55, "c1c8bbdc22796e28c0e15163d20899b65621d65a");
    check(a, 56, "c2db330f6083854c99d4b5bfb6e8f29f201be699");
    check(a, 63, "03f09f5b158a7a8cdad920bddc29b81c18a551f5");
    check(a, 64, "0098ba824b5c16427bd7a1122a5a442a25ec644d");
}
