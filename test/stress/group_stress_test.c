/* SPDX-License-Identifier: MIT
 * group_stress_test.c - trees of groups whose tasks start others, fail, cancel and end at random:
 * every task that was started ends before its group's wait returns, and sees a done context if the
 * group was cancelled. */
#include "stress.h"

struct world {
    atomic_long started, ended;
};

struct node {
    struct world *w;
    covey_group *group; /* where to start siblings */
    uint64_t random;
    int depth;
};

static int grow(covey_ctx *ctx, void *arg);

/* Never waits where the starter holds a slot of the group itself: its last slot could be the one.
 */
static void start(struct node *n, covey_group *g, bool may_wait)
{
    struct node child = {n->w, g, random_next(&n->random), n->depth - 1};
    int rc;

    atomic_fetch_add(&n->w->started, 1);
    rc = may_wait ? covey_group_go_copy(g, grow, &child, sizeof(child))
                  : covey_group_try_go_copy(g, grow, &child, sizeof(child));
    if (rc != 0) {
        CHECK(!may_wait);
        CHECK_EQ(rc, COVEY_EAGAIN);
        atomic_fetch_sub(&n->w->started, 1);
    }
}

/* Opens a group of its own with children, or starts siblings, or only ends. */
static int grow(covey_ctx *ctx, void *arg)
{
    struct node *n = arg;
    int rc = 0;

    random_pause(&n->random);
    if (n->depth > 0 && random_below(&n->random, 2)) {
        covey_group_options opts = {.policy = (covey_group_policy)random_below(&n->random, 3),
                                    .limit = random_below(&n->random, 4)};
        covey_group *g = covey_group_new_with(ctx, &opts);

        for (int i = 1 + random_below(&n->random, 5); i > 0; i--) {
            start(n, g, true);
        }
        if (random_below(&n->random, 6) == 0) {
            covey_group_cancel(g, -EIO);
        }
        if (random_below(&n->random, 4) == 0) {
            CHECK_EQ(covey_select(NULL, COVEY_JOINED(g)), 0);
        }
        rc = covey_group_wait(g);
    } else if (n->depth > 0) {
        start(n, n->group, false);
    }
    if (random_below(&n->random, 10) == 0) {
        rc = covey_errorf(-EIO, "task %llu", (unsigned long long)covey_task_id());
    }
    atomic_fetch_add(&n->w->ended, 1);
    return rc;
}

STRESS_TASK_TEST(every_started_task_ended_when_wait_returns)
{
    uint64_t random = random_of(0);

    for (int i = 0; i < turns(800); i++) {
        struct world w = {0, 0};
        covey_group *g = covey_group_new(ctx);
        struct node root = {&w, g, random_next(&random), 5};

        for (int j = 0; j < 4; j++) {
            start(&root, g, true);
        }
        (void)covey_group_wait(g);
        CHECK_EQ(atomic_load(&w.started), atomic_load(&w.ended));
    }
}

/* The join against the last task's end, and the join against starts from within. */

struct last {
    covey_group *group;
    atomic_int ended;
    int plain;
};

static int end_last(covey_ctx *ctx, void *arg)
{
    struct last *l = arg;

    (void)ctx;
    l->plain++;
    atomic_fetch_add(&l->ended, 1);
    return 0;
}

static int start_last(covey_ctx *ctx, void *arg)
{
    struct last *l = arg;

    (void)ctx;
    CHECK_EQ(covey_group_go(l->group, end_last, l), 0);
    return 0;
}

STRESS_TASK_TEST(wait_against_the_last_end)
{
    uint64_t random = random_of(0);

    for (int i = 0; i < turns(80000); i++) {
        struct last l = {.group = covey_group_new(ctx)};
        covey_group *g = l.group;

        CHECK_EQ(covey_group_go(g, i % 2 ? end_last : start_last, &l), 0);
        for (int j = random_below(&random, 4); j > 0; j--) {
            covey_yield();
        }
        JOIN(g);
        CHECK_EQ(l.plain, 1);
        CHECK_EQ(atomic_load(&l.ended), 1);
    }
}

/* The first failure against an outer cancellation against starts that wait for the limit. */

