/* SPDX-License-Identifier: MIT
 * limiter_test.c - the token bucket: rates in virtual time, the order of its line, and that waits
 * which end early take nothing. */
#include "support.h"

#include <math.h>
#include <pthread.h>

#define RUN(fn)                                                                                    \
    TEST(fn)                                                                                       \
    {                                                                                              \
        CHECK_EQ(covey_test_run(1, virtual_##fn, NULL), 0);                                        \
    }

static int virtual_burst_at_once_then_one_at_a_time(covey_ctx *ctx, void *arg)
{
    covey_limiter *l = covey_limiter_new(10, 5);
    int64_t start = covey_now();

    (void)arg;
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(covey_limiter_wait(ctx, l, 1), 0);
    }
    CHECK_EQ(covey_now() - start, 0);
    for (int i = 1; i <= 20; i++) {
        CHECK_EQ(covey_limiter_wait(ctx, l, 1), 0);
        CHECK(llabs(covey_now() - start - i * 100 * COVEY_MS) < COVEY_US);
    }
    CHECK_EQ(covey_sleep(ctx, 60 * COVEY_SEC), 0); /* no more than the burst is saved */
    CHECK(covey_limiter_allow(l, 5));
    CHECK(!covey_limiter_allow(l, 1));
    covey_limiter_free(l);
    return 0;
}
RUN(burst_at_once_then_one_at_a_time)

static int virtual_allow_takes_all_or_nothing(covey_ctx *ctx, void *arg)
{
    covey_limiter *l = covey_limiter_new(1, 4);
    covey_limiter_stats stats;

    (void)arg;
    CHECK(covey_limiter_allow(l, 3));
    CHECK(!covey_limiter_allow(l, 2));
    CHECK(covey_limiter_allow(l, 1));
    CHECK(covey_limiter_allow(l, 0));
    CHECK(!covey_limiter_allow(l, -1));
    CHECK_EQ(covey_sleep(ctx, 2 * COVEY_SEC), 0);
    CHECK(covey_limiter_allow(l, 2));
    covey_limiter_stats_of(l, &stats);
    CHECK_EQ(stats.allowed, 4);
    CHECK_EQ(stats.refused, 2);
    CHECK(fabs(stats.tokens) < 1e-5);
    covey_limiter_free(l);
    return 0;
}
RUN(allow_takes_all_or_nothing)

TEST(what_can_never_be_is_einval)
{
    covey_limiter *l = covey_limiter_new(10, 5);

    CHECK_EQ(covey_limiter_wait(NULL, l, 6), -EINVAL);
    CHECK(strstr(covey_errmsg(), "6 tokens of at most 5"));
    CHECK_EQ(covey_limiter_wait(NULL, l, -1), -EINVAL);
    CHECK_EQ(covey_limiter_wait(NULL, l, 0), 0);
    CHECK(!covey_limiter_allow(l, 6));
    CHECK_EQ(covey_limiter_set(l, -1, 5), -EINVAL);
    covey_limiter_free(l);
    CHECK(!covey_limiter_new(-1, 5));
    CHECK(!covey_limiter_new(NAN, 5));
    CHECK(!covey_limiter_new(1, -5));
    covey_limiter_free(NULL);
}

TEST(a_done_context_takes_nothing)
{
    covey_limiter *l = covey_limiter_new(1, 1);
    covey_ctx *canceled = done_ctx(COVEY_ECANCELED), *late = done_ctx(COVEY_EDEADLINE);

    CHECK_EQ(covey_limiter_wait(canceled, l, 1), COVEY_ECANCELED);
    CHECK_EQ(covey_limiter_wait(late, l, 1), COVEY_EDEADLINE);
    CHECK(covey_limiter_allow(l, 1));
    covey_ctx_unref(canceled);
    covey_ctx_unref(late);
    covey_limiter_free(l);
}

struct wait {
    covey_limiter *l;
    covey_ctx *ctx; /* NULL: the task's */
    int n, code;
    int *order, place; /* the how manieth of all to be served */
    int64_t at;
};

static int wait_for_tokens(covey_ctx *ctx, void *arg)
{
    struct wait *w = arg;

    w->code = covey_limiter_wait(w->ctx ? w->ctx : ctx, w->l, w->n);
    w->at = covey_now();
    w->place = w->order ? ++*w->order : 0;
    return 0;
}

/* A large wait, then small ones: nobody overtakes. */
static int virtual_waits_are_served_in_order_whatever_their_weight(covey_ctx *ctx, void *arg)
{
    covey_limiter *l = covey_limiter_new(10, 10);
    covey_group *g = covey_group_new(ctx);
    int64_t start = covey_now();
    int order = 0;
    struct wait waits[5] = {
        {.l = l, .n = 10, .order = &order}, {.l = l, .n = 1, .order = &order},
        {.l = l, .n = 5, .order = &order},  {.l = l, .n = 1, .order = &order},
        {.l = l, .n = 1, .order = &order},
    };
    const int64_t tenths[5] = {10, 11, 16, 17, 18};

    (void)arg;
    CHECK(covey_limiter_allow(l, 10));
    for (int i = 0; i < 4; i++) {
        GO(g, wait_for_tokens, &waits[i]);
        covey_test_settle();
    }
    CHECK_EQ(covey_sleep(ctx, 300 * COVEY_MS), 0);
    CHECK(!covey_limiter_allow(l, 1)); /* three are there, but others wait */
    GO(g, wait_for_tokens, &waits[4]); /* nor does a wait overtake them */
    JOIN(g);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(waits[i].code, 0);
        CHECK_EQ(waits[i].place, i + 1);
        CHECK(llabs(waits[i].at - start - tenths[i] * 100 * COVEY_MS) < COVEY_US);
    }
    covey_limiter_free(l);
    return 0;
}
RUN(waits_are_served_in_order_whatever_their_weight)

