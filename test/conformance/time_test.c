/* SPDX-License-Identifier: MIT
 * time_test.c - clock, sleep, timers, tickers, after-funcs. Only lower bounds are asserted: a
 * machine may be slow, but nothing may be early. Situations from Go's time/sleep_test.go and
 * tick_test.go, with Go 1.23's rule for stop and reset. */
#include "support.h"

static const int64_t hour = 3600 * COVEY_SEC;

static int64_t recv_time(covey_chan *ch)
{
    int64_t at = 0;

    CHECK_EQ(covey_chan_recv(NULL, ch, &at), 0);
    CHECK(at > 0);
    return at;
}

static void check_nothing_comes(covey_chan *ch)
{
    int64_t at = 7;

    CHECK_EQ(covey_chan_try_recv(ch, &at), COVEY_EAGAIN);
    CHECK_EQ(covey_select(NULL, COVEY_RECV(ch, &at), COVEY_AFTER(2 * COVEY_MS)), 1);
    CHECK_EQ(covey_chan_try_recv(ch, &at), COVEY_EAGAIN);
    CHECK_EQ(at, 7);
}

/* Waits until the value of a timer that nobody receives could be there. */
static void let_pass(int64_t ns)
{
    CHECK_EQ(covey_sleep(NULL, ns + 2 * COVEY_MS), 0);
}

/* The clock and sleep. */

TEST(the_clock_needs_no_runtime_and_never_goes_back)
{
    int64_t last = covey_now();

    CHECK(last > 0);
    for (int i = 0; i < 100000; i++) {
        int64_t now = covey_now();

        CHECK(now >= last);
        last = now;
    }
}

TASK_TEST(sleep_is_never_short)
{
    static const int64_t ns[] = {
        1,        100,          COVEY_US,      17 * COVEY_US, 100 * COVEY_US,
        COVEY_MS, 3 * COVEY_MS, 20 * COVEY_MS, 70 * COVEY_MS};

    for (size_t i = 0; i < sizeof(ns) / sizeof(*ns); i++) {
        for (int j = 0; j < 3; j++) {
            int64_t start = covey_now();

            CHECK_EQ(covey_sleep(ctx, ns[i]), 0);
            CHECK(covey_now() - start >= ns[i]);
        }
    }
}

TASK_TEST(sleeping_zero_or_less_returns_at_once)
{
    CHECK_EQ(covey_sleep(ctx, 0), 0);
    CHECK_EQ(covey_sleep(NULL, -1), 0);
    CHECK_EQ(covey_sleep(ctx, INT64_MIN), 0);
}

TASK_TEST(a_done_context_comes_before_any_sleep)
{
    covey_ctx *done = done_ctx(COVEY_ECANCELED), *late = done_ctx(COVEY_EDEADLINE);

    CHECK_EQ(covey_sleep(done, hour), COVEY_ECANCELED);
    CHECK_EQ(covey_sleep(done, 0), COVEY_ECANCELED);
    CHECK_EQ(covey_sleep(late, -1), COVEY_EDEADLINE);
    covey_ctx_unref(done);
    covey_ctx_unref(late);
}

struct sleeper {
    covey_ctx *ctx;
    int64_t ns;
    int result;
};

static int sleep_task(covey_ctx *ctx, void *arg)
{
    struct sleeper *s = arg;
    int64_t start = covey_now();

    (void)ctx;
    s->result = covey_sleep(s->ctx, s->ns);
    if (s->result == 0) {
        CHECK(covey_now() - start >= s->ns);
    }
    return 0;
}

TASK_TEST(cancelling_ends_a_sleep_of_any_length)
{
    static const int64_t ns[] = {COVEY_SEC * 60, 3600 * COVEY_SEC, INT64_MAX / 2, INT64_MAX};

    for (int i = 0; i < 4; i++) {
        covey_ctx *c = covey_ctx_with_cancel(ctx);
        covey_group *g = covey_group_new(NULL);
        struct sleeper s = {c, ns[i], 1};

        go_waiting(g, "sleeper", sleep_task, &s);
        covey_ctx_cancel(c);
        JOIN(g);
        CHECK_EQ(s.result, COVEY_ECANCELED);
        covey_ctx_unref(c);
    }
}