static int fail_or_wait(covey_ctx *ctx, void *arg)
{
    uint64_t random = *(uint64_t *)arg;

    if (random_below(&random, 8) == 0) {
        return -EIO;
    }
    (void)covey_sleep(ctx, random_below(&random, 50) * COVEY_US);
    return 0;
}

static int cancel_group(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    covey_group_cancel(arg, -ENOENT);
    return 0;
}

STRESS_TASK_TEST(limits_failures_and_cancellation_at_once)
{
    uint64_t random = random_of(0);

    for (int i = 0; i < turns(1500); i++) {
        covey_error_list *list = covey_error_list_new();
        covey_group_options opts = {.limit = 1 + random_below(&random, 3), .errors = list};
        covey_group *g = covey_group_new_with(ctx, &opts), *other = covey_group_new(ctx);
        int rc;

        if (random_below(&random, 2)) {
            GO(other, cancel_group, g);
        }
        for (int j = 0; j < 20; j++) {
            uint64_t seed = random_next(&random);

            CHECK_EQ(covey_group_go_copy(g, fail_or_wait, &seed, sizeof(seed)), 0);
            if (random_below(&random, 10) == 0) {
                covey_group_set_limit(g, random_below(&random, 4) - 1 ? 1 : -1);
            }
        }
        JOIN(other);
        rc = covey_group_wait(g);
        CHECK_EQ(rc, covey_error_list_len(list) ? -EIO : 0);
        for (size_t j = 0; j < covey_error_list_len(list); j++) {
            CHECK_EQ(covey_error_list_code(list, j), -EIO);
        }
        covey_error_list_free(list);
    }
}

/* Races: many candidates, exactly one outcome. */

static int run_race(covey_ctx *ctx, void *arg)
{
    uint64_t random = *(uint64_t *)arg;
    int rc = covey_sleep(ctx, random_below(&random, 100) * COVEY_US);

    return rc == 0 && random_below(&random, 3) == 0 ? -EIO : rc;
}

STRESS_TASK_TEST(a_race_is_won_or_lost_by_all)
{
    uint64_t random = random_of(0);

    for (int i = 0; i < turns(2000); i++) {
        covey_error_list *list = covey_error_list_new();
        covey_group_options opts = {.policy = COVEY_FIRST_SUCCESS, .errors = list};
        covey_group *g = covey_group_new_with(ctx, &opts);
        int rc;

        for (int j = 0; j < 5; j++) {
            uint64_t seed = random_next(&random);

            CHECK_EQ(covey_group_go_copy(g, run_race, &seed, sizeof(seed)), 0);
        }
        rc = covey_group_wait(g);
        if (rc == 0) {
            CHECK(covey_error_list_len(list) < 5);
        } else {
            CHECK_EQ(rc, -EIO);
            CHECK_EQ(covey_error_list_len(list), 5);
        }
        covey_error_list_free(list);
    }
}

/* Groups that end while their parent is cancelled: each end meets the cancellation anywhere. */

static int end_at_once(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return 0;
}

static int open_and_wait(covey_ctx *ctx, void *arg)
{
    uint64_t random = *(uint64_t *)arg;

    while (covey_ctx_err(ctx) == 0) {
        covey_group *g = covey_group_new(ctx);
        covey_ctx *kept = random_below(&random, 4) ? NULL : covey_ctx_ref(covey_group_ctx(g));
        if (random_below(&random, 2)) {
            GO(g, end_at_once, NULL);
        }
        JOIN(g);
        CHECK(!kept || covey_ctx_err(kept) == COVEY_ECANCELED);
        covey_ctx_unref(kept);
        covey_yield();
    }
    return 0;
}

STRESS_TASK_TEST(groups_end_while_their_parent_is_cancelled)
{
    uint64_t random = random_of(0);

    for (int i = 0; i < turns(500); i++) {
        covey_group *g = covey_group_new(ctx);

        for (int j = 0; j < 4; j++) {
            uint64_t seed = random_next(&random);

            CHECK_EQ(covey_group_go_copy(g, open_and_wait, &seed, sizeof(seed)), 0);
        }
        random_pause(&random);
        covey_group_cancel(g, 0);
        JOIN(g);
    }
}