/* Whoever leaves the line, at its head or in it: the rest comes as if it had never been there. */
static int virtual_a_cancelled_wait_gives_back_all(covey_ctx *ctx, void *arg)
{
    for (int leaves = 0; leaves < 3; leaves++) {
        covey_limiter *l = covey_limiter_new(10, 10);
        covey_group *g = covey_group_new(ctx);
        covey_ctx *own = covey_ctx_with_cancel(ctx);
        int64_t start = covey_now();
        struct wait waits[3];
        int64_t tokens = 0;
        covey_limiter_stats stats;

        (void)arg;
        CHECK(covey_limiter_allow(l, 10));
        for (int i = 0; i < 3; i++) {
            waits[i] = (struct wait){.l = l, .n = 4, .ctx = i == leaves ? own : NULL};
            GO(g, wait_for_tokens, &waits[i]);
            covey_test_settle();
        }
        CHECK_EQ(covey_sleep(ctx, 100 * COVEY_MS), 0);
        covey_ctx_cancel(own);
        JOIN(g);
        for (int i = 0; i < 3; i++) {
            CHECK_EQ(waits[i].code, i == leaves ? COVEY_ECANCELED : 0);
            tokens += i == leaves ? 0 : 4;
            int64_t due = i == leaves ? 100 * COVEY_MS : tokens * 100 * COVEY_MS;
            CHECK(llabs(waits[i].at - start - due) < COVEY_US);
        }
        covey_limiter_stats_of(l, &stats);
        CHECK_EQ(stats.canceled, 1);
        CHECK_EQ(stats.waiting, 0);
        covey_ctx_unref(own);
        covey_limiter_free(l);
    }
    return 0;
}
RUN(a_cancelled_wait_gives_back_all)

static int virtual_who_cannot_be_in_time_is_told_at_once(covey_ctx *ctx, void *arg)
{
    covey_limiter *l = covey_limiter_new(1, 10);
    covey_ctx *timed = covey_ctx_with_timeout(ctx, 3 * COVEY_SEC);
    int64_t start = covey_now();

    (void)arg;
    CHECK(covey_limiter_allow(l, 10));
    CHECK_EQ(covey_limiter_wait(timed, l, 4), COVEY_EDEADLINE);
    CHECK_EQ(covey_now() - start, 0);
    CHECK_EQ(covey_limiter_wait(timed, l, 2), 0);
    CHECK(llabs(covey_now() - start - 2 * COVEY_SEC) < COVEY_US);
    covey_ctx_unref(timed);
    covey_limiter_free(l);
    return 0;
}
RUN(who_cannot_be_in_time_is_told_at_once)

