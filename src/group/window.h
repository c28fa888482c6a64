/* SPDX-License-Identifier: MIT
 * window.h - what comes within a window of a few instructions, every time: in a debug build whoever
 * comes to a window with a name (os/delay.h) stops there until a plain thread has let the event
 * happen. A wake that is lost shows as a test that does not end, or as a deadlock. Include
 * harness.h first. */
#ifndef CVY_GROUP_WINDOW_H
#define CVY_GROUP_WINDOW_H

#include "os/delay.h"

#include <covey.h>

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>

/* The one event of a test, and the thread in which it happens. */
static struct {
    enum cvy_window window;
    void (*happen)(void);
    atomic_bool is_armed; /* whoever comes next stops */
    atomic_bool is_over;
    sem_t reached, passed;
    pthread_t thread;
} event;

static inline void await(sem_t *s)
{
    while (sem_wait(s) != 0) {
    }
}

static inline void stop_in_window(enum cvy_window window)
{
    if (window == event.window && atomic_exchange(&event.is_armed, false)) {
        CHECK_EQ(sem_post(&event.reached), 0);
        await(&event.passed);
    }
}

static inline void *let_happen(void *arg)
{
    for (await(&event.reached); !atomic_load(&event.is_over); await(&event.reached)) {
        event.happen();
        CHECK_EQ(sem_post(&event.passed), 0);
    }
    return arg;
}

/* fn as the first task, with so many workers, and happen() in the windows that it arms. */
static inline void run_with(enum cvy_window window, void (*happen)(void), int workers, covey_fn *fn)
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

static inline int set_flag(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    atomic_store((atomic_bool *)arg, true);
    return 0;
}

#endif
