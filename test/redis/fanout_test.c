/* SPDX-License-Identifier: MIT
 * fanout_test.c - the engine of distributed groups on a real Redis: each step, what is left behind,
 * and servers that forget, stop, come back, or hang up. Processes that are killed:
 * fanout_kill_test.c. */
#include "server.h"

#include "../conformance/fanout_faults.h"

#include <covey/redis_fanout.h>

/* Nobody is taken for dead on a machine that is busy with other things; soon, if at all; at once.
 */
static const covey_fanout_timing calm = {.beat_ns = 20 * COVEY_MS, .dead_ns = 10 * COVEY_SEC};
static const covey_fanout_timing brisk = {.beat_ns = 20 * COVEY_MS, .dead_ns = 3 * COVEY_SEC};
static const covey_fanout_timing nervous = {.beat_ns = 20 * COVEY_MS, .dead_ns = 700 * COVEY_MS};

/* ---- handlers ---- */

static atomic_int started, told;
static atomic_int cause;

static int echo(covey_ctx *ctx, covey_fanout_call *call, void *arg)
{
    (void)ctx;
    (void)arg;
    CHECK_EQ((uintptr_t)call->data % _Alignof(max_align_t), 0);
    return covey_fanout_reply(call, call->data, call->len);
}

static int fail(covey_ctx *ctx, covey_fanout_call *call, void *arg)
{
    (void)ctx;
    (void)arg;
    return covey_errorf(-ENOENT, "no %s", (const char *)call->data);
}

static int fail_once(covey_ctx *ctx, covey_fanout_call *call, void *arg)
{
    (void)ctx;
    (void)arg;
    return call->attempt == 1 ? -EIO : covey_fanout_reply(call, call->data, call->len);
}

static int last(covey_ctx *ctx, covey_fanout_call *call, void *arg)
{
    (void)call;
    (void)arg;
    atomic_fetch_add(&started, 1);
    int code = covey_sleep(ctx, 3600 * COVEY_SEC);
    atomic_store(&cause, covey_ctx_cause(ctx));
    atomic_fetch_add(&told, 1);
    return code;
}

static int last_once(covey_ctx *ctx, covey_fanout_call *call, void *arg)
{
    return call->attempt == 1 ? last(ctx, call, arg) : 0;
}

static const covey_fanout_handler handlers[] = {
    {.name = "echo", .fn = echo},           {.name = "fail", .fn = fail},
    {.name = "fail_once", .fn = fail_once}, {.name = "last", .fn = last},
    {.name = "last_once", .fn = last_once},
};

/* ---- the scene ---- */

static void await(atomic_int *n, int at_least)
{
    while (atomic_load(n) < at_least) {
        CHECK_EQ(covey_sleep(NULL, COVEY_MS), 0); /* sleeps: between looks */
    }
}

static void start_crew(struct crew *c, covey_redis *r, const covey_fanout_timing *timing, int n,
                       int jobs)
{
    *c = (struct crew){
        .engine = covey_redis_fanout(r, timing),
        .handlers = handlers,
        .handler_count = sizeof(handlers) / sizeof(handlers[0]),
        .options = {.jobs = jobs},
    };
    CHECK(c->engine);
    crew_start(c, n);
}

/* Nothing is left behind by anybody. */
static void end_crew(covey_ctx *ctx, struct crew *c, covey_redis *r)
{
    CHECK_EQ(ask(ctx, r, "DBSIZE"), 0); /* by idle workers neither */
    crew_end(c);
    CHECK_EQ(ask(ctx, r, "DBSIZE"), 0);
    covey_fanout_engine_free(c->engine);
}

static int submit_key(covey_fanout *f, const char *name, const char *key, const char *data)
{
    covey_fanout_job job = {.name = name, .key = key, .data = data, .len = strlen(data)};
    uint64_t id = 0;
    int code = covey_fanout_submit(NULL, f, &job, &id);

    return code < 0 ? code : code == 1 ? 1000 + (int)id : (int)id;
}

static int submit(covey_fanout *f, const char *name, const char *data)
{
    return submit_key(f, name, NULL, data);
}

