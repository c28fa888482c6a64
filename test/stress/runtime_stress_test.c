/* SPDX-License-Identifier: MIT
 * runtime_stress_test.c - the runtime started and stopped in a loop under changing load, with tasks
 * left over, blocked, pinned, stuck in C; and many tasks at once. */
#include "stress.h"

#include <unistd.h>

struct load {
    uint64_t random;
    atomic_int started, ended;
    covey_chan *ch;
};

static int nap(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)usleep(*(unsigned *)arg % 300); /* sleeps: a thread outside covey is late on purpose; the knob pause may cut it short */
    return 0;
}

static int unit(covey_ctx *ctx, void *arg)
{
    struct load *l = arg;
    uint64_t random = random_of((int)covey_task_id());
    unsigned us = (unsigned)random_below(&random, 300);

    switch (random_below(&random, 8)) {
    case 0:
        (void)covey_sleep(ctx, us * COVEY_US);
        break;
    case 1:
        (void)covey_chan_recv(ctx, l->ch, NULL);
        break;
    case 2:
        (void)covey_chan_send(ctx, l->ch, NULL);
        break;
    case 3:
        (void)covey_blocking(ctx, nap, &us);
        break;
    case 4: /* stuck in C, sometimes long enough to be taken over */
        (void)usleep(random_below(&random, 40) ? us : 12000); /* sleeps: a thread outside covey is late on purpose */
        break;
    case 5:
        covey_pin();
        (void)covey_sleep(ctx, us * COVEY_US);
        covey_unpin();
        break;
    case 6:
        (void)covey_go_copy(nap, &us, sizeof(us));
        break;
    default:
        (void)covey_sleep(ctx, 3600 * COVEY_SEC);
        break;
    }
    atomic_fetch_add(&l->ended, 1);
    return 0;
}

static int some_load(covey_ctx *ctx, void *arg)
{
    struct load *l = arg;
    int n = random_below(&l->random, 60);

    for (int i = 0; i < n; i++) {
        CHECK_EQ(covey_go(unit, l), 0);
        atomic_fetch_add(&l->started, 1);
    }
    if (random_below(&l->random, 2)) {
        (void)covey_sleep(ctx, random_below(&l->random, 300) * COVEY_US);
    }
    return n;
}

STRESS_TEST(started_and_stopped_under_load)
{
    struct load l = {.random = random_of(0), .ch = covey_chan_new(0, 0)};
    int threads = count_threads(), fds = count_fds();

    for (int i = 0; i < turns(150); i++) {
        covey_options opts = {.workers = 1 + random_below(&l.random, 8)};

        atomic_store(&l.started, 0);
        atomic_store(&l.ended, 0);
        CHECK(covey_run_with(&opts, some_load, &l) >= 0);
        CHECK_EQ(atomic_load(&l.started), atomic_load(&l.ended));
        CHECK_EQ(count_fds(), fds);
    }
    await_threads(threads);
    covey_chan_unref(l.ch);
}

static int nothing(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return 0;
}

STRESS_TEST(started_and_stopped_with_nothing_to_do)
{
    for (int i = 0; i < turns(500); i++) {
        covey_options opts = {.workers = 1 + i % 9};

        CHECK_EQ(covey_run_with(&opts, nothing, NULL), 0);
    }
}

/* Spawning in every way. */

struct spawn {
    atomic_long *alive, *total;
    uint64_t random;
    int depth;
};

static int spawn_task(covey_ctx *ctx, void *arg)
{
    struct spawn *s = arg;

    (void)ctx;
    atomic_fetch_add(s->total, 1);
    if (s->depth > 0) {
        for (int i = random_below(&s->random, 6); i > 0; i--) {
            struct spawn child = {s->alive, s->total, random_next(&s->random), s->depth - 1};

            atomic_fetch_add(s->alive, 1);
            CHECK_EQ(covey_go_copy(spawn_task, &child, sizeof(child)), 0);
        }
    }
    random_pause(&s->random);
    atomic_fetch_sub(s->alive, 1);
    return 0;
}

STRESS_TASK_TEST(tasks_start_tasks_that_start_tasks)
{
    atomic_long alive = 0, total = 0;
    uint64_t random = random_of(0);

    while (atomic_load(&total) < turns(50000)) {
        struct spawn s = {&alive, &total, random_next(&random), 7};

        atomic_fetch_add(&alive, 1);
        CHECK_EQ(covey_go_copy(spawn_task, &s, sizeof(s)), 0);
        while (atomic_load(&alive) > 200) {
            covey_yield();
        }
    }
    while (atomic_load(&alive) > 0) {
        covey_yield();
    }
}

/* Stacks of all sizes, used to their depth, come and go. */

__attribute__((noinline)) static int descend(int depth)
{
    volatile char frame[1024];

    memset((char *)frame, depth & 0x7f, sizeof(frame));
    if (depth > 0) {
        CHECK_EQ(descend(depth - 1), depth - 1);
    }
    if (depth % 8 == 0) {
        covey_yield();
    }
    CHECK_EQ(frame[100], depth & 0x7f);
    return depth;
}

static int use_stack(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    CHECK_EQ(descend(*(int *)arg), *(int *)arg);
    return 0;
}

STRESS_TASK_TEST(stacks_of_all_sizes_come_and_go)
{
    uint64_t random = random_of(0);
    covey_group_options opts = {.limit = 50};
    covey_group *g = covey_group_new_with(ctx, &opts);

    for (int i = 0; i < turns(20000); i++) {
        int depth = 1 + random_below(&random, 20);
        covey_task_options task = {.stack_size =
                                       (size_t)(64 + 64 * random_below(&random, 64)) * 1024,
                                   .pinned = random_below(&random, 20) == 0};

        CHECK_EQ(covey_group_go_copy_at(COVEY_SITE("use_stack"), g, &task, use_stack, &depth,
                                        sizeof(depth)),
                 0);
        if (i % 100 == 99) {
            JOIN(g);
            g = covey_group_new_with(ctx, &opts);
        }
    }
    JOIN(g);
}
