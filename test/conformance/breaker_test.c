/* SPDX-License-Identifier: MIT
 * breaker_test.c - the breaker in virtual time: when it opens, what it lets through, which reports
 * count; then a scripted outage as a table, and a crowd before one half-open breaker. */
#include "support.h"

#define RUN(fn)                                                                                    \
    TEST(fn)                                                                                       \
    {                                                                                              \
        CHECK_EQ(covey_test_run(1, virtual_##fn, NULL), 0);                                        \
    }

static int answer(covey_ctx *ctx, void *arg)
{
    int code = *(int *)arg;

    (void)ctx;
    return code < 0 ? covey_errorf(code, "the target fails") : code;
}

static void calls(covey_breaker *b, int n, int code)
{
    for (int i = 0; i < n; i++) {
        CHECK_EQ(covey_breaker_do(NULL, b, answer, &code), code);
    }
}

static uint64_t allow(covey_breaker *b)
{
    uint64_t ticket = 0;

    CHECK_EQ(covey_breaker_allow(b, &ticket), 0);
    CHECK(ticket != 0);
    return ticket;
}

static void refused(covey_breaker *b)
{
    uint64_t ticket = 5;

    CHECK_EQ(covey_breaker_allow(b, &ticket), COVEY_EOPEN);
    CHECK_EQ(ticket, 5);
}

static void in_state(covey_breaker *b, covey_breaker_state state)
{
    CHECK_STR(covey_breaker_state_name(covey_breaker_state_of(b)), covey_breaker_state_name(state));
}

/* Sleeps until the breaker, which is open, is half-open. */
static void sleep_it_off(covey_breaker *b)
{
    in_state(b, COVEY_BREAKER_OPEN);
    CHECK_EQ(covey_sleep(NULL, covey_breaker_retry_in(b)), 0);
    in_state(b, COVEY_BREAKER_HALF_OPEN);
    CHECK_EQ(covey_breaker_retry_in(b), 0);
}

static int virtual_opens_above_60_percent_of_at_least_10(covey_ctx *ctx, void *arg)
{
    covey_breaker *b = covey_breaker_new(NULL);

    (void)arg;
    calls(b, 9, -EIO);
    in_state(b, COVEY_BREAKER_CLOSED); /* nine are too few */
    covey_breaker_free(b);

    b = covey_breaker_new(&(covey_breaker_options){.name = "stock"});
    calls(b, 4, 1);
    calls(b, 6, -EIO);
    in_state(b, COVEY_BREAKER_CLOSED); /* 60 % is not above */
    calls(b, 1, -EIO);
    in_state(b, COVEY_BREAKER_OPEN);
    int code = 0;
    CHECK_EQ(covey_breaker_do(ctx, b, answer, &code), COVEY_EOPEN);
    CHECK_STR(covey_errmsg(), "stock: circuit breaker is open");
    CHECK_EQ(covey_breaker_retry_in(b), COVEY_BREAKER_OPEN_NS);
    covey_breaker_free(b);
    return 0;
}
RUN(opens_above_60_percent_of_at_least_10)

static int virtual_failures_older_than_the_window_are_forgotten(covey_ctx *ctx, void *arg)
{
    covey_breaker *b = covey_breaker_new(NULL);
    covey_breaker_stats stats;

    (void)arg;
    for (int second = 0; second < 300; second++) { /* nine in any 30 s */
        calls(b, second % 10 < 3, -EIO);
        CHECK_EQ(covey_sleep(ctx, COVEY_SEC), 0);
    }
    in_state(b, COVEY_BREAKER_CLOSED);
    covey_breaker_stats_of(b, &stats);
    CHECK(stats.window_failures >= 6 && stats.window_failures <= 9);
    CHECK_EQ(stats.window_failures, stats.window_calls);
    CHECK_EQ(covey_sleep(ctx, 30 * COVEY_SEC), 0);
    calls(b, 3, -EIO);
    CHECK_EQ(covey_sleep(ctx, 29 * COVEY_SEC), 0);
    covey_breaker_stats_of(b, &stats);
    CHECK_EQ(stats.window_failures, 3);
    CHECK_EQ(covey_sleep(ctx, COVEY_SEC), 0);
    covey_breaker_stats_of(b, &stats);
    CHECK_EQ(stats.window_calls, 0);
    CHECK_EQ(stats.failed, 93);
    covey_breaker_free(b);
    return 0;
}
RUN(failures_older_than_the_window_are_forgotten)

static int virtual_half_open_closes_after_10_in_a_row(covey_ctx *ctx, void *arg)
{
    covey_breaker *b = covey_breaker_new(NULL);

    (void)ctx;
    (void)arg;
    calls(b, 10, -EIO);
    sleep_it_off(b);
    calls(b, 9, 1);
    in_state(b, COVEY_BREAKER_HALF_OPEN);
    calls(b, 1, -EIO);
    refused(b);
    sleep_it_off(b);
    calls(b, 9, 1);
    in_state(b, COVEY_BREAKER_HALF_OPEN);
    calls(b, 1, 1);
    in_state(b, COVEY_BREAKER_CLOSED);
    calls(b, 9, -EIO); /* the old failures are forgotten */
    in_state(b, COVEY_BREAKER_CLOSED);
    covey_breaker_free(b);
    return 0;
}
RUN(half_open_closes_after_10_in_a_row)

static int virtual_half_open_has_one_trial_at_a_time(covey_ctx *ctx, void *arg)
{
    covey_breaker *b = covey_breaker_new(NULL);

    (void)ctx;
    (void)arg;
    calls(b, 10, -EIO);
    sleep_it_off(b);
    uint64_t trial = allow(b);
    refused(b);
    refused(b);
    covey_breaker_report(b, trial, 0);
    trial = allow(b);
    covey_breaker_report(b, trial, COVEY_ECANCELED); /* says nothing; the place is free */
    in_state(b, COVEY_BREAKER_HALF_OPEN);
    trial = allow(b);
    refused(b);
    covey_breaker_report(b, trial, -EIO);
    in_state(b, COVEY_BREAKER_OPEN);
    covey_breaker_free(b);
    return 0;
}
RUN(half_open_has_one_trial_at_a_time)

TEST(a_callers_own_cancellation_is_ignored)
{
    covey_breaker *b = covey_breaker_new(NULL);
    covey_ctx *canceled = done_ctx(COVEY_ECANCELED);
    covey_breaker_stats stats;
    int code = 0;

    calls(b, 100, COVEY_ECANCELED);
    covey_breaker_stats_of(b, &stats);
    CHECK_EQ(stats.ignored, 100);
    CHECK_EQ(stats.window_calls, 0);
    CHECK_EQ(covey_breaker_do(canceled, b, answer, &code), COVEY_ECANCELED);
    covey_breaker_stats_of(b, &stats);
    CHECK_EQ(stats.allowed, 100); /* a done context makes no call */
    CHECK_EQ(stats.in_flight, 0);
    calls(b, 10, COVEY_EDEADLINE); /* too slow for its caller: a failure */
    in_state(b, COVEY_BREAKER_OPEN);
    covey_ctx_unref(canceled);
    covey_breaker_free(b);
}

static int virtual_a_ticket_counts_once(covey_ctx *ctx, void *arg)
{
    covey_breaker *b = covey_breaker_new(NULL);
    covey_breaker_stats stats;
    uint64_t ticket = allow(b);

    (void)ctx;
    (void)arg;
    for (int i = 0; i < 20; i++) {
        covey_breaker_report(b, ticket, -EIO);
    }
    covey_breaker_report(b, 0, -EIO);
    covey_breaker_report(b, UINT64_MAX, -EIO);
    uint64_t other = allow(b); /* in the same place */
    covey_breaker_report(b, ticket, -EIO);
    covey_breaker_stats_of(b, &stats);
    CHECK_EQ(stats.window_failures, 1);
    CHECK_EQ(stats.discarded, 22);
    CHECK_EQ(stats.in_flight, 1);
    covey_breaker_report(b, other, 0);
    covey_breaker_free(b);
    return 0;
}
RUN(a_ticket_counts_once)

static int virtual_a_ticket_expires(covey_ctx *ctx, void *arg)
{
    covey_breaker *b = covey_breaker_new(&(covey_breaker_options){.ticket_ns = 10 * COVEY_SEC});
    covey_breaker_stats stats;
    uint64_t lost = allow(b);

    (void)arg;
    CHECK_EQ(covey_sleep(ctx, 10 * COVEY_SEC), 0);
    covey_breaker_report(b, lost, -EIO);
    covey_breaker_stats_of(b, &stats);
    CHECK_EQ(stats.window_calls, 0);
    CHECK_EQ(stats.expired, 1);
    CHECK_EQ(stats.discarded, 1);

    calls(b, 10, -EIO);
    sleep_it_off(b);
    lost = allow(b); /* a trial that nobody reports */
    refused(b);
    CHECK_EQ(covey_sleep(ctx, 10 * COVEY_SEC), 0);
    uint64_t trial = allow(b);
    refused(b);
    covey_breaker_report(b, lost, -EIO); /* too late to matter */
    in_state(b, COVEY_BREAKER_HALF_OPEN);
    covey_breaker_report(b, trial, -EIO);
    in_state(b, COVEY_BREAKER_OPEN);
    covey_breaker_free(b);
    return 0;
}
RUN(a_ticket_expires)

/* Reported in another order than they were issued, and some never in time. */
static int virtual_a_thousand_tickets_are_told_apart(covey_ctx *ctx, void *arg)
{
    enum { TICKETS = 1000 };
    static uint64_t tickets[TICKETS];
    covey_breaker *b = covey_breaker_new(&(covey_breaker_options){.window_ns = 600 * COVEY_SEC});
    covey_breaker_stats stats;

    (void)arg;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < TICKETS; i++) {
            if (i == TICKETS / 2) {
                CHECK_EQ(covey_sleep(ctx, COVEY_BREAKER_TICKET_NS / 2), 0);
            }
            tickets[i] = allow(b);
        }
        if (round == 1) {
            CHECK_EQ(covey_sleep(ctx, COVEY_BREAKER_TICKET_NS / 2), 0);
        }
        for (int i = 0; i < TICKETS; i++) {
            covey_breaker_report(b, tickets[i * 7 % TICKETS], 0);
        }
        covey_breaker_stats_of(b, &stats);
        CHECK_EQ(stats.in_flight, 0);
        CHECK_EQ(stats.window_calls, round == 0 ? TICKETS : TICKETS + TICKETS / 2);
        CHECK_EQ(stats.expired, round == 0 ? 0 : TICKETS / 2);
        CHECK_EQ(stats.discarded, stats.expired);
    }
    covey_breaker_free(b);
    return 0;
}
RUN(a_thousand_tickets_are_told_apart)

