/* SPDX-License-Identifier: MIT
 * ctx_test.c - contexts: cancellation, causes, deadlines, values, references, after-funcs, signals.
 * Situations from Go's context/context_test.go, x_test.go and afterfunc_test.go. */
#include "support.h"

#include <signal.h>
#include <unistd.h>

enum { HOUR_S = 3600 };

static const int64_t hour = HOUR_S * COVEY_SEC;

/* A deadline may be rounded up to the runtime's tick. */
static const int64_t tick = 17 * COVEY_US;

static void check_live(covey_ctx *c)
{
    CHECK_EQ(covey_ctx_err(c), 0);
    CHECK_EQ(covey_ctx_cause(c), 0);
    CHECK_EQ(covey_select(NULL, COVEY_DONE(c), COVEY_DEFAULT), 1);
    if (covey_ctx_done(c)) {
        CHECK_EQ(covey_chan_try_recv(covey_ctx_done(c), NULL), COVEY_EAGAIN);
    }
}

static void check_done(covey_ctx *c, int err, int cause)
{
    CHECK_EQ(covey_ctx_err(c), err);
    CHECK_EQ(covey_ctx_cause(c), cause);
    CHECK_EQ(covey_chan_try_recv(covey_ctx_done(c), NULL), COVEY_ECLOSED);
    CHECK_EQ(covey_select(NULL, COVEY_DONE(c), COVEY_DEFAULT), 0);
    CHECK_EQ(covey_sleep(c, hour), err);
}

/* Background and NULL. */

TASK_TEST(background_is_never_done)
{
    covey_ctx *b = covey_ctx_background();
    int key;

    CHECK(b);
    CHECK(b == covey_ctx_background());
    covey_ctx_cancel(b);
    covey_ctx_cancel_cause(b, -EIO);
    check_live(b);
    CHECK(covey_ctx_done(b) == NULL);
    CHECK(!covey_ctx_deadline(b, NULL));
    CHECK(covey_ctx_value(b, &key) == NULL);
    CHECK(covey_ctx_ref(b) == b);
    for (int i = 0; i < 10; i++) {
        covey_ctx_unref(b);
    }
    check_live(b);
}

TASK_TEST(null_is_a_context_that_cannot_be_cancelled)
{
    int key;

    covey_ctx_cancel(NULL);
    covey_ctx_cancel_cause(NULL, -EIO);
    CHECK_EQ(covey_ctx_err(NULL), 0);
    CHECK_EQ(covey_ctx_cause(NULL), 0);
    CHECK(covey_ctx_done(NULL) == NULL);
    CHECK(!covey_ctx_deadline(NULL, NULL));
    CHECK(covey_ctx_value(NULL, &key) == NULL);
    covey_ctx_unref(NULL);
}

TASK_TEST(a_null_parent_is_the_background)
{
    int key;
    covey_ctx *c[] = {covey_ctx_with_cancel(NULL), covey_ctx_with_timeout(NULL, hour),
                      covey_ctx_with_value(NULL, &key, &key), covey_ctx_without_cancel(NULL)};

    for (size_t i = 0; i < sizeof(c) / sizeof(*c); i++) {
        check_live(c[i]);
        CHECK_EQ(covey_ctx_deadline(c[i], NULL), i == 1);
        CHECK(covey_ctx_value(c[i], &key) == (i == 2 ? &key : NULL));
        covey_ctx_unref(c[i]);
    }
}

TASK_TEST(the_root_context_is_live_and_has_no_deadline)
{
    CHECK(ctx);
    check_live(ctx);
    CHECK(!covey_ctx_deadline(ctx, NULL));
}

/* Cancellation. */

TASK_TEST(cancel_ends_a_context)
{
    covey_ctx *c = covey_ctx_with_cancel(ctx);

    check_live(c);
    covey_ctx_cancel(c);
    check_done(c, COVEY_ECANCELED, COVEY_ECANCELED);
    covey_ctx_cancel(c);
    covey_ctx_cancel_cause(c, -EIO);
    check_done(c, COVEY_ECANCELED, COVEY_ECANCELED);
    covey_ctx_unref(c);
}

TASK_TEST(the_first_cause_stays)
{
    covey_ctx *c = covey_ctx_with_cancel(ctx);

    covey_ctx_cancel_cause(c, -EIO);
    check_done(c, COVEY_ECANCELED, -EIO);
    covey_ctx_cancel_cause(c, -ENOENT);
    covey_ctx_cancel(c);
    check_done(c, COVEY_ECANCELED, -EIO);
    covey_ctx_unref(c);
}

TASK_TEST(cause_zero_is_plain_cancellation)
{
    covey_ctx *c = covey_ctx_with_cancel(ctx);

    covey_ctx_cancel_cause(c, 0);
    check_done(c, COVEY_ECANCELED, COVEY_ECANCELED);
    covey_ctx_unref(c);
}

TASK_TEST(the_done_channel_is_always_the_same)
{
    covey_ctx *c = covey_ctx_with_cancel(ctx);
    covey_chan *done = covey_ctx_done(c);

    CHECK(done);
    CHECK(done == covey_ctx_done(c));
    covey_ctx_cancel(c);
    CHECK(done == covey_ctx_done(c));
    CHECK_EQ(covey_chan_recv(NULL, done, NULL), COVEY_ECLOSED);
    covey_ctx_unref(c);
}

TASK_TEST(a_done_channel_asked_for_late_is_closed)
{
    covey_ctx *c = covey_ctx_with_cancel(ctx);

    covey_ctx_cancel(c);
    CHECK_EQ(covey_chan_recv(NULL, covey_ctx_done(c), NULL), COVEY_ECLOSED);
    covey_ctx_unref(c);
}

static int recv_done(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    CHECK_EQ(covey_chan_recv(NULL, covey_ctx_done(arg), NULL), COVEY_ECLOSED);
    CHECK(covey_ctx_err(arg) < 0);
    return 0;
}

