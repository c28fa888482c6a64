/* SPDX-License-Identifier: MIT
 * hash_test.c - the hash spreads keys that differ little, and differs by seed and length. */
#include "base/hash.h"
#include "base/rand.h"

#include "harness.h"

#include <stdlib.h>

static const struct cvy_hash_seed seed = {UINT64_C(0x243F6A8885A308D3),
                                          UINT64_C(0x13198A2E03707344)};

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void check_distinct(uint64_t *hashes, size_t n)
{
    qsort(hashes, n, sizeof(*hashes), compare);
    for (size_t i = 1; i < n; i++) {
        CHECK(hashes[i] != hashes[i - 1]);
    }
}

TEST(numbers_do_not_collide)
{
    enum { N = 200000 };
    uint64_t *hashes = malloc(N * sizeof(*hashes));

    CHECK(hashes);
    for (uint64_t i = 0; i < N; i++) {
        hashes[i] = cvy_hash_bytes(&seed, &i, sizeof(i));
    }
    check_distinct(hashes, N);
    free(hashes);
}

TEST(runs_of_zeros_differ_by_length)
{
    char zeros[300] = {0};
    uint64_t hashes[300];

    for (size_t len = 0; len < 300; len++) {
        hashes[len] = cvy_hash_bytes(&seed, zeros, len);
    }
    check_distinct(hashes, 300);
}

TEST(each_bit_of_a_key_turns_about_half_of_the_hash)
{
    uint64_t random = cvy_rand_seed(1);

    for (size_t len = 1; len <= 50; len++) {
        unsigned char key[50];
        int turned = 0;
        for (size_t i = 0; i < len; i++) {
            key[i] = (unsigned char)cvy_rand_next(&random);
        }
        uint64_t before = cvy_hash_bytes(&seed, key, len);
        for (size_t bit = 0; bit < len * 8; bit++) {
            key[bit / 8] ^= (unsigned char)(1 << bit % 8);
            int n = __builtin_popcountll(before ^ cvy_hash_bytes(&seed, key, len));
            CHECK(n > 8 && n < 56);
            turned += n;
            key[bit / 8] ^= (unsigned char)(1 << bit % 8);
        }
        CHECK(turned > (int)(len * 8 * 26) && turned < (int)(len * 8 * 38));
    }
}

TEST(low_and_high_bits_spread_evenly)
{
    unsigned low[256] = {0}, high[256] = {0};

    for (uint64_t i = 0; i < 256000; i++) {
        uint64_t h = cvy_hash_bytes(&seed, &i, sizeof(i));
        low[h & 255]++;
        high[h >> 56]++;
    }
    for (int i = 0; i < 256; i++) {
        CHECK(low[i] > 800 && low[i] < 1200);
        CHECK(high[i] > 800 && high[i] < 1200);
    }
}

TEST(another_seed_gives_another_hash)
{
    const struct cvy_hash_seed a = {seed.a + 1, seed.b}, b = {seed.a, seed.b + 1};

    for (size_t len = 0; len <= 40; len++) {
        char key[40] = "a key that is forty bytes long, or less";
        uint64_t h = cvy_hash_bytes(&seed, key, len);
        CHECK(h != cvy_hash_bytes(&a, key, len));
        CHECK(h != cvy_hash_bytes(&b, key, len));
    }
}

TEST(alignment_does_not_matter)
{
    char buffer[64];

    for (size_t shift = 0; shift < 8; shift++) {
        memcpy(buffer + shift, "the same bytes anywhere in memory", 33);
        CHECK_EQ(cvy_hash_bytes(&seed, buffer + shift, 33),
                 cvy_hash_bytes(&seed, "the same bytes anywhere in memory", 33));
    }
}