static covey_fanout_result *receive(covey_fanout *f)
{
    covey_fanout_result *r = NULL;

    CHECK_EQ(covey_chan_recv(NULL, covey_fanout_results(f), &r), 0);
    return r;
}

/* ---- steps ---- */

REDIS_TEST(jobs_are_run_and_results_come_home)
{
    static char large[1 << 20];
    static const char bytes[] = "a\0b\r\n\xff c";
    struct crew c;
    covey_fanout *f;
    covey_fanout_options opts = {.with_results = true};

    memset(large, 'x', sizeof(large));
    start_crew(&c, r, &calm, 2, 2);
    OK(covey_fanout_open(ctx, &f, c.engine, &opts));
    covey_fanout_job jobs[] = {{"echo", "k", bytes, sizeof(bytes)},
                               {"echo", "", large, sizeof(large)},
                               {"echo", NULL, NULL, 0}};
    for (int i = 0; i < 3; i++) {
        OK(covey_fanout_submit(ctx, f, &jobs[i], NULL));
    }
    for (int i = 0; i < 3; i++) {
        covey_fanout_result *result = receive(f);
        const covey_fanout_job *job = &jobs[result->id - 1];
        CHECK_EQ(result->end, COVEY_FANOUT_DONE);
        CHECK_EQ(result->len, job->len);
        CHECK(job->len == 0 || memcmp(result->data, job->data, job->len) == 0);
        CHECK_STR(result->name, "echo");
        CHECK(!job->key || strcmp(result->key, job->key) == 0);
        CHECK_EQ(result->attempts, 1);
        covey_fanout_result_free(result);
    }
    CHECK(ask(ctx, r, "DBSIZE") > 0);
    CHECK_EQ(covey_fanout_wait(f), 0);
    end_crew(ctx, &c, r);
}

REDIS_TEST(many_large_jobs_fit_into_replies)
{
    static char large[COVEY_FANOUT_DATA_MAX];
    struct crew c;
    covey_fanout *f;
    struct home home;
    covey_group *g = covey_group_new(ctx);

    start_crew(&c, r, &calm, 0, 64);
    OK(covey_fanout_open(ctx, &f, c.engine, &(covey_fanout_options){.with_results = true}));
    for (int i = 1; i <= 40; i++) {
        covey_fanout_job job = {"echo", NULL, large, sizeof(large)};
        OK(covey_fanout_submit(ctx, f, &job, NULL));
    }
    GO(c.group, crew_main, &c);
    home_start(&home, g, f);
    CHECK_EQ(covey_fanout_wait(f), 0);
    JOIN(g);
    CHECK_EQ(home.by_end[COVEY_FANOUT_DONE], 40);
    CHECK_EQ(home.crashes, 0);
    end_crew(ctx, &c, r);
}

REDIS_TEST(a_key_that_is_known_adds_nothing)
{
    struct crew c;
    covey_fanout *f;

    start_crew(&c, r, &calm, 1, 1);
    OK(covey_fanout_open(ctx, &f, c.engine, &(covey_fanout_options){.with_results = true}));
    CHECK_EQ(submit(f, "echo", ""), 1);
    CHECK_EQ(submit_key(f, "echo", "order-7", ""), 2);
    CHECK_EQ(submit_key(f, "echo", "order-7", ""), 1002);
    covey_fanout_result_free(receive(f));
    covey_fanout_result_free(receive(f));
    CHECK_EQ(submit_key(f, "echo", "order-7", ""), 1002); /* nor once it has ended */
    CHECK_EQ(covey_fanout_wait(f), 0);
    end_crew(ctx, &c, r);
}

REDIS_TEST(results_that_were_read_are_deleted)
{
    static const char length[] = "return redis.call('XLEN', redis.call('KEYS', '*:r:*')[1])";
    struct crew c;
    covey_fanout *f;

    start_crew(&c, r, &calm, 1, 1);
    OK(covey_fanout_open(ctx, &f, c.engine, &(covey_fanout_options){.with_results = true}));
    for (int i = 1; i <= 3; i++) {
        CHECK_EQ(submit(f, "echo", ""), i);
        covey_fanout_result_free(receive(f));
    }
    while (ask(ctx, r, "EVAL %s 0", length) > 0) {
        CHECK_EQ(covey_sleep(ctx, COVEY_MS), 0); /* sleeps: between looks */
    }
    CHECK_EQ(covey_fanout_wait(f), 0);
    end_crew(ctx, &c, r);
}

