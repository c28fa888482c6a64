/* SPDX-License-Identifier: MIT
 * descriptors_test.c - no descriptor is to be had: what needs one says so, leaves none open, and
 * goes on once there are some. */
#include "../conformance/support.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

/* From now on so many descriptors can be opened; < 0: as many as before. */
static void leave_room(int n)
{
    static struct rlimit before;
    struct rlimit now;

    if (before.rlim_cur == 0) {
        CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    }
    now = before;
    if (n >= 0) {
        int lowest = dup(STDERR_FILENO);
        CHECK(lowest >= 0);
        CHECK_EQ(close(lowest), 0);
        now.rlim_cur = (rlim_t)lowest + (rlim_t)n;
    }
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &now), 0);
}

static int do_nothing(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return 0;
}

TEST(a_runtime_that_cannot_have_its_descriptors_does_not_start)
{
    int fds = count_fds(), threads = count_threads(), room = 0;

    for (int code = -1; code < 0; room++) {
        leave_room(room);
        code = covey_run(do_nothing, NULL);
        CHECK(code == 0 || code == -EMFILE);
        CHECK(code == 0 || strcmp(covey_errmsg(), "too many open files") == 0);
        leave_room(-1);
        CHECK_EQ(count_fds(), fds);
    }
    CHECK(room > 3); /* epoll, another for one wait, and what wakes it */
    await_threads(threads);
}

TASK_TEST(a_signal_context_that_cannot_have_its_descriptor_is_done_and_says_why)
{
    static const int number = SIGUSR1;

    leave_room(0);
    covey_ctx *without = covey_ctx_with_signals(ctx, &number, 1);
    leave_room(-1);
    CHECK_EQ(covey_ctx_err(without), COVEY_ECANCELED);
    CHECK_EQ(covey_ctx_cause(without), -EMFILE);
    covey_ctx_unref(without);

    covey_ctx *with = covey_ctx_with_signals(ctx, &number, 1);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(covey_sleep(with, COVEY_SEC * 3600), COVEY_ECANCELED);
    CHECK_EQ(covey_ctx_cause(with), -EINTR);
    covey_ctx_unref(with);
}
