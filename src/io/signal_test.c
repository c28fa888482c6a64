/* SPDX-License-Identifier: MIT
 * signal_test.c - contexts that end with a signal. */
#define _GNU_SOURCE
#include "base/sanitizer.h"
#include "harness.h"
#include "view.h"

#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

static volatile sig_atomic_t earlier;

static void earlier_handler(int number)
{
    earlier = number;
}

static bool is_handled_by(int number, void (*handler)(int))
{
    struct sigaction now;
    CHECK_EQ(sigaction(number, NULL, &now), 0);
    return now.sa_handler == handler;
}

static int wait_for_end(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    CHECK_EQ(covey_sleep(arg, 60 * COVEY_SEC), COVEY_ECANCELED);
    return 0;
}

TASK_TEST(a_signal_cancels_with_its_cause)
{
    covey_group *g = covey_group_new(ctx);
    int signals[] = {SIGINT, SIGTERM};
    covey_ctx *c = covey_ctx_with_signals(ctx, signals, 2);

    CHECK_EQ(covey_ctx_err(c), 0);
    go_waiting(g, "waiter", wait_for_end, c);
    CHECK_EQ(raise(SIGTERM), 0);
    JOIN(g);
    CHECK_EQ(covey_ctx_err(c), COVEY_ECANCELED);
    CHECK_EQ(covey_ctx_cause(c), -EINTR);
    /* Both are as they were. */
    CHECK(is_handled_by(SIGTERM, SIG_DFL));
    CHECK(is_handled_by(SIGINT, SIG_DFL));
    covey_ctx_unref(c);
}

/* Alone in the process, waiting for nothing but a signal: no deadlock. */
static int only_a_signal_main(covey_ctx *ctx, void *arg)
{
    int signals[] = {SIGUSR1};
    covey_ctx *c = covey_ctx_with_signals(ctx, signals, 1);

    (void)arg;
    CHECK_EQ(alarm(1), 0);
    int code = covey_select_n(c, NULL, 0);
    CHECK_EQ(code, COVEY_ECANCELED);
    covey_ctx_unref(c);
    return 0;
}

static void alarm_to_usr1(int number)
{
    (void)number;
    (void)raise(SIGUSR1);
}

TEST(waiting_for_a_signal_is_no_deadlock)
{
    if (CVY_TSAN) {
        SKIP("TSan keeps a signal back until its thread calls the libc");
    }
    CHECK(signal(SIGALRM, alarm_to_usr1) != SIG_ERR);
    CHECK_EQ(covey_run(only_a_signal_main, NULL), 0);
}

TASK_TEST(the_earlier_handler_comes_back_with_the_last_context)
{
    int signals[] = {SIGUSR1};

    CHECK(signal(SIGUSR1, earlier_handler) != SIG_ERR);
    covey_ctx *a = covey_ctx_with_signals(ctx, signals, 1);
    covey_ctx *b = covey_ctx_with_signals(ctx, signals, 1);
    CHECK(!is_handled_by(SIGUSR1, earlier_handler));
    covey_ctx_unref(a);
    CHECK(!is_handled_by(SIGUSR1, earlier_handler));
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(covey_sleep(b, 60 * COVEY_SEC), COVEY_ECANCELED);
    CHECK(is_handled_by(SIGUSR1, earlier_handler));
    CHECK_EQ(earlier, 0);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(earlier, SIGUSR1);
    covey_ctx_unref(b);
}

TASK_TEST(one_signal_ends_all_contexts_that_wait_for_it)
{
    int usr1[] = {SIGUSR1}, both[] = {SIGUSR1, SIGUSR2}, usr2[] = {SIGUSR2};
    covey_ctx *a = covey_ctx_with_signals(ctx, usr1, 1);
    covey_ctx *b = covey_ctx_with_signals(ctx, both, 2);
    covey_ctx *c = covey_ctx_with_signals(ctx, usr2, 1);

    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(covey_sleep(a, 60 * COVEY_SEC), COVEY_ECANCELED);
    CHECK_EQ(covey_sleep(b, 60 * COVEY_SEC), COVEY_ECANCELED);
    CHECK_EQ(covey_ctx_err(c), 0);
    CHECK(!is_handled_by(SIGUSR2, SIG_DFL));
    covey_ctx_cancel(c);
    CHECK_EQ(covey_ctx_cause(c), COVEY_ECANCELED);
    CHECK(is_handled_by(SIGUSR2, SIG_DFL));
    covey_ctx_unref(a);
    covey_ctx_unref(b);
    covey_ctx_unref(c);
}

TASK_TEST(a_new_context_does_not_see_an_old_signal)
{
    int signals[] = {SIGUSR1};

    for (int i = 0; i < 200; i++) {
        covey_ctx *a = covey_ctx_with_signals(ctx, signals, 1);
        CHECK_EQ(raise(SIGUSR1), 0);
        covey_ctx *b = covey_ctx_with_signals(ctx, signals, 1);
        CHECK_EQ(covey_sleep(a, 60 * COVEY_SEC), COVEY_ECANCELED);
        CHECK_EQ(covey_ctx_err(b), 0);
        covey_ctx_unref(a);
        covey_ctx_unref(b);
    }
}