REDIS_TEST(failures_are_counted_and_limited)
{
    struct crew c;
    covey_fanout *f;
    covey_fanout_options opts = {.policy = COVEY_ALL, .max_failures = 3, .with_results = true};

    start_crew(&c, r, &calm, 1, 1);
    OK(covey_fanout_open(ctx, &f, c.engine, &opts));
    CHECK_EQ(submit(f, "fail_once", "x"), 1);
    covey_fanout_result *result = receive(f);
    CHECK_EQ(result->end, COVEY_FANOUT_DONE);
    CHECK_EQ(result->attempts, 2);
    CHECK_EQ(result->failures, 1);
    CHECK_STR(result->data, "x");
    covey_fanout_result_free(result);
    CHECK_EQ(submit(f, "fail", "cake"), 2);
    result = receive(f);
    CHECK_EQ(result->end, COVEY_FANOUT_FAILED);
    CHECK_EQ(result->failures, 3);
    CHECK_STR(result->message, "no cake");
    covey_fanout_result_free(result);
    CHECK_EQ(submit(f, "dance", ""), 3);
    result = receive(f);
    CHECK_EQ(result->code, -ENOSYS);
    CHECK_EQ(result->attempts, 1);
    covey_fanout_result_free(result);
    CHECK_EQ(covey_fanout_wait(f), -ENOENT);
    CHECK_STR(covey_errmsg(), "job 2 \"fail\": no cake");
    end_crew(ctx, &c, r);
}

REDIS_TEST(the_first_error_reaches_running_handlers)
{
    struct crew c;
    covey_fanout *f;
    covey_fanout_stats stats;

    start_crew(&c, r, &calm, 2, 2);
    OK(covey_fanout_open(ctx, &f, c.engine, &(covey_fanout_options){.stats = &stats}));
    for (int i = 1; i <= 3; i++) {
        CHECK_EQ(submit(f, "last", ""), i);
    }
    await(&started, 3);
    CHECK_EQ(submit(f, "fail", "luck"), 4);
    for (int i = 0; i < 5; i++) { /* they wait, or come too late */
        int id = submit(f, "last", "");
        CHECK(id == 5 + i || id == COVEY_ECANCELED);
    }
    CHECK_EQ(covey_fanout_wait(f), -ENOENT);
    CHECK_EQ(atomic_load(&told), atomic_load(&started));
    CHECK_EQ(atomic_load(&cause), -ENOENT);
    CHECK_EQ(stats.canceled, stats.submitted - 1);
    end_crew(ctx, &c, r);
}

REDIS_TEST(the_parents_deadline_reaches_handlers_and_those_that_wait)
{
    struct crew c;
    covey_fanout *f;
    covey_fanout_stats stats;

    start_crew(&c, r, &calm, 1, 2);
    /* Opening it, too, takes its time. */
    covey_ctx *parent = covey_ctx_with_timeout(ctx, 1500 * COVEY_MS);
    OK(covey_fanout_open(parent, &f, c.engine, &(covey_fanout_options){.stats = &stats}));
    for (int i = 1; i <= 20; i++) {
        (void)submit(f, "last", "");
    }
    CHECK_EQ(covey_fanout_wait(f), COVEY_EDEADLINE);
    CHECK_EQ(stats.canceled, stats.submitted);
    CHECK_EQ(atomic_load(&told), atomic_load(&started));
    covey_ctx_unref(parent);
    end_crew(ctx, &c, r);
}