TASK_TEST(a_deadline_ends_a_sleep)
{
    covey_ctx *c = covey_ctx_with_timeout(ctx, COVEY_MS);

    CHECK_EQ(covey_sleep(c, hour), COVEY_EDEADLINE);
    covey_ctx_unref(c);
}

TASK_TEST(many_sleep_at_once)
{
    enum { N = 1000 };
    static struct sleeper s[N];
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < N; i++) {
        s[i] = (struct sleeper){NULL, (i * 7919 % 20000) * COVEY_US, 1};
        GO(g, sleep_task, &s[i]);
    }
    JOIN(g);
    for (int i = 0; i < N; i++) {
        CHECK_EQ(s[i].result, 0);
    }
}

TASK_TEST(a_short_sleep_is_not_held_up_by_a_long_one_before_it)
{
    covey_ctx *c = covey_ctx_with_cancel(ctx);
    covey_group *g = covey_group_new(NULL);
    struct sleeper s = {c, hour, 1};

    go_waiting(g, "sleeper", sleep_task, &s);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(covey_sleep(ctx, 100 * COVEY_US), 0);
    }
    covey_ctx_cancel(c);
    JOIN(g);
    covey_ctx_unref(c);
}

/* Timers. */

TASK_TEST(a_timer_fires_once_with_the_time)
{
    int64_t start = covey_now();
    covey_timer *t = covey_timer_new(2 * COVEY_MS);
    covey_chan *ch = covey_timer_chan(t);
    int64_t at = recv_time(ch);

    CHECK(ch == covey_timer_chan(t));
    CHECK(at >= start + 2 * COVEY_MS);
    CHECK(at <= covey_now());
    check_nothing_comes(ch);
    CHECK_EQ(covey_chan_cap(ch), 1);
    covey_timer_free(t);
    covey_timer_free(NULL);
}

TASK_TEST(a_timer_of_zero_or_less_fires_at_once)
{
    static const int64_t ns[] = {0, -1, INT64_MIN};

    for (int i = 0; i < 3; i++) {
        covey_timer *t = covey_timer_new(ns[i]);

        (void)recv_time(covey_timer_chan(t));
        covey_timer_free(t);
    }
}

TASK_TEST(a_timer_far_away_does_not_fire)
{
    static const int64_t ns[] = {3600 * COVEY_SEC, INT64_MAX / 2, INT64_MAX};

    for (int i = 0; i < 3; i++) {
        covey_timer *t = covey_timer_new(ns[i]);

        check_nothing_comes(covey_timer_chan(t));
        CHECK(covey_timer_stop(t));
        covey_timer_free(t);
    }
}

TASK_TEST(a_stopped_timer_does_not_fire)
{
    covey_timer *t = covey_timer_new(COVEY_MS);
    bool kept = covey_timer_stop(t);

    CHECK(kept); /* nobody received */
    CHECK(!covey_timer_stop(t));
    let_pass(COVEY_MS);
    check_nothing_comes(covey_timer_chan(t));
    covey_timer_free(t);
}

TASK_TEST(stopping_a_timer_takes_back_a_value_not_yet_received)
{
    for (int i = 0; i < 20; i++) {
        covey_timer *t = covey_timer_new(i % 2 ? 0 : 100 * COVEY_US);

        let_pass(0);
        CHECK(covey_timer_stop(t)); /* fired or not, it kept the value from being received */
        check_nothing_comes(covey_timer_chan(t));
        CHECK(!covey_timer_stop(t));
        covey_timer_free(t);
    }
}

TASK_TEST(stopping_a_timer_whose_value_was_received_says_false)
{
    covey_timer *t = covey_timer_new(0);

    (void)recv_time(covey_timer_chan(t));
    CHECK(!covey_timer_stop(t));
    covey_timer_free(t);
}

