/* SPDX-License-Identifier: MIT
 * debug_test.c - what COVEY_DEBUG may say, and which allocations fail. */
#include "base/alloc.h"
#include "base/debug.h"

#include <harness.h>

static uint32_t parse(const char *text, struct cvy_alloc_plan *plan, bool *is_known)
{
    const char *unknown;
    size_t len;
    uint32_t knobs = cvy_knobs_parse(text, plan, &unknown, &len);

    *is_known = !unknown;
    return knobs;
}

TEST(words_are_separated_by_commas)
{
    struct cvy_alloc_plan plan;
    bool is_known;

    CHECK_EQ(parse("", &plan, &is_known), 0);
    CHECK(is_known);
    CHECK_EQ(parse("migrate", &plan, &is_known), CVY_KNOB_MIGRATE);
    CHECK_EQ(parse("migrate,,delay,pause,", &plan, &is_known),
             CVY_KNOB_MIGRATE | CVY_KNOB_DELAY | CVY_KNOB_PAUSE);
    CHECK(is_known);
}

TEST(an_unknown_word_is_told_and_the_rest_holds)
{
    struct cvy_alloc_plan plan;
    bool is_known;

    CHECK_EQ(parse("migrat,delay", &plan, &is_known), CVY_KNOB_DELAY);
    CHECK(!is_known);
    (void)parse("delays", &plan, &is_known);
    CHECK(!is_known);
    CHECK_EQ(parse("alloc=", &plan, &is_known), 0);
    CHECK(!is_known);
    CHECK_EQ(parse("alloc=7x", &plan, &is_known), 0);
    CHECK(!is_known);
    CHECK_EQ(parse("alloc=2/3", &plan, &is_known), 0);
    CHECK(!is_known);
}

TEST(alloc_says_which_ones_fail)
{
    struct cvy_alloc_plan plan;
    bool is_known;

    CHECK_EQ(parse("alloc=7,delay", &plan, &is_known), CVY_KNOB_ALLOC | CVY_KNOB_DELAY);
    CHECK(is_known && plan.first == 7 && !plan.for_ever && plan.one_in == 0);
    CHECK_EQ(parse("alloc=7+", &plan, &is_known), CVY_KNOB_ALLOC);
    CHECK(is_known && plan.first == 7 && plan.for_ever);
    CHECK_EQ(parse("alloc=1/50", &plan, &is_known), CVY_KNOB_ALLOC);
    CHECK(is_known && plan.first == 0 && plan.one_in == 50);
}

/* Allocates through each way in turn; a bit for each that failed. */
static unsigned failures(void)
{
    void *p[] = {cvy_alloc(8),         cvy_alloc_zeroed(8), cvy_alloc_lines(8),
                 cvy_realloc(NULL, 8), cvy_strdup("word"),  cvy_strndup("word", 2)};
    unsigned bits = 0;

    for (unsigned i = 0; i < sizeof(p) / sizeof(p[0]); i++) {
        bits |= p[i] ? 0 : 1u << i;
        free(p[i]);
    }
    return bits;
}

TEST(without_the_variable_nothing_fails)
{
    (void)unsetenv("COVEY_DEBUG");
    CHECK_EQ(failures(), 0);
}

TEST(the_nth_allocation_fails_once)
{
    (void)setenv("COVEY_DEBUG", "alloc=4", 1);
    CHECK_EQ(failures(), 1u << 3);
    CHECK_EQ(failures(), 0);
}

TEST(all_from_the_nth_on_fail)
{
    (void)setenv("COVEY_DEBUG", "alloc=5+", 1);
    CHECK_EQ(failures(), 1u << 4 | 1u << 5);
    CHECK_EQ(failures(), 0x3f);
}

TEST(one_in_n_fails_as_the_seed_says)
{
    unsigned failed = 0;

    (void)setenv("COVEY_DEBUG", "alloc=1/4", 1);
    (void)setenv("COVEY_DEBUG_SEED", "12", 1);
    for (int i = 0; i < 4000; i++) {
        void *p = cvy_alloc(8);
        failed += !p;
        free(p);
    }
    CHECK(failed > 800 && failed < 1200);
}
