/* SPDX-License-Identifier: MIT
 * stress.h - what the stress tests share: a seed, random numbers, a scale.
 *
 * COVEY_STRESS_SEED=N      the seed; otherwise chosen from the clock, and printed
 * COVEY_STRESS_SCALE=X     multiplies the number of turns (support.h)
 *
 * A seed repeats what every task tries, not how they interleave. Every test counts what went in and
 * what came out: nothing may be lost or doubled, whatever was cancelled meanwhile. */
#ifndef CVY_STRESS_H
#define CVY_STRESS_H

#include "../conformance/support.h"

#include <pthread.h>

/* splitmix64. */
static inline uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline int random_below(uint64_t *state, int n)
{
    return (int)(random_next(state) % (uint64_t)n);
}

/* Set by STRESS_TEST before the body runs. */
static uint64_t stress_seed;

/* A generator of its own for the i-th task. */
static inline uint64_t random_of(int i)
{
    uint64_t state = stress_seed + (uint64_t)i * UINT64_C(0x2545f4914f6cdd1d);

    (void)random_next(&state);
    return state;
}

static inline void stress_begin(const char *name)
{
    const char *seed = getenv("COVEY_STRESS_SEED");

    stress_seed = seed && *seed ? strtoull(seed, NULL, 0) : (uint64_t)covey_now();
    fprintf(stderr, "# %s: COVEY_STRESS_SEED=%llu\n", name, (unsigned long long)stress_seed);
}

/* A test without a runtime; one whose body is the first task of one. */
#define STRESS_TEST(test)                                                                          \
    static void body_##test(void);                                                                 \
    TEST(test)                                                                                     \
    {                                                                                              \
        stress_begin(#test);                                                                       \
        body_##test();                                                                             \
    }                                                                                              \
    static void body_##test(void)

#define STRESS_TASK_TEST(test) TASK_TEST_AFTER(stress_begin(#test), test)

/* A random pause: none, a few turns of the queue, or a sleep of up to 100 us. */
static inline void random_pause(uint64_t *random)
{
    switch (random_below(random, 8)) {
    case 0:
        (void)covey_sleep(NULL, random_below(random, 100) * COVEY_US);
        break;
    case 1:
    case 2:
        for (int i = random_below(random, 4); i > 0; i--) {
            covey_yield();
        }
        break;
    default:
        break;
    }
}

/* ---- the same work in plain threads and tasks at once ---- */

enum { FIGHTERS_MAX = 64 };

struct fighter_call {
    void (*fight)(void *fighter);
    void *fighter;
};

static inline int fight_in_task(covey_ctx *ctx, void *arg)
{
    struct fighter_call *c = arg;

    (void)ctx;
    c->fight(c->fighter);
    return 0;
}

static inline void *fight_in_thread(void *arg)
{
    CHECK_EQ(covey_task_id(), 0);
    (void)fight_in_task(NULL, arg);
    return NULL;
}

static inline int join_thread(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    return -pthread_join(*(pthread_t *)arg, NULL);
}

/* Runs fight for each of the fighters, of size bytes, and joins them: the first in threads, the
 * others in tasks of a group of ctx. */
static inline void fight_all(covey_ctx *ctx, void (*fight)(void *fighter), void *fighters,
                             size_t size, int threads, int tasks)
{
    struct fighter_call calls[FIGHTERS_MAX];
    pthread_t t[FIGHTERS_MAX];
    covey_group *g = covey_group_new(ctx);

    CHECK(threads + tasks <= FIGHTERS_MAX);
    for (int i = 0; i < threads + tasks; i++) {
        calls[i] = (struct fighter_call){fight, (char *)fighters + (size_t)i * size};
        if (i < threads) {
            CHECK_EQ(pthread_create(&t[i], NULL, fight_in_thread, &calls[i]), 0);
        } else {
            GO(g, fight_in_task, &calls[i]);
        }
    }
    JOIN(g);
    for (int i = 0; i < threads; i++) {
        CHECK_EQ(covey_blocking(NULL, join_thread, &t[i]), 0);
    }
}

/* A context that ends soon, or is done already. */
static inline covey_ctx *random_ctx(uint64_t *random, covey_ctx *parent)
{
    covey_ctx *c;

    switch (random_below(random, 8)) {
    case 0:
        c = covey_ctx_with_cancel(parent);
        covey_ctx_cancel(c);
        return c;
    case 1:
    case 2:
    case 3:
        return covey_ctx_with_timeout(parent, random_below(random, 200) * COVEY_US);
    default:
        return covey_ctx_with_timeout(parent, random_below(random, 2000) * COVEY_US);
    }
}

#endif