TASK_TEST(waiters_on_the_done_channel_wake)
{
    covey_ctx *c = covey_ctx_with_cancel(ctx), *child = covey_ctx_with_cancel(c);
    covey_group *g = covey_group_new(NULL);

    for (int i = 0; i < 10; i++) {
        GO(g, recv_done, i % 2 ? c : child);
    }
    settle();
    covey_ctx_cancel(c);
    JOIN(g);
    covey_ctx_unref(child);
    covey_ctx_unref(c);
}

/* Trees. */

TASK_TEST(cancelling_a_parent_cancels_its_children_with_the_cause)
{
    covey_ctx *p = covey_ctx_with_cancel(ctx), *a = covey_ctx_with_cancel(p);
    covey_ctx *b = covey_ctx_with_value(p, &p, NULL), *c = covey_ctx_with_timeout(b, hour);

    covey_ctx_cancel_cause(p, -EIO);
    check_done(p, COVEY_ECANCELED, -EIO);
    check_done(a, COVEY_ECANCELED, -EIO);
    check_done(b, COVEY_ECANCELED, -EIO);
    check_done(c, COVEY_ECANCELED, -EIO);
    covey_ctx_unref(c);
    covey_ctx_unref(b);
    covey_ctx_unref(a);
    covey_ctx_unref(p);
}

TASK_TEST(cancelling_a_child_leaves_parent_and_siblings)
{
    covey_ctx *p = covey_ctx_with_cancel(ctx), *a = covey_ctx_with_cancel(p);
    covey_ctx *b = covey_ctx_with_cancel(p);

    covey_ctx_cancel(a);
    check_done(a, COVEY_ECANCELED, COVEY_ECANCELED);
    check_live(p);
    check_live(b);
    covey_ctx_unref(a);
    covey_ctx_unref(b);
    covey_ctx_unref(p);
}

TASK_TEST(a_childs_own_cause_outlasts_its_parents)
{
    covey_ctx *p = covey_ctx_with_cancel(ctx), *c = covey_ctx_with_cancel(p);

    covey_ctx_cancel_cause(c, -ENOENT);
    covey_ctx_cancel_cause(p, -EIO);
    check_done(c, COVEY_ECANCELED, -ENOENT);
    check_done(p, COVEY_ECANCELED, -EIO);
    covey_ctx_unref(c);
    covey_ctx_unref(p);
}

TASK_TEST(a_child_of_a_done_parent_is_done_at_once)
{
    covey_ctx *p = covey_ctx_with_cancel(ctx), *c[4];
    int key = 0;

    covey_ctx_cancel_cause(p, -EIO);
    c[0] = covey_ctx_with_cancel(p);
    c[1] = covey_ctx_with_timeout(p, hour);
    c[2] = covey_ctx_with_value(p, &key, &key);
    c[3] = covey_ctx_with_cancel(c[2]);
    for (int i = 0; i < 4; i++) {
        check_done(c[i], COVEY_ECANCELED, -EIO);
    }
    for (int i = 0; i < 4; i++) {
        covey_ctx_unref(c[i]);
    }
    covey_ctx_unref(p);
}

TASK_TEST(a_child_of_a_timed_out_parent_is_timed_out)
{
    covey_ctx *p = covey_ctx_with_timeout(ctx, 0), *c = covey_ctx_with_cancel(p);

    check_done(c, COVEY_EDEADLINE, COVEY_EDEADLINE);
    covey_ctx_unref(c);
    covey_ctx_unref(p);
}

enum { WIDE = 4, TREE = 1 + WIDE + WIDE * WIDE + WIDE * WIDE * WIDE };

static bool is_below(int node, int top)
{
    while (node > top) {
        node = (node - 1) / WIDE;
    }
    return node == top;
}

TASK_TEST(cancelling_any_node_ends_exactly_its_subtree)
{
    for (int top = 0; top < TREE; top++) {
        covey_ctx *node[TREE];

        for (int i = 0; i < TREE; i++) {
            covey_ctx *parent = i == 0 ? ctx : node[(i - 1) / WIDE];

            node[i] = i % 3 == 0   ? covey_ctx_with_cancel(parent)
                      : i % 3 == 1 ? covey_ctx_with_timeout(parent, hour)
                                   : covey_ctx_with_deadline(parent, covey_now() + hour);
        }
        covey_ctx_cancel_cause(node[top], -EIO);
        for (int i = 0; i < TREE; i++) {
            CHECK_EQ(covey_ctx_err(node[i]), is_below(i, top) ? COVEY_ECANCELED : 0);
            CHECK_EQ(covey_ctx_cause(node[i]), is_below(i, top) ? -EIO : 0);
        }
        for (int i = 0; i < TREE; i++) { /* children and parents in either order */
            covey_ctx_unref(node[top % 2 ? i : TREE - 1 - i]);
        }
    }
}

TASK_TEST(a_chain_of_a_thousand_ends_to_its_last)
{
    enum { N = 1000 };
    static covey_ctx *chain[N];

    for (int i = 0; i < N; i++) {
        chain[i] = covey_ctx_with_cancel(i ? chain[i - 1] : ctx);
    }
    covey_ctx_cancel_cause(chain[0], -EIO);
    CHECK_EQ(covey_ctx_cause(chain[N - 1]), -EIO);
    for (int i = 0; i < N; i++) {
        covey_ctx_unref(chain[i]);
    }
}

TASK_TEST(finished_children_leave_nothing_with_a_long_lived_parent)
{
    covey_ctx *p = covey_ctx_with_cancel(ctx);

    for (int i = 0; i < 50000; i++) {
        covey_ctx *c = i % 2 ? covey_ctx_with_timeout(p, hour) : covey_ctx_with_cancel(p);

        if (i % 3 == 0) {
            covey_ctx_cancel(c);
        }
        covey_ctx_unref(c);
    }
    check_live(p);
    covey_ctx_cancel(p);
    covey_ctx_unref(p);
}

struct race {
    covey_ctx *ctx;
    int cause;
    atomic_int ready, *all;
};