TASK_TEST(reset_takes_back_a_value_not_yet_received)
{
    for (int i = 0; i < 20; i++) {
        covey_timer *t = covey_timer_new(0);
        int64_t start;

        let_pass(0);
        start = covey_now();
        CHECK(covey_timer_reset(t, COVEY_MS));
        CHECK(recv_time(covey_timer_chan(t)) >= start + COVEY_MS);
        CHECK_EQ(covey_chan_try_recv(covey_timer_chan(t), NULL), COVEY_EAGAIN);
        covey_timer_free(t);
    }
}

TASK_TEST(reset_of_a_running_timer_puts_it_off)
{
    covey_timer *t = covey_timer_new(COVEY_MS);
    int64_t start;

    for (int i = 0; i < 50; i++) {
        CHECK(covey_timer_reset(t, hour));
        CHECK(covey_timer_reset(t, COVEY_MS));
    }
    start = covey_now();
    CHECK(covey_timer_reset(t, 3 * COVEY_MS));
    CHECK(recv_time(covey_timer_chan(t)) >= start + 3 * COVEY_MS);
    check_nothing_comes(covey_timer_chan(t));
    covey_timer_free(t);
}

TASK_TEST(reset_can_make_it_fire_earlier)
{
    covey_timer *t = covey_timer_new(hour);

    CHECK(covey_timer_reset(t, COVEY_US));
    (void)recv_time(covey_timer_chan(t));
    covey_timer_free(t);
}

TASK_TEST(a_timer_that_fired_or_was_stopped_can_be_reset)
{
    covey_timer *t = covey_timer_new(0);

    (void)recv_time(covey_timer_chan(t));
    for (int i = 0; i < 20; i++) {
        CHECK(!covey_timer_reset(t, 10 * COVEY_US));
        (void)recv_time(covey_timer_chan(t));
    }
    CHECK(!covey_timer_reset(t, hour));
    CHECK(covey_timer_stop(t));
    CHECK(!covey_timer_reset(t, 0));
    (void)recv_time(covey_timer_chan(t));
    covey_timer_free(t);
}

struct timed {
    covey_timer *timer;
    covey_ctx *ctx;
    atomic_int received;
};

static int recv_timer(covey_ctx *ctx, void *arg)
{
    struct timed *t = arg;
    int64_t at;

    (void)ctx;
    if (covey_chan_recv(t->ctx, covey_timer_chan(t->timer), &at) == 0) {
        atomic_fetch_add(&t->received, 1);
    }
    return 0;
}

TASK_TEST(a_receiver_that_waits_outlasts_a_stop_and_gets_the_value_of_the_reset)
{
    covey_group *g = covey_group_new(ctx);
    struct timed t = {.timer = covey_timer_new(hour)};

    go_waiting(g, "receiver", recv_timer, &t);
    CHECK(covey_timer_stop(t.timer));
    settle();
    CHECK_EQ(atomic_load(&t.received), 0);
    CHECK(!covey_timer_reset(t.timer, 0));
    JOIN(g);
    CHECK_EQ(atomic_load(&t.received), 1);
    covey_timer_free(t.timer);
}

TASK_TEST(stop_and_receive_at_once_leave_exactly_one_outcome)
{
    for (int i = 0; i < 300; i++) {
        covey_ctx *c = covey_ctx_with_cancel(ctx);
        covey_group *g = covey_group_new(NULL);
        struct timed t = {.timer = covey_timer_new(i % 5 * 20 * COVEY_US), .ctx = c};
        bool kept;

        GO(g, recv_timer, &t);
        for (int j = 0; j < i % 7; j++) {
            covey_yield();
        }
        kept = covey_timer_stop(t.timer);
        covey_ctx_cancel(c);
        JOIN(g);
        /* Cancelled before it ever received, the receiver leaves a value behind that stop took. */
        CHECK_EQ(atomic_load(&t.received) + kept, 1);
        CHECK_EQ(covey_chan_try_recv(covey_timer_chan(t.timer), NULL), COVEY_EAGAIN);
        covey_timer_free(t.timer);
        covey_ctx_unref(c);
    }
}

