/* SPDX-License-Identifier: MIT
 * steal_test.c - when a queue is stolen from. */
#include "sched/steal.h"

#include "harness.h"

#include <string.h>

static struct cvy_runq queue;

static void fill(uint32_t n)
{
    memset(&queue, 0, sizeof(queue));
    for (uintptr_t i = 1; i <= n; i++) {
        CHECK(cvy_runq_push(&queue, (struct cvy_task *)i)); /* only its address counts */
    }
}

static void pop(void)
{
    CHECK(cvy_runq_pop(&queue, false) != NULL);
}

TEST(what_has_stood_long_enough_is_stolen)
{
    struct cvy_watch watch = {0};

    fill(1);
    CHECK(!cvy_watch_queue(&watch, &queue, 1000));
    CHECK(!cvy_watch_queue(&watch, &queue, 1000 + CVY_PATIENCE_NS - 1));
    CHECK(cvy_watch_queue(&watch, &queue, 1000 + CVY_PATIENCE_NS));
    CHECK(!watch.was_empty);
}

TEST(a_queue_that_moves_on_is_left_alone)
{
    struct cvy_watch watch = {0};
    int64_t now = 1000;

    fill(2);
    for (uintptr_t i = 0; i < (uintptr_t)3 * CVY_RUNQ_SIZE; i++) { /* all the way round */
        CHECK(!cvy_watch_queue(&watch, &queue, now));
        now += CVY_PATIENCE_NS / 2;
        CHECK(!cvy_watch_queue(&watch, &queue, now));
        now += CVY_PATIENCE_NS;
        pop();
        pop();
        CHECK(cvy_runq_push(&queue, (struct cvy_task *)(i + 1)));
        CHECK(cvy_runq_push(&queue, (struct cvy_task *)(i + 1)));
    }
    CHECK(!watch.was_empty);
}

TEST(one_of_two_that_stays_is_stolen)
{
    struct cvy_watch watch = {0};

    fill(2);
    CHECK(!cvy_watch_queue(&watch, &queue, 1000));
    pop();
    CHECK(cvy_watch_queue(&watch, &queue, 1000 + CVY_PATIENCE_NS));
}

TEST(a_deep_queue_is_stolen_from_at_once)
{
    struct cvy_watch watch = {0};

    fill(CVY_DEEP);
    CHECK(cvy_watch_queue(&watch, &queue, 1000));
    pop();
    CHECK(!cvy_watch_queue(&watch, &queue, 1000));
}

TEST(an_empty_look_is_remembered)
{
    struct cvy_watch watch = {0};

    fill(0);
    CHECK(!cvy_watch_queue(&watch, &queue, 1000));
    CHECK(!cvy_watch_queue(&watch, &queue, 1000 + CVY_PATIENCE_NS));
    CHECK(watch.was_empty);
    fill(1);
    CHECK(!cvy_watch_queue(&watch, &queue, 9000));
    CHECK(watch.was_empty);
}