static int cancel_with_cause(covey_ctx *ctx, void *arg)
{
    struct race *r = arg;

    (void)ctx;
    covey_ctx_cancel_cause(r->ctx, r->cause);
    CHECK_EQ(covey_ctx_err(r->ctx), COVEY_ECANCELED);
    atomic_store(&r->ready, covey_ctx_cause(r->ctx)); /* what it saw */
    return 0;
}

TASK_TEST(of_many_causes_at_once_all_see_the_same)
{
    enum { N = 10 };

    for (int round = 0; round < 100; round++) {
        covey_ctx *c = covey_ctx_with_cancel(ctx);
        covey_group *g = covey_group_new(NULL);
        struct race r[N];

        for (int i = 0; i < N; i++) {
            r[i] = (struct race){.ctx = c, .cause = -1 - i};
            GO(g, cancel_with_cause, &r[i]);
        }
        JOIN(g);
        for (int i = 0; i < N; i++) {
            CHECK_EQ(atomic_load(&r[i].ready), covey_ctx_cause(c));
        }
        covey_ctx_unref(c);
    }
}

static int churn_children(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    for (int i = 0; i < 200; i++) {
        covey_ctx *c = covey_ctx_with_cancel(arg), *d = covey_ctx_with_timeout(c, hour);

        if (i % 2) {
            covey_ctx_cancel(c);
        }
        covey_ctx_unref(c);
        covey_ctx_unref(d);
    }
    return 0;
}

TASK_TEST(children_come_and_go_while_the_parent_is_cancelled)
{
    for (int round = 0; round < 20; round++) {
        covey_ctx *p = covey_ctx_with_cancel(ctx);
        covey_group *g = covey_group_new(NULL);

        for (int i = 0; i < 4; i++) {
            GO(g, churn_children, p);
        }
        covey_yield();
        covey_ctx_cancel(p);
        JOIN(g);
        covey_ctx_unref(p);
    }
}

struct published {
    covey_ctx *ctx;
    int plain, way;
};

static int see_published(covey_ctx *ctx, void *arg)
{
    struct published *p = arg;

    (void)ctx;
    switch (p->way) {
    case 0:
        while (covey_ctx_err(p->ctx) == 0) {
            covey_yield();
        }
        break;
    case 1:
        CHECK_EQ(covey_select(NULL, COVEY_DONE(p->ctx)), 0);
        break;
    case 2:
        CHECK_EQ(covey_chan_recv(NULL, covey_ctx_done(p->ctx), NULL), COVEY_ECLOSED);
        break;
    case 3:
        CHECK_EQ(covey_sleep(p->ctx, hour), COVEY_ECANCELED);
        break;
    default:
        while (covey_ctx_cause(p->ctx) == 0) {
            covey_yield();
        }
    }
    CHECK_EQ(p->plain, 9);
    return 0;
}

TASK_TEST(a_cancellation_happens_before_it_is_seen)
{
    for (int way = 0; way < 5; way++) {
        covey_ctx *c = covey_ctx_with_cancel(ctx), *child = covey_ctx_with_cancel(c);
        struct published p = {child, 0, way};
        covey_group *g = covey_group_new(NULL);

        GO(g, see_published, &p);
        covey_yield();
        p.plain = 9;
        covey_ctx_cancel_cause(c, -EIO);
        JOIN(g);
        covey_ctx_unref(child);
        covey_ctx_unref(c);
    }
}

static int see_all_of_the_end(covey_ctx *ctx, void *arg)
{
    covey_ctx *c = arg;
    covey_chan *done = covey_ctx_done(c);

    (void)ctx;
    while (covey_ctx_err(c) == 0) {
        covey_yield();
    }
    CHECK_EQ(covey_chan_try_recv(done, NULL), COVEY_ECLOSED);
    CHECK_EQ(covey_select(NULL, COVEY_DONE(c), COVEY_DEFAULT), 0);
    CHECK_EQ(covey_ctx_cause(c), -EIO);
    CHECK_EQ(covey_sleep(c, hour), COVEY_ECANCELED);
    return 0;
}

TASK_TEST(who_sees_the_error_finds_the_done_channel_closed)
{
    enum { CHILDREN = 8 };

    for (int round = 0; round < 200; round++) {
        covey_ctx *p = covey_ctx_with_cancel(ctx), *child[CHILDREN];
        covey_group *g = covey_group_new(NULL);

        GO(g, see_all_of_the_end, p);
        for (int i = 0; i < CHILDREN; i++) {
            child[i] = covey_ctx_with_cancel(i % 2 ? child[i - 1] : p);
            GO(g, see_all_of_the_end, child[i]);
        }
        for (int i = 0; i < 3; i++) {
            covey_yield();
        }
        covey_ctx_cancel_cause(p, -EIO);
        JOIN(g);
        for (int i = 0; i < CHILDREN; i++) {
            covey_ctx_unref(child[i]);
        }
        covey_ctx_unref(p);
    }
}

/* Deadlines. */

TASK_TEST(a_timeout_ends_with_edeadline)
{
    int64_t start = covey_now();
    covey_ctx *c = covey_ctx_with_timeout(ctx, 2 * COVEY_MS);

    CHECK_EQ(covey_chan_recv(NULL, covey_ctx_done(c), NULL), COVEY_ECLOSED);
    CHECK(covey_now() - start >= 2 * COVEY_MS);
    check_done(c, COVEY_EDEADLINE, COVEY_EDEADLINE);
    covey_ctx_cancel_cause(c, -EIO);
    check_done(c, COVEY_EDEADLINE, COVEY_EDEADLINE);
    covey_ctx_unref(c);
}

TASK_TEST(a_timeout_of_zero_or_less_is_done_at_once)
{
    static const int64_t past[] = {0, -1, -3600 * COVEY_SEC, INT64_MIN};

    for (int i = 0; i < 4; i++) {
        covey_ctx *c = covey_ctx_with_timeout(ctx, past[i]);

        check_done(c, COVEY_EDEADLINE, COVEY_EDEADLINE);
        covey_ctx_unref(c);
    }
    for (int i = 0; i < 2; i++) {
        covey_ctx *c = covey_ctx_with_deadline(ctx, i ? INT64_MIN : covey_now() - 1);

        check_done(c, COVEY_EDEADLINE, COVEY_EDEADLINE);
        covey_ctx_unref(c);
    }
}

