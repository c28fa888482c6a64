/* SPDX-License-Identifier: MIT
 * retry_test.c - tries, pauses and hedged calls in virtual time: when each starts, what ends them,
 * and what their caller gets to know. */
#include "support.h"

#define RUN(fn)                                                                                    \
    TEST(fn)                                                                                       \
    {                                                                                              \
        CHECK_EQ(covey_test_run(1, virtual_##fn, NULL), 0);                                        \
    }

enum { TRIES_MAX = 64 };

/* A target that fails so many times, and what it saw. */
struct target {
    int fails, code;
    int64_t hint_ns, takes_ns;
    covey_ctx *cancels; /* at its first try */
    int tries;
    int64_t at[TRIES_MAX];
};

static int call(covey_ctx *ctx, void *arg)
{
    struct target *t = arg;

    CHECK(t->tries < TRIES_MAX);
    t->at[t->tries++] = covey_now();
    CHECK_EQ(covey_retry_attempt(ctx), t->tries);
    if (t->takes_ns > 0) {
        int err = covey_sleep(ctx, t->takes_ns);
        if (err < 0) {
            return err;
        }
    }
    if (t->cancels) {
        covey_ctx_cancel(t->cancels);
    }
    if (t->tries > t->fails) {
        return 7;
    }
    if (t->hint_ns > 0) {
        covey_retry_after(ctx, t->hint_ns);
    }
    return covey_errorf(t->code, "try %d failed", t->tries);
}

static int virtual_three_tries_then_the_last_error(covey_ctx *ctx, void *arg)
{
    struct target t = {.fails = 100, .code = -ECONNREFUSED};

    (void)arg;
    CHECK_EQ(covey_retry(ctx, NULL, call, &t), -ECONNREFUSED);
    CHECK_EQ(t.tries, 3);
    CHECK_STR(covey_errmsg(), "after 3 tries: try 3 failed");
    CHECK_EQ(covey_retry_attempt(ctx), 0);
    covey_retry_after(ctx, COVEY_SEC); /* no try around it: nothing */
    return 0;
}
RUN(three_tries_then_the_last_error)

static int virtual_success_ends_it_with_its_code(covey_ctx *ctx, void *arg)
{
    struct target t = {.fails = 2, .code = -ECONNREFUSED};

    (void)arg;
    CHECK_EQ(covey_retry(ctx, &(covey_backoff){0}, call, &t), 7);
    CHECK_EQ(t.tries, 3);
    return 0;
}
RUN(success_ends_it_with_its_code)

static int virtual_a_permanent_failure_is_not_tried_again(covey_ctx *ctx, void *arg)
{
    struct target t = {.fails = 100, .code = COVEY_PERMANENT(-EINVAL)};

    (void)arg;
    CHECK_EQ(covey_retry(ctx, NULL, call, &t), -EINVAL);
    CHECK_EQ(t.tries, 1);
    CHECK_STR(covey_errmsg(), "try 1 failed");
    CHECK_EQ(covey_errcode(), -EINVAL);

    CHECK_EQ(COVEY_PERMANENT(3), 3);
    CHECK_EQ(COVEY_PERMANENT(COVEY_PERMANENT(COVEY_EOPEN)), COVEY_PERMANENT(COVEY_EOPEN));
    CHECK_EQ(covey_plain_code(COVEY_PERMANENT(COVEY_EOPEN)), COVEY_EOPEN);
    CHECK_STR(covey_strerror(COVEY_PERMANENT(-EINVAL)), covey_strerror(-EINVAL));
    return 0;
}
RUN(a_permanent_failure_is_not_tried_again)

/* Even over [0, bound), then capped: so the mean of many is half the bound, and a low cap is what
 * most draws give. */
TEST(jitter_is_full_and_capped_after)
{
    covey_backoff p = {.base_ns = COVEY_SEC, .cap_ns = 100 * COVEY_SEC};
    uint64_t random = 0;
    double sum = 0;
    int low = 0, capped = 0;

    for (int i = 0; i < 10000; i++) {
        random += UINT64_C(0x9E3779B97F4A7C15); /* a low-discrepancy sequence */
        int64_t pause = covey_backoff_pause(&p, 3, random);
        CHECK(pause >= 0 && pause < 4 * COVEY_SEC);
        sum += (double)pause;
        low += pause < COVEY_SEC / 10;
    }
    CHECK(sum / 10000 > 1.9 * (double)COVEY_SEC && sum / 10000 < 2.1 * (double)COVEY_SEC);
    CHECK(low > 200 && low < 300);

    p.cap_ns = COVEY_SEC;
    for (int i = 0; i < 10000; i++) {
        random += UINT64_C(0x9E3779B97F4A7C15);
        int64_t pause = covey_backoff_pause(&p, 3, random);
        CHECK(pause <= COVEY_SEC);
        capped += pause == COVEY_SEC;
    }
    CHECK(capped > 7400 && capped < 7600); /* three draws in four are beyond it */
    CHECK_EQ(covey_backoff_pause(&p, INT_MAX, UINT64_MAX), COVEY_SEC);
    p.factor = 1;
    CHECK(covey_backoff_pause(&p, INT_MAX, UINT64_MAX) < COVEY_SEC);
}

static int virtual_pauses_stay_below_the_doubling_bound(covey_ctx *ctx, void *arg)
{
    covey_backoff p = {.base_ns = COVEY_SEC, .cap_ns = 5 * COVEY_SEC, .max_tries = 20};
    struct target t = {.fails = 100, .code = -EIO};
    int distinct = 0;

    (void)arg;
    CHECK_EQ(covey_retry(ctx, &p, call, &t), -EIO);
    CHECK_EQ(t.tries, 20);
    for (int i = 1; i < 20; i++) {
        int64_t bound = i < 4 ? COVEY_SEC << (i - 1) : 5 * COVEY_SEC;
        int64_t pause = t.at[i] - t.at[i - 1];
        CHECK(pause >= 0 && pause <= bound);
        distinct += pause != 0 && pause != bound;
    }
    CHECK(distinct >= 3);
    return 0;
}
RUN(pauses_stay_below_the_doubling_bound)

static int virtual_a_hint_is_waited_for_beyond_the_cap(covey_ctx *ctx, void *arg)
{
    covey_backoff p = {.cap_ns = COVEY_SEC};
    struct target t = {.fails = 2, .code = -EBUSY, .hint_ns = 90 * COVEY_SEC};

    (void)arg;
    CHECK_EQ(covey_retry(ctx, &p, call, &t), 7);
    CHECK_EQ(t.at[1] - t.at[0], 90 * COVEY_SEC);
    CHECK_EQ(t.at[2] - t.at[1], 90 * COVEY_SEC);
    return 0;
}
RUN(a_hint_is_waited_for_beyond_the_cap)

static int hint_once(covey_ctx *ctx, void *arg)
{
    struct target *t = arg;

    t->hint_ns = t->tries == 0 ? COVEY_SEC : 0;
    int code = call(ctx, t);
    covey_retry_after(ctx, t->hint_ns / 2); /* a shorter one does not take its place */
    return code;
}

static int virtual_the_longest_hint_counts_for_one_pause(covey_ctx *ctx, void *arg)
{
    covey_backoff p = {.base_ns = COVEY_MS};
    struct target t = {.fails = 2, .code = -EBUSY};

    (void)arg;
    CHECK_EQ(covey_retry(ctx, &p, hint_once, &t), 7);
    CHECK_EQ(t.at[1] - t.at[0], COVEY_SEC);
    CHECK(t.at[2] - t.at[1] < 2 * COVEY_MS);
    return 0;
}
RUN(the_longest_hint_counts_for_one_pause)

/* No sleep that ends in nothing. */
static int virtual_a_try_after_the_deadline_is_not_waited_for(covey_ctx *ctx, void *arg)
{
    struct target t = {.fails = 100, .code = -EBUSY, .hint_ns = 5 * COVEY_SEC};
    covey_ctx *timed = covey_ctx_with_timeout(ctx, 5 * COVEY_SEC);
    int64_t start = covey_now();

    (void)arg;
    CHECK_EQ(covey_retry(timed, NULL, call, &t), -EBUSY);
    CHECK_EQ(covey_now(), start);
    CHECK_EQ(t.tries, 1);

    t = (struct target){.fails = 100, .code = -EBUSY, .hint_ns = 4 * COVEY_SEC};
    CHECK_EQ(covey_retry(timed, NULL, call, &t), -EBUSY);
    CHECK_EQ(covey_now() - start, 4 * COVEY_SEC);
    CHECK_EQ(t.tries, 2);
    covey_ctx_unref(timed);

    covey_backoff p = {.max_elapsed_ns = 10 * COVEY_SEC, .max_tries = COVEY_RETRY_UNLIMITED};
    t = (struct target){.fails = 100, .code = -EBUSY, .hint_ns = 4 * COVEY_SEC};
    start = covey_now();
    CHECK_EQ(covey_retry(ctx, &p, call, &t), -EBUSY);
    CHECK_EQ(covey_now() - start, 8 * COVEY_SEC);
    CHECK_EQ(t.tries, 3);
    return 0;
}
RUN(a_try_after_the_deadline_is_not_waited_for)

static int cancel_soon(covey_ctx *ctx, void *arg)
{
    CHECK_EQ(covey_sleep(ctx, COVEY_SEC), 0);
    covey_ctx_cancel(arg);
    return 0;
}

static int virtual_the_end_of_the_context_ends_it(covey_ctx *ctx, void *arg)
{
    covey_ctx *own = covey_ctx_with_cancel(ctx);
    struct target t = {.fails = 100, .code = -EBUSY, .hint_ns = 60 * COVEY_SEC};
    covey_group *g = covey_group_new(ctx);
    int64_t start = covey_now();

    (void)arg;
    GO(g, cancel_soon, own);
    CHECK_EQ(covey_retry(own, NULL, call, &t), COVEY_ECANCELED); /* in a pause */
    CHECK_STR(covey_errmsg(), "after 1 try, the last: try 1 failed: canceled");
    CHECK_EQ(covey_now() - start, COVEY_SEC);
    JOIN(g);
    CHECK_EQ(covey_retry(own, NULL, call, &t), COVEY_ECANCELED); /* at the start */
    CHECK_EQ(t.tries, 1);
    covey_ctx_unref(own);

    own = covey_ctx_with_cancel(ctx);
    t = (struct target){.fails = 100, .code = -EBUSY, .cancels = own};
    CHECK_EQ(covey_retry(own, NULL, call, &t), -EBUSY); /* in a try: its own answer */
    CHECK_EQ(t.tries, 1);
    covey_ctx_unref(own);
    return 0;
}
RUN(the_end_of_the_context_ends_it)

static int virtual_each_try_has_its_deadline(covey_ctx *ctx, void *arg)
{
    covey_backoff p = {.try_ns = COVEY_SEC, .base_ns = 1};
    struct target t = {.fails = 100, .code = -EBUSY, .takes_ns = 60 * COVEY_SEC};
    int64_t start = covey_now();

    (void)arg;
    CHECK_EQ(covey_retry(ctx, &p, call, &t), COVEY_EDEADLINE);
    CHECK_STR(covey_errmsg(),
              "after 3 tries: deadline exceeded (1 s, set by covey_backoff.try_ns)");
    CHECK_EQ(t.tries, 3);
    CHECK(covey_now() - start < 3 * COVEY_SEC + COVEY_MS);
    return 0;
}
RUN(each_try_has_its_deadline)

static bool is_busy(int code, void *arg)
{
    (void)arg;
    return code == -EBUSY;
}

static int told_tries;

static void note(const covey_retry_event *event, void *arg)
{
    told_tries++;
    CHECK_EQ(event->attempt, told_tries);
    CHECK_EQ(event->code, -EBUSY);
    CHECK(event->wait_ns >= 0);
    CHECK_EQ(*(int *)arg, 42);
}

static int virtual_the_callers_judgement_and_the_event(covey_ctx *ctx, void *arg)
{
    int number = 42;
    covey_backoff p = {.is_worth = is_busy, .on_retry = note, .arg = &number};
    struct target t = {.fails = 100, .code = -EIO};

    (void)arg;
    CHECK_EQ(covey_retry(ctx, &p, call, &t), -EIO);
    CHECK_EQ(t.tries, 1);
    t = (struct target){.fails = 100, .code = -EBUSY};
    CHECK_EQ(covey_retry(ctx, &p, call, &t), -EBUSY);
    CHECK_EQ(told_tries, 2);
    return 0;
}
RUN(the_callers_judgement_and_the_event)

TEST(a_policy_out_of_range_is_einval)
{
    struct target t = {0};

    CHECK_EQ(covey_retry(NULL, &(covey_backoff){.base_ns = -1}, call, &t), -EINVAL);
    CHECK_EQ(covey_retry(NULL, &(covey_backoff){.cap_ns = -1}, call, &t), -EINVAL);
    CHECK_EQ(covey_retry(NULL, &(covey_backoff){.factor = 0.5}, call, &t), -EINVAL);
    CHECK_EQ(covey_retry(NULL, &(covey_backoff){.max_tries = -1}, call, &t), -EINVAL);
    CHECK_EQ(covey_retry(NULL, &(covey_backoff){.max_elapsed_ns = -1}, call, &t), -EINVAL);
    CHECK_EQ(covey_hedge(NULL, &(covey_hedge_options){.delay_ns = -1}, call, &t), -EINVAL);
    CHECK_EQ(t.tries, 0);
    CHECK(!covey_retry_budget_new(&(covey_retry_budget_options){.burst = -1}));
}

/* In an outage, all callers together make no more retries than a tenth of their calls. */
static int virtual_a_budget_bounds_all_callers(covey_ctx *ctx, void *arg)
{
    covey_retry_budget *budget = covey_retry_budget_new(NULL);
    covey_backoff p = {.budget = budget, .base_ns = 1};
    covey_retry_budget_stats stats;
    int tries = 0;

    (void)arg;
    for (int i = 0; i < 1000; i++) {
        struct target t = {.fails = 100, .code = -EIO};
        CHECK_EQ(covey_retry(ctx, &p, call, &t), -EIO);
        tries += t.tries;
    }
    covey_retry_budget_stats_of(budget, &stats);
    CHECK_EQ(stats.calls, 1000);
    CHECK_EQ(tries, 1000 + (int)stats.granted);
    CHECK(stats.granted >= 108 && stats.granted <= 110);
    CHECK(stats.refused >= 890);
    covey_retry_budget_free(budget);
    return 0;
}
RUN(a_budget_bounds_all_callers)

static int virtual_a_budget_comes_back_with_time(covey_ctx *ctx, void *arg)
{
    covey_retry_budget *budget =
        covey_retry_budget_new(&(covey_retry_budget_options){.per_second = 1, .burst = 2});

    (void)arg;
    CHECK(covey_retry_budget_take(budget));
    CHECK(covey_retry_budget_take(budget));
    CHECK(!covey_retry_budget_take(budget));
    CHECK_EQ(covey_sleep(ctx, 60 * COVEY_SEC), 0);
    CHECK(covey_retry_budget_take(budget));
    CHECK(covey_retry_budget_take(budget));
    CHECK(!covey_retry_budget_take(budget));
    covey_retry_budget_free(budget);
    return 0;
}
RUN(a_budget_comes_back_with_time)

TEST(a_plain_thread_retries_without_a_runtime)
{
    covey_backoff p = {.base_ns = COVEY_US};
    struct target t = {.fails = 2, .code = -EIO};

    CHECK_EQ(covey_retry(NULL, &p, call, &t), 7);
}

/* ---- hedged calls ---- */

struct replica {
    int64_t takes_ns;
    int code;
};

struct replicas {
    struct replica each[4];
    atomic_int started, ended, canceled;
    int64_t at[4];
};

static int ask_replica(covey_ctx *ctx, void *arg)
{
    struct replicas *r = arg;
    int i = covey_retry_attempt(ctx) - 1;

    r->at[i] = covey_now();
    atomic_fetch_add(&r->started, 1);
    int err = covey_sleep(ctx, r->each[i].takes_ns);
    atomic_fetch_add(&r->ended, 1);
    atomic_fetch_add(&r->canceled, err == COVEY_ECANCELED);
    return err < 0 ? err : r->each[i].code;
}

static int virtual_a_slow_attempt_is_overtaken(covey_ctx *ctx, void *arg)
{
    struct replicas r = {.each = {{COVEY_SEC, 1}, {10 * COVEY_MS, 2}, {0, 3}}};
    int winner = 0;
    covey_hedge_options opts = {.max_attempts = 3, .winner = &winner};
    int64_t start = covey_now();

    (void)arg;
    CHECK_EQ(covey_hedge(ctx, &opts, ask_replica, &r), 2);
    CHECK_EQ(winner, 2);
    CHECK_EQ(covey_now() - start, 110 * COVEY_MS);
    CHECK_EQ(r.started, 2);
    CHECK_EQ(r.ended, 2); /* the loser too, before it returned */
    CHECK_EQ(r.canceled, 1);
    return 0;
}
RUN(a_slow_attempt_is_overtaken)

static int virtual_a_fast_attempt_stays_alone(covey_ctx *ctx, void *arg)
{
    struct replicas r = {.each = {{COVEY_MS, 1}}};

    (void)arg;
    CHECK_EQ(covey_hedge(ctx, NULL, ask_replica, &r), 1);
    CHECK_EQ(r.started, 1);
    return 0;
}
RUN(a_fast_attempt_stays_alone)

/* The next comes at once when all that run have failed, and not before. */
static int virtual_failures_bring_the_next_attempt_forward(covey_ctx *ctx, void *arg)
{
    struct replicas r = {.each = {{140 * COVEY_MS, -EIO}, {70 * COVEY_MS, -EBUSY}, {0, -EPERM}}};
    int winner = 9;
    covey_hedge_options opts = {.max_attempts = 3, .winner = &winner};
    int64_t start = covey_now();

    (void)arg;
    CHECK_EQ(covey_hedge(ctx, &opts, ask_replica, &r), -EIO);
    CHECK_EQ(winner, 0);
    CHECK_EQ(r.at[1] - start, 100 * COVEY_MS);
    CHECK_EQ(r.at[2] - start, 170 * COVEY_MS);
    return 0;
}
RUN(failures_bring_the_next_attempt_forward)

static int virtual_a_permanent_failure_stops_the_rest(covey_ctx *ctx, void *arg)
{
    struct replicas r = {
        .each = {{60 * COVEY_SEC, 1}, {COVEY_MS, COVEY_PERMANENT(-EACCES)}, {0, 1}}};
    covey_hedge_options opts = {.max_attempts = 3};

    (void)arg;
    CHECK_EQ(covey_hedge(ctx, &opts, ask_replica, &r), -EACCES);
    CHECK_EQ(r.started, 2);
    CHECK_EQ(r.canceled, 1);
    return 0;
}
RUN(a_permanent_failure_stops_the_rest)

static int virtual_hedges_obey_budget_and_context(covey_ctx *ctx, void *arg)
{
    covey_retry_budget *budget =
        covey_retry_budget_new(&(covey_retry_budget_options){.burst = 1, .per_call = 0.001});
    covey_hedge_options opts = {.max_attempts = 4, .budget = budget};
    struct replicas r = {.each = {{COVEY_SEC, 1}, {COVEY_SEC, 1}, {COVEY_SEC, 1}, {COVEY_SEC, 1}}};
    covey_ctx *timed = covey_ctx_with_timeout(ctx, 500 * COVEY_MS);

    (void)arg;
    CHECK_EQ(covey_hedge(ctx, &opts, ask_replica, &r), 1);
    CHECK_EQ(r.started, 2);
    CHECK_EQ(covey_hedge(timed, NULL, ask_replica, &r), COVEY_EDEADLINE);
    CHECK_EQ(covey_hedge(timed, NULL, ask_replica, &r), COVEY_EDEADLINE);
    CHECK_EQ(r.started, r.ended);
    covey_ctx_unref(timed);
    covey_retry_budget_free(budget);
    return 0;
}
RUN(hedges_obey_budget_and_context)

/* In any order of things: one winner, whose code it is, and nobody left. */
static int race(covey_ctx *ctx, void *arg)
{
    struct replicas r = {0};
    int winner = 0;
    covey_hedge_options opts = {.max_attempts = 4, .delay_ns = COVEY_MS, .winner = &winner};

    (void)arg;
    for (int i = 0; i < 4; i++) {
        r.each[i].takes_ns = covey_test_choose(4) * COVEY_MS;
        r.each[i].code = covey_test_choose(2) ? 100 + i : -EIO;
    }
    int code = covey_hedge(ctx, &opts, ask_replica, &r);
    COVEY_TEST_CHECK(r.started == r.ended);
    COVEY_TEST_CHECK(code == -EIO ? winner == 0 : code == 99 + winner);
    COVEY_TEST_CHECK(code > 0 || r.started == 4);
    return 0;
}

TEST(one_attempt_wins_in_every_order)
{
    CHECK_EQ(covey_explore(&(covey_explore_options){.seeds = 500}, race, NULL), 0);
}

/* A thousand callers in real time. */
static int retry_once(covey_ctx *ctx, void *arg)
{
    covey_backoff p = {.base_ns = COVEY_US, .budget = arg, .max_tries = 2};
    struct target t = {.fails = 1, .code = -EIO};
    int code = covey_retry(ctx, &p, call, &t);

    return code == 7 || code == -EIO ? 0 : code;
}

static int refuse_for_long(covey_ctx *ctx, void *arg)
{
    (void)arg;
    covey_retry_after(ctx, 3600 * COVEY_SEC);
    return covey_errorf(-ECONNREFUSED, "nobody is there");
}

static int try_again(covey_ctx *ctx, void *arg)
{
    int code = covey_retry(ctx, NULL, refuse_for_long, arg);
    return code == COVEY_ECANCELED ? 0 : code;
}

TASK_TEST(a_dump_says_why_there_will_be_another_try)
{
    covey_group *g = covey_group_new(ctx);

    GO(g, try_again, NULL);
    while (!dump_says(", awaiting another try \"nobody is there\"")) {
        covey_yield();
    }
    covey_group_cancel(g, 0);
    JOIN(g);
}

TASK_TEST(a_thousand_share_a_budget)
{
    covey_retry_budget *budget = covey_retry_budget_new(NULL);
    covey_group *g = covey_group_new(ctx);
    covey_retry_budget_stats stats;

    for (int i = 0; i < 1000; i++) {
        GO(g, retry_once, budget);
    }
    JOIN(g);
    covey_retry_budget_stats_of(budget, &stats);
    CHECK_EQ(stats.calls, 1000);
    CHECK_EQ(stats.granted + stats.refused, 1000);
    CHECK(stats.granted <= 110);
    covey_retry_budget_free(budget);
}
