/* SPDX-License-Identifier: MIT
 * window_test.c - windows of workers, groups and selects (window.h). */
#include "harness.h"

#include "group/window.h"
#include "sched/view.h"

#include <string.h>

/* ---- a worker that goes to sleep ---- */

static atomic_bool stands, may_go_on, has_run;

static void wait_for_the_push(void)
{
    atomic_store(&stands, true);
    while (!atomic_load(&may_go_on)) {
        (void)sched_yield();
    }
}

/* In the runtime, so that the watchdog does not hand the queue to another thread. */
static void stay_inside_until_it_ran(enum cvy_window window)
{
    while (window == CVY_WINDOW_SELECT && !atomic_load(&has_run)) {
        (void)sched_yield();
    }
}

static int push_while_another_goes_to_sleep(covey_ctx *ctx, void *arg)
{
    static atomic_bool whatever;
    covey_chan *never = covey_chan_new(0, 0);

    (void)arg;
    atomic_store(&event.is_armed, true);
    while (!atomic_load(&stands)) {
        CHECK_EQ(covey_go(set_flag, &whatever), 0); /* it wakes, and soon has nothing to do */
        covey_yield();
        for (int64_t until = covey_now() + 200 * COVEY_US; covey_now() < until;) {
        }
    }
    CHECK_EQ(covey_go(set_flag, &has_run), 0);
    atomic_store(&may_go_on, true);
    cvy_store_release(&cvy_window_hook, stay_inside_until_it_ran);
    CHECK_EQ(covey_select(ctx, COVEY_RECV(never, NULL), COVEY_DEFAULT), 1);
    covey_chan_unref(never);
    return 0;
}

TEST(work_that_comes_while_a_worker_goes_to_sleep_is_seen)
{
    run_with(CVY_WINDOW_IDLE, wait_for_the_push, 2, push_while_another_goes_to_sleep);
}

static covey_ctx *timed;
static covey_stop *stop;
static covey_chan *closed_in_time;

static int close_in_time(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return covey_chan_close(closed_in_time);
}

static void set_a_timer(void)
{
    timed = covey_ctx_with_timeout(NULL, 20 * COVEY_MS);
    stop = covey_ctx_after_func(timed, close_in_time, NULL);
    CHECK(stop);
}

static int sleep_beside_a_timer(covey_ctx *ctx, void *arg)
{
    (void)arg;
    closed_in_time = covey_chan_new(0, 0);
    atomic_store(&event.is_armed, true);
    CHECK_EQ(covey_chan_recv(ctx, closed_in_time, NULL), COVEY_ECLOSED);
    CHECK(!covey_stop_call(stop));
    covey_ctx_unref(timed);
    covey_chan_unref(closed_in_time);
    return 0;
}

TEST(a_threads_timer_that_comes_while_the_poller_announces_its_deadline_is_seen)
{
    run_with(CVY_WINDOW_POLLER, set_a_timer, 1, sleep_beside_a_timer);
}

/* ---- a start that meets a group's limit ---- */

static covey_group *limited;
static atomic_bool is_running, may_end;

static int run_until_told(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    atomic_store(&is_running, true);
    while (!atomic_load(&may_end)) {
    }
    return 0;
}

static void end_the_only_one(void)
{
    char words[64] = "";

    atomic_store(&may_end, true);
    while (strncmp(words, "0 alive", 7) != 0) {
        cvy_group_describe(limited, words, sizeof(words));
        (void)sched_yield();
    }
}

static int start_at_the_limit(covey_ctx *ctx, void *arg)
{
    covey_group_options options = {.limit = 1};

    (void)arg;
    limited = covey_group_new_with(ctx, &options);
    CHECK_EQ(covey_group_go(limited, run_until_told, NULL), 0);
    while (!atomic_load(&is_running)) {
        covey_yield();
    }
    atomic_store(&event.is_armed, true);
    CHECK_EQ(covey_group_go(limited, set_flag, &has_run), 0);
    CHECK_EQ(covey_group_wait(limited), 0);
    CHECK(atomic_load(&has_run));
    return 0;
}

TEST(a_start_does_not_wait_for_a_place_that_an_end_has_just_left)
{
    run_with(CVY_WINDOW_LIMIT, end_the_only_one, 2, start_at_the_limit);
}

/* ---- the last end of a group, while others of it start and end ---- */

static covey_group *joined;
static covey_chan *first_may_end, *second_may_end;

static int end_when_told(covey_ctx *ctx, void *arg)
{
    return covey_chan_recv(ctx, arg, NULL);
}

/* It has read that there are two tasks, none of which has ended; then there is one more, and both
 * others end. */
static void start_one_and_end_two(void)
{
    char words[64] = "";

    CHECK_EQ(covey_group_go(joined, set_flag, &has_run), 0);
    CHECK_EQ(covey_chan_send(NULL, second_may_end, NULL), 0);
    while (strncmp(words, "1 alive", 7) != 0) {
        cvy_group_describe(joined, words, sizeof(words));
        (void)sched_yield();
    }
}

static int wait_for_three(covey_ctx *ctx, void *arg)
{
    (void)arg;
    joined = covey_group_new(ctx);
    first_may_end = covey_chan_new(0, 0);
    second_may_end = covey_chan_new(0, 0);
    CHECK_EQ(covey_group_go(joined, end_when_told, first_may_end), 0);
    CHECK_EQ(covey_group_go(joined, end_when_told, second_may_end), 0);
    /* From now on somebody may wait, as far as an end can tell. */
    CHECK_EQ(covey_select(ctx, COVEY_JOINED(joined), COVEY_AFTER(COVEY_MS)), 1);
    atomic_store(&event.is_armed, true);
    CHECK_EQ(covey_chan_send(ctx, first_may_end, NULL), 0);
    CHECK_EQ(covey_group_wait(joined), 0);
    CHECK(atomic_load(&has_run));
    covey_chan_unref(first_may_end);
    covey_chan_unref(second_may_end);
    return 0;
}

TEST(the_last_end_of_a_group_sees_that_it_is_though_others_started_and_ended_meanwhile)
{
    run_with(CVY_WINDOW_END, start_one_and_end_two, 2, wait_for_three);
}

/* ---- a default beside two channels, one of which always has a value ---- */

static covey_chan *first, *second;

static void move_the_value(void)
{
    covey_chan *from = covey_chan_len(first) > 0 ? first : second;

    CHECK_EQ(covey_chan_recv(NULL, from, NULL), 0);
    CHECK_EQ(covey_chan_send(NULL, from == first ? second : first, NULL), 0);
}

static int look_for_the_value(covey_ctx *ctx, void *arg)
{
    (void)arg;
    first = covey_chan_new(0, 1);
    second = covey_chan_new(0, 1);
    for (int moved = 0; moved < 100;) {
        CHECK_EQ(covey_chan_send(ctx, first, NULL), 0);
        atomic_store(&event.is_armed, true);
        int index =
            covey_select(ctx, COVEY_RECV(first, NULL), COVEY_RECV(second, NULL), COVEY_DEFAULT);
        moved += !atomic_exchange(&event.is_armed, false);
        CHECK(index == 0 || index == 1);
    }
    covey_chan_unref(first);
    covey_chan_unref(second);
    return 0;
}

TEST(a_default_does_not_overlook_a_value_that_moves_between_two_looks)
{
    run_with(CVY_WINDOW_SELECT, move_the_value, 2, look_for_the_value);
}