TASK_TEST(a_deadline_far_away_does_not_wrap_around)
{
    covey_ctx *c[] = {covey_ctx_with_timeout(ctx, INT64_MAX), covey_ctx_with_timeout(ctx, hour),
                      covey_ctx_with_deadline(ctx, INT64_MAX)};
    int64_t at = 0;

    for (int i = 0; i < 3; i++) {
        check_live(c[i]);
        CHECK(covey_ctx_deadline(c[i], &at));
        CHECK(at > covey_now());
        covey_ctx_cancel(c[i]);
        check_done(c[i], COVEY_ECANCELED, COVEY_ECANCELED);
        covey_ctx_unref(c[i]);
    }
}

TASK_TEST(the_deadline_can_be_asked_for)
{
    int64_t before = covey_now(), at = 0, after;
    covey_ctx *c = covey_ctx_with_timeout(ctx, hour);
    covey_ctx *d = covey_ctx_with_deadline(ctx, before + hour);

    after = covey_now();
    CHECK(covey_ctx_deadline(c, NULL));
    CHECK(covey_ctx_deadline(c, &at));
    CHECK(at >= before + hour && at <= after + hour + tick);
    CHECK(covey_ctx_deadline(d, &at));
    CHECK(at >= before + hour && at <= before + hour + tick);
    covey_ctx_unref(c);
    covey_ctx_unref(d);
}

TASK_TEST(no_deadline_leaves_the_place_alone)
{
    covey_ctx *c = covey_ctx_with_cancel(ctx);
    int64_t at = 7;

    CHECK(!covey_ctx_deadline(c, &at));
    CHECK_EQ(at, 7);
    covey_ctx_unref(c);
}

TASK_TEST(an_earlier_deadline_of_the_parent_stays_in_force)
{
    covey_ctx *p = covey_ctx_with_timeout(ctx, hour), *c = covey_ctx_with_timeout(p, 2 * hour);
    covey_ctx *d = covey_ctx_with_cancel(p), *e = covey_ctx_with_value(d, &d, NULL);
    int64_t at = 0, parents = 0;

    CHECK(covey_ctx_deadline(p, &parents));
    CHECK(covey_ctx_deadline(c, &at));
    CHECK_EQ(at, parents);
    CHECK(covey_ctx_deadline(e, &at));
    CHECK_EQ(at, parents);
    covey_ctx_unref(e);
    covey_ctx_unref(d);
    covey_ctx_unref(c);
    covey_ctx_unref(p);
}

TASK_TEST(a_child_may_have_an_earlier_deadline)
{
    covey_ctx *p = covey_ctx_with_timeout(ctx, hour), *c = covey_ctx_with_timeout(p, COVEY_MS);
    int64_t at = 0, parents = 0;

    CHECK(covey_ctx_deadline(p, &parents));
    CHECK(covey_ctx_deadline(c, &at));
    CHECK(at < parents);
    CHECK_EQ(covey_sleep(c, hour), COVEY_EDEADLINE);
    check_live(p);
    covey_ctx_unref(c);
    covey_ctx_unref(p);
}

TASK_TEST(a_parents_deadline_ends_its_children)
{
    covey_ctx *p = covey_ctx_with_timeout(ctx, COVEY_MS), *c = covey_ctx_with_cancel(p);
    covey_ctx *d = covey_ctx_with_timeout(c, hour);

    CHECK_EQ(covey_sleep(d, hour), COVEY_EDEADLINE);
    check_done(d, COVEY_EDEADLINE, COVEY_EDEADLINE);
    check_done(c, COVEY_EDEADLINE, COVEY_EDEADLINE);
    covey_ctx_unref(d);
    covey_ctx_unref(c);
    covey_ctx_unref(p);
}

TASK_TEST(cancelled_before_its_deadline_it_stays_cancelled)
{
    covey_ctx *c = covey_ctx_with_timeout(ctx, COVEY_MS);
    covey_ctx *d = covey_ctx_with_timeout(ctx, hour);

    covey_ctx_cancel(d);
    check_done(d, COVEY_ECANCELED, COVEY_ECANCELED);
    covey_ctx_cancel(c); /* or its deadline was first */
    for (int i = 0, err = covey_ctx_err(c); i < 3; i++) {
        CHECK_EQ(covey_sleep(NULL, COVEY_MS), 0);
        CHECK_EQ(covey_ctx_err(c), err);
    }
    covey_ctx_unref(c);
    covey_ctx_unref(d);
}

TASK_TEST(many_deadlines_all_pass)
{
    enum { N = 500 };
    static covey_ctx *c[N];

    for (int i = 0; i < N; i++) {
        c[i] = covey_ctx_with_timeout(ctx, (1 + i % 10) * COVEY_MS);
    }
    for (int i = 0; i < N; i++) {
        CHECK_EQ(covey_chan_recv(NULL, covey_ctx_done(c[i]), NULL), COVEY_ECLOSED);
        CHECK_EQ(covey_ctx_err(c[i]), COVEY_EDEADLINE);
        covey_ctx_unref(c[i]);
    }
}

TASK_TEST(dropped_deadlines_do_no_harm_when_they_would_pass)
{
    for (int i = 0; i < 2000; i++) {
        covey_ctx *c = covey_ctx_with_timeout(ctx, i % 100 * COVEY_US);

        covey_yield();
        covey_ctx_unref(c);
    }
    CHECK_EQ(covey_sleep(NULL, 2 * COVEY_MS), 0);
}

TASK_TEST(the_message_tells_which_deadline_passed_and_where_it_was_set)
{
    char place[64];
    covey_ctx *c;

    (void)snprintf(place, sizeof(place), "ctx_test.c:%d)", __LINE__ + 1);
    c = covey_ctx_with_timeout(ctx, 2 * COVEY_MS);
    CHECK_EQ(covey_sleep(c, hour), COVEY_EDEADLINE);
    CHECK_EQ(covey_errcode(), COVEY_EDEADLINE);
    CHECK(strstr(covey_errmsg(), "deadline exceeded (2 ms, set at "));
    CHECK(strstr(covey_errmsg(), place));
    covey_ctx_unref(c);
}

