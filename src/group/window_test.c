/* SPDX-License-Identifier: MIT
 * window_test.c - what comes within a window of a few instructions, every time: in a debug build
 * whoever comes to a window with a name (os/delay.h) stops there until a plain thread has let the
 * event happen. A wake that is lost shows as a test that does not end, or as a deadlock. */
#include "sched/view.h"

#include "harness.h"

#include <covey.h>

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>

/* The one event of a test, and the thread in which it happens. */
static struct {
    enum cvy_window window;
    void (*happen)(void);
    atomic_bool is_armed; /* whoever comes next stops */
    atomic_bool is_over;
    sem_t reached, passed;
    pthread_t thread;
} event;

static void await(sem_t *s)
{
    while (sem_wait(s) != 0) {
    }
}

static void stop_in_window(enum cvy_window window)
{
    if (window == event.window && atomic_exchange(&event.is_armed, false)) {
        CHECK_EQ(sem_post(&event.reached), 0);
        await(&event.passed);
    }
}

static void *let_happen(void *arg)
{
    for (await(&event.reached); !atomic_load(&event.is_over); await(&event.reached)) {
        event.happen();
        CHECK_EQ(sem_post(&event.passed), 0);
    }
    return arg;
}

/* fn as the first task, with so many workers, and happen() in the windows that it arms. */
static void run_with(enum cvy_window window, void (*happen)(void), int workers, covey_fn *fn)
{
    covey_options options = {.workers = workers};

    if (!CVY_DEBUG) {
        SKIP("windows are in debug builds only");
    }
    event.window = window;
    event.happen = happen;
    CHECK_EQ(sem_init(&event.reached, 0, 0), 0);
    CHECK_EQ(sem_init(&event.passed, 0, 0), 0);
    CHECK_EQ(pthread_create(&event.thread, NULL, let_happen, NULL), 0);
    cvy_store_release(&cvy_window_hook, stop_in_window);
    CHECK_EQ(covey_run_with(&options, fn, NULL), 0);
    cvy_store_release(&cvy_window_hook, NULL);
    atomic_store(&event.is_over, true);
    CHECK_EQ(sem_post(&event.reached), 0);
    CHECK_EQ(pthread_join(event.thread, NULL), 0);
}

static int set_flag(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    atomic_store((atomic_bool *)arg, true);
    return 0;
}

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

/* ---- a once that ends just when somebody is about to wait for it ---- */

static covey_once_flag once;
static atomic_bool has_returned;

static void run_once(void *arg)
{
    (void)run_until_told(NULL, arg);
}

static int be_first(covey_ctx *ctx, void *arg)
{
    covey_once(&once, run_once, NULL);
    return set_flag(ctx, arg);
}

static void end_the_once(void)
{
    atomic_store(&may_end, true);
    while (!atomic_load(&has_returned)) {
        (void)sched_yield();
    }
}

static int come_at_its_end(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    CHECK_EQ(covey_go(be_first, &has_returned), 0);
    while (!atomic_load(&is_running)) {
        covey_yield();
    }
    atomic_store(&event.is_armed, true);
    covey_once(&once, run_once, NULL);
    CHECK(atomic_load(&has_returned));
    return 0;
}

TEST(who_comes_to_a_once_at_its_very_end_does_not_wait)
{
    run_with(CVY_WINDOW_ONCE, end_the_once, 2, come_at_its_end);
}

/* ---- two who ask a context for its channel at once ---- */

static covey_ctx *watched;
static covey_chan *of_the_other;

static void ask_first(void)
{
    of_the_other = covey_ctx_done(watched);
}

static int ask_second(covey_ctx *ctx, void *arg)
{
    (void)arg;
    watched = covey_ctx_with_cancel(ctx);
    atomic_store(&event.is_armed, true);
    covey_chan *done = covey_ctx_done(watched);
    CHECK(done && done == of_the_other);
    covey_ctx_cancel(watched);
    CHECK_EQ(covey_chan_recv(NULL, done, NULL), COVEY_ECLOSED);
    covey_ctx_unref(watched);
    return 0;
}

TEST(two_who_ask_for_a_done_channel_at_once_get_the_same)
{
    run_with(CVY_WINDOW_DONE, ask_first, 1, ask_second);
}
