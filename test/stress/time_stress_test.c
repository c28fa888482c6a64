/* SPDX-License-Identifier: MIT
 * time_stress_test.c - timers, tickers, sleeps and after-funcs against their stop, reset, free and
 * receivers: each arming is received once or kept from it, and nothing is early. */
#include "stress.h"

enum { TASKS = 8 };

/* Timers of one owner. */

static int own_timers(covey_ctx *ctx, void *arg)
{
    uint64_t random = random_of(*(int *)arg);
    covey_timer *t = covey_timer_new(3600 * COVEY_SEC);
    int64_t due = 0, at;
    bool armed = true;

    (void)ctx;
    for (int i = 0; i < turns(10000); i++) {
        int64_t ns = random_below(&random, 60) * COVEY_US;

        switch (random_below(&random, 4)) {
        case 0:
            CHECK_EQ(covey_timer_stop(t), armed);
            armed = false;
            break;
        case 1:
            due = covey_now() + ns;
            CHECK_EQ(covey_timer_reset(t, ns), armed);
            armed = true;
            break;
        case 2:
            if (covey_chan_try_recv(covey_timer_chan(t), &at) == 0) {
                CHECK(armed && at >= due);
                armed = false;
            }
            break;
        default:
            if (covey_select(NULL, COVEY_RECV(covey_timer_chan(t), &at), COVEY_AFTER(ns)) == 0) {
                CHECK(armed && at >= due);
                armed = false;
            }
            break;
        }
    }
    CHECK_EQ(covey_timer_stop(t), armed);
    covey_timer_free(t);
    return 0;
}

STRESS_TASK_TEST(a_timers_owner_always_knows_whether_it_is_armed)
{
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < TASKS; i++) {
        CHECK_EQ(covey_group_go_copy(g, own_timers, &i, sizeof(i)), 0);
    }
    JOIN(g);
}

/* One timer, many owners and receivers. */

struct shared {
    covey_timer *timer;
    covey_ctx *ctx;
    atomic_int armed, kept, received;
};

static int share_arm(covey_ctx *ctx, void *arg)
{
    struct shared *s = arg;
    uint64_t random = random_of((int)covey_task_id());

    (void)ctx;
    for (int i = 0; i < turns(8000); i++) {
        if (random_below(&random, 4) == 0) {
            atomic_fetch_add(&s->kept, covey_timer_stop(s->timer));
        } else {
            atomic_fetch_add(&s->armed, 1);
            atomic_fetch_add(&s->kept,
                             covey_timer_reset(s->timer, random_below(&random, 40) * COVEY_US));
        }
        random_pause(&random);
    }
    return 0;
}

static int share_receive(covey_ctx *ctx, void *arg)
{
    struct shared *s = arg;
    int64_t at;

    (void)ctx;
    while (covey_chan_recv(s->ctx, covey_timer_chan(s->timer), &at) == 0) {
        CHECK(at > 0 && at <= covey_now());
        atomic_fetch_add(&s->received, 1);
    }
    return 0;
}

STRESS_TASK_TEST(each_arming_of_a_shared_timer_is_received_or_kept)
{
    struct shared s = {.timer = covey_timer_new(COVEY_US), .armed = 1};
    covey_group *owners = covey_group_new(ctx), *receivers = covey_group_new(ctx);

    s.ctx = covey_ctx_with_cancel(ctx);
    for (int i = 0; i < 4; i++) {
        GO(owners, share_arm, &s);
        GO(receivers, share_receive, &s);
    }
    JOIN(owners);
    atomic_fetch_add(&s.kept, covey_timer_stop(s.timer));
    covey_ctx_cancel(s.ctx);
    JOIN(receivers);
    CHECK_EQ(covey_chan_try_recv(covey_timer_chan(s.timer), NULL), COVEY_EAGAIN);
    CHECK_EQ(atomic_load(&s.armed), atomic_load(&s.kept) + atomic_load(&s.received));
    covey_timer_free(s.timer);
    covey_ctx_unref(s.ctx);
}

/* After-funcs. */

static int count_up(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

struct after {
    atomic_int ran, due;
};

static int after_churn(covey_ctx *ctx, void *arg)
{
    struct after *a = arg;
    uint64_t random = random_of((int)covey_task_id());

    (void)ctx;
    for (int i = 0; i < turns(8000); i++) {
        covey_timer *t = covey_after_func(random_below(&random, 50) * COVEY_US, count_up, &a->ran);
        int due = 1;

        random_pause(&random);
        if (random_below(&random, 2)) {
            due += 1 - covey_timer_reset(t, random_below(&random, 50) * COVEY_US);
            random_pause(&random);
        }
        due -= covey_timer_stop(t);
        atomic_fetch_add(&a->due, due);
        covey_timer_free(t);
    }
    return 0;
}

STRESS_TASK_TEST(after_funcs_run_as_often_as_they_were_not_stopped)
{
    struct after a = {0, 0};
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < TASKS; i++) {
        GO(g, after_churn, &a);
    }
    JOIN(g);
    while (atomic_load(&a.ran) < atomic_load(&a.due)) {
        covey_yield();
    }
    CHECK_EQ(covey_sleep(NULL, COVEY_MS), 0);
    CHECK_EQ(atomic_load(&a.ran), atomic_load(&a.due));
}

/* Everything that a timer may wake, at once. */

static int sleep_churn(covey_ctx *ctx, void *arg)
{
    uint64_t random = random_of(*(int *)arg);

    for (int i = 0; i < turns(1000); i++) {
        int64_t ns = random_below(&random, 300) * COVEY_US, start = covey_now();
        covey_ctx *c = random_ctx(&random, ctx);
        covey_ticker *tick;
        int rc;

        switch (random_below(&random, 4)) {
        case 0:
            rc = covey_sleep(c, ns);
            CHECK(rc != 0 || covey_now() - start >= ns);
            break;
        case 1:
            rc = covey_select(c, COVEY_AFTER(ns), COVEY_AFTER(ns + COVEY_MS));
            CHECK(rc < 0 || (rc == 0 && covey_now() - start >= ns));
            break;
        case 2:
            tick = covey_ticker_new(1 + random_below(&random, 50) * COVEY_US);
            (void)covey_chan_recv(c, covey_ticker_chan(tick), NULL);
            covey_ticker_reset(tick, 1 + ns);
            (void)covey_chan_try_recv(covey_ticker_chan(tick), NULL);
            covey_ticker_free(tick);
            break;
        default:
            rc = covey_select(NULL, COVEY_DONE(c), COVEY_AFTER(ns));
            CHECK(rc == 0 || covey_now() - start >= ns);
            break;
        }
        covey_ctx_unref(c);
    }
    return 0;
}

STRESS_TASK_TEST(nothing_is_early_in_the_thick_of_it)
{
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 40; i++) {
        CHECK_EQ(covey_group_go_copy(g, sleep_churn, &i, sizeof(i)), 0);
    }
    JOIN(g);
}