TASK_TEST(the_message_tells_spans_in_their_unit)
{
    static const struct {
        int64_t ns;
        const char *words;
    } cases[] = {
        {1, "(1 ns, set at "},
        {COVEY_US, "(1 us, set at "},
        {1500 * COVEY_US, "(1.5 ms, set at "},
        {0, "deadline exceeded (set at "},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        covey_ctx *c = covey_ctx_with_timeout(ctx, cases[i].ns);
        CHECK_EQ(covey_sleep(c, hour), COVEY_EDEADLINE);
        CHECK(strstr(covey_errmsg(), cases[i].words));
        covey_ctx_unref(c);
    }
}

TASK_TEST(an_inherited_deadline_names_the_place_of_the_parents)
{
    char place[64];
    covey_ctx *p, *c;

    (void)snprintf(place, sizeof(place), "ctx_test.c:%d)", __LINE__ + 1);
    p = covey_ctx_with_timeout(ctx, COVEY_MS);
    c = covey_ctx_with_timeout(p, hour);
    CHECK_EQ(covey_chan_recv(c, covey_ctx_done(ctx), NULL), COVEY_EDEADLINE);
    CHECK(strstr(covey_errmsg(), "deadline exceeded (1 ms, set at "));
    CHECK(strstr(covey_errmsg(), place));
    covey_ctx_unref(c);
    covey_ctx_unref(p);
}

/* Values. */

TASK_TEST(the_nearest_value_of_a_key_is_found)
{
    static int key, other, unused;
    int one = 1, two = 2, three = 3;
    covey_ctx *a = covey_ctx_with_value(ctx, &key, &one), *b = covey_ctx_with_cancel(a);
    covey_ctx *c = covey_ctx_with_value(b, &other, &two), *d = covey_ctx_with_timeout(c, hour);
    covey_ctx *e = covey_ctx_with_value(d, &key, &three);

    CHECK(covey_ctx_value(a, &key) == &one);
    CHECK(covey_ctx_value(b, &key) == &one);
    CHECK(covey_ctx_value(b, &other) == NULL);
    CHECK(covey_ctx_value(d, &key) == &one);
    CHECK(covey_ctx_value(d, &other) == &two);
    CHECK(covey_ctx_value(e, &key) == &three);
    CHECK(covey_ctx_value(e, &other) == &two);
    CHECK(covey_ctx_value(e, &unused) == NULL);
    CHECK(covey_ctx_value(ctx, &key) == NULL);
    covey_ctx_unref(e);
    covey_ctx_unref(d);
    covey_ctx_unref(c);
    covey_ctx_unref(b);
    covey_ctx_unref(a);
}

TASK_TEST(keys_are_compared_by_address)
{
    static const char first[] = "user", second[] = "user";
    int v = 1;
    covey_ctx *c = covey_ctx_with_value(ctx, first, &v);

    CHECK(covey_ctx_value(c, first) == &v);
    CHECK(covey_ctx_value(c, second) == NULL);
    covey_ctx_unref(c);
}

TASK_TEST(a_null_value_hides_an_outer_one)
{
    static int key;
    int v = 1;
    covey_ctx *a = covey_ctx_with_value(ctx, &key, &v), *b = covey_ctx_with_value(a, &key, NULL);

    CHECK(covey_ctx_value(b, &key) == NULL);
    covey_ctx_unref(b);
    covey_ctx_unref(a);
}

TASK_TEST(values_outlive_the_unref_of_the_context_that_set_them)
{
    static int key;
    int v = 1;
    covey_ctx *a = covey_ctx_with_value(ctx, &key, &v), *b = covey_ctx_with_cancel(a);

    covey_ctx_unref(a);
    CHECK(covey_ctx_value(b, &key) == &v);
    check_live(b); /* a value context is no cancellable one */
    covey_ctx_unref(b);
}

TASK_TEST(cancelling_a_value_context_cancels_what_it_was_made_from)
{
    covey_ctx *p = covey_ctx_with_cancel(ctx), *a = covey_ctx_with_value(p, &p, NULL);
    covey_ctx *b = covey_ctx_with_value(a, &a, NULL), *sibling = covey_ctx_with_cancel(p);

    covey_ctx_cancel_cause(b, -EIO);
    check_done(b, COVEY_ECANCELED, -EIO);
    check_done(p, COVEY_ECANCELED, -EIO);
    check_done(sibling, COVEY_ECANCELED, -EIO);
    check_live(ctx);
    covey_ctx_unref(sibling);
    covey_ctx_unref(b);
    covey_ctx_unref(a);
    covey_ctx_unref(p);
}

TASK_TEST(cancelling_a_value_context_of_the_background_does_nothing)
{
    covey_ctx *a = covey_ctx_with_value(NULL, &a, NULL);

    covey_ctx_cancel(a);
    check_live(a);
    covey_ctx_unref(a);
}

/* Clean-up. */

TASK_TEST(without_cancel_keeps_values_and_drops_the_rest)
{
    static int key;
    int v = 1;
    covey_ctx *a = covey_ctx_with_value(ctx, &key, &v), *b = covey_ctx_with_timeout(a, hour);
    covey_ctx *w = covey_ctx_without_cancel(b), *under = covey_ctx_with_cancel(w);

    covey_ctx_cancel(b);
    check_live(w);
    check_live(under);
    CHECK(covey_ctx_done(w) == NULL);
    CHECK(!covey_ctx_deadline(w, NULL));
    CHECK(!covey_ctx_deadline(under, NULL));
    CHECK(covey_ctx_value(under, &key) == &v);
    covey_ctx_cancel(w); /* it cannot be cancelled */
    check_live(w);
    covey_ctx_cancel(under);
    check_done(under, COVEY_ECANCELED, COVEY_ECANCELED);
    covey_ctx_unref(under);
    covey_ctx_unref(w);
    covey_ctx_unref(b);
    covey_ctx_unref(a);
}