static int virtual_a_new_rate_holds_for_those_who_wait(covey_ctx *ctx, void *arg)
{
    covey_limiter *l = covey_limiter_new(0, 10);
    covey_group *g = covey_group_new(ctx);
    struct wait first = {.l = l, .n = 2}, second = {.l = l, .n = 8};
    int64_t start = covey_now();

    (void)arg;
    CHECK(covey_limiter_allow(l, 10));
    GO(g, wait_for_tokens, &first);
    covey_test_settle();
    GO(g, wait_for_tokens, &second);
    CHECK_EQ(covey_sleep(ctx, 60 * COVEY_SEC), 0);
    CHECK_EQ(covey_limiter_set(l, 2, 5), 0);
    JOIN(g);
    CHECK_EQ(first.code, 0);
    CHECK(llabs(first.at - start - 61 * COVEY_SEC) < COVEY_US);
    CHECK_EQ(second.code, -EINVAL);
    CHECK_EQ(covey_limiter_set(l, COVEY_LIMITER_UNLIMITED, 5), 0);
    for (int i = 0; i < 1000; i++) {
        CHECK(covey_limiter_allow(l, 5));
    }
    covey_limiter_free(l);
    return 0;
}
RUN(a_new_rate_holds_for_those_who_wait)

/* A thousand waits, a third of which leave: never more tokens than burst + rate * time. */
static int leave_or_take(covey_ctx *ctx, void *arg)
{
    struct wait *w = arg;
    covey_ctx *own = covey_ctx_with_timeout(ctx, (1 + covey_test_choose(100)) * COVEY_MS);

    w->code = covey_limiter_wait(own, w->l, w->n);
    w->at = covey_now();
    covey_ctx_unref(own);
    return 0;
}

static int crowd(covey_ctx *ctx, void *arg)
{
    enum { WAITS = 100 };
    static struct wait waits[WAITS];
    covey_limiter *l = covey_limiter_new(1000, 5);
    covey_group *g = covey_group_new(ctx);
    int64_t start = covey_now();
    double tokens = 0;
    covey_limiter_stats stats;

    (void)arg;
    for (int i = 0; i < WAITS; i++) {
        waits[i] = (struct wait){.l = l, .n = 1 + (int)covey_test_choose(5)};
        COVEY_TEST_CHECK(covey_group_go(g, leave_or_take, &waits[i]) == 0);
    }
    COVEY_TEST_CHECK(covey_group_wait(g) == 0);
    for (int i = 0; i < WAITS; i++) {
        COVEY_TEST_CHECK(waits[i].code == 0 || waits[i].code == COVEY_EDEADLINE);
        tokens += waits[i].code == 0 ? waits[i].n : 0;
    }
    covey_limiter_stats_of(l, &stats);
    double made = 5 + (double)(covey_now() - start) / COVEY_MS;
    COVEY_TEST_CHECK(tokens + stats.tokens <= made + 0.01);
    COVEY_TEST_CHECK(stats.waiting == 0 && stats.tokens >= 0);
    covey_limiter_free(l);
    return 0;
}

TEST(no_token_is_made_or_lost_in_a_crowd)
{
    CHECK_EQ(covey_explore(&(covey_explore_options){.seeds = 100}, crowd, NULL), 0);
}

/* In real time, on all workers, with plain threads beside: only the count is certain. */
static void *take_in_thread(void *arg)
{
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(covey_limiter_wait(NULL, arg, 1), 0);
    }
    return NULL;
}

static int take_in_task(covey_ctx *ctx, void *arg)
{
    return covey_limiter_wait(ctx, arg, 1);
}

TASK_TEST(tasks_and_threads_share_one)
{
    covey_limiter *l = covey_limiter_new(20000, 1);
    covey_group *g = covey_group_new(ctx);
    pthread_t thread;
    covey_limiter_stats stats;

    CHECK_EQ(pthread_create(&thread, NULL, take_in_thread, l), 0);
    for (int i = 0; i < 1000; i++) {
        GO(g, take_in_task, l);
    }
    JOIN(g);
    CHECK_EQ(covey_limiter_wait(ctx, l, 1), 0);
    while (covey_limiter_stats_of(l, &stats), stats.allowed < 1021) {
        covey_yield();
    }
    CHECK_EQ(pthread_join(thread, NULL), 0);
    covey_limiter_free(l);
}

/* Before any runtime: a plain thread alone. */
TEST(a_plain_thread_needs_no_runtime)
{
    covey_limiter *l = covey_limiter_new(10000, 1);

    for (int i = 0; i < 10; i++) {
        CHECK_EQ(covey_limiter_wait(NULL, l, 1), 0);
    }
    covey_limiter_free(l);
}