TASK_TEST(freeing_a_running_or_fired_timer)
{
    for (int i = 0; i < 1000; i++) {
        covey_timer *t = covey_timer_new(i % 50 * COVEY_US);

        if (i % 3 == 0) {
            covey_yield();
        }
        covey_timer_free(t);
    }
    let_pass(0);
}

TASK_TEST(ten_thousand_timers_fire_once_each)
{
    enum { N = 10000 };
    static covey_timer *t[N];
    static int64_t due[N];

    for (int i = 0; i < N; i++) {
        int64_t ns = (i * INT64_C(7919) % 30011) * COVEY_US;

        due[i] = covey_now() + ns;
        t[i] = covey_timer_new(ns);
    }
    for (int i = 0; i < N; i++) {
        CHECK(recv_time(covey_timer_chan(t[i])) >= due[i]);
    }
    for (int i = 0; i < N; i++) {
        CHECK_EQ(covey_chan_len(covey_timer_chan(t[i])), 0);
        covey_timer_free(t[i]);
    }
}

static int churn_timers(covey_ctx *ctx, void *arg)
{
    int mine = *(int *)arg;

    (void)ctx;
    for (int i = 0; i < 500; i++) {
        covey_timer *t = covey_timer_new((i * 37 + mine) % 97 * COVEY_US);

        covey_yield();
        if (covey_timer_reset(t, (i * 13) % 53 * COVEY_US)) {
            CHECK(covey_chan_len(covey_timer_chan(t)) <= 1);
        }
        if (i % 2) {
            (void)covey_timer_stop(t);
            CHECK_EQ(covey_chan_try_recv(covey_timer_chan(t), NULL), COVEY_EAGAIN);
        } else {
            (void)recv_time(covey_timer_chan(t));
        }
        covey_timer_free(t);
    }
    return 0;
}

TASK_TEST(timers_of_many_tasks_come_and_go)
{
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 8; i++) {
        CHECK_EQ(covey_group_go_copy(g, churn_timers, &i, sizeof(i)), 0);
    }
    JOIN(g);
}

struct shared_timer {
    covey_timer *timer;
    atomic_int kept, resets;
};

static int reset_shared(covey_ctx *ctx, void *arg)
{
    struct shared_timer *s = arg;

    (void)ctx;
    for (int i = 0; i < 200; i++) {
        if (covey_timer_reset(s->timer, i % 10 * 10 * COVEY_US)) {
            atomic_fetch_add(&s->kept, 1);
        }
        atomic_fetch_add(&s->resets, 1);
        covey_yield();
    }
    return 0;
}

TASK_TEST(every_arming_of_a_shared_timer_is_kept_or_received)
{
    struct shared_timer s = {.timer = covey_timer_new(hour)};
    covey_group *g = covey_group_new(ctx);
    int received = 0;

    for (int i = 0; i < 4; i++) {
        GO(g, reset_shared, &s);
    }
    while (covey_select(ctx, COVEY_JOINED(g), COVEY_RECV(covey_timer_chan(s.timer), NULL)) == 1) {
        received++;
    }
    JOIN(g);
    received += !covey_timer_stop(s.timer) ? 0 : 1; /* the last one */
    /* armed once at the start and once a reset; each was received or kept from it */
    CHECK_EQ(received + atomic_load(&s.kept), 1 + atomic_load(&s.resets));
    covey_timer_free(s.timer);
}

/* After-funcs. */

struct after {
    covey_chan *ran;
    covey_ctx *root;
    uint64_t starter;
    atomic_int count;
};

static int after_fn(covey_ctx *ctx, void *arg)
{
    struct after *a = arg;

    CHECK(ctx == a->root);
    CHECK(covey_task_id() != 0 && covey_task_id() != a->starter);
    atomic_fetch_add(&a->count, 1);
    return covey_chan_send(ctx, a->ran, NULL);
}

static struct after after_new(covey_ctx *root)
{
    return (struct after){.ran = covey_chan_new(0, 100), .root = root, .starter = covey_task_id()};
}