static int virtual_results_of_an_earlier_generation_are_discarded(covey_ctx *ctx, void *arg)
{
    covey_breaker *b = covey_breaker_new(NULL);
    uint64_t early[20];
    covey_breaker_stats stats;

    (void)ctx;
    (void)arg;
    for (int i = 0; i < 20; i++) {
        early[i] = allow(b);
    }
    calls(b, 10, -EIO);
    covey_breaker_report(b, early[0], 0); /* while open */
    sleep_it_off(b);
    for (int i = 1; i < 15; i++) {
        covey_breaker_report(b, early[i], 0); /* no successes of this half-open state */
    }
    in_state(b, COVEY_BREAKER_HALF_OPEN);
    covey_breaker_report(b, early[15], -EIO); /* nor a failure */
    in_state(b, COVEY_BREAKER_HALF_OPEN);
    uint64_t trial = allow(b);
    covey_breaker_report(b, early[16], -EIO); /* and it does not free the trial's place */
    refused(b);
    covey_breaker_report(b, trial, 0);
    calls(b, 9, 1);
    in_state(b, COVEY_BREAKER_CLOSED);
    covey_breaker_report(b, early[17], -EIO);
    covey_breaker_stats_of(b, &stats);
    CHECK_EQ(stats.window_calls, 0);
    CHECK_EQ(stats.discarded, 18);
    CHECK_EQ(stats.generation, 3);
    CHECK_EQ(stats.opened, 1);
    covey_breaker_free(b);
    return 0;
}
RUN(results_of_an_earlier_generation_are_discarded)