REDIS_TEST(who_leaves_gives_back_what_it_has)
{
    struct crew first, second;
    covey_fanout *f;
    covey_fanout_stats stats;

    start_crew(&first, r, &calm, 1, 2);
    OK(covey_fanout_open(ctx, &f, first.engine, &(covey_fanout_options){.stats = &stats}));
    CHECK_EQ(submit(f, "last_once", ""), 1);
    CHECK_EQ(submit(f, "last_once", ""), 2);
    await(&started, 2);
    crew_end(&first);
    CHECK_EQ(first.stats[0].returned, 2);
    CHECK_EQ(ask(ctx, r, "EVAL %s 0",
                 "return #redis.call('XINFO', 'CONSUMERS', 'covey:fanout:{default}:jobs',"
                 "'workers')"),
             0);
    start_crew(&second, r, &calm, 1, 1);
    CHECK_EQ(covey_fanout_wait(f), 0);
    CHECK_EQ(stats.attempts, 4);
    CHECK_EQ(stats.failures + stats.crashes, 0);
    end_crew(ctx, &second, r);
    covey_fanout_engine_free(first.engine);
}

/* ---- the dead ---- */

/* Cuts off worker 0 as soon as it has begun a job. */
static int cut_off_worker_0(struct faults *f, enum fault_call at, const char *who, bool is_after)
{
    (void)f;
    (void)at;
    (void)is_after;
    return strcmp(who, "worker-0") == 0 && atomic_load(&started) > 0 ? -ECONNRESET : 0;
}

REDIS_TEST(jobs_of_the_dead_are_taken_over)
{
    struct faults faults = {.hook = cut_off_worker_0};
    struct crew c;
    covey_fanout *f;
    covey_fanout_options opts = {.with_results = true, .max_crashes = 100};

    start_crew(&c, r, &nervous, 0, 2);
    c.engine = faults_init(&faults, c.engine);
    GO(c.group, crew_main, &c);
    OK(covey_fanout_open(ctx, &f, c.engine, &opts));
    CHECK_EQ(submit(f, "last_once", ""), 1);
    await(&started, 1);
    GO(c.group, crew_main, &c);
    covey_fanout_result *result = receive(f);
    CHECK_EQ(result->end, COVEY_FANOUT_DONE);
    CHECK(result->crashes >= 1);
    CHECK_EQ(result->attempts, 1 + result->crashes);
    CHECK_EQ(result->failures, 0);
    covey_fanout_result_free(result);
    await(&told, 1);
    CHECK_EQ(atomic_load(&cause), COVEY_ELOST);
    CHECK_EQ(covey_fanout_wait(f), 0);
    end_crew(ctx, &c, r);
}

REDIS_TEST(reports_of_a_run_that_was_taken_over_do_not_count)
{
    covey_fanout_engine *e = covey_redis_fanout(r, &nervous);

    CHECK(e);
    check_fence(ctx, e);
    CHECK_EQ(ask(ctx, r, "DBSIZE"), 0);
    covey_fanout_engine_free(e);
}

/* Redis does not go through all that run at once. */
REDIS_TEST(the_dead_are_found_behind_many_that_live)
{
    struct faults faults = {.hook = cut_off_worker_0};
    struct crew c, busy;
    covey_fanout *f;
    covey_fanout_stats stats;

    start_crew(&busy, r, &nervous, 1, 40);
    OK(covey_fanout_open(ctx, &f, busy.engine, &(covey_fanout_options){.stats = &stats}));
    for (int i = 1; i <= 40; i++) {
        CHECK_EQ(submit(f, "last", ""), i);
    }
    await(&started, 40);
    start_crew(&c, r, &nervous, 0, 1);
    c.engine = faults_init(&faults, c.engine);
    atomic_store(&faults.hook, NULL);
    GO(c.group, crew_main, &c);
    CHECK_EQ(submit(f, "last_once", ""), 41);
    await(&started, 41);
    atomic_store(&faults.hook, cut_off_worker_0);
    GO(c.group, crew_main, &c);
    do {
        CHECK_EQ(covey_sleep(ctx, COVEY_MS), 0); /* sleeps: between looks */
        covey_fanout_stats_of(f, &stats);
    } while (stats.done < 1);
    covey_fanout_cancel(f, 0);
    CHECK_EQ(covey_fanout_wait(f), 0);
    CHECK_EQ(stats.canceled, 40);
    crew_end(&busy);
    end_crew(ctx, &c, r);
    covey_fanout_engine_free(busy.engine);
}

static int lose_beats(struct faults *f, enum fault_call at, const char *who, bool is_after)
{
    (void)f;
    (void)who;
    (void)is_after;
    return at == AT_BEAT ? -ECONNRESET : 0;
}

