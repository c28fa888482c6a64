/* SPDX-License-Identifier: MIT
 * hash.h - a seeded hash of bytes for tables: 64 good bits from two multiplications a short key.
 *
 * With a seed that is secret and the table's own, keys that a stranger chooses do not collide on
 * purpose. It is no message digest. */
#ifndef CVY_BASE_HASH_H
#define CVY_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cvy_hash_seed {
    uint64_t a, b;
};

/* Both halves of the product, folded: every bit of x and y reaches every bit of the result. */
static inline uint64_t cvy_hash_fold(uint64_t x, uint64_t y)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)x * y;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t cvy_hash_word(const unsigned char *p)
{
    uint64_t w;
    memcpy(&w, p, sizeof(w));
    return w;
}

/* The last words of a key of at least 8 bytes may overlap; the length, mixed in at the end, tells
 * such keys apart. */
static inline uint64_t cvy_hash_bytes(const struct cvy_hash_seed *seed, const void *data,
                                      size_t len)
{
    const unsigned char *p = data;
    uint64_t h = seed->b, x = 0, y = 0;
    size_t left = len;

    for (; left > 16; left -= 16, p += 16) {
        h = cvy_hash_fold(cvy_hash_word(p) ^ seed->a, cvy_hash_word(p + 8) ^ h);
    }
    if (left >= 8) {
        x = cvy_hash_word(p);
        y = cvy_hash_word(p + left - 8);
    } else {
        for (size_t i = 0; i < left; i++) {
            x = x << 8 | p[i];
        }
    }
    h = cvy_hash_fold(x ^ seed->a, y ^ h);
    return cvy_hash_fold(h ^ seed->b, (uint64_t)len ^ UINT64_C(0x9E3779B97F4A7C15));
}

#endif
