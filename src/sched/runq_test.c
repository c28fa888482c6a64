/* SPDX-License-Identifier: MIT
 * runq_test.c - the run queue: first in, first out; under theft nothing is lost or doubled. */
#include "sched/runq.h"
#include "sched/task.h"

#include "harness.h"

#include <pthread.h>
#include <string.h>

#define ITEMS 200000
#define THIEVES 3

static struct cvy_runq queue;
static _Atomic uint8_t taken[ITEMS + 1];
static _Atomic bool is_over;

static struct cvy_task *item(uintptr_t i)
{
    /* Never looked into: only its address counts. */
    return (struct cvy_task *)i;
}

static void take(struct cvy_task *t)
{
    CHECK_EQ(atomic_fetch_add(&taken[(uintptr_t)t], 1), 0);
}

TEST(first_in_first_out)
{
    struct cvy_runq q;
    memset(&q, 0, sizeof(q));
    for (uintptr_t i = 1; i <= CVY_RUNQ_SIZE; i++) {
        CHECK(cvy_runq_push(&q, item(i)));
    }
    CHECK(!cvy_runq_push(&q, item(1)));
    for (uintptr_t i = 1; i <= CVY_RUNQ_SIZE; i++) {
        CHECK(cvy_runq_pop(&q, i % 2 == 0) == item(i));
    }
    CHECK(cvy_runq_pop(&q, false) == NULL);
}

TEST(a_thief_takes_the_older_half)
{
    struct cvy_runq q;
    struct cvy_task *out[CVY_RUNQ_SIZE / 2];
    memset(&q, 0, sizeof(q));
    for (uintptr_t i = 1; i <= 9; i++) {
        CHECK(cvy_runq_push(&q, item(i)));
    }
    CHECK_EQ(cvy_runq_steal(&q, out, CVY_RUNQ_SIZE / 2), 5);
    CHECK(out[0] == item(1) && out[4] == item(5));
    CHECK(cvy_runq_pop(&q, false) == item(6));
}

static void *thief(void *arg)
{
    struct cvy_task *out[CVY_RUNQ_SIZE / 2];

    (void)arg;
    while (!atomic_load(&is_over) || cvy_runq_len(&queue) > 0) {
        uint32_t n = cvy_runq_steal(&queue, out, CVY_RUNQ_SIZE / 2);
        for (uint32_t i = 0; i < n; i++) {
            take(out[i]);
        }
    }
    return NULL;
}

TEST(under_theft_each_item_is_taken_once)
{
    pthread_t threads[THIEVES];

    for (int i = 0; i < THIEVES; i++) {
        CHECK(pthread_create(&threads[i], NULL, thief, NULL) == 0);
    }
    for (uintptr_t i = 1; i <= ITEMS;) {
        if (cvy_runq_push(&queue, item(i))) {
            i++;
        }
        if (i % 3 == 0) {
            struct cvy_task *t = cvy_runq_pop(&queue, false);
            if (t) {
                take(t);
            }
        }
    }
    for (struct cvy_task *t; (t = cvy_runq_pop(&queue, false)) != NULL;) {
        take(t);
    }
    atomic_store(&is_over, true);
    for (int i = 0; i < THIEVES; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    for (uintptr_t i = 1; i <= ITEMS; i++) {
        CHECK_EQ(atomic_load(&taken[i]), 1);
    }
}