REDIS_TEST(poison_goes_to_the_dead_letters)
{
    struct faults faults = {.hook = lose_beats};
    struct crew c;
    covey_fanout *f;
    covey_redis_reply *reply = NULL;
    covey_fanout_options opts = {
        .with_results = true, .max_crashes = 2, .keep_dead_ns = 60 * COVEY_SEC};

    start_crew(&c, r, &nervous, 0, 2);
    c.engine = faults_init(&faults, c.engine);
    GO(c.group, crew_main, &c);
    GO(c.group, crew_main, &c);
    OK(covey_fanout_open(ctx, &f, c.engine, &opts));
    CHECK_EQ(submit_key(f, "last", "order-7", "arsenic"), 1);
    covey_fanout_result *result = receive(f);
    CHECK_EQ(result->end, COVEY_FANOUT_DEAD);
    CHECK_EQ(result->code, -EOWNERDEAD);
    CHECK_EQ(result->crashes, 2);
    CHECK_STR(result->data, "arsenic");
    CHECK_STR(result->key, "order-7");
    covey_fanout_result_free(result);
    CHECK_EQ(covey_fanout_wait(f), -EOWNERDEAD);
    /* The only thing that is left, for a while. */
    CHECK_EQ(ask(ctx, r, "DBSIZE"), 1);
    CHECK(ask(ctx, r, "PTTL covey:fanout:{default}:dead") > 1000);
    OK(covey_redis_command(ctx, r, &reply, "XRANGE covey:fanout:{default}:dead - +"));
    const covey_redis_reply *fields = covey_redis_at(covey_redis_at(reply, 0), 1);
    CHECK_STR(covey_redis_text(covey_redis_at(fields, 7), NULL), "arsenic");
    covey_redis_reply_free(reply);
    OK(covey_redis_command(ctx, r, NULL, "DEL covey:fanout:{default}:dead"));
    end_crew(ctx, &c, r);
}

static int lose_keeps(struct faults *f, enum fault_call at, const char *who, bool is_after)
{
    (void)f;
    (void)who;
    (void)is_after;
    return at == AT_KEEP ? -ECONNRESET : 0;
}

REDIS_TEST(a_dead_coordinators_jobs_end_and_its_keys_expire)
{
    struct faults faults = {.hook = NULL};
    struct crew c;
    covey_fanout *f;

    start_crew(&c, r, &nervous, 0, 1);
    c.engine = faults_init(&faults, c.engine);
    GO(c.group, crew_main, &c);
    OK(covey_fanout_open(ctx, &f, c.engine, NULL));
    CHECK_EQ(submit(f, "last", ""), 1);
    CHECK_EQ(submit(f, "last", ""), 2);
    await(&started, 1);
    atomic_store(&faults.hook, lose_keeps);
    await(&told, 1);
    CHECK_EQ(atomic_load(&cause), COVEY_ELOST);
    while (ask(ctx, r, "DBSIZE") > 0) {
        CHECK_EQ(covey_sleep(ctx, COVEY_MS), 0); /* sleeps: between looks */
    }
    CHECK_EQ(covey_fanout_wait(f), COVEY_ELOST);
    CHECK_EQ(atomic_load(&started), 1);
    end_crew(ctx, &c, r);
}

/* ---- the server ---- */

REDIS_TEST(a_server_that_forgets_has_lost_it)
{
    struct crew c;
    covey_fanout *f;
    covey_fanout_stats stats;

    start_crew(&c, r, &calm, 1, 1);
    OK(covey_fanout_open(ctx, &f, c.engine, &(covey_fanout_options){.stats = &stats}));
    CHECK_EQ(submit(f, "last", ""), 1);
    CHECK_EQ(submit(f, "last", ""), 2);
    await(&started, 1);
    OK(covey_redis_command(ctx, r, NULL, "FLUSHALL"));
    CHECK_EQ(covey_fanout_wait(f), COVEY_ELOST);
    CHECK_EQ(stats.lost, 2);
    await(&told, 1);
    CHECK_EQ(atomic_load(&cause), COVEY_ELOST);
    end_crew(ctx, &c, r);
}