TASK_TEST(a_value_context_over_without_cancel_cannot_be_cancelled)
{
    covey_ctx *p = covey_ctx_with_cancel(ctx), *w = covey_ctx_without_cancel(p);
    covey_ctx *v = covey_ctx_with_value(w, &w, NULL);

    covey_ctx_cancel(v);
    check_live(v);
    check_live(p);
    covey_ctx_unref(v);
    covey_ctx_unref(w);
    covey_ctx_unref(p);
}

TASK_TEST(for_cleanup_outlives_its_parent_and_has_a_deadline)
{
    static int key;
    int v = 1;
    covey_ctx *p = covey_ctx_with_cancel(ctx), *a = covey_ctx_with_value(p, &key, &v), *c, *d;
    int64_t at = 0;

    covey_ctx_cancel(p);
    c = covey_ctx_for_cleanup(a, hour);
    d = covey_ctx_for_cleanup(a, COVEY_MS);
    check_live(c);
    CHECK(covey_ctx_value(c, &key) == &v);
    CHECK(covey_ctx_deadline(c, &at));
    CHECK(at > covey_now());
    CHECK_EQ(covey_sleep(d, hour), COVEY_EDEADLINE);
    covey_ctx_cancel(c);
    check_done(c, COVEY_ECANCELED, COVEY_ECANCELED);
    covey_ctx_unref(d);
    covey_ctx_unref(c);
    covey_ctx_unref(a);
    covey_ctx_unref(p);
}

/* References. */

TASK_TEST(dropping_the_last_users_reference_cancels)
{
    covey_ctx *p = covey_ctx_with_cancel(ctx), *c = covey_ctx_with_cancel(p);

    CHECK(covey_ctx_ref(p) == p);
    covey_ctx_unref(p);
    check_live(c);
    covey_ctx_unref(p); /* the child's hold does not count */
    check_done(c, COVEY_ECANCELED, COVEY_ECANCELED);
    covey_ctx_unref(c);
}

TASK_TEST(dropping_the_last_users_reference_cancels_a_timeout)
{
    covey_ctx *p = covey_ctx_with_timeout(ctx, hour), *v = covey_ctx_with_value(p, &p, NULL);

    covey_ctx_unref(p);
    CHECK_EQ(covey_ctx_err(v), COVEY_ECANCELED);
    covey_ctx_unref(v);
}

TASK_TEST(a_parent_may_go_before_its_children)
{
    static int key;
    int v = 1;
    covey_ctx *a = covey_ctx_with_value(ctx, &key, &v), *b = covey_ctx_without_cancel(a);
    covey_ctx *c = covey_ctx_with_value(b, &v, &v), *d = covey_ctx_with_cancel(c);

    covey_ctx_unref(a);
    covey_ctx_unref(b);
    covey_ctx_unref(c);
    check_live(d);
    CHECK(covey_ctx_value(d, &key) == &v);
    covey_ctx_unref(d);
}

static int hold_context(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    CHECK_EQ(covey_sleep(arg, hour), COVEY_ECANCELED);
    covey_ctx_unref(arg);
    return 0;
}

TASK_TEST(a_reference_keeps_the_context_of_a_waiting_task)
{
    covey_ctx *p = covey_ctx_with_cancel(ctx), *c = covey_ctx_with_cancel(p);
    covey_group *g = covey_group_new(NULL);

    go_waiting(g, "holder", hold_context, covey_ctx_ref(c));
    covey_ctx_unref(c);
    check_live(p);
    covey_ctx_cancel(p);
    JOIN(g);
    covey_ctx_unref(p);
}

static atomic_int outliving;

static int use_late(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    CHECK_EQ(covey_sleep(arg, hour), COVEY_ECANCELED);
    atomic_store(&outliving, 1);
    return 0;
}

TEST(a_context_needs_no_runtime_to_be_made_and_cancelled)
{
    static int key;
    covey_ctx *p = covey_ctx_with_cancel(NULL), *v = covey_ctx_with_value(p, &key, &key);
    covey_ctx *c = covey_ctx_with_cancel(v), *w = covey_ctx_without_cancel(v);

    CHECK_EQ(covey_ctx_err(c), 0);
    covey_ctx_cancel_cause(p, -EIO);
    CHECK_EQ(covey_run(use_late, c), 0);
    CHECK_EQ(atomic_load(&outliving), 1);
    CHECK_EQ(covey_ctx_err(c), COVEY_ECANCELED);
    CHECK_EQ(covey_ctx_cause(c), -EIO);
    CHECK(covey_ctx_value(w, &key) == &key);
    CHECK_EQ(covey_ctx_err(w), 0);
    covey_ctx_unref(w);
    covey_ctx_unref(c);
    covey_ctx_unref(v);
    covey_ctx_unref(p);
}

/* After-funcs. */

struct after {
    covey_chan *ran;
    covey_ctx *expected;
    uint64_t starter;
    atomic_int count;
};

static int after_fn(covey_ctx *ctx, void *arg)
{
    struct after *a = arg;

    CHECK(ctx != a->expected);
    CHECK_EQ(covey_ctx_err(ctx), 0);
    CHECK(covey_ctx_err(a->expected) < 0);
    CHECK(covey_task_id() != 0 && covey_task_id() != a->starter);
    atomic_fetch_add(&a->count, 1);
    return covey_chan_send(NULL, a->ran, NULL);
}

TASK_TEST(an_after_func_runs_in_a_task_of_its_own_once_its_context_is_done)
{
    covey_ctx *c = covey_ctx_with_cancel(ctx);
    struct after a = {covey_chan_new(0, 1), c, covey_task_id(), 0};
    covey_stop *s = covey_ctx_after_func(c, after_fn, &a);

    CHECK(s);
    settle();
    CHECK_EQ(atomic_load(&a.count), 0);
    covey_ctx_cancel(c);
    CHECK_EQ(covey_chan_recv(NULL, a.ran, NULL), 0);
    CHECK(!covey_stop_call(s));
    CHECK_EQ(atomic_load(&a.count), 1);
    covey_ctx_unref(c);
    covey_chan_unref(a.ran);
}