TASK_TEST(an_after_func_runs_in_a_task_of_its_own_with_the_root_context)
{
    int64_t start = covey_now();
    struct after a = after_new(ctx);
    covey_timer *t = covey_after_func(COVEY_MS, after_fn, &a);

    CHECK(t);
    CHECK(covey_timer_chan(t) == NULL);
    CHECK_EQ(covey_chan_recv(NULL, a.ran, NULL), 0);
    CHECK(covey_now() - start >= COVEY_MS);
    CHECK(!covey_timer_stop(t));
    let_pass(COVEY_MS);
    CHECK_EQ(atomic_load(&a.count), 1);
    covey_timer_free(t);
    covey_chan_unref(a.ran);
}

TASK_TEST(a_stopped_after_func_never_runs)
{
    struct after a = after_new(ctx);
    covey_timer *t = covey_after_func(hour, after_fn, &a);

    CHECK(covey_timer_stop(t));
    CHECK(!covey_timer_stop(t));
    settle();
    CHECK_EQ(atomic_load(&a.count), 0);
    covey_timer_free(t);
    t = covey_after_func(hour, after_fn, &a);
    covey_timer_free(t); /* stops it too */
    settle();
    CHECK_EQ(atomic_load(&a.count), 0);
    covey_chan_unref(a.ran);
}

TASK_TEST(a_reset_after_func_runs_again)
{
    struct after a = after_new(ctx);
    covey_timer *t = covey_after_func(0, after_fn, &a);

    CHECK_EQ(covey_chan_recv(NULL, a.ran, NULL), 0);
    for (int i = 0; i < 10; i++) {
        CHECK(!covey_timer_reset(t, 10 * COVEY_US));
        CHECK_EQ(covey_chan_recv(NULL, a.ran, NULL), 0);
    }
    CHECK(!covey_timer_reset(t, hour));
    CHECK(covey_timer_reset(t, 0));
    CHECK_EQ(covey_chan_recv(NULL, a.ran, NULL), 0);
    CHECK_EQ(atomic_load(&a.count), 12);
    covey_timer_free(t);
    covey_chan_unref(a.ran);
}

static int after_wait(covey_ctx *ctx, void *arg)
{
    struct after *a = arg;

    (void)ctx;
    CHECK_EQ(covey_chan_send(NULL, a->ran, NULL), 0);
    CHECK_EQ(covey_chan_recv(NULL, a->ran, NULL), 0);
    atomic_fetch_add(&a->count, 1);
    return covey_chan_send(NULL, a->ran, NULL);
}

TASK_TEST(freeing_the_handle_lets_a_started_after_func_go_on)
{
    struct after a = after_new(ctx);
    covey_chan *meet = covey_chan_new(0, 0);
    covey_timer *t;

    covey_chan_unref(a.ran);
    a.ran = meet;
    t = covey_after_func(0, after_wait, &a);
    CHECK_EQ(covey_chan_recv(NULL, meet, NULL), 0);
    CHECK(!covey_timer_stop(t));
    covey_timer_free(t);
    CHECK_EQ(covey_chan_send(NULL, meet, NULL), 0);
    CHECK_EQ(covey_chan_recv(NULL, meet, NULL), 0);
    CHECK_EQ(atomic_load(&a.count), 1);
    covey_chan_unref(meet);
}