static int slow_answer(covey_ctx *ctx, void *arg)
{
    int err = covey_sleep(ctx, *(int64_t *)arg);
    return err < 0 ? err : 1;
}

static int virtual_slow_calls_count_as_failures(covey_ctx *ctx, void *arg)
{
    covey_breaker *b = covey_breaker_new(&(covey_breaker_options){.slow_ns = 100 * COVEY_MS});
    covey_breaker_stats stats;
    int64_t takes = 100 * COVEY_MS;

    (void)arg;
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(covey_breaker_do(ctx, b, slow_answer, &takes), 1);
    }
    in_state(b, COVEY_BREAKER_CLOSED);
    takes++;
    while (covey_breaker_state_of(b) == COVEY_BREAKER_CLOSED) {
        CHECK_EQ(covey_breaker_do(ctx, b, slow_answer, &takes), 1); /* its caller has its answer */
    }
    covey_breaker_stats_of(b, &stats);
    CHECK_EQ(stats.slow, 16); /* of 26: more than 60 % */
    covey_breaker_free(b);
    return 0;
}
RUN(slow_calls_count_as_failures)

/* A batch of which some failed is one call that failed. */
static int batch(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);
    int good = 1;

    (void)covey_group_go(g, answer, &good);
    (void)covey_group_go(g, answer, arg);
    (void)covey_group_go(g, answer, &good);
    return covey_group_wait(g);
}

