/* SPDX-License-Identifier: MIT
 * lease_test.c - leases in this process: exclusion, order, extension, loss and release. What takes
 * time runs in virtual time (redlock_test.c). */
#include "support.h"

static covey_redlock *redlock(void)
{
    covey_redlock *rl = covey_redlock_new(NULL, 0, NULL);

    CHECK(rl);
    return rl;
}

TASK_TEST(a_name_has_one_holder)
{
    covey_redlock *rl = redlock();
    covey_lease *a = NULL, *b = NULL, *other = NULL;

    CHECK_EQ(covey_redlock_acquire(ctx, rl, "orders:7", &a), 0);
    CHECK_EQ(covey_redlock_try_acquire(ctx, rl, "orders:7", &b), COVEY_EAGAIN);
    CHECK_STR(covey_errmsg(), "lease orders:7: another has it");
    CHECK(!b);
    CHECK_EQ(covey_redlock_try_acquire(ctx, rl, "orders:8", &other), 0);
    CHECK(covey_lease_left(a) > 9 * COVEY_SEC);
    CHECK_EQ(covey_ctx_err(covey_lease_ctx(a)), 0);
    CHECK_EQ(covey_lease_release(a), 0);
    CHECK_EQ(covey_redlock_try_acquire(ctx, rl, "orders:7", &b), 0);
    CHECK_EQ(covey_lease_extend(ctx, b), 0);
    CHECK_EQ(covey_lease_release(b), 0);
    CHECK_EQ(covey_lease_release(other), 0);
    CHECK_EQ(covey_lease_release(NULL), 0);
    covey_redlock_free(rl);
    covey_redlock_free(NULL);
}

static int acquire_the_same(covey_ctx *ctx, void *arg)
{
    covey_lease *lease = NULL;
    int code = covey_redlock_acquire(ctx, arg, "orders:7", &lease);

    return code < 0 ? code : covey_lease_release(lease);
}

TASK_TEST(a_dump_says_which_lease_a_task_waits_for)
{
    covey_redlock *rl = redlock();
    covey_group *g = covey_group_new(ctx);
    covey_lease *lease = NULL;

    CHECK_EQ(covey_redlock_acquire(ctx, rl, "orders:7", &lease), 0);
    go_waiting(g, "second", acquire_the_same, rl);
    while (!dump_says(", awaiting lease \"orders:7\"")) {
        covey_yield();
    }
    CHECK(!dump_says("\"orders:7\" (held by")); /* only with covey_options.diagnose */
    CHECK_EQ(covey_lease_release(lease), 0);
    JOIN(g);
    CHECK(!dump_says("awaiting"));
    covey_redlock_free(rl);
}

struct work {
    covey_redlock *rl;
    int turns;
    atomic_int inside;
    uint64_t last; /* token; guarded by the lease */
    int64_t count;
};

static int work(covey_ctx *ctx, void *arg)
{
    struct work *w = arg;

    for (int i = 0; i < w->turns; i++) {
        covey_lease *l = NULL;
        CHECK_EQ(covey_redlock_acquire(ctx, w->rl, "counter", &l), 0);
        CHECK_EQ(atomic_fetch_add(&w->inside, 1), 0);
        CHECK(covey_lease_token(l) > w->last);
        w->last = covey_lease_token(l);
        int64_t seen = w->count;
        covey_yield();
        w->count = seen + 1;
        atomic_fetch_sub(&w->inside, 1);
        CHECK_EQ(covey_lease_release(l), 0);
    }
    return 0;
}

TASK_TEST(a_hundred_tasks_take_turns_and_tokens_grow)
{
    covey_group *g = covey_group_new(ctx);
    struct work w = {.rl = redlock(), .turns = 20};

    for (int i = 0; i < 100; i++) {
        GO(g, work, &w);
    }
    JOIN(g);
    CHECK_EQ(w.count, 2000);
    covey_redlock_free(w.rl);
}

struct in_line {
    covey_redlock *rl;
    atomic_int *order;
    int place, code;
};

static int stand_in_line(covey_ctx *ctx, void *arg)
{
    struct in_line *p = arg;
    covey_lease *l = NULL;

    p->code = covey_redlock_acquire(ctx, p->rl, "door", &l);
    p->place = atomic_fetch_add(p->order, 1);
    return covey_lease_release(l);
}

