/* SPDX-License-Identifier: MIT
 * fanout_metrics_test.c - what the metrics show of a fan-out and of workers with names; in virtual
 * time, so that the histograms are known too. */
#include "fanout_faults.h"
#include "metrics_text.h"

static int succeed(covey_ctx *ctx, covey_fanout_call *call, void *arg)
{
    (void)call;
    (void)arg;
    return covey_sleep(ctx, 5 * COVEY_SEC);
}

static int fail(covey_ctx *ctx, covey_fanout_call *call, void *arg)
{
    (void)ctx;
    (void)call;
    (void)arg;
    return -EIO;
}

static const covey_fanout_handler handlers[] = {
    {.name = "succeed", .fn = succeed},
    {.name = "fail", .fn = fail},
};

/* Its first run is not heard of again. */
static int forget_the_first(struct faults *f, enum fault_call at, const char *who, bool is_after)
{
    (void)who;
    return at == AT_TAKE && is_after && atomic_fetch_sub((atomic_int *)f->arg, 1) > 0 ? -ECONNRESET
                                                                                      : 0;
}

static void submit(covey_fanout *f, const char *name, const char *key, int expected)
{
    covey_fanout_job job = {.name = name, .key = key};

    CHECK_EQ(covey_fanout_submit(NULL, f, &job, NULL), expected);
}

#define FANOUT(name) "covey_fanout_" name "{fanout=\"invoices\"}"
#define ENDED(end) "covey_fanout_jobs_total{fanout=\"invoices\",end=\"" end "\"}"
#define WORKER(name) "covey_fanout_worker_" name "{fanout_worker=\"worker-0\"}"
#define OVER(how) "covey_fanout_worker_jobs_total{fanout_worker=\"worker-0\",outcome=\"" how "\"}"

static void check_under_way(void)
{
    char *text = metrics();

    CHECK_EQ(value_of(text, FANOUT("submits_total")), 3);
    CHECK_EQ(value_of(text, FANOUT("repeated_submits_total")), 1);
    CHECK_EQ(value_of(text, FANOUT("open_jobs")), 1);
    CHECK_EQ(value_of(text, ENDED("done")), 0);
    CHECK_EQ(value_of(text, ENDED("failed")), 1);
    CHECK_EQ(value_of(text, WORKER("running_jobs")), 1);
    CHECK_EQ(value_of(text, WORKER("taken_jobs_total")), 3);
    CHECK_EQ(value_of(text, WORKER("troubles_total")), 1);
    free(text);
}

static void check_ended(void)
{
    char *text = metrics();

    CHECK_EQ(value_of(text, FANOUT("open_jobs")), 0);
    CHECK_EQ(value_of(text, ENDED("done")), 1);
    CHECK_EQ(value_of(text, ENDED("failed")), 1);
    CHECK_EQ(value_of(text, ENDED("dead")), 0);
    CHECK_EQ(value_of(text, FANOUT("runs_total")), 4);
    CHECK_EQ(value_of(text, FANOUT("failed_runs_total")), 2);
    CHECK_EQ(value_of(text, FANOUT("crashed_runs_total")), 1);
    CHECK_EQ(value_of(text, FANOUT("job_seconds_count")), 2);
    CHECK(value_of(text, FANOUT("job_seconds_sum")) >= COVEY_FANOUT_DEAD_NS / COVEY_SEC + 5);
    CHECK_EQ(value_of(text, WORKER("running_jobs")), 0);
    CHECK_EQ(value_of(text, WORKER("taken_jobs_total")), 3);
    CHECK_EQ(value_of(text, OVER("reported")), 3);
    CHECK_EQ(value_of(text, OVER("lost")), 0);
    CHECK_EQ(value_of(text, WORKER("handler_seconds_count")), 3);
    CHECK_EQ(value_of(text, WORKER("handler_seconds_sum")), 5);
    free(text);
}

static int virtual_body(covey_ctx *ctx, void *arg)
{
    struct faults faults = {.hook = forget_the_first};
    atomic_int times = 1;
    struct crew crew = {.engine = faults_init(&faults, covey_fanout_local(NULL)),
                        .handlers = handlers,
                        .handler_count = 2,
                        .options = {.jobs = 1}};
    covey_fanout_options opts = {.name = "invoices", .policy = COVEY_ALL, .max_failures = 2};
    covey_fanout *f;

    (void)arg;
    faults.arg = &times;
    CHECK_EQ(covey_fanout_open(ctx, &f, crew.engine, &opts), 0);
    submit(f, "succeed", "a", 0);
    submit(f, "fail", "b", 0);
    submit(f, "fail", "a", 1);
    crew_start(&crew, 1);
    /* The first job is forgotten until it is taken for a dead worker's; meanwhile the other fails.
     */
    CHECK_EQ(covey_sleep(ctx, COVEY_FANOUT_DEAD_NS + 2 * COVEY_FANOUT_BEAT_NS), 0);
    check_under_way();
    covey_fanout_close(f);
    CHECK_EQ(covey_sleep(ctx, 60 * COVEY_SEC), 0);
    check_ended();
    CHECK_EQ(covey_fanout_wait(f), -EIO);
    crew_end(&crew);
    char *text = metrics();
    CHECK(!strstr(text, "covey_fanout"));
    free(text);
    covey_fanout_engine_free(crew.engine);
    return 0;
}

TEST(a_fan_out_and_its_worker_have_figures_under_their_names)
{
    CHECK_EQ(covey_test_run(1, virtual_body, NULL), 0);
}

static int virtual_nameless(covey_ctx *ctx, void *arg)
{
    covey_fanout_engine *e = covey_fanout_local(NULL);
    covey_fanout *f;

    (void)arg;
    CHECK_EQ(covey_fanout_open(ctx, &f, e, NULL), 0);
    char *text = metrics();
    CHECK(!strstr(text, "covey_fanout"));
    free(text);
    CHECK_EQ(covey_fanout_wait(f), 0);
    covey_fanout_engine_free(e);
    return 0;
}

TEST(one_without_a_name_is_not_shown)
{
    CHECK_EQ(covey_test_run(1, virtual_nameless, NULL), 0);
}
