/* SPDX-License-Identifier: MIT
 * defer_test.c - covey_defer: calls that a task makes at its end. */
#include "support.h"

/* ---- order, and when ---- */

static char said[64];

static void say(void *arg)
{
    strncat(said, arg, sizeof(said) - strlen(said) - 1);
}

static int defer_three(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    CHECK_EQ(covey_defer(say, "a"), 0);
    CHECK_EQ(covey_defer(say, "b"), 0);
    CHECK_EQ(covey_defer(say, "c"), 0);
    say("body ");
    return 0;
}

TASK_TEST(the_last_deferred_call_runs_first_and_before_the_join)
{
    covey_group *g = covey_group_new(ctx);

    GO(g, defer_three, NULL);
    JOIN(g);
    CHECK_STR(said, "body cba");
}

TASK_TEST(a_deferred_call_can_be_taken_back)
{
    CHECK(!covey_undefer(say, "x"));
    CHECK_EQ(covey_defer(say, "x"), 0);
    CHECK_EQ(covey_defer(say, "y"), 0);
    CHECK(covey_undefer(say, "x"));
    CHECK(!covey_undefer(say, "x"));
    CHECK(covey_undefer(say, "y"));
    CHECK(!covey_undefer(say, "y"));
}

static int defer_x_and_take_back_one(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    CHECK_EQ(covey_defer(say, arg), 0);
    CHECK_EQ(covey_defer(say, "-"), 0);
    CHECK_EQ(covey_defer(say, arg), 0);
    CHECK(covey_undefer(say, arg));
    return 0;
}

TASK_TEST(of_equal_calls_the_last_is_taken_back)
{
    char x[] = "x";
    covey_group *g = covey_group_new(ctx);

    GO(g, defer_x_and_take_back_one, x);
    JOIN(g);
    CHECK_STR(said, "-x");
}

/* ---- what one may do ---- */

struct wait {
    covey_chan *go;
    bool is_over;
};

static void wait_for_go(void *arg)
{
    struct wait *w = arg;

    CHECK(covey_task_id() != 0);
    CHECK_EQ(covey_chan_recv(NULL, w->go, NULL), 0);
    w->is_over = true;
}

static int defer_wait(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    return covey_defer(wait_for_go, arg);
}

static int send_go(covey_ctx *ctx, void *arg)
{
    return covey_chan_send(ctx, ((struct wait *)arg)->go, NULL);
}

TASK_TEST(the_join_waits_for_a_deferred_call_that_waits)
{
    struct wait w = {.go = covey_chan_new(0, 0)};
    covey_group *g = covey_group_new(ctx), *other = covey_group_new(ctx);

    go_waiting(g, "deferred", defer_wait, &w);
    CHECK(!w.is_over);
    GO(other, send_go, &w);
    JOIN(g);
    CHECK(w.is_over);
    JOIN(other);
    covey_chan_unref(w.go);
}

static void defer_more(void *arg)
{
    CHECK_EQ(covey_defer(say, arg), 0);
    say("first ");
}

static int defer_nested(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    CHECK_EQ(covey_defer(say, " third"), 0);
    return covey_defer(defer_more, arg);
}

TASK_TEST(a_deferred_call_may_defer_another)
{
    char second[] = "second";
    covey_group *g = covey_group_new(ctx);

    GO(g, defer_nested, second);
    JOIN(g);
    CHECK_STR(said, "first second third");
}

static void join(void *arg)
{
    CHECK_EQ(covey_group_wait(arg), 0);
    say("joined");
}

static int leave_a_group_to_its_end(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    GO(g, defer_three, NULL);
    return covey_defer(join, g);
}

TASK_TEST(a_deferred_call_may_wait_for_a_group_of_its_task)
{
    covey_group *g = covey_group_new(ctx);

    GO(g, leave_a_group_to_its_end, NULL);
    JOIN(g);
    CHECK_STR(said, "body cbajoined");
}

/* ---- what stays ---- */

static void fail_otherwise(void *arg)
{
    (void)arg;
    (void)covey_errorf(-EBADF, "of the deferred call");
}

static int fail(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    CHECK_EQ(covey_defer(fail_otherwise, NULL), 0);
    return covey_errorf(-EBADF, "of the task");
}

TASK_TEST(the_tasks_code_and_message_stay)
{
    covey_group *g = covey_group_new(ctx);

    GO(g, fail, NULL);
    CHECK_EQ(covey_group_wait(g), -EBADF);
    CHECK_STR(covey_errmsg(), "of the task");
}

static int run_and_defer(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return covey_defer(say, "the first task's, too");
}

TEST(the_first_task_may_defer)
{
    CHECK_EQ(covey_run(run_and_defer, NULL), 0);
    CHECK_STR(said, "the first task's, too");
}

static int defer_in_a_thread(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return covey_defer(say, "never");
}

TASK_TEST(a_plain_thread_has_no_end_to_defer_to)
{
    CHECK_EQ(covey_blocking(ctx, defer_in_a_thread, NULL), -EINVAL);
    CHECK_STR(said, "");
}

static void count(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

static int defer_some(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(covey_defer(count, arg), 0);
        covey_yield();
    }
    return 0;
}

TASK_TEST(ten_thousand_calls_of_a_thousand_tasks_each_run_once)
{
    atomic_int n = 0;
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 1000; i++) {
        GO(g, defer_some, &n);
    }
    JOIN(g);
    CHECK_EQ(atomic_load(&n), 10000);
}
