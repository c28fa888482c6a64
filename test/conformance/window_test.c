/* SPDX-License-Identifier: MIT
 * window_test.c - events that come just while somebody goes to sleep: after it has looked, before
 * it waits. The windows are made wide by much work between the two, not by delays. */
#include "support.h"

#include <pthread.h>

enum { WIDE = 600, ROUNDS = 150 };

struct window {
    covey_ctx *ctx;
    covey_chan *registered; /* the task waits on it once, under ctx */
    covey_chan **channels;  /* WIDE, never ready */
    atomic_int is_ready, is_entering, spins;
    int outcome;
};

/* Strikes a little later each time, so that some strike falls into the window. */
static void strike_later(struct window *w)
{
    int wait = atomic_load(&w->spins);

    atomic_store(&w->is_ready, 1);
    while (!atomic_load(&w->is_entering)) {
    }
    for (volatile int i = 0; i < wait; i++) {
    }
}

static void *cancel_from_a_thread(void *arg)
{
    struct window *w = arg;

    strike_later(w);
    covey_ctx_cancel(w->ctx);
    return NULL;
}

/* The second wait under ctx: the task is known to it already. */
static int select_wide(covey_ctx *ctx, void *arg)
{
    struct window *w = arg;
    covey_case *cases = calloc(WIDE, sizeof(*cases));

    CHECK(cases);
    for (int i = 0; i < WIDE; i++) {
        cases[i] = COVEY_RECV(w->channels[i], NULL);
    }
    CHECK_EQ(covey_chan_recv(ctx, w->registered, NULL), 0);
    atomic_store(&w->is_entering, 1);
    w->outcome = covey_select_n(ctx, cases, WIDE);
    free(cases);
    return 0;
}

static int under_ctx(covey_ctx *ctx, void *arg)
{
    struct window *w = arg;
    (void)ctx;
    return select_wide(w->ctx, w);
}

static int join_thread(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    return -pthread_join(*(pthread_t *)arg, NULL);
}

static void open_window(struct window *w)
{
    w->registered = covey_chan_new(0, 0);
    w->channels = calloc(WIDE, sizeof(*w->channels));
    CHECK(w->channels);
    for (int i = 0; i < WIDE; i++) {
        w->channels[i] = covey_chan_new(0, 0);
    }
}

static void close_window(struct window *w)
{
    for (int i = 0; i < WIDE; i++) {
        covey_chan_unref(w->channels[i]);
    }
    free(w->channels);
    covey_chan_unref(w->registered);
}

TASK_TEST(a_cancel_while_a_select_goes_to_sleep_is_not_missed)
{
    struct window w = {0};

    open_window(&w);
    for (int round = 0; round < ROUNDS; round++) {
        pthread_t thread;
        w.ctx = covey_ctx_with_cancel(ctx);
        atomic_store(&w.is_ready, 0);
        atomic_store(&w.is_entering, 0);
        atomic_store(&w.spins, round * 300 % 60000);
        covey_group *g = covey_group_new(NULL);
        go_waiting(g, "wide", under_ctx, &w);
        CHECK_EQ(pthread_create(&thread, NULL, cancel_from_a_thread, &w), 0);
        while (!atomic_load(&w.is_ready)) {
            covey_yield();
        }
        CHECK_EQ(covey_chan_send(NULL, w.registered, NULL), 0);
        JOIN(g);
        CHECK_EQ(w.outcome, COVEY_ECANCELED);
        CHECK_EQ(covey_blocking(NULL, join_thread, &thread), 0);
        covey_ctx_unref(w.ctx);
    }
    close_window(&w);
}

static void *send_from_a_thread(void *arg)
{
    struct window *w = arg;

    strike_later(w);
    CHECK_EQ(covey_chan_send(NULL, w->channels[WIDE / 2], NULL), 0);
    return NULL;
}

TASK_TEST(a_send_while_a_select_goes_to_sleep_is_not_missed)
{
    struct window w = {.ctx = ctx};

    open_window(&w);
    for (int round = 0; round < ROUNDS; round++) {
        pthread_t thread;
        atomic_store(&w.is_ready, 0);
        atomic_store(&w.is_entering, 0);
        atomic_store(&w.spins, round * 300 % 60000);
        covey_group *g = covey_group_new(NULL);
        go_waiting(g, "wide", under_ctx, &w);
        CHECK_EQ(pthread_create(&thread, NULL, send_from_a_thread, &w), 0);
        while (!atomic_load(&w.is_ready)) {
            covey_yield();
        }
        CHECK_EQ(covey_chan_send(NULL, w.registered, NULL), 0);
        JOIN(g);
        CHECK_EQ(w.outcome, WIDE / 2);
        CHECK_EQ(covey_blocking(NULL, join_thread, &thread), 0);
    }
    close_window(&w);
}