TASK_TEST(a_batch_is_one_call)
{
    covey_breaker *b = covey_breaker_new(NULL);
    covey_breaker_stats stats;
    int code = -EIO;

    for (int i = 0; i < 10; i++) {
        CHECK_EQ(covey_breaker_do(ctx, b, batch, &code), -EIO);
        CHECK_STR(covey_errmsg(), "the target fails");
    }
    covey_breaker_stats_of(b, &stats);
    CHECK_EQ(stats.failed, 10);
    CHECK_EQ(stats.state, COVEY_BREAKER_OPEN);
    covey_breaker_free(b);
}

struct diary {
    covey_breaker *b;
    char text[400];
    uint64_t generation;
};

static void note(const covey_breaker_change *change, void *arg)
{
    struct diary *d = arg;
    size_t len = strlen(d->text);

    CHECK_EQ(change->generation, ++d->generation);
    (void)snprintf(d->text + len, sizeof(d->text) - len, "%s %s>%s %u/%u; ", change->name,
                   covey_breaker_state_name(change->from), covey_breaker_state_name(change->to),
                   change->failures, change->calls);
    /* No lock is held. */
    CHECK_EQ(covey_breaker_state_of(d->b), change->to);
}

static covey_outcome not_found_is_fine(int code, void *arg)
{
    (void)arg;
    CHECK(!covey_is_permanent(code));
    return code == -ENOENT ? COVEY_OUTCOME_SUCCESS
                           : (code < 0 ? COVEY_OUTCOME_FAILURE : COVEY_OUTCOME_SUCCESS);
}

static int virtual_changes_are_told_and_outcomes_are_the_users(covey_ctx *ctx, void *arg)
{
    struct diary d = {0};
    covey_breaker_options opts = {.name = "db",
                                  .min_calls = 4,
                                  .failure_percent = 50,
                                  .open_ns = COVEY_SEC,
                                  .close_after = 1,
                                  .on_change = note,
                                  .classify = not_found_is_fine,
                                  .arg = &d};

    (void)ctx;
    (void)arg;
    d.b = covey_breaker_new(&opts);
    calls(d.b, 1, COVEY_PERMANENT(-ENOENT));
    calls(d.b, 3, COVEY_PERMANENT(-EIO));
    sleep_it_off(d.b);
    calls(d.b, 1, -ENOENT);
    covey_breaker_trip(d.b);
    covey_breaker_trip(d.b);
    covey_breaker_reset(d.b);
    covey_breaker_reset(d.b);
    CHECK_STR(d.text, "db closed>open 3/4; db open>half-open 0/0; db half-open>closed 0/0; "
                      "db closed>open 0/0; db open>closed 0/0; ");
    covey_breaker_free(d.b);
    return 0;
}
RUN(changes_are_told_and_outcomes_are_the_users)

