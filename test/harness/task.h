/* SPDX-License-Identifier: MIT
 * task.h - tests that run as a task. Include harness.h first. */
#ifndef CVY_TEST_TASK_H
#define CVY_TEST_TASK_H

#include <covey.h>

/* A test whose body is the first task of a runtime of its own; ctx is the root context. before: an
 * expression that is evaluated ahead of the runtime. */
#define TASK_TEST_AFTER(before, test)                                                              \
    static void body_##test(covey_ctx *ctx);                                                       \
    static int main_##test(covey_ctx *ctx, void *arg)                                              \
    {                                                                                              \
        (void)arg;                                                                                 \
        body_##test(ctx);                                                                          \
        return 0;                                                                                  \
    }                                                                                              \
    TEST(test)                                                                                     \
    {                                                                                              \
        before;                                                                                    \
        CHECK_EQ(covey_run(main_##test, NULL), 0);                                                 \
    }                                                                                              \
    static void body_##test(__attribute__((unused)) covey_ctx *ctx)

#define TASK_TEST(test) TASK_TEST_AFTER((void)0, test)

#define GO(group, fn, arg) CHECK_EQ(covey_group_go((group), fn, (arg)), 0)
#define JOIN(group) CHECK_EQ(covey_group_wait(group), 0)

#endif
