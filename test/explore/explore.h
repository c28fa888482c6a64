/* SPDX-License-Identifier: MIT
 * explore.h - what the planted bugs share.
 *
 * Each program here has a function broken() with one real bug and a function corrected() without.
 * BUG() says how the bug shows and within how many seeds it must be found, by each strategy; the
 * corrected version must survive 10,000 seeds of each. The line it prints has the seeds of its
 * row in docs/testing.md. */
#ifndef CVY_EXPLORE_H
#define CVY_EXPLORE_H

#include <covey.h>

#include "harness.h"

#include <stdio.h>

#define SURVIVED_SEEDS 10000

/* A sanitizer's switches are slow; what it looks at is the same from seed to seed. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SEEDS_DIVISOR 10
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SEEDS_DIVISOR 10
#endif
#endif
#ifndef SEEDS_DIVISOR
#define SEEDS_DIVISOR 1
#endif

/* The seed at which the bug was found. */
static inline uint64_t expect_found(covey_fn *broken, covey_test_strategy strategy,
                                    covey_test_verdict verdict, uint64_t within)
{
    covey_test_result result;
    covey_explore_options options = {
        .seeds = within, .strategy = strategy, .quiet = true, .result = &result};

    int code = covey_explore(&options, broken, NULL);
    CHECK(code < 0);
    CHECK_STR(covey_errmsg(), result.message);
    CHECK_EQ(result.verdict, verdict);
    /* And again from its seed alone. */
    covey_test_result again;
    options.result = &again;
    options.first_seed = result.seed;
    CHECK_EQ(covey_explore(&options, broken, NULL), code);
    CHECK_EQ(again.runs, 1);
    CHECK_EQ(again.fingerprint, result.fingerprint);
    return result.seed;
}

static inline void expect_survives(covey_fn *corrected, covey_test_strategy strategy)
{
    covey_explore_options options = {.seeds = SURVIVED_SEEDS / SEEDS_DIVISOR, .strategy = strategy};

    CHECK_EQ(covey_explore(&options, corrected, NULL), 0);
}

static int broken(covey_ctx *ctx, void *arg);
static int corrected(covey_ctx *ctx, void *arg);

#define BUG(bug, verdict, within)                                                                  \
    TEST(bug##_is_found_within_##within##_seeds)                                                   \
    {                                                                                              \
        uint64_t by_random = expect_found(broken, COVEY_TEST_RANDOM, verdict, within);             \
        uint64_t by_pct = expect_found(broken, COVEY_TEST_PCT, verdict, within);                   \
        printf("# | `%s` | %s | %d | %llu | %llu |\n", #bug, #verdict, within,                     \
               (unsigned long long)by_random, (unsigned long long)by_pct);                         \
    }                                                                                              \
    TEST(bug##_corrected_survives)                                                                 \
    {                                                                                              \
        expect_survives(corrected, COVEY_TEST_RANDOM);                                             \
        expect_survives(corrected, COVEY_TEST_PCT);                                                \
    }

#endif