enum { MANY = 1000 };

/* A fan-out of many short jobs, with something going on beside it. */
static void run_beside(covey_ctx *ctx, covey_redis *r, void (*disturb)(void *), void *arg)
{
    struct crew c;
    covey_fanout *f;
    struct home home;
    covey_fanout_options opts = {.with_results = true, .window = 64, .max_crashes = 1000};
    covey_group *g = covey_group_new(ctx);

    start_crew(&c, r, &brisk, 2, 4);
    OK(covey_fanout_open(ctx, &f, c.engine, &opts));
    home_start(&home, g, f);
    for (int i = 0; i < MANY; i++) {
        int id = submit(f, "echo", "x");
        CHECK_EQ(id, i + 1);
        if (i % (MANY / 5) == MANY / 10) {
            disturb(arg);
        }
    }
    int code = covey_fanout_wait(f);
    if (code < 0) {
        fprintf(stderr, "# %s\n", covey_errmsg());
    }
    CHECK_EQ(code, 0);
    JOIN(g);
    CHECK_EQ(home.by_end[COVEY_FANOUT_DONE], MANY);
    end_crew(ctx, &c, r);
}

static void hang_up(void *arg)
{
    int code = covey_redis_command(NULL, arg, NULL, "CLIENT KILL TYPE normal SKIPME no");

    CHECK(code >= 0 || code == -ECONNRESET); /* it hangs up on this one too */
}

static const covey_backoff patient = {
    .base_ns = COVEY_MS, .cap_ns = 20 * COVEY_MS, .max_tries = COVEY_RETRY_UNLIMITED};

REDIS_TEST_WITH(connections_that_are_cut_lose_nothing, .reconnect = patient)
{
    run_beside(ctx, r, hang_up, r);
}

static void freeze(void *arg)
{
    server_signal(arg, SIGSTOP);
    CHECK_EQ(covey_sleep(NULL, 50 * COVEY_MS), 0); /* sleeps: as long as it hangs */
    server_signal(arg, SIGCONT);
}

REDIS_TEST(a_server_that_hangs_for_a_while_loses_nothing)
{
    run_beside(ctx, r, freeze, s);
}

static void restart(void *arg)
{
    struct server *s = arg;

    server_kill(s);
    server_start(s);
}

static void durable_body(covey_ctx *ctx, struct server *s, covey_redis *r)
{
    run_beside(ctx, r, restart, s);
}

TEST(a_server_that_restarts_with_its_data_loses_nothing)
{
    struct redis_test t = {
        .server = {.options = {"--appendonly", "yes", "--appendfsync", "always"}},
        .opts = {.reconnect = patient},
        .body = durable_body,
    };

    server_start(&t.server);
    CHECK_EQ(covey_run(redis_main, &t), 0);
    server_end(&t.server);
}

REDIS_TEST_WITH(a_server_that_restarts_without_its_data_has_lost_it, .reconnect = patient)
{
    struct crew c;
    covey_fanout *f;

    start_crew(&c, r, &calm, 1, 1);
    OK(covey_fanout_open(ctx, &f, c.engine, NULL));
    CHECK_EQ(submit(f, "last", ""), 1);
    await(&started, 1);
    restart(s);
    CHECK_EQ(covey_fanout_wait(f), COVEY_ELOST);
    await(&told, 1);
    end_crew(ctx, &c, r);
}

REDIS_TEST_WITH(a_server_that_is_gone_ends_both_sides, .reconnect = patient)
{
    struct crew c;
    covey_fanout *f;

    start_crew(&c, r, &nervous, 1, 1);
    OK(covey_fanout_open(ctx, &f, c.engine, NULL));
    CHECK_EQ(submit(f, "last", ""), 1);
    await(&started, 1);
    server_kill(s);
    await(&told, 1);
    CHECK_EQ(atomic_load(&cause), COVEY_ELOST);
    server_start(s);
    CHECK_EQ(covey_fanout_wait(f), COVEY_ELOST);
    end_crew(ctx, &c, r);
}

TEST(what_is_out_of_range_is_refused)
{
    CHECK(!covey_redis_fanout(NULL, &(covey_fanout_timing){.beat_ns = 1}));
}
