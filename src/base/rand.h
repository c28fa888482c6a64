/* SPDX-License-Identifier: MIT
 * rand.h - xorshift64*: scheduling choices, jitter. One state per user; not for secrets. */
#ifndef CVY_BASE_RAND_H
#define CVY_BASE_RAND_H

#include <stdint.h>

static inline uint64_t cvy_rand_next(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(0x2545F4914F6CDD1D);
}

/* Uniform in [0, n) up to 2^-32; n < 2^32. */
static inline uint32_t cvy_rand_below(uint64_t *state, uint32_t n)
{
    return (uint32_t)(((cvy_rand_next(state) >> 32) * n) >> 32);
}

/* The same from one draw that several choices share: what is left of it serves the next. The
 * product of their n should stay far below 2^64. */
static inline uint32_t cvy_rand_share(uint64_t *draw, uint32_t n)
{
    unsigned __int128 product = (unsigned __int128)*draw * n;
    *draw = (uint64_t)product;
    return (uint32_t)(product >> 64);
}

/* A state from any number, never zero. */
static inline uint64_t cvy_rand_seed(uint64_t n)
{
    n += UINT64_C(0x9E3779B97F4A7C15);
    n = (n ^ (n >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    n = (n ^ (n >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (n ^ (n >> 31)) | 1;
}

#endif