TEST(options_out_of_range_make_none)
{
    CHECK(!covey_breaker_new(&(covey_breaker_options){.failure_percent = 100}));
    CHECK(!covey_breaker_new(&(covey_breaker_options){.min_calls = -1}));
    CHECK(!covey_breaker_new(&(covey_breaker_options){.window_ns = 1}));
    CHECK(!covey_breaker_new(&(covey_breaker_options){.open_ns = -1}));
    CHECK(!covey_breaker_new(&(covey_breaker_options){.slow_ns = -1}));
    covey_breaker_free(NULL);
    CHECK_STR(covey_breaker_state_name((covey_breaker_state)9), "unknown");
}

/* ---- a scripted outage ---- */

enum { DOWN_FROM = 10, DOWN_TO = 60, SECONDS = 110, PER_SECOND = 4 };

struct outage {
    covey_breaker *b;
    int64_t start;
    int calls, failures; /* that reached the target in this second */
    char told[80];       /* the last row, without its second */
};

/* A row of the table, unless it says the same as the last. */
static void tell_second(struct outage *o, int second, covey_breaker_state state, int refusals)
{
    char row[sizeof(o->told)];

    (void)snprintf(row, sizeof(row), "%-9s  %5d  %11d  %6d  %7d", covey_breaker_state_name(state),
                   PER_SECOND, o->calls, o->failures, refusals);
    if (strcmp(row, o->told) != 0) {
        printf("# %6d  %s\n", second, row);
        memcpy(o->told, row, sizeof(row));
    }
}

static int target(covey_ctx *ctx, void *arg)
{
    struct outage *o = arg;
    int64_t second = (covey_now() - o->start) / COVEY_SEC;

    (void)ctx;
    o->calls++;
    if (second >= DOWN_FROM && second < DOWN_TO) {
        o->failures++;
        return covey_errorf(-ECONNREFUSED, "the target is down");
    }
    return 0;
}

static int guarded(covey_ctx *ctx, void *arg)
{
    struct outage *o = arg;
    int code = covey_breaker_do(ctx, o->b, target, o);
    return code == COVEY_EOPEN ? COVEY_PERMANENT(code) : code; /* fails fast */
}

/* Four callers a second, each with up to three tries, before a target that is down for 50 s. */
static int virtual_the_timeline_of_an_outage(covey_ctx *ctx, void *arg)
{
    struct outage o = {.b = covey_breaker_new(NULL)};
    covey_backoff retry = {.base_ns = 10 * COVEY_MS, .cap_ns = 20 * COVEY_MS};
    int during = 0, opened_at = 0, closed_at = 0;
    covey_breaker_stats before = {0}, now;

    (void)arg;
    o.start = covey_now();
    printf("# second  state      calls  let through  failed  refused\n");
    for (int second = 0; second < SECONDS; second++) {
        o.calls = o.failures = 0;
        for (int i = 0; i < PER_SECOND; i++) {
            (void)covey_retry(ctx, &retry, guarded, &o);
        }
        CHECK_EQ(covey_sleep(ctx, o.start + (second + 1) * COVEY_SEC - COVEY_MS - covey_now()), 0);
        covey_breaker_stats_of(o.b, &now);
        tell_second(&o, second, now.state, (int)(now.refused - before.refused));
        during += second >= DOWN_FROM && second < DOWN_TO ? o.calls : 0;
        opened_at = now.opened == 1 && before.opened == 0 ? second : opened_at;
        closed_at = now.state == COVEY_BREAKER_CLOSED && before.state == COVEY_BREAKER_HALF_OPEN
                        ? second
                        : closed_at;
        CHECK_EQ(now.in_flight, 0);
        before = now;
        CHECK_EQ(covey_sleep(ctx, o.start + (second + 1) * COVEY_SEC - covey_now()), 0);
    }
    /* 40 good calls stand in the window before it; it opens when more than 60 % of what is left of
     * them and of the new failures failed. One trial, some 30 s later, fails too. */
    CHECK(opened_at > DOWN_FROM && opened_at < DOWN_FROM + 10);
    CHECK(during < 100);
    CHECK(closed_at > DOWN_TO && closed_at < opened_at + 64 + 3);
    CHECK_EQ(now.opened, 2);
    CHECK_EQ(now.state, COVEY_BREAKER_CLOSED);
    covey_breaker_free(o.b);
    return 0;
}
RUN(the_timeline_of_an_outage)

