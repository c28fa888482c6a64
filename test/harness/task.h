/* SPDX-License-Identifier: MIT
 * task.h - tests that run as a task. Include harness.h first. */
#ifndef CVY_TEST_TASK_H
#define CVY_TEST_TASK_H

#include <covey.h>
#include <stdio.h>

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

/* A call that must succeed; with its words if it does not. */
#define OK(call)                                                                                   \
    do {                                                                                           \
        long long ok_code_ = (call);                                                               \
        if (ok_code_ < 0) {                                                                        \
            fprintf(stderr, "# %lld: %s\n", ok_code_, covey_errmsg());                             \
        }                                                                                          \
        CHECK(ok_code_ >= 0);                                                                      \
    } while (0)

/* A call that may fail: its code to code, and out with it. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        int try_code_ = (int)(call);                                                               \
        if (try_code_ < 0) {                                                                       \
            code = try_code_;                                                                      \
            goto out;                                                                              \
        }                                                                                          \
    } while (0)

#endif