TASK_TEST(waiters_are_served_first_come_first_served)
{
    covey_group *g = covey_group_new(ctx);
    struct in_line p[10];
    atomic_int order = 0;
    covey_lease *l = NULL;
    covey_redlock *rl = redlock();

    CHECK_EQ(covey_redlock_acquire(ctx, rl, "door", &l), 0);
    for (int i = 0; i < 10; i++) {
        p[i] = (struct in_line){.rl = rl, .order = &order};
        go_waiting_nth(g, "line", i, stand_in_line, &p[i]);
    }
    CHECK_EQ(covey_lease_release(l), 0);
    JOIN(g);
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(p[i].code, 0);
        CHECK_EQ(p[i].place, i);
    }
    covey_redlock_free(rl);
}

TASK_TEST(a_cancelled_waiter_leaves_the_line_to_the_others)
{
    covey_group *g = covey_group_new(ctx), *leaving = covey_group_new(ctx);
    struct in_line stays = {.rl = redlock()}, goes;
    atomic_int order = 0;
    covey_lease *l = NULL;

    stays.order = &order;
    goes = stays;
    CHECK_EQ(covey_redlock_acquire(ctx, stays.rl, "door", &l), 0);
    go_waiting(leaving, "goes", stand_in_line, &goes);
    go_waiting(g, "stays", stand_in_line, &stays);
    covey_group_cancel(leaving, 0);
    JOIN(leaving);
    CHECK_EQ(goes.code, COVEY_ECANCELED);
    CHECK_EQ(covey_lease_release(l), 0);
    JOIN(g);
    CHECK_EQ(stays.code, 0);
    covey_redlock_free(stays.rl);
}

TASK_TEST(a_done_context_acquires_nothing)
{
    covey_redlock *rl = redlock();
    covey_ctx *done = done_ctx(COVEY_ECANCELED);
    covey_lease *l = NULL;

    CHECK_EQ(covey_redlock_acquire(done, rl, "x", &l), COVEY_ECANCELED);
    CHECK_EQ(covey_redlock_try_acquire(done, rl, "x", &l), COVEY_ECANCELED);
    CHECK(!l);
    covey_ctx_unref(done);
    CHECK_EQ(covey_redlock_try_acquire(ctx, rl, "x", &l), 0);
    CHECK_EQ(covey_lease_release(l), 0);
    covey_redlock_free(rl);
}

TASK_TEST(a_release_works_after_the_context_is_done)
{
    covey_redlock *rl = redlock();
    covey_ctx *c = covey_ctx_with_cancel(ctx);
    covey_lease *l = NULL;

    CHECK_EQ(covey_redlock_acquire(c, rl, "x", &l), 0);
    covey_ctx_cancel_cause(c, -EBADF);
    CHECK_EQ(covey_ctx_cause(covey_lease_ctx(l)), -EBADF);
    CHECK(covey_lease_left(l) > 0); /* for cleaning up */
    CHECK_EQ(covey_lease_release(l), 0);
    CHECK_EQ(covey_redlock_try_acquire(ctx, rl, "x", &l), 0);
    CHECK_EQ(covey_lease_release(l), 0);
    covey_ctx_unref(c);
    covey_redlock_free(rl);
}

TASK_TEST(a_dump_names_the_leases_that_are_held)
{
    covey_redlock *rl = redlock();
    covey_lease *l = NULL;

    CHECK_EQ(covey_redlock_acquire(ctx, rl, "orders:42", &l), 0);
    await_waiting("lease orders:42");
    CHECK_EQ(covey_lease_release(l), 0);
    covey_redlock_free(rl);
}

TEST(options_out_of_range_are_refused)
{
    static const covey_redlock_options wrong[] = {
        {.ttl_ns = COVEY_MS},
        {.ttl_ns = COVEY_SEC, .node_timeout_ns = COVEY_SEC},
        {.ttl_ns = COVEY_SEC, .extend_every_ns = COVEY_SEC},
        {.node_timeout_ns = -1},
        {.max_ns = -1},
    };
    covey_lease *l = NULL;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        CHECK(!covey_redlock_new(NULL, 0, &wrong[i]));
    }
    CHECK(!covey_redlock_new_on(NULL, 0, NULL));
    covey_redlock *rl = redlock();
    CHECK_EQ(covey_redlock_acquire(NULL, rl, "x", &l), COVEY_ECLOSED); /* no runtime */
    covey_redlock_free(rl);
}
