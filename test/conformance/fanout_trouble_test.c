/* SPDX-License-Identifier: MIT
 * fanout_trouble_test.c - distributed groups whose workers and coordinators die, are cut off, or
 * get no answers: an engine stands in between that fails as told (fanout_faults.h). All in virtual
 * time; the last ones over many schedules. */
#include "fanout_faults.h"

#define RUN(fn)                                                                                    \
    TEST(fn)                                                                                       \
    {                                                                                              \
        CHECK_EQ(covey_test_run(1, virtual_##fn, NULL), 0);                                        \
    }

#define EXPLORE(fn, n)                                                                             \
    TEST(fn)                                                                                       \
    {                                                                                              \
        covey_explore_options opts_ = {.seeds = (n), .in_process = true};                          \
        CHECK_EQ(covey_explore(&opts_, virtual_##fn, NULL), 0);                                    \
    }

/* ---- the scene ---- */

static struct {
    int runs, ended, lost, canceled; /* of handlers */
    int cause;
    int64_t at; /* when the last one ended */
    bool effects[2048];
    int effect_count;
} seen;

static int done(covey_ctx *ctx, covey_fanout_call *call, void *arg)
{
    (void)ctx;
    (void)call;
    (void)arg;
    seen.runs++;
    return 0;
}

/* Goes on until it is told to end. */
static int last(covey_ctx *ctx, covey_fanout_call *call, void *arg)
{
    (void)call;
    (void)arg;
    seen.runs++;
    int code = covey_sleep(ctx, 3600 * COVEY_SEC);
    seen.ended++;
    seen.cause = covey_ctx_cause(ctx);
    seen.lost += seen.cause == COVEY_ELOST;
    seen.canceled += seen.cause == COVEY_ECANCELED;
    seen.at = covey_now();
    return code;
}

static int nap(covey_ctx *ctx, covey_fanout_call *call, void *arg)
{
    (void)call;
    (void)arg;
    seen.runs++;
    return covey_sleep(ctx, 5 * COVEY_SEC);
}

/* Long in its first run, at once in the next ones. */
static int last_once(covey_ctx *ctx, covey_fanout_call *call, void *arg)
{
    return call->attempt == 1 ? last(ctx, call, arg) : done(ctx, call, arg);
}

/* An effect that is guarded by the key; what comes before and after it takes its time. */
static int effect(covey_ctx *ctx, covey_fanout_call *call, void *arg)
{
    int number = atoi(call->key);

    (void)arg;
    seen.runs++;
    int code = covey_sleep(ctx, covey_test_choose(4) * COVEY_SEC);
    if (code < 0) {
        return code;
    }
    if (!seen.effects[number]) {
        seen.effects[number] = true;
        seen.effect_count++;
    }
    return covey_sleep(ctx, covey_test_choose(4) * COVEY_SEC);
}

static const covey_fanout_handler handlers[] = {
    {.name = "done", .fn = done},     {.name = "nap", .fn = nap},
    {.name = "last", .fn = last},     {.name = "last_once", .fn = last_once},
    {.name = "effect", .fn = effect},
};

struct scene {
    struct faults faults;
    struct crew crew;
    covey_fanout *f;
    covey_group *readers;
    struct home home;
    covey_fanout_stats stats;
};

static void begin(covey_ctx *ctx, struct scene *s, int workers, covey_fanout_options opts)
{
    memset(s, 0, sizeof(*s));
    memset(&seen, 0, sizeof(seen));
    s->crew.engine = faults_init(&s->faults, covey_fanout_local(NULL));
    s->crew.handlers = handlers;
    s->crew.handler_count = sizeof(handlers) / sizeof(handlers[0]);
    s->crew.options.jobs = 2;
    crew_start(&s->crew, workers);
    opts.with_results = true;
    opts.stats = &s->stats;
    CHECK_EQ(covey_fanout_open(ctx, &s->f, s->crew.engine, &opts), 0);
    s->readers = covey_group_new(NULL);
    home_start(&s->home, s->readers, s->f);
}

static int submit(struct scene *s, const char *name, const char *key)
{
    covey_fanout_job job = {.name = name, .key = key, .data = "payload", .len = 7};

    return covey_fanout_submit(NULL, s->f, &job, NULL);
}

/* What wait returned; everything is counted and freed. */
static int end(struct scene *s)
{
    int code = covey_fanout_wait(s->f);

    JOIN(s->readers);
    crew_end(&s->crew);
    CHECK_EQ((uint64_t)s->home.count, s->stats.submitted - s->stats.dropped);
    covey_fanout_engine_free(s->crew.engine);
    return code;
}

/* ---- workers ---- */

/* Worker 0 is cut off from the engine from the time that arg points to. */
static int cut_off_worker_0(struct faults *f, enum fault_call at, const char *who, bool is_after)
{
    (void)at;
    (void)is_after;
    return strcmp(who, "worker-0") == 0 && covey_now() >= *(int64_t *)f->arg ? -ECONNRESET : 0;
}

static int virtual_jobs_of_the_dead_are_taken_over(covey_ctx *ctx, void *arg)
{
    struct scene s;
    int64_t from = INT64_MAX;

    (void)arg;
    begin(ctx, &s, 1, (covey_fanout_options){0});
    s.faults.hook = cut_off_worker_0;
    s.faults.arg = &from;
    CHECK_EQ(submit(&s, "last_once", "a"), 0);
    CHECK_EQ(submit(&s, "last_once", "b"), 0);
    CHECK_EQ(covey_sleep(ctx, 60 * COVEY_SEC), 0); /* beats keep them */
    CHECK_EQ(seen.runs, 2);
    int64_t start = from = covey_now();
    GO(s.crew.group, crew_main, &s.crew);
    CHECK_EQ(covey_sleep(ctx, COVEY_FANOUT_DEAD_NS - 2 * COVEY_FANOUT_BEAT_NS), 0);
    CHECK_EQ(s.home.count, 0);
    CHECK_EQ(end(&s), 0);
    CHECK_EQ(seen.lost, 2); /* the worker knew before the others did */
    CHECK(seen.at - start < COVEY_FANOUT_DEAD_NS);
    CHECK_EQ(s.stats.crashes, 2);
    CHECK_EQ(s.stats.failures, 0);
    CHECK_EQ(s.stats.attempts, 4);
    CHECK_EQ(s.crew.stats[0].lost, 2);
    CHECK_EQ(s.crew.stats[1].reported, 2);
    return 0;
}
RUN(jobs_of_the_dead_are_taken_over)

/* All beats of all workers are lost, reports too. */
static int lose_beats(struct faults *f, enum fault_call at, const char *who, bool is_after)
{
    (void)f;
    (void)who;
    (void)is_after;
    return at == AT_BEAT ? -ECONNRESET : 0;
}

static int virtual_poison_is_given_up_and_comes_home_with_its_payload(covey_ctx *ctx, void *arg)
{
    struct scene s;

    (void)arg;
    begin(ctx, &s, 3, (covey_fanout_options){.policy = COVEY_ALL, .max_crashes = 3});
    s.faults.hook = lose_beats;
    CHECK_EQ(submit(&s, "last", "poison"), 0);
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(submit(&s, "done", NULL), 0);
    }
    CHECK_EQ(end(&s), -EOWNERDEAD);
    CHECK_STR(covey_errmsg(), "job 1 \"last\": given up after 3 crashes");
    CHECK_EQ(s.stats.dead, 1);
    CHECK_EQ(s.stats.done, 10);
    CHECK_EQ(s.stats.crashes, 3);
    CHECK_EQ(seen.runs, 13);
    return 0;
}
RUN(poison_is_given_up_and_comes_home_with_its_payload)

static int virtual_a_dead_jobs_result_has_its_payload(covey_ctx *ctx, void *arg)
{
    struct scene s;
    covey_fanout *f;
    covey_fanout_result *r;
    covey_fanout_job job = {.name = "last", .key = "k", .data = "payload", .len = 7};
    covey_fanout_options opts = {.with_results = true, .max_crashes = 1};

    (void)arg;
    begin(ctx, &s, 1, (covey_fanout_options){0});
    s.faults.hook = lose_beats;
    CHECK_EQ(covey_fanout_open(ctx, &f, s.crew.engine, &opts), 0);
    CHECK_EQ(covey_fanout_submit(ctx, f, &job, NULL), 0);
    CHECK_EQ(covey_chan_recv(ctx, covey_fanout_results(f), &r), 0);
    CHECK_EQ(r->end, COVEY_FANOUT_DEAD);
    CHECK_EQ(r->code, -EOWNERDEAD);
    CHECK_STR(r->data, "payload");
    CHECK_STR(r->key, "k");
    CHECK_EQ(r->crashes, 1);
    covey_fanout_result_free(r);
    CHECK_EQ(covey_fanout_wait(f), -EOWNERDEAD);
    CHECK_EQ(end(&s), 0);
    return 0;
}
RUN(a_dead_jobs_result_has_its_payload)

/* Its answer to a report is lost twice. */
static int lose_two_answers(struct faults *f, enum fault_call at, const char *who, bool is_after)
{
    (void)who;
    return at == AT_FINISH && is_after && (*(int *)f->arg)-- > 0 ? -ECONNRESET : 0;
}

static int virtual_a_report_is_repeated_and_counts_once(covey_ctx *ctx, void *arg)
{
    struct scene s;
    int left = 2;

    (void)arg;
    begin(ctx, &s, 1, (covey_fanout_options){0});
    s.faults.arg = &left;
    s.faults.hook = lose_two_answers;
    CHECK_EQ(submit(&s, "done", "a"), 0);
    CHECK_EQ(submit(&s, "done", "b"), 0);
    CHECK_EQ(submit(&s, "done", "c"), 0);
    CHECK_EQ(end(&s), 0);
    CHECK_EQ(seen.runs, 3);
    CHECK_EQ(s.stats.done, 3);
    CHECK_EQ(s.crew.stats[0].troubles, 2);
    return 0;
}
RUN(a_report_is_repeated_and_counts_once)

static int virtual_reports_of_a_run_that_was_taken_over_do_not_count(covey_ctx *ctx, void *arg)
{
    covey_fanout_engine *e = covey_fanout_local(NULL);

    (void)arg;
    check_fence(ctx, e);
    covey_fanout_engine_free(e);
    return 0;
}
RUN(reports_of_a_run_that_was_taken_over_do_not_count)

/* ---- coordinators ---- */

static int lose_keeps(struct faults *f, enum fault_call at, const char *who, bool is_after)
{
    (void)f;
    (void)who;
    (void)is_after;
    return at == AT_KEEP || at == AT_COLLECT ? -ECONNRESET : 0;
}

/* One that is cut off is dead to its workers, and knows it. */
static int virtual_a_dead_coordinators_jobs_end(covey_ctx *ctx, void *arg)
{
    struct scene s;

    (void)arg;
    begin(ctx, &s, 1, (covey_fanout_options){0});
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(submit(&s, "last", NULL), 0);
    }
    covey_test_settle();
    int64_t start = covey_now();
    s.faults.hook = lose_keeps;
    CHECK_EQ(covey_sleep(ctx, COVEY_FANOUT_DEAD_NS + 2 * COVEY_FANOUT_BEAT_NS), 0);
    CHECK_EQ(seen.runs, 2); /* the others were forgotten */
    CHECK_EQ(seen.lost, 2);
    CHECK(seen.at - start >= COVEY_FANOUT_DEAD_NS - COVEY_FANOUT_BEAT_NS);
    CHECK_EQ(submit(&s, "done", NULL), COVEY_ELOST);
    CHECK_EQ(end(&s), COVEY_ELOST);
    CHECK_EQ(s.home.by_end[COVEY_FANOUT_LOST], 5);
    CHECK_EQ(s.stats.lost, 5);
    CHECK_EQ(s.crew.stats[0].lost, 2);
    return 0;
}
RUN(a_dead_coordinators_jobs_end)

static int lose_submit_answers(struct faults *f, enum fault_call at, const char *who, bool is_after)
{
    (void)f;
    (void)who;
    return at == AT_SUBMIT && is_after ? -ECONNRESET : 0;
}

static int virtual_a_submit_without_an_answer_has_no_result(covey_ctx *ctx, void *arg)
{
    struct scene s;

    (void)arg;
    begin(ctx, &s, 1, (covey_fanout_options){.policy = COVEY_ALL});
    s.faults.hook = lose_submit_answers;
    CHECK_EQ(submit(&s, "nap", NULL), -ECONNRESET);
    s.faults.hook = NULL;
    CHECK_EQ(submit(&s, "last_once", NULL), 0);
    CHECK_EQ(covey_sleep(ctx, 60 * COVEY_SEC), 0);
    CHECK_EQ(seen.runs, 2); /* it was there */
    CHECK_EQ(s.home.count, 0);
    covey_fanout_cancel(s.f, 0);
    CHECK_EQ(end(&s), -ECONNRESET); /* a failed start is a failure */
    CHECK_STR(covey_errmsg(), "a fault of the test's");
    CHECK_EQ(s.stats.submitted, 1);
    return 0;
}
RUN(a_submit_without_an_answer_has_no_result)

static int lose_cancels(struct faults *f, enum fault_call at, const char *who, bool is_after)
{
    (void)f;
    (void)who;
    return at == AT_CANCEL && !is_after ? -ECONNRESET : 0;
}

static int virtual_a_cancel_is_repeated_until_it_is_heard(covey_ctx *ctx, void *arg)
{
    struct scene s;

    (void)arg;
    begin(ctx, &s, 1, (covey_fanout_options){0});
    CHECK_EQ(submit(&s, "last", NULL), 0);
    covey_test_settle();
    s.faults.hook = lose_cancels;
    covey_fanout_cancel(s.f, 0);
    CHECK_EQ(covey_sleep(ctx, 5 * COVEY_SEC), 0);
    CHECK_EQ(seen.canceled, 0);
    s.faults.hook = NULL;
    CHECK_EQ(end(&s), 0);
    CHECK_EQ(seen.canceled, 1);
    return 0;
}
RUN(a_cancel_is_repeated_until_it_is_heard)

/* Cancelled, with a worker that died over its job and no other to take it. */
static int virtual_a_cancel_does_not_wait_for_the_dead(covey_ctx *ctx, void *arg)
{
    struct scene s;
    int64_t from = 0;

    (void)arg;
    begin(ctx, &s, 1, (covey_fanout_options){0});
    CHECK_EQ(submit(&s, "last", NULL), 0);
    covey_test_settle();
    s.faults.arg = &from;
    s.faults.hook = cut_off_worker_0;
    int64_t start = covey_now();
    covey_fanout_cancel(s.f, 0);
    CHECK_EQ(end(&s), 0);
    CHECK(covey_now() - start <= COVEY_FANOUT_DEAD_NS + 2 * COVEY_FANOUT_BEAT_NS);
    CHECK_EQ(s.stats.canceled, 1);
    CHECK_EQ(s.stats.crashes, 1);
    return 0;
}
RUN(a_cancel_does_not_wait_for_the_dead)

/* ---- any schedule ---- */

static int cancel_later(covey_ctx *ctx, void *arg)
{
    (void)covey_sleep(NULL, (int64_t)covey_test_choose(12000) * COVEY_MS);
    covey_ctx_cancel(arg);
    (void)ctx;
    return 0;
}

static int virtual_a_cancel_at_any_time_ends_every_job_once(covey_ctx *ctx, void *arg)
{
    struct scene s;
    covey_ctx *parent = covey_ctx_with_cancel(ctx);
    covey_group *g = covey_group_new(NULL);
    char key[16];

    (void)arg;
    begin(parent, &s, 2, (covey_fanout_options){.window = 5, .policy = COVEY_ALL});
    GO(g, cancel_later, parent);
    for (int i = 0; i < 12; i++) {
        (void)snprintf(key, sizeof(key), "%d", i);
        int code = submit(&s, "effect", key);
        CHECK(code == 0 || code == COVEY_ECANCELED);
    }
    int code = end(&s);
    CHECK(code == 0 || code == COVEY_ECANCELED);
    CHECK_EQ(code == 0, s.stats.canceled == 0);
    CHECK_EQ(s.stats.done + s.stats.canceled, s.stats.submitted);
    CHECK(s.stats.done <= (uint64_t)seen.effect_count);
    JOIN(g);
    covey_ctx_unref(parent);
    return 0;
}
EXPLORE(a_cancel_at_any_time_ends_every_job_once, 300)

/* One call in eight fails, half of these only after it was made. */
static int fail_at_random(struct faults *f, enum fault_call at, const char *who, bool is_after)
{
    (void)f;
    (void)who;
    (void)is_after;
    return at != AT_SUBMIT && covey_test_choose(16) == 0 ? -ECONNRESET : 0;
}

static int virtual_whatever_is_lost_each_job_has_one_result_and_one_effect(covey_ctx *ctx,
                                                                           void *arg)
{
    struct scene s;
    char key[16];

    (void)arg;
    begin(ctx, &s, 3, (covey_fanout_options){.window = 8, .max_crashes = 1000});
    s.faults.hook = fail_at_random;
    for (int i = 0; i < 20; i++) {
        (void)snprintf(key, sizeof(key), "%d", i);
        CHECK_EQ(submit(&s, "effect", key), 0);
    }
    CHECK_EQ(end(&s), 0);
    CHECK_EQ(s.stats.done, 20);
    CHECK_EQ(s.home.by_end[COVEY_FANOUT_DONE], 20);
    CHECK_EQ(seen.effect_count, 20);
    return 0;
}
EXPLORE(whatever_is_lost_each_job_has_one_result_and_one_effect, 300)

static int submit_some(covey_ctx *ctx, void *arg)
{
    for (int i = 0; i < 6; i++) {
        (void)submit(arg, i == 3 && covey_test_choose(2) ? "unknown" : "effect", "0");
        (void)submit(arg, "done", NULL);
    }
    (void)ctx;
    return 0;
}

/* Submitters, a failing job, workers that leave and come: nobody is forgotten. */
static int virtual_an_error_beside_submits_and_leaving_workers(covey_ctx *ctx, void *arg)
{
    struct scene s;
    covey_group *g = covey_group_new(NULL);

    (void)arg;
    begin(ctx, &s, 2, (covey_fanout_options){.window = 4});
    GO(g, submit_some, &s);
    GO(g, submit_some, &s);
    (void)covey_sleep(ctx, covey_test_choose(8) * COVEY_SEC);
    crew_end(&s.crew);
    crew_start(&s.crew, 1);
    JOIN(g);
    int code = end(&s);
    CHECK(code == 0 || code == -ENOSYS);
    CHECK_EQ(s.stats.done + s.stats.canceled + s.stats.failed, s.stats.submitted);
    CHECK_EQ(s.stats.crashes, 0);
    return 0;
}
EXPLORE(an_error_beside_submits_and_leaving_workers, 300)

static int virtual_a_submit_beside_a_cancel_without_workers(covey_ctx *ctx, void *arg)
{
    struct scene s;
    covey_group *g = covey_group_new(NULL);

    (void)arg;
    (void)ctx;
    begin(NULL, &s, 0, (covey_fanout_options){0});
    GO(g, submit_some, &s);
    covey_test_point();
    covey_fanout_cancel(s.f, 0);
    JOIN(g);
    int64_t start = covey_now();
    CHECK_EQ(end(&s), 0);
    CHECK(covey_now() - start <= COVEY_FANOUT_BEAT_NS);
    CHECK_EQ(s.stats.canceled, s.stats.submitted);
    return 0;
}
EXPLORE(a_submit_beside_a_cancel_without_workers, 300)