TASK_TEST(a_parent_that_ends_restores_the_handler)
{
    int signals[] = {SIGUSR1};
    covey_ctx *parent = covey_ctx_with_cancel(ctx);
    covey_ctx *c = covey_ctx_with_signals(parent, signals, 1);

    covey_ctx_cancel(parent);
    CHECK_EQ(covey_ctx_err(c), COVEY_ECANCELED);
    CHECK(is_handled_by(SIGUSR1, SIG_DFL));
    covey_ctx *late = covey_ctx_with_signals(parent, signals, 1);
    CHECK_EQ(covey_ctx_err(late), COVEY_ECANCELED);
    CHECK(is_handled_by(SIGUSR1, SIG_DFL));
    covey_ctx_unref(late);
    covey_ctx_unref(c);
    covey_ctx_unref(parent);
}

TASK_TEST(signals_that_cannot_be_had_give_a_done_context)
{
    int bad[] = {0, -1, 65, 1000, SIGKILL, SIGSTOP, SIGSEGV};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int signals[] = {SIGUSR1, bad[i]};
        covey_ctx *c = covey_ctx_with_signals(ctx, signals, 2);
        CHECK_EQ(covey_ctx_err(c), COVEY_ECANCELED);
        CHECK_EQ(covey_ctx_cause(c), -EINVAL);
        CHECK(is_handled_by(SIGUSR1, SIG_DFL));
        covey_ctx_unref(c);
    }
    covey_ctx *none = covey_ctx_with_signals(ctx, NULL, 0);
    CHECK_EQ(covey_ctx_err(none), 0);
    covey_ctx_unref(none);
}

static int handler_churn(covey_ctx *ctx, void *arg)
{
    int signals[] = {SIGUSR1};

    (void)arg;
    for (int i = 0; i < 200; i++) {
        covey_ctx *c = covey_ctx_with_signals(ctx, signals, 1);
        if (i % 3 == 0) {
            covey_ctx_cancel(c);
        } else if (i % 3 == 1) {
            CHECK_EQ(covey_sleep(c, 60 * COVEY_SEC), COVEY_ECANCELED);
        }
        covey_ctx_unref(c);
    }
    return 0;
}

static int keep_raising(covey_ctx *ctx, void *arg)
{
    (void)arg;
    while (covey_ctx_err(ctx) == 0) {
        (void)raise(SIGUSR1);
        covey_yield();
    }
    return 0;
}

TASK_TEST(signals_race_with_contexts_that_come_and_go)
{
    covey_group *raising = covey_group_new(ctx);
    covey_group *g = covey_group_new(ctx);

    CHECK(signal(SIGUSR1, earlier_handler) != SIG_ERR);
    GO(raising, keep_raising, NULL);
    for (int i = 0; i < 4; i++) {
        GO(g, handler_churn, NULL);
    }
    JOIN(g);
    covey_group_cancel(raising, 0);
    JOIN(raising);
    CHECK(is_handled_by(SIGUSR1, earlier_handler));
}

static covey_ctx *survivor;

static int leave_one_open(covey_ctx *ctx, void *arg)
{
    int signals[] = {SIGUSR1};

    (void)ctx;
    (void)arg;
    survivor = covey_ctx_with_signals(NULL, signals, 1);
    return 0;
}

static int signal_once(covey_ctx *ctx, void *arg)
{
    body_a_signal_cancels_with_its_cause(ctx);
    (void)arg;
    return 0;
}

TEST(contexts_and_runtimes_end_in_any_order)
{
    int fds = count_fds();

    for (int i = 0; i < 3; i++) {
        CHECK_EQ(covey_run(leave_one_open, NULL), 0);
        CHECK(is_handled_by(SIGUSR1, SIG_DFL));
        CHECK_EQ(covey_run(signal_once, NULL), 0);
        CHECK_EQ(covey_ctx_err(survivor), 0);
        covey_ctx_unref(survivor);
        CHECK_EQ(count_fds(), fds);
    }
}

static int sleep_long(covey_ctx *ctx, void *arg)
{
    (void)arg;
    (void)covey_sleep(ctx, 60 * COVEY_SEC);
    return 0;
}

static int pending_sleeper_main(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);
    int signals[] = {SIGUSR1};
    covey_ctx *c = covey_ctx_with_signals(ctx, signals, 1);

    (void)arg;
    GO(g, sleep_long, NULL);
    CHECK_EQ(raise(SIGUSR1), 0);
    /* Never waits for the poller itself: those who are busy must look there. */
    while (covey_ctx_err(c) == 0) {
        covey_yield();
    }
    covey_group_cancel(g, 0);
    JOIN(g);
    covey_ctx_unref(c);
    return 0;
}

TEST(a_busy_worker_sees_the_signal)
{
    covey_options opts = {.workers = 1};
    CHECK_EQ(covey_run_with(&opts, pending_sleeper_main, NULL), 0);
}
