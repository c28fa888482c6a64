/* SPDX-License-Identifier: MIT
 * taskq_test.c - queues of pointers in chunks: order from both ends, over many chunks. */
#include "sched/taskq.h"

#include "harness.h"

#define MANY (3 * CVY_CHUNK_TASKS + 7)

static struct cvy_task *item(uintptr_t i)
{
    /* Never looked into: only its address counts. */
    return (struct cvy_task *)i;
}

static void fill(struct cvy_taskq *q, uintptr_t n)
{
    for (uintptr_t i = 1; i <= n; i++) {
        cvy_taskq_add(q, item(i));
    }
    CHECK_EQ(q->count, n);
}

TEST(first_in_first_out_over_chunks)
{
    struct cvy_taskq q = {0};
    struct cvy_task *out[50];
    uintptr_t next = 1;

    fill(&q, MANY);
    for (size_t n; (n = cvy_taskq_take_first(&q, out, 50)) > 0;) {
        for (size_t i = 0; i < n; i++) {
            CHECK(out[i] == item(next++));
        }
    }
    CHECK_EQ(next, MANY + 1);
    CHECK_EQ(q.count, 0);
    CHECK(q.first == NULL && q.last == NULL);
}

TEST(the_last_come_out_in_the_order_they_went_in)
{
    struct cvy_taskq q = {0};
    struct cvy_task *out[CVY_CHUNK_TASKS];

    fill(&q, CVY_CHUNK_TASKS + 5);
    CHECK_EQ(cvy_taskq_take_last(&q, out, 3), 3);
    CHECK(out[0] == item(CVY_CHUNK_TASKS + 3) && out[2] == item(CVY_CHUNK_TASKS + 5));
    CHECK_EQ(cvy_taskq_take_last(&q, out, CVY_CHUNK_TASKS), 2);
    CHECK_EQ(cvy_taskq_take_last(&q, out, CVY_CHUNK_TASKS), CVY_CHUNK_TASKS);
    CHECK(out[0] == item(1));
    CHECK_EQ(cvy_taskq_take_last(&q, out, 1), 0);
}

TEST(both_ends_in_turn_lose_and_double_nothing)
{
    struct cvy_taskq q = {0};
    struct cvy_task *out[100];
    uint8_t seen[MANY + 1] = {0};
    size_t total = 0;

    fill(&q, MANY);
    for (size_t n = 1; n > 0; total += n) {
        n = total % 2 ? cvy_taskq_take_first(&q, out, 33) : cvy_taskq_take_last(&q, out, 100);
        for (size_t i = 0; i < n; i++) {
            CHECK_EQ(seen[(uintptr_t)out[i]]++, 0);
        }
    }
    CHECK_EQ(total, MANY);
}

TEST(a_list_is_added_in_its_order_and_left_empty)
{
    struct cvy_taskq q = {0};
    struct cvy_wakelist list = {0};
    static struct cvy_task tasks[3];
    struct cvy_task *out[4];

    for (int i = 0; i < 3; i++) {
        cvy_wakelist_add(&list, &tasks[i]);
    }
    cvy_taskq_add_list(&q, &list);
    CHECK(list.head == NULL && list.count == 0);
    CHECK_EQ(cvy_taskq_take_first(&q, out, 4), 3);
    CHECK(out[0] == &tasks[0] && out[2] == &tasks[2]);
}

TEST(clear_gives_the_chunks_back)
{
    struct cvy_taskq q = {0};

    fill(&q, MANY);
    cvy_taskq_clear(&q); /* a leak checker sees whether it did */
    CHECK_EQ(q.count, 0);
}
