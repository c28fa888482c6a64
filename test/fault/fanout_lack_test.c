/* SPDX-License-Identifier: MIT
 * fanout_lack_test.c - every allocation during a fan-out fails once, the core's too: a scenario is
 * run, in virtual time, with the n-th one failing, for n = 1, 2, ... until none did. Each run must
 * end well or with the code of a lack, have a result for each job, and leave no task and, under
 * ASan, no byte. */
#include "../conformance/fanout_faults.h"
#include "lack.h"

/* No task could be started, or a context made. */
static bool is_lack(int code)
{
    return code == 0 || code == -ENOMEM || code == COVEY_EAGAIN;
}

/* ---- the scenario ---- */

static int work(covey_ctx *ctx, covey_fanout_call *call, void *arg)
{
    (void)arg;
    int code = covey_sleep(ctx, COVEY_SEC);
    if (code < 0) {
        return code;
    }
    if (call->id == 2 && call->attempt == 1) {
        return covey_errorf(-EIO, "once more");
    }
    return covey_fanout_reply(call, call->data, call->len);
}

static const covey_fanout_handler handler = {.name = "work", .fn = work};

/* Until its context is done; or it could not begin. */
static int serve(covey_ctx *ctx, void *arg)
{
    int code = covey_fanout_serve(ctx, arg, &handler, 1, &(covey_fanout_worker_options){.jobs = 2});

    CHECK(is_lack(code) || code == COVEY_ECANCELED);
    return 0;
}

/* All results; how many jobs ended otherwise than by a cancel or for want of memory. */
static void read_all(covey_fanout *f, int *count)
{
    covey_fanout_result *r;

    while (covey_chan_recv(NULL, covey_fanout_results(f), &r) == 0) {
        CHECK(r->end == COVEY_FANOUT_DONE || r->end == COVEY_FANOUT_CANCELED || is_lack(r->code));
        ++*count;
        covey_fanout_result_free(r);
    }
}

static int fan_out(covey_ctx *ctx, covey_fanout_engine *e)
{
    covey_fanout_stats stats = {0};
    covey_fanout_options opts = {.max_failures = 2, .with_results = true, .stats = &stats};
    covey_fanout *f;
    int count = 0, submitted = 0;
    int code = covey_fanout_open(ctx, &f, e, &opts);

    if (code < 0) {
        return code;
    }
    for (int i = 0; i < 6; i++) {
        covey_fanout_job job = {.name = "work", .data = "payload", .len = 7};
        code = covey_fanout_submit(ctx, f, &job, NULL);
        CHECK(is_lack(code) || code == COVEY_ECANCELED || code == COVEY_EDEADLINE);
        submitted += code == 0;
    }
    covey_fanout_close(f);
    read_all(f, &count);
    code = covey_fanout_wait(f);
    CHECK_EQ(stats.submitted, submitted);
    CHECK_EQ((uint64_t)count + stats.dropped, stats.submitted);
    return code;
}

static int scenario(covey_ctx *ctx, void *arg)
{
    atomic_store(&countdown, *(int *)arg);
    covey_ctx *limited = covey_ctx_with_timeout(ctx, 300 * COVEY_SEC);
    covey_ctx *serving = covey_ctx_with_cancel(NULL);
    covey_fanout_engine *e = covey_fanout_local(NULL);
    covey_group *g = covey_group_new(serving);
    int code = e ? covey_group_go(g, serve, e) : -ENOMEM;

    if (code == 0) {
        code = fan_out(limited, e);
    }
    /* Cancelled, as no worker could begin, or as the context could not be made. */
    CHECK(is_lack(code) || code == COVEY_EDEADLINE || code == COVEY_ECANCELED);
    covey_ctx_cancel(serving);
    int joined = covey_group_wait(g);
    CHECK(is_lack(joined));
    atomic_store(&countdown, 0);
    covey_fanout_engine_free(e);
    covey_ctx_unref(serving);
    covey_ctx_unref(limited);
    return 0;
}

TEST(each_allocation_of_a_fan_out_may_fail)
{
    if (!WITH_WRAPPED_HEAP) {
        SKIP("the library is not linked statically");
    }
    int n = 0;
    while (lack_next(&n)) {
        CHECK_EQ(covey_test_run(1, scenario, &n), 0);
    }
    CHECK(n > 20);
}