/* ---- crowds ---- */

struct crowd {
    covey_breaker *b;
    atomic_int inside, most, through, refused;
};

static int slow_trial(covey_ctx *ctx, void *arg)
{
    struct crowd *c = arg;
    int inside = atomic_fetch_add(&c->inside, 1) + 1;

    if (inside > atomic_load(&c->most)) {
        atomic_store(&c->most, inside);
    }
    atomic_fetch_add(&c->through, 1);
    int err = covey_sleep(ctx, COVEY_SEC);
    atomic_fetch_sub(&c->inside, 1);
    return err;
}

static int press(covey_ctx *ctx, void *arg)
{
    struct crowd *c = arg;
    int code = covey_breaker_do(ctx, c->b, slow_trial, c);

    atomic_fetch_add(&c->refused, code == COVEY_EOPEN);
    return code == COVEY_EOPEN ? 0 : code;
}

/* Its sleep ends while they come: some come before, some after, one goes through. */
static int before_one_half_open_breaker(covey_ctx *ctx, void *arg)
{
    enum { TASKS = 30 };
    struct crowd c = {.b = covey_breaker_new(NULL)};
    covey_group *g = covey_group_new(ctx);

    (void)arg;
    covey_breaker_trip(c.b);
    COVEY_TEST_CHECK(covey_sleep(ctx, COVEY_BREAKER_OPEN_NS) == 0);
    for (int i = 0; i < TASKS; i++) {
        COVEY_TEST_CHECK(covey_group_go(g, press, &c) == 0);
    }
    COVEY_TEST_CHECK(covey_group_wait(g) == 0);
    COVEY_TEST_CHECK(c.through == 1 && c.most == 1 && c.refused == TASKS - 1);
    COVEY_TEST_CHECK(covey_breaker_state_of(c.b) == COVEY_BREAKER_HALF_OPEN);
    covey_breaker_free(c.b);
    return 0;
}

TEST(exactly_one_of_a_crowd_goes_through_half_open)
{
    CHECK_EQ(
        covey_explore(&(covey_explore_options){.seeds = 1000}, before_one_half_open_breaker, NULL),
        0);
}

/* In real time, on all workers: the counters add up, and no ticket is left. */
static int call_many(covey_ctx *ctx, void *arg)
{
    covey_breaker *b = arg;

    for (int i = 0; i < 50; i++) {
        int code = i % 2 ? 0 : -EIO;
        int got = covey_breaker_do(ctx, b, answer, &code);
        CHECK(got == code || got == COVEY_EOPEN);
        covey_yield();
    }
    return 0;
}

TASK_TEST(counters_add_up_in_a_crowd)
{
    covey_breaker_options opts = {.failure_percent = 40, .open_ns = COVEY_US, .close_after = 1};
    covey_breaker *b = covey_breaker_new(&opts);
    covey_group *g = covey_group_new(ctx);
    covey_breaker_stats s;

    for (int i = 0; i < 1000; i++) {
        GO(g, call_many, b);
    }
    JOIN(g);
    covey_breaker_stats_of(b, &s);
    CHECK_EQ(s.allowed + s.refused, 50000);
    CHECK_EQ(s.succeeded + s.failed + s.ignored + s.discarded, s.allowed);
    CHECK_EQ(s.in_flight, 0);
    CHECK(s.opened > 0);
    covey_breaker_free(b);
}
