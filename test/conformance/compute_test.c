/* SPDX-License-Identifier: MIT
 * compute_test.c - covey_compute(): as covey_blocking(), whose tests are in task_test.c, but on
 * threads of the lowest priority. */
#include "support.h"

#include <sys/resource.h>
#include <unistd.h>

static int own_priority(void)
{
    return getpriority(PRIO_PROCESS, (id_t)gettid());
}

static int note_priority(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    *(int *)arg = own_priority();
    return 42;
}

/* Each on threads of its own, which stay what they are. */
TASK_TEST(compute_stands_back_and_blocking_does_not)
{
    int usual = own_priority(), priority;

    for (int i = 0; i < 3; i++) {
        CHECK_EQ(covey_compute(ctx, note_priority, &priority), 42);
        CHECK_EQ(priority, 19);
        CHECK_EQ(covey_blocking(ctx, note_priority, &priority), 42);
        CHECK_EQ(priority, usual);
    }
    CHECK_EQ(own_priority(), usual);
}

static int compute_again(covey_ctx *ctx, void *arg)
{
    CHECK_EQ(covey_task_id(), 0); /* a plain thread */
    return covey_compute(ctx, note_priority, arg);
}

TASK_TEST(compute_inside_a_computation_simply_calls_fn)
{
    int priority = 0;

    CHECK_EQ(covey_compute(ctx, compute_again, &priority), 42);
    CHECK_EQ(priority, 19);
}

static int fail(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return covey_errorf(-EIO, "disk on fire");
}

TASK_TEST(compute_carries_the_message_and_respects_the_context)
{
    covey_ctx *done = covey_ctx_with_cancel(ctx);
    int priority = 0;

    CHECK_EQ(covey_compute(ctx, fail, NULL), -EIO);
    CHECK_STR(covey_errmsg(), "disk on fire");
    covey_ctx_cancel(done);
    CHECK_EQ(covey_compute(done, note_priority, &priority), COVEY_ECANCELED);
    CHECK_EQ(priority, 0);
    covey_ctx_unref(done);
}

static int compute_in_task(covey_ctx *ctx, void *arg)
{
    return covey_compute(ctx, note_priority, arg);
}

TASK_TEST(many_compute_at_once)
{
    enum { N = 200 };
    static int priorities[N];
    const covey_group_options all = {.policy = COVEY_ALL};
    covey_group *g = covey_group_new_with(ctx, &all);

    for (int i = 0; i < N; i++) {
        GO(g, compute_in_task, &priorities[i]);
    }
    JOIN(g);
    for (int i = 0; i < N; i++) {
        CHECK_EQ(priorities[i], 19);
    }
}