TASK_TEST(an_after_func_runs_at_a_deadline)
{
    covey_ctx *c = covey_ctx_with_timeout(ctx, COVEY_MS);
    struct after a = {covey_chan_new(0, 1), c, covey_task_id(), 0};
    covey_stop *s = covey_ctx_after_func(c, after_fn, &a);

    CHECK_EQ(covey_chan_recv(NULL, a.ran, NULL), 0);
    CHECK(!covey_stop_call(s));
    covey_ctx_unref(c);
    covey_chan_unref(a.ran);
}

TASK_TEST(an_after_func_of_a_done_context_runs_at_once)
{
    covey_ctx *c = done_ctx(COVEY_ECANCELED);
    struct after a = {covey_chan_new(0, 1), c, covey_task_id(), 0};
    covey_stop *s = covey_ctx_after_func(c, after_fn, &a);

    CHECK_EQ(covey_chan_recv(NULL, a.ran, NULL), 0);
    CHECK(!covey_stop_call(s));
    covey_ctx_unref(c);
    covey_chan_unref(a.ran);
}

TASK_TEST(an_after_func_runs_when_an_ancestor_is_cancelled)
{
    covey_ctx *p = covey_ctx_with_cancel(ctx), *v = covey_ctx_with_value(p, &p, NULL);
    struct after a = {covey_chan_new(0, 1), v, covey_task_id(), 0};
    covey_stop *s = covey_ctx_after_func(v, after_fn, &a);

    covey_ctx_cancel(p);
    CHECK_EQ(covey_chan_recv(NULL, a.ran, NULL), 0);
    CHECK(!covey_stop_call(s));
    covey_ctx_unref(v);
    covey_ctx_unref(p);
    covey_chan_unref(a.ran);
}

TASK_TEST(a_stopped_after_func_never_runs)
{
    covey_ctx *c = covey_ctx_with_cancel(ctx);
    struct after a = {.expected = c};
    covey_stop *s = covey_ctx_after_func(c, after_fn, &a);

    CHECK(covey_stop_call(s));
    covey_ctx_cancel(c);
    settle();
    CHECK_EQ(atomic_load(&a.count), 0);
    covey_ctx_unref(c);
}

TASK_TEST(each_of_many_after_funcs_runs)
{
    enum { N = 20 };
    covey_ctx *c = covey_ctx_with_cancel(ctx);
    struct after a = {covey_chan_new(0, N), c, covey_task_id(), 0};
    covey_stop *s[N];

    for (int i = 0; i < N; i++) {
        s[i] = covey_ctx_after_func(c, after_fn, &a);
    }
    CHECK(covey_stop_call(s[7]));
    covey_ctx_cancel(c);
    for (int i = 0; i < N - 1; i++) {
        CHECK_EQ(covey_chan_recv(NULL, a.ran, NULL), 0);
    }
    for (int i = 0; i < N; i++) {
        CHECK(i == 7 || !covey_stop_call(s[i]));
    }
    CHECK_EQ(atomic_load(&a.count), N - 1);
    covey_ctx_unref(c);
    covey_chan_unref(a.ran);
}

TASK_TEST(an_after_func_of_the_background_can_only_be_stopped)
{
    struct after a = {0};
    covey_stop *s = covey_ctx_after_func(covey_ctx_background(), after_fn, &a);

    CHECK(s);
    CHECK(covey_stop_call(s));
}

TASK_TEST(the_context_may_be_dropped_before_its_after_func_is_stopped)
{
    covey_ctx *p = covey_ctx_with_cancel(ctx), *c = covey_ctx_with_cancel(p);
    struct after a = {covey_chan_new(0, 1), c, covey_task_id(), 0};
    covey_stop *s = covey_ctx_after_func(c, after_fn, &a);

    covey_ctx_unref(c); /* the last user's reference: cancelled, so it runs */
    CHECK_EQ(covey_chan_recv(NULL, a.ran, NULL), 0);
    CHECK(!covey_stop_call(s));
    covey_ctx_unref(p);
    covey_chan_unref(a.ran);
}

