/* SPDX-License-Identifier: MIT
 * fanout_test.c - distributed groups on the engine within the process: what a coordinator, a
 * handler and a result see when nothing goes wrong below. Where time matters it is virtual. */
#include "fanout_faults.h"

#define RUN(fn)                                                                                    \
    TEST(fn)                                                                                       \
    {                                                                                              \
        CHECK_EQ(covey_test_run(1, virtual_##fn, NULL), 0);                                        \
    }

/* ---- handlers ---- */

static int shout(covey_ctx *ctx, covey_fanout_call *call, void *arg)
{
    char text[64];

    (void)ctx;
    (void)arg;
    CHECK_EQ(((const char *)call->data)[call->len], '\0');
    int len = snprintf(text, sizeof(text), "%s!", (const char *)call->data);
    CHECK_EQ(covey_fanout_reply(call, "first", 5), 0);
    CHECK_EQ(covey_fanout_reply(call, text, (size_t)len), 0); /* the last one counts */
    return 7;
}

static int fail(covey_ctx *ctx, covey_fanout_call *call, void *arg)
{
    (void)ctx;
    (void)arg;
    CHECK_EQ(covey_fanout_reply(call, "never", 5), 0);
    return covey_errorf(-ENOENT, "no %s", (const char *)call->data);
}

static int fail_for_good(covey_ctx *ctx, covey_fanout_call *call, void *arg)
{
    (void)ctx;
    (void)call;
    (void)arg;
    return COVEY_PERMANENT(covey_errorf(-EACCES, "never"));
}

/* Fails until its third run. */
static int fail_twice(covey_ctx *ctx, covey_fanout_call *call, void *arg)
{
    (void)ctx;
    (void)arg;
    return call->attempt < 3 ? -EIO : 0;
}

static int64_t canceled_at;
static int canceled_cause, canceled_count;

static int wait_for_cancel(covey_ctx *ctx, covey_fanout_call *call, void *arg)
{
    (void)call;
    (void)arg;
    int code = covey_select(ctx, COVEY_AFTER(3600 * COVEY_SEC));
    CHECK_EQ(code, COVEY_ECANCELED);
    canceled_at = covey_now();
    canceled_cause = covey_ctx_cause(ctx);
    canceled_count++;
    return code;
}

static int nap(covey_ctx *ctx, covey_fanout_call *call, void *arg)
{
    (void)call;
    return covey_sleep(ctx, arg ? *(int64_t *)arg : 3 * COVEY_SEC);
}

static const covey_fanout_handler handlers[] = {
    {.name = "shout", .fn = shout},
    {.name = "fail", .fn = fail},
    {.name = "fail_for_good", .fn = fail_for_good},
    {.name = "fail_twice", .fn = fail_twice},
    {.name = "wait", .fn = wait_for_cancel},
    {.name = "nap", .fn = nap},
};

enum { HANDLERS = sizeof(handlers) / sizeof(handlers[0]) };

static covey_fanout_engine *start_crew(struct crew *c, int workers, int jobs)
{
    *c = (struct crew){
        .engine = covey_fanout_local(NULL),
        .handlers = handlers,
        .handler_count = HANDLERS,
        .options = {.jobs = jobs},
    };
    CHECK(c->engine);
    crew_start(c, workers);
    return c->engine;
}

static void end_crew(struct crew *c)
{
    crew_end(c);
    covey_fanout_engine_free(c->engine);
}

static uint64_t submit(covey_fanout *f, const char *name, const char *data)
{
    covey_fanout_job job = {.name = name, .data = data, .len = strlen(data)};
    uint64_t id = 0;

    CHECK_EQ(covey_fanout_submit(NULL, f, &job, &id), 0);
    CHECK(id > 0);
    return id;
}

static covey_fanout_result *receive(covey_fanout *f)
{
    covey_fanout_result *r = NULL;

    CHECK_EQ(covey_chan_recv(NULL, covey_fanout_results(f), &r), 0);
    return r;
}

/* ---- results ---- */

TASK_TEST(a_job_is_run_and_its_result_comes_home)
{
    struct crew c;
    covey_fanout *f;
    covey_fanout_stats stats;
    covey_fanout_options opts = {.with_results = true, .stats = &stats};

    start_crew(&c, 1, 1);
    CHECK_EQ(covey_fanout_open(ctx, &f, c.engine, &opts), 0);
    uint64_t id = submit(f, "shout", "hello");
    covey_fanout_close(f);
    covey_fanout_result *r = receive(f);
    CHECK_EQ(r->id, id);
    CHECK_EQ(r->end, COVEY_FANOUT_DONE);
    CHECK_EQ(r->code, 7);
    CHECK_STR(r->message, "");
    CHECK_STR(r->name, "shout");
    CHECK_EQ(r->len, 6);
    CHECK_STR(r->data, "hello!");
    CHECK_EQ(r->attempts, 1);
    CHECK_EQ(r->failures + r->crashes, 0);
    covey_fanout_result_free(r);
    CHECK_EQ(covey_chan_recv(ctx, covey_fanout_results(f), &r), COVEY_ECLOSED);
    CHECK_EQ(covey_fanout_wait(f), 0);
    CHECK_EQ(stats.submitted, 1);
    CHECK_EQ(stats.done, 1);
    CHECK_EQ(stats.attempts, 1);
    end_crew(&c);
    CHECK_EQ(c.stats[0].taken, 1);
    CHECK_EQ(c.stats[0].reported, 1);
}

static int open_and_wait(covey_ctx *ctx, void *arg)
{
    covey_fanout *f;

    CHECK_EQ(covey_fanout_open(ctx, &f, arg, NULL), 0);
    (void)submit(f, "wait", "");
    CHECK_EQ(covey_fanout_wait(f), COVEY_ECANCELED);
    return 0;
}

TASK_TEST(a_dump_says_which_fan_out_a_task_waits_for)
{
    struct crew c;
    covey_group *g = covey_group_new(ctx);

    GO(g, open_and_wait, start_crew(&c, 1, 1));
    while (!dump_says(", awaiting jobs of a fan-out \"default\"") ||
           !dump_says("\"wait\" waiting")) {
        covey_yield();
    }
    covey_group_cancel(g, 0);
    JOIN(g);
    end_crew(&c);
}

TASK_TEST(a_fan_out_without_jobs_ends_at_once)
{
    covey_fanout_engine *e = covey_fanout_local(NULL);
    covey_fanout *f;

    CHECK_EQ(covey_fanout_open(ctx, &f, e, NULL), 0);
    CHECK(!covey_fanout_results(f));
    CHECK_EQ(covey_fanout_wait(f), 0);
    covey_fanout_engine_free(e);
}

TASK_TEST(the_first_error_is_returned_with_job_and_words)
{
    struct crew c;
    covey_fanout *f;

    start_crew(&c, 1, 1);
    CHECK_EQ(covey_fanout_open(ctx, &f, c.engine, NULL), 0);
    submit(f, "shout", "x");
    submit(f, "fail", "file");
    CHECK_EQ(covey_fanout_wait(f), -ENOENT);
    CHECK_STR(covey_errmsg(), "job 2 \"fail\": no file");
    end_crew(&c);
}

TASK_TEST(a_name_nobody_handles_fails)
{
    struct crew c;
    covey_fanout *f;

    start_crew(&c, 1, 1);
    CHECK_EQ(covey_fanout_open(ctx, &f, c.engine, &(covey_fanout_options){.max_failures = 5}), 0);
    submit(f, "dance", "");
    CHECK_EQ(covey_fanout_wait(f), -ENOSYS);
    CHECK_STR(covey_errmsg(), "job 1 \"dance\": no handler for \"dance\"");
    end_crew(&c);
    CHECK_EQ(c.stats[0].taken, 1); /* once: it is hopeless */
}

TASK_TEST(a_key_that_is_known_adds_nothing)
{
    struct crew c;
    covey_fanout *f;
    covey_fanout_stats stats;
    covey_fanout_job job = {.name = "shout", .key = "order-7"};
    uint64_t id = 0;

    start_crew(&c, 1, 2);
    CHECK_EQ(covey_fanout_open(ctx, &f, c.engine, &(covey_fanout_options){.stats = &stats}), 0);
    submit(f, "shout", "");
    CHECK_EQ(covey_fanout_submit(ctx, f, &job, &id), 0);
    CHECK_EQ(id, 2);
    id = 0;
    CHECK_EQ(covey_fanout_submit(ctx, f, &job, &id), 1);
    CHECK_EQ(id, 2);
    do { /* nor once it has ended */
        covey_yield();
        covey_fanout_stats_of(f, &stats);
    } while (stats.done < 2);
    CHECK_EQ(covey_fanout_submit(ctx, f, &job, NULL), 1);
    CHECK_EQ(covey_fanout_wait(f), 0);
    CHECK_EQ(stats.submitted, 2);
    CHECK_EQ(stats.repeated, 2);
    end_crew(&c);
}

static char seen_keys[2][64];

static int look_at_key(covey_ctx *ctx, covey_fanout_call *call, void *arg)
{
    (void)ctx;
    (void)arg;
    (void)snprintf(seen_keys[call->id - 1], sizeof(seen_keys[0]), "%s", call->key);
    return 0;
}

TASK_TEST(a_job_without_a_key_gets_one_of_its_own)
{
    static const covey_fanout_handler look = {.name = "look", .fn = look_at_key};
    struct crew c = {.engine = covey_fanout_local(NULL), .handlers = &look, .handler_count = 1};
    covey_fanout *f;

    crew_start(&c, 1);
    CHECK_EQ(covey_fanout_open(ctx, &f, c.engine, NULL), 0);
    submit(f, "look", "");
    submit(f, "look", "");
    CHECK_EQ(covey_fanout_wait(f), 0);
    CHECK(seen_keys[0][0] && seen_keys[1][0]);
    CHECK(strcmp(seen_keys[0], seen_keys[1]) != 0);
    end_crew(&c);
}

TASK_TEST(jobs_reach_the_workers_of_their_queue_only)
{
    covey_fanout_engine *e = covey_fanout_local(NULL);
    struct crew a = {.engine = e, .handlers = handlers, .handler_count = HANDLERS};
    struct crew b = a;
    covey_fanout *f;

    b.options.queue = "other";
    crew_start(&a, 1);
    crew_start(&b, 1);
    CHECK_EQ(covey_fanout_open(ctx, &f, e, &(covey_fanout_options){.queue = "other"}), 0);
    for (int i = 0; i < 20; i++) {
        submit(f, "shout", "");
    }
    CHECK_EQ(covey_fanout_wait(f), 0);
    crew_end(&a);
    crew_end(&b);
    CHECK_EQ(a.stats[0].taken, 0);
    CHECK_EQ(b.stats[0].taken, 20);
    covey_fanout_engine_free(e);
}

/* ---- failures ---- */

TASK_TEST(a_failing_job_is_run_again_up_to_its_limit)
{
    struct crew c;
    covey_fanout *f;
    covey_fanout_stats stats;
    covey_fanout_options opts = {
        .policy = COVEY_ALL, .max_failures = 3, .with_results = true, .stats = &stats};

    start_crew(&c, 1, 1);
    CHECK_EQ(covey_fanout_open(ctx, &f, c.engine, &opts), 0);
    submit(f, "fail_twice", "");
    covey_fanout_result *r = receive(f);
    CHECK_EQ(r->end, COVEY_FANOUT_DONE);
    CHECK_EQ(r->attempts, 3);
    CHECK_EQ(r->failures, 2);
    CHECK_EQ(r->crashes, 0);
    covey_fanout_result_free(r);
    submit(f, "fail", "cake");
    r = receive(f);
    CHECK_EQ(r->end, COVEY_FANOUT_FAILED);
    CHECK_EQ(r->failures, 3);
    CHECK_EQ(r->len, 0);
    CHECK_STR(r->message, "no cake");
    covey_fanout_result_free(r);
    submit(f, "fail_for_good", "");
    r = receive(f);
    CHECK_EQ(r->code, -EACCES);
    CHECK_EQ(r->attempts, 1);
    CHECK_STR(r->message, "never");
    covey_fanout_result_free(r);
    CHECK_EQ(covey_fanout_wait(f), -ENOENT);
    CHECK_EQ(stats.failures, 6);
    CHECK_EQ(stats.failed, 2);
    end_crew(&c);
}

/* ---- policies and cancellation, in virtual time ---- */

static int virtual_first_error_cancels_the_rest_at_the_next_beat(covey_ctx *ctx, void *arg)
{
    struct crew c;
    covey_fanout *f;
    covey_fanout_stats stats;

    (void)arg;
    canceled_count = 0;
    start_crew(&c, 2, 2);
    CHECK_EQ(covey_fanout_open(ctx, &f, c.engine, &(covey_fanout_options){.stats = &stats}), 0);
    for (int i = 0; i < 3; i++) {
        submit(f, "wait", "");
    }
    covey_test_settle();
    int64_t start = covey_now();
    submit(f, "fail", "luck");
    for (int i = 0; i < 5; i++) { /* there is no slot for these */
        covey_fanout_job job = {.name = "wait"};
        int code = covey_fanout_submit(ctx, f, &job, NULL);
        CHECK(code == 0 || code == COVEY_ECANCELED);
    }
    CHECK_EQ(covey_fanout_wait(f), -ENOENT);
    CHECK(canceled_count >= 3);
    CHECK_EQ(canceled_cause, -ENOENT);
    CHECK(canceled_at - start <= COVEY_FANOUT_BEAT_NS + COVEY_MS);
    CHECK_EQ(stats.failed, 1);
    CHECK_EQ(stats.canceled, stats.submitted - 1);
    end_crew(&c);
    return 0;
}
RUN(first_error_cancels_the_rest_at_the_next_beat)

static int virtual_all_runs_all(covey_ctx *ctx, void *arg)
{
    struct crew c;
    covey_fanout *f;
    covey_fanout_stats stats;
    covey_fanout_options opts = {.policy = COVEY_ALL, .stats = &stats};

    (void)arg;
    start_crew(&c, 2, 2);
    CHECK_EQ(covey_fanout_open(ctx, &f, c.engine, &opts), 0);
    for (int i = 0; i < 10; i++) {
        submit(f, i % 2 ? "fail" : "nap", "x");
    }
    CHECK_EQ(covey_fanout_wait(f), -ENOENT);
    CHECK_EQ(stats.done, 5);
    CHECK_EQ(stats.failed, 5);
    end_crew(&c);
    return 0;
}
RUN(all_runs_all)

static int virtual_first_success_cancels_the_rest(covey_ctx *ctx, void *arg)
{
    struct crew c;
    covey_fanout *f;
    covey_fanout_stats stats;
    covey_fanout_options opts = {.policy = COVEY_FIRST_SUCCESS, .stats = &stats};

    (void)arg;
    start_crew(&c, 2, 2);
    CHECK_EQ(covey_fanout_open(ctx, &f, c.engine, &opts), 0);
    submit(f, "fail", "x");
    submit(f, "wait", "");
    submit(f, "nap", "");
    submit(f, "wait", "");
    CHECK_EQ(covey_fanout_wait(f), 0);
    CHECK_EQ(stats.done, 1);
    CHECK_EQ(stats.failed, 1);
    CHECK_EQ(stats.canceled, 2);
    CHECK_EQ(covey_fanout_open(ctx, &f, c.engine, &opts), 0);
    submit(f, "fail", "x");
    submit(f, "fail", "y");
    CHECK_EQ(covey_fanout_wait(f), -ENOENT); /* none did */
    end_crew(&c);
    return 0;
}
RUN(first_success_cancels_the_rest)

static int virtual_the_parents_end_reaches_handlers(covey_ctx *ctx, void *arg)
{
    struct crew c;
    covey_fanout *f;

    (void)arg;
    start_crew(&c, 1, 2);
    for (int with_deadline = 0; with_deadline < 2; with_deadline++) {
        covey_ctx *parent =
            with_deadline ? covey_ctx_with_timeout(ctx, 5 * COVEY_SEC) : covey_ctx_with_cancel(ctx);
        canceled_count = 0;
        CHECK_EQ(covey_fanout_open(parent, &f, c.engine, NULL), 0);
        for (int i = 0; i < 4; i++) {
            submit(f, "wait", "");
        }
        covey_test_settle();
        if (!with_deadline) {
            covey_ctx_cancel_cause(parent, -ESTALE);
        }
        int code = covey_fanout_wait(f);
        CHECK_EQ(code, with_deadline ? COVEY_EDEADLINE : COVEY_ECANCELED);
        CHECK_EQ(canceled_count, 2);
        CHECK_EQ(canceled_cause, with_deadline ? COVEY_EDEADLINE : -ESTALE);
        covey_ctx_unref(parent);
    }
    end_crew(&c);
    return 0;
}
RUN(the_parents_end_reaches_handlers)

static int virtual_cancel_is_no_failure_and_drops_what_nobody_reads(covey_ctx *ctx, void *arg)
{
    struct crew c;
    covey_fanout *f;
    covey_fanout_stats stats;
    covey_fanout_options opts = {.with_results = true, .stats = &stats};
    covey_fanout_job job = {.name = "shout"};

    (void)arg;
    start_crew(&c, 1, 2);
    CHECK_EQ(covey_fanout_open(ctx, &f, c.engine, &opts), 0);
    submit(f, "shout", "");
    submit(f, "wait", "");
    submit(f, "wait", "");
    covey_test_settle();
    covey_fanout_cancel(f, -EPERM);
    covey_fanout_cancel(f, -EIO); /* the first cause stays */
    CHECK_EQ(covey_fanout_submit(ctx, f, &job, NULL), COVEY_ECANCELED);
    CHECK_EQ(covey_fanout_wait(f), 0);
    CHECK_EQ(canceled_cause, -EPERM);
    CHECK_EQ(stats.done, 1);
    CHECK_EQ(stats.canceled, 2);
    CHECK_EQ(stats.dropped, 3);
    end_crew(&c);
    return 0;
}
RUN(cancel_is_no_failure_and_drops_what_nobody_reads)

static int virtual_without_workers_a_cancel_ends_it(covey_ctx *ctx, void *arg)
{
    covey_fanout_engine *e = covey_fanout_local(NULL);
    covey_ctx *parent = covey_ctx_with_timeout(ctx, 30 * COVEY_SEC);
    covey_fanout *f;
    int64_t start = covey_now();

    (void)arg;
    CHECK_EQ(covey_fanout_open(parent, &f, e, NULL), 0);
    submit(f, "shout", "");
    CHECK_EQ(covey_fanout_wait(f), COVEY_EDEADLINE);
    CHECK_EQ(covey_now() - start, 30 * COVEY_SEC);
    covey_ctx_unref(parent);
    covey_fanout_engine_free(e);
    return 0;
}
RUN(without_workers_a_cancel_ends_it)

/* ---- workers come and go ---- */

static int virtual_who_leaves_gives_back_what_it_has(covey_ctx *ctx, void *arg)
{
    struct crew first, second;
    covey_fanout *f;
    covey_fanout_stats stats;

    (void)arg;
    covey_fanout_engine *e = start_crew(&first, 1, 2);
    CHECK_EQ(covey_fanout_open(ctx, &f, e, &(covey_fanout_options){.stats = &stats}), 0);
    submit(f, "nap", "");
    submit(f, "nap", "");
    covey_test_settle();
    crew_end(&first);
    CHECK_EQ(first.stats[0].taken, 2);
    CHECK_EQ(first.stats[0].returned, 2);
    second = first;
    crew_start(&second, 1);
    CHECK_EQ(covey_fanout_wait(f), 0);
    CHECK_EQ(stats.done, 2);
    CHECK_EQ(stats.attempts, 4);
    CHECK_EQ(stats.failures + stats.crashes, 0);
    end_crew(&second);
    return 0;
}
RUN(who_leaves_gives_back_what_it_has)

static int virtual_within_the_grace_period_jobs_end(covey_ctx *ctx, void *arg)
{
    struct crew c = {.engine = covey_fanout_local(NULL),
                     .handlers = handlers,
                     .handler_count = HANDLERS,
                     .options = {.jobs = 1, .grace_ns = 60 * COVEY_SEC}};
    covey_fanout *f;

    (void)arg;
    crew_start(&c, 1);
    CHECK_EQ(covey_fanout_open(ctx, &f, c.engine, NULL), 0);
    submit(f, "nap", "");
    covey_test_settle();
    int64_t start = covey_now();
    crew_end(&c);
    CHECK_EQ(covey_now() - start, 3 * COVEY_SEC);
    CHECK_EQ(c.stats[0].reported, 1);
    CHECK_EQ(covey_fanout_wait(f), 0);
    covey_fanout_engine_free(c.engine);
    return 0;
}
RUN(within_the_grace_period_jobs_end)

/* ---- back-pressure ---- */

static int running, most_running;

static int count_running(covey_ctx *ctx, covey_fanout_call *call, void *arg)
{
    (void)call;
    (void)arg;
    running++;
    most_running = running > most_running ? running : most_running;
    int code = covey_sleep(ctx, COVEY_SEC);
    running--;
    return code;
}

static int submit_thousand(covey_ctx *ctx, void *arg)
{
    for (int i = 0; i < 1000; i++) {
        covey_fanout_job job = {.name = "count"};
        CHECK_EQ(covey_fanout_submit(ctx, arg, &job, NULL), 0);
    }
    covey_fanout_close(arg);
    return 0;
}

static int virtual_a_thousand_jobs_flood_nobody(covey_ctx *ctx, void *arg)
{
    static const covey_fanout_handler count = {.name = "count", .fn = count_running};
    struct crew c = {.engine = covey_fanout_local(NULL),
                     .handlers = &count,
                     .handler_count = 1,
                     .options = {.jobs = 3}};
    covey_group *g = covey_group_new(ctx);
    covey_fanout *f;
    covey_fanout_stats stats;
    int received = 0;

    (void)arg;
    running = most_running = 0;
    crew_start(&c, 2);
    covey_fanout_options opts = {.window = 10, .with_results = true};
    CHECK_EQ(covey_fanout_open(ctx, &f, c.engine, &opts), 0);
    GO(g, submit_thousand, f);
    CHECK_EQ(covey_sleep(ctx, 60 * COVEY_SEC), 0); /* nobody reads meanwhile */
    covey_fanout_stats_of(f, &stats);
    CHECK_EQ(stats.submitted, 10);
    covey_fanout_result *r;
    while (covey_chan_recv(ctx, covey_fanout_results(f), &r) == 0) {
        received++;
        covey_fanout_result_free(r);
        covey_test_settle();
        covey_fanout_stats_of(f, &stats);
        CHECK(stats.submitted <= (uint64_t)received + 10);
    }
    JOIN(g);
    CHECK_EQ(received, 1000);
    CHECK_EQ(most_running, 6);
    CHECK_EQ(covey_fanout_wait(f), 0);
    end_crew(&c);
    return 0;
}
RUN(a_thousand_jobs_flood_nobody)

/* ---- what is refused ---- */

TASK_TEST(what_is_out_of_range_is_refused)
{
    covey_fanout_engine *e = covey_fanout_local(NULL);
    covey_fanout *f = NULL;
    char name[COVEY_FANOUT_NAME_MAX + 2];
    const covey_fanout_options bad[] = {
        {.queue = ""},        {.window = COVEY_FANOUT_WINDOW_MAX + 1},
        {.max_failures = -1}, {.max_crashes = -1},
        {.keep_dead_ns = -1}, {.policy = 3}};

    CHECK(!covey_fanout_local(&(covey_fanout_timing){.dead_ns = 3 * COVEY_SEC}));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK_EQ(covey_fanout_open(ctx, &f, e, &bad[i]), -EINVAL);
    }
    CHECK(!f);
    covey_ctx *done = done_ctx(COVEY_EDEADLINE);
    CHECK_EQ(covey_fanout_open(done, &f, e, NULL), COVEY_EDEADLINE);
    CHECK_EQ(covey_fanout_serve(done, e, handlers, 1, NULL), COVEY_EDEADLINE);
    CHECK_EQ(covey_fanout_serve(ctx, e, handlers, 1, &(covey_fanout_worker_options){.jobs = -1}),
             -EINVAL);
    CHECK_EQ(covey_fanout_open(ctx, &f, e, NULL), 0);
    memset(name, 'x', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    CHECK_EQ(covey_fanout_submit(ctx, f, &(covey_fanout_job){.name = name}, NULL), -EINVAL);
    CHECK_EQ(covey_fanout_submit(ctx, f, &(covey_fanout_job){.name = ""}, NULL), -EINVAL);
    CHECK_EQ(covey_fanout_submit(ctx, f, &(covey_fanout_job){.name = "x", .key = name}, NULL),
             -EINVAL);
    CHECK_EQ(covey_fanout_submit(
                 ctx, f, &(covey_fanout_job){"x", NULL, name, COVEY_FANOUT_DATA_MAX + 1}, NULL),
             COVEY_ETOOLARGE);
    CHECK_EQ(covey_fanout_submit(done, f, &(covey_fanout_job){.name = "x"}, NULL), COVEY_EDEADLINE);
    covey_fanout_close(f);
    CHECK_EQ(covey_fanout_submit(ctx, f, &(covey_fanout_job){.name = "x"}, NULL), COVEY_ECLOSED);
    CHECK_EQ(covey_fanout_wait(f), 0);
    covey_ctx_unref(done);
    covey_fanout_engine_free(e);
}

/* ---- in real time ---- */

static atomic_int handled;

static int count_handled(covey_ctx *ctx, covey_fanout_call *call, void *arg)
{
    (void)ctx;
    (void)arg;
    atomic_fetch_add(&handled, 1);
    return covey_fanout_reply(call, &call->id, sizeof(call->id));
}

static int submit_many(covey_ctx *ctx, void *arg)
{
    for (int i = 0; i < 2500; i++) {
        covey_fanout_job job = {.name = "count"};
        CHECK_EQ(covey_fanout_submit(ctx, arg, &job, NULL), 0);
    }
    return 0;
}

TASK_TEST(ten_thousand_jobs_of_four_submitters_come_home)
{
    static const covey_fanout_handler count = {.name = "count", .fn = count_handled};
    struct crew c = {.engine = covey_fanout_local(NULL),
                     .handlers = &count,
                     .handler_count = 1,
                     .options = {.jobs = 8}};
    static bool is_home[10001];
    covey_group *g = covey_group_new(ctx);
    covey_fanout *f;

    crew_start(&c, 4);
    covey_fanout_options opts = {.with_results = true};
    CHECK_EQ(covey_fanout_open(ctx, &f, c.engine, &opts), 0);
    for (int i = 0; i < 4; i++) {
        GO(g, submit_many, f);
    }
    for (int i = 0; i < 10000; i++) {
        covey_fanout_result *r = receive(f);
        uint64_t id = 0;
        CHECK_EQ(r->end, COVEY_FANOUT_DONE);
        CHECK_EQ(r->len, sizeof(id));
        memcpy(&id, r->data, sizeof(id));
        CHECK(id == r->id && !is_home[id]);
        is_home[id] = true;
        covey_fanout_result_free(r);
    }
    JOIN(g);
    CHECK_EQ(covey_fanout_wait(f), 0);
    end_crew(&c);
    CHECK_EQ(atomic_load(&handled), 10000);
}
