/* SPDX-License-Identifier: MIT
 * steal_test.c - when a queue is stolen from. */
#include "sched/steal.h"
#include "sched/worker.h"

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

/* All queues at once. */

static struct cvy_worker workers[2];
static struct cvy_runtime runtime = {.workers = workers, .worker_count = 2};

static bool sees(struct cvy_watch *watches, int64_t now)
{
    return cvy_watch_sees(&runtime, watches, now);
}

TEST(started_tasks_beside_the_ring_are_seen_at_once)
{
    struct cvy_watch watches[2] = {{0}};

    CHECK(!sees(watches, 1000));
    cvy_store_relaxed(&workers[1].fresh.len, 1);
    CHECK(sees(watches, 1000));
}

TEST(the_global_queue_is_seen_at_once)
{
    struct cvy_watch watches[2] = {{0}};

    cvy_store_relaxed(&runtime.global_len, 1);
    CHECK(sees(watches, 1000));
}

TEST(the_queue_of_each_worker_is_watched)
{
    for (int i = 0; i < 2; i++) {
        struct cvy_watch watches[2] = {{0}};

        CHECK(cvy_runq_push(&workers[i].runq, (struct cvy_task *)(uintptr_t)8));
        CHECK(!sees(watches, 1000));
        CHECK(sees(watches, 1000 + CVY_PATIENCE_NS));
        CHECK(cvy_runq_pop(&workers[i].runq, false) != NULL);
    }
}

TEST(after_the_last_look_only_what_was_never_empty_is_taken)
{
    struct cvy_watch watches[2] = {{0}};

    CHECK(!sees(watches, 1000));
    CHECK(!cvy_watch_ends(&runtime, watches));
    CHECK(cvy_runq_push(&workers[1].runq, (struct cvy_task *)(uintptr_t)8));
    memset(watches, 0, sizeof(watches));
    CHECK(!sees(watches, 1000));
    CHECK(cvy_watch_ends(&runtime, watches));
}