static int count_up(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

static int cancel_it(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    covey_ctx_cancel(arg);
    return 0;
}

TASK_TEST(stop_and_cancel_at_once_leave_exactly_one_outcome)
{
    enum { N = 300 };
    static atomic_int ran[N];
    bool kept[N];

    for (int i = 0; i < N; i++) {
        covey_ctx *c = covey_ctx_with_cancel(ctx);
        covey_stop *s = covey_ctx_after_func(c, count_up, &ran[i]);
        covey_group *g = covey_group_new(NULL);

        GO(g, cancel_it, c);
        for (int j = 0; j < i % 3; j++) {
            covey_yield();
        }
        kept[i] = covey_stop_call(s);
        JOIN(g);
        covey_ctx_unref(c);
    }
    for (int i = 0; i < N; i++) {
        while (!kept[i] && atomic_load(&ran[i]) == 0) {
            covey_yield();
        }
    }
    settle();
    for (int i = 0; i < N; i++) {
        CHECK_EQ(atomic_load(&ran[i]), !kept[i]);
    }
}

TEST(an_after_func_needs_a_runtime)
{
    covey_ctx *c = covey_ctx_with_cancel(NULL);

    CHECK(covey_ctx_after_func(c, count_up, NULL) == NULL);
    covey_ctx_unref(c);
}

struct late_after {
    atomic_int ran;
    covey_stop *of_root, *of_child;
    covey_ctx *child;
};

static int ask_for_after_funcs(covey_ctx *ctx, void *arg)
{
    struct late_after *a = arg;

    a->child = covey_ctx_with_cancel(ctx);
    a->of_root = covey_ctx_after_func(ctx, count_up, &a->ran);
    a->of_child = covey_ctx_after_func(a->child, count_up, &a->ran);
    CHECK(a->of_root && a->of_child);
    return 0;
}

TEST(after_funcs_of_the_root_context_and_below_run_before_covey_run_returns)
{
    struct late_after a = {0};

    CHECK_EQ(covey_run(ask_for_after_funcs, &a), 0);
    CHECK_EQ(atomic_load(&a.ran), 2);
    CHECK(!covey_stop_call(a.of_root));
    CHECK(!covey_stop_call(a.of_child));
    covey_ctx_unref(a.child);
}

static int ask_for_one_elsewhere(covey_ctx *ctx, void *arg)
{
    struct late_after *a = arg;

    (void)ctx;
    a->of_child = covey_ctx_after_func(a->child, count_up, &a->ran);
    CHECK(a->of_child);
    return 0;
}

TEST(stop_tells_of_an_after_func_that_came_too_late_to_run)
{
    struct late_after a = {.child = covey_ctx_with_cancel(NULL)};

    CHECK_EQ(covey_run(ask_for_one_elsewhere, &a), 0);
    covey_ctx_cancel(a.child);
    CHECK(covey_stop_call(a.of_child));
    CHECK_EQ(atomic_load(&a.ran), 0);
    covey_ctx_unref(a.child);
}

/* Signals. */

static atomic_int handled;

static void on_signal(int signal)
{
    (void)signal;
    atomic_fetch_add(&handled, 1);
}

/* To the process; ThreadSanitizer would hold it back in a thread that makes no call it knows. */
static void send_signal(int signal)
{
    CHECK_EQ(WITH_TSAN ? raise(signal) : kill(getpid(), signal), 0);
}

static void count_signals(int signal)
{
    struct sigaction action = {.sa_handler = on_signal};

    CHECK_EQ(sigaction(signal, &action, NULL), 0);
}

TASK_TEST(a_signal_cancels_its_context_with_eintr)
{
    const int signals[] = {SIGUSR1, SIGUSR2};
    covey_ctx *c, *child;

    count_signals(SIGUSR1);
    count_signals(SIGUSR2);
    for (int i = 0; i < 2; i++) {
        c = covey_ctx_with_signals(ctx, signals, 2);
        child = covey_ctx_with_cancel(c);
        check_live(c);
        send_signal(signals[i]);
        CHECK_EQ(covey_sleep(child, hour), COVEY_ECANCELED);
        check_done(c, COVEY_ECANCELED, -EINTR);
        check_done(child, COVEY_ECANCELED, -EINTR);
        CHECK_EQ(atomic_load(&handled), 0);
        covey_ctx_unref(child);
        covey_ctx_unref(c);
    }
}

TASK_TEST(the_last_signal_context_restores_what_was_there)
{
    const int signals[] = {SIGUSR1};
    struct sigaction now;
    covey_ctx *a, *b;

    count_signals(SIGUSR1);
    a = covey_ctx_with_signals(ctx, signals, 1);
    b = covey_ctx_with_signals(ctx, signals, 1);
    covey_ctx_unref(a);
    send_signal(SIGUSR1);
    CHECK_EQ(covey_sleep(b, hour), COVEY_ECANCELED);
    CHECK_EQ(atomic_load(&handled), 0);
    covey_ctx_unref(b);
    CHECK_EQ(sigaction(SIGUSR1, NULL, &now), 0);
    CHECK(now.sa_handler == on_signal);
    send_signal(SIGUSR1);
    while (atomic_load(&handled) == 0) {
        covey_yield();
    }
}

TASK_TEST(a_second_signal_has_the_earlier_effect)
{
    const int signals[] = {SIGUSR1};
    covey_ctx *c;

    count_signals(SIGUSR1);
    c = covey_ctx_with_signals(ctx, signals, 1);
    send_signal(SIGUSR1);
    CHECK_EQ(covey_sleep(c, hour), COVEY_ECANCELED);
    CHECK_EQ(atomic_load(&handled), 0);
    while (atomic_load(&handled) == 0) {
        send_signal(SIGUSR1);
        covey_yield();
    }
    covey_ctx_unref(c);
}

TASK_TEST(a_signal_reaches_every_context_that_waits_for_it)
{
    enum { N = 3 };
    const int signals[] = {SIGUSR1};
    covey_ctx *c[N];

    count_signals(SIGUSR1);
    for (int i = 0; i < N; i++) {
        c[i] = covey_ctx_with_signals(ctx, signals, 1);
    }
    send_signal(SIGUSR1);
    for (int i = 0; i < N; i++) {
        CHECK_EQ(covey_sleep(c[i], hour), COVEY_ECANCELED);
    }
    for (int i = 0; i < N; i++) {
        covey_ctx_unref(c[i]);
    }
    CHECK_EQ(atomic_load(&handled), 0);
}

TASK_TEST(a_signal_context_is_cancelled_with_its_parent)
{
    const int signals[] = {SIGUSR1};
    covey_ctx *p = covey_ctx_with_cancel(ctx);
    covey_ctx *c = covey_ctx_with_signals(p, signals, 1);

    covey_ctx_cancel_cause(p, -EIO);
    check_done(c, COVEY_ECANCELED, -EIO);
    covey_ctx_unref(c);
    covey_ctx_unref(p);
}

/* What lack of memory gives, as of a NULL group: a context that is done, and good for all else. */

static int count_call(covey_ctx *c, void *arg)
{
    (void)c;
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

TASK_TEST(the_context_of_a_null_group_is_done_and_can_be_used_as_any)
{
    covey_ctx *none = covey_group_ctx(NULL);
    covey_ctx *child = covey_ctx_with_timeout(none, COVEY_SEC);
    covey_group *g = covey_group_new(none);
    atomic_int calls = 0;

    CHECK_EQ(covey_ctx_err(child), COVEY_ECANCELED);
    CHECK_EQ(covey_ctx_cause(child), -ENOMEM);
    CHECK_EQ(covey_chan_recv(NULL, covey_ctx_done(none), NULL), COVEY_ECLOSED);
    covey_stop *s = covey_ctx_after_func(none, count_call, &calls);
    GO(g, count_call, &calls);
    JOIN(g);
    while (atomic_load(&calls) < 2) {
        covey_yield();
    }
    CHECK(!covey_stop_call(s));
    CHECK(!covey_stop_call(NULL));
    covey_ctx_unref(child);
    covey_ctx_unref(none);
}
