/* SPDX-License-Identifier: MIT
 * slots_test.c - the books of a row of slots against a plain array that does the same. */
#include "base/rand.h"
#include "base/slots.h"

#include "harness.h"

#include <stdlib.h>

#define COUNT 200

static void row_init(struct cvy_slots *s, uint32_t count)
{
    cvy_slots_init(s, count, calloc(1, cvy_slots_bytes(count)));
    cvy_slots_check(s);
}

TEST(the_lowest_free_slot_is_taken_first)
{
    struct cvy_slots s;

    row_init(&s, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        CHECK_EQ(cvy_slots_take(&s), i);
    }
    CHECK_EQ(s.free_count, 0);
    cvy_slots_give(&s, 150);
    cvy_slots_give(&s, 3);
    cvy_slots_give(&s, 70);
    CHECK_EQ(cvy_slots_take(&s), 3);
    CHECK_EQ(cvy_slots_take(&s), 70);
    CHECK_EQ(cvy_slots_take(&s), 150);
    cvy_slots_check(&s);
    free(s.words);
}

TEST(a_slot_is_idle_after_it_was_free_from_one_age_to_the_next)
{
    struct cvy_slots s;
    uint32_t first = 0;
    uint32_t count;

    row_init(&s, COUNT);
    for (uint32_t i = 0; i < 100; i++) {
        (void)cvy_slots_take(&s);
    }
    for (uint32_t i = 10; i < 20; i++) {
        cvy_slots_give(&s, i);
    }
    cvy_slots_age(&s);
    CHECK(!cvy_slots_next_idle(&s, &first, &count));
    /* In use for a moment: its time starts anew. */
    CHECK_EQ(cvy_slots_take(&s), 10);
    cvy_slots_give(&s, 10);
    cvy_slots_age(&s);
    CHECK(cvy_slots_next_idle(&s, &first, &count));
    CHECK_EQ(first, 11);
    CHECK_EQ(count, 9);
    cvy_slots_clean(&s, first, count);
    CHECK(!cvy_slots_next_idle(&s, &first, &count));
    cvy_slots_age(&s);
    /* The run takes in the clean neighbours. */
    first = 0;
    CHECK(cvy_slots_next_idle(&s, &first, &count));
    CHECK_EQ(first, 10);
    CHECK_EQ(count, 10);
    cvy_slots_check(&s);
    free(s.words);
}

TEST(a_row_is_idle_when_all_of_it_is)
{
    struct cvy_slots s;

    row_init(&s, COUNT);
    (void)cvy_slots_take(&s);
    (void)cvy_slots_take(&s);
    cvy_slots_give(&s, 0);
    cvy_slots_age(&s);
    cvy_slots_age(&s);
    CHECK(!cvy_slots_is_idle(&s));
    cvy_slots_give(&s, 1);
    CHECK(!cvy_slots_is_idle(&s));
    cvy_slots_age(&s);
    cvy_slots_age(&s);
    CHECK(cvy_slots_is_idle(&s));
    free(s.words);
}

/* What an array says of each slot. */
struct model {
    bool is_taken, is_dirty;
    int ages; /* while free and dirty */
};

static void compare(const struct cvy_slots *s, const struct model *m)
{
    bool is_in_run[COUNT] = {false};

    cvy_slots_check(s);
    for (uint32_t first = 0, count; cvy_slots_next_idle(s, &first, &count); first += count) {
        for (uint32_t i = first; i < first + count; i++) {
            CHECK(!m[i].is_taken);
            CHECK(!m[i].is_dirty || m[i].ages >= 2);
            is_in_run[i] = true;
        }
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        CHECK(is_in_run[i] || m[i].is_taken || !m[i].is_dirty || m[i].ages < 2);
    }
}

TEST(books_are_those_of_a_plain_array)
{
    struct cvy_slots s;
    struct model m[COUNT] = {0};
    uint64_t rand = cvy_rand_seed(1);

    row_init(&s, COUNT);
    for (int step = 0; step < 20000; step++) {
        uint32_t what = cvy_rand_below(&rand, 100);
        uint32_t at = cvy_rand_below(&rand, COUNT);
        if (what < 48 && s.free_count > 0) {
            at = cvy_slots_take(&s);
            CHECK(!m[at].is_taken);
            m[at] = (struct model){.is_taken = true, .is_dirty = true};
        } else if (what < 97) {
            if (m[at].is_taken) {
                cvy_slots_give(&s, at);
                m[at].is_taken = false;
            }
        } else if (what < 99) {
            cvy_slots_age(&s);
            for (uint32_t i = 0; i < COUNT; i++) {
                m[i].ages += !m[i].is_taken && m[i].is_dirty;
            }
        } else {
            for (uint32_t first = 0, count; cvy_slots_next_idle(&s, &first, &count);
                 first += count) {
                cvy_slots_clean(&s, first, count);
                for (uint32_t i = first; i < first + count; i++) {
                    m[i] = (struct model){0};
                }
            }
        }
        compare(&s, m);
    }
    free(s.words);
}