static int count_up(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

TASK_TEST(stop_and_fire_of_an_after_func_at_once_leave_exactly_one_outcome)
{
    enum { N = 300 };
    static atomic_int ran[N];
    bool kept[N];

    for (int i = 0; i < N; i++) {
        covey_timer *t = covey_after_func(i % 5 * 20 * COVEY_US, count_up, &ran[i]);

        for (int j = 0; j < i % 5; j++) {
            covey_yield();
        }
        kept[i] = covey_timer_stop(t);
        covey_timer_free(t);
    }
    for (int i = 0; i < N; i++) {
        while (!kept[i] && atomic_load(&ran[i]) == 0) {
            covey_yield();
        }
    }
    let_pass(COVEY_MS);
    for (int i = 0; i < N; i++) {
        CHECK_EQ(atomic_load(&ran[i]), !kept[i]);
    }
}

/* Tickers. */

TASK_TEST(a_ticker_ticks_with_rising_times)
{
    int64_t start = covey_now(), last = start;
    covey_ticker *t = covey_ticker_new(COVEY_MS);
    covey_chan *ch = covey_ticker_chan(t);

    for (int i = 1; i <= 5; i++) {
        int64_t at = recv_time(ch);

        CHECK(at > last);
        CHECK(at >= start + i * COVEY_MS);
        last = at;
    }
    CHECK(ch == covey_ticker_chan(t));
    covey_ticker_free(t);
}

TASK_TEST(a_ticker_keeps_its_phase)
{
    /* After a late tick the next one is due less than a period later. If each late tick moved all
     * that follow, no two would ever be nearer than a period. */
    (void)ctx;
    covey_ticker *t = covey_ticker_new(COVEY_MS);
    int64_t last = INT64_MIN, at = 0;
    bool has_caught_up = false;
    for (int i = 0; i < 5000 && !has_caught_up; i++) {
        CHECK_EQ(covey_chan_recv(NULL, covey_ticker_chan(t), &at), 0);
        has_caught_up = i > 0 && at - last < COVEY_MS;
        last = at;
    }
    CHECK(has_caught_up);
    covey_ticker_free(t);
}

TASK_TEST(a_ticker_drops_ticks_for_a_slow_receiver)
{
    covey_ticker *t = covey_ticker_new(100 * COVEY_US);
    covey_chan *ch = covey_ticker_chan(t);

    let_pass(5 * COVEY_MS);
    CHECK(covey_chan_len(ch) <= 1);
    covey_ticker_reset(t, hour);
    CHECK_EQ(covey_chan_try_recv(ch, NULL), COVEY_EAGAIN);
    covey_ticker_free(t);
}

TASK_TEST(a_stopped_ticker_sends_nothing_and_is_not_closed)
{
    covey_ticker *t = covey_ticker_new(100 * COVEY_US);
    covey_chan *ch = covey_ticker_chan(t);

    (void)recv_time(ch);
    covey_ticker_stop(t);
    (void)covey_chan_try_recv(ch, NULL); /* one that came between the two lines above */
    check_nothing_comes(ch);
    covey_ticker_stop(t);
    covey_ticker_reset(t, 100 * COVEY_US); /* starts it again */
    (void)recv_time(ch);
    (void)recv_time(ch);
    covey_ticker_free(t);
}

TASK_TEST(a_reset_ticker_takes_back_the_old_tick_and_keeps_the_new_period)
{
    covey_ticker *t = covey_ticker_new(100 * COVEY_US);
    covey_chan *ch = covey_ticker_chan(t);
    int64_t start;

    let_pass(COVEY_MS);
    start = covey_now();
    covey_ticker_reset(t, 3 * COVEY_MS);
    CHECK(recv_time(ch) >= start + 3 * COVEY_MS);
    CHECK(recv_time(ch) >= start + 6 * COVEY_MS);
    covey_ticker_reset(t, hour);
    check_nothing_comes(ch);
    covey_ticker_free(t);
}

TASK_TEST(freeing_running_tickers)
{
    for (int i = 0; i < 500; i++) {
        covey_ticker *t = covey_ticker_new((1 + i % 40) * COVEY_US);

        if (i % 3 == 0) {
            (void)recv_time(covey_ticker_chan(t));
        }
        covey_ticker_free(t);
    }
    covey_ticker_free(NULL);
    let_pass(0);
}

/* Without a runtime. */

TEST(timers_need_a_runtime)
{
    atomic_int count = 0;

    CHECK(covey_timer_new(COVEY_MS) == NULL);
    CHECK(covey_ticker_new(COVEY_MS) == NULL);
    CHECK(covey_after_func(0, count_up, &count) == NULL);
}
