/* SPDX-License-Identifier: MIT
 * group_test.c - groups: joins, policies, limits, errors and their words. Situations from Go's
 * errgroup_test.go and Trio's nursery tests. */
#include "support.h"

static const int64_t hour = 3600 * COVEY_SEC;

static int return_code(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    return *(int *)arg;
}

static int wait_for_end(covey_ctx *ctx, void *arg)
{
    int rc = covey_sleep(ctx, hour);

    if (arg) {
        atomic_store((atomic_int *)arg, rc);
    }
    return rc;
}

static int succeed_at_end(covey_ctx *ctx, void *arg)
{
    (void)wait_for_end(ctx, arg);
    return 0;
}

static int recv_once(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    return covey_chan_recv(NULL, arg, NULL);
}

static int count_up(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

/* Joining. */

TASK_TEST(an_empty_group_gives_zero)
{
    static const covey_group_policy policies[] = {COVEY_FIRST_ERROR, COVEY_ALL,
                                                  COVEY_FIRST_SUCCESS};

    JOIN(covey_group_new(ctx));
    JOIN(covey_group_new(NULL));
    for (int i = 0; i < 3; i++) {
        covey_group_options opts = {.policy = policies[i]};

        JOIN(covey_group_new_with(ctx, &opts));
    }
}

TASK_TEST(wait_returns_after_every_task_ended)
{
    enum { N = 100 };
    covey_group *g = covey_group_new(ctx);
    atomic_int count = 0;

    for (int i = 0; i < N; i++) {
        GO(g, count_up, &count);
    }
    JOIN(g);
    CHECK_EQ(atomic_load(&count), N);
}

static int write_plain(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    covey_yield();
    *(int *)arg += 1;
    return 0;
}

TASK_TEST(what_a_task_wrote_is_seen_after_wait_and_what_was_written_before_go_by_the_task)
{
    int plain[50];

    for (int round = 0; round < 20; round++) {
        covey_group *g = covey_group_new(ctx);

        for (int i = 0; i < 50; i++) {
            plain[i] = 10 * i;
            GO(g, write_plain, &plain[i]);
        }
        JOIN(g);
        for (int i = 0; i < 50; i++) {
            CHECK_EQ(plain[i], 10 * i + 1);
        }
    }
}

struct waiting {
    covey_group *group;
    covey_chan *go_on;
    atomic_int joined;
    int result;
};

static int open_and_wait(covey_ctx *ctx, void *arg)
{
    struct waiting *w = arg;
    covey_group *g = covey_group_new(ctx);

    GO(g, recv_once, w->go_on);
    w->result = covey_group_wait(g);
    atomic_store(&w->joined, 1);
    return 0;
}

TASK_TEST(wait_blocks_while_a_task_lives)
{
    struct waiting w = {.go_on = covey_chan_new(0, 0), .result = 1};
    covey_group *g = covey_group_new(ctx);

    GO(g, open_and_wait, &w);
    settle();
    CHECK_EQ(atomic_load(&w.joined), 0);
    CHECK_EQ(covey_chan_send(NULL, w.go_on, NULL), 0);
    JOIN(g);
    CHECK_EQ(atomic_load(&w.joined), 1);
    CHECK_EQ(w.result, 0);
    covey_chan_unref(w.go_on);
}

struct tree {
    covey_group *group;
    atomic_int *count;
    int depth;
};

static int grow(covey_ctx *ctx, void *arg)
{
    struct tree *t = arg;

    (void)ctx;
    atomic_fetch_add(t->count, 1);
    if (t->depth > 0) {
        struct tree below = {t->group, t->count, t->depth - 1};

        for (int i = 0; i < 3; i++) {
            CHECK_EQ(covey_group_go_copy(t->group, grow, &below, sizeof(below)), 0);
        }
    }
    return 0;
}

TASK_TEST(tasks_started_by_tasks_of_the_group_are_joined_too)
{
    atomic_int count = 0;
    struct tree t = {covey_group_new(ctx), &count, 5};

    GO(t.group, grow, &t);
    JOIN(t.group);
    CHECK_EQ(atomic_load(&count), 1 + 3 + 9 + 27 + 81 + 243);
}

static int nest(covey_ctx *ctx, void *arg)
{
    int depth = *(int *)arg, below = depth - 1;
    covey_group *g = covey_group_new(ctx);

    if (depth == 0) {
        (void)covey_errorf(-EIO, "the deepest failed");
        CHECK_EQ(covey_group_wait(g), 0);
        return -EIO;
    }
    GO(g, nest, &below);
    for (int i = 0; i < 3; i++) {
        GO(g, wait_for_end, NULL);
    }
    return covey_group_wait(g);
}

TASK_TEST(an_error_climbs_through_nested_groups_with_its_words)
{
    covey_group *g = covey_group_new(ctx);
    int depth = 5;

    GO(g, nest, &depth);
    CHECK_EQ(covey_group_wait(g), -EIO);
    CHECK_EQ(covey_errcode(), -EIO);
    CHECK_STR(covey_errmsg(), "the deepest failed");
}

TASK_TEST(a_group_serves_many_short_tasks_in_turn)
{
    covey_group_options opts = {.limit = 16};
    covey_group *g = covey_group_new_with(ctx, &opts);
    atomic_int count = 0;

    for (int i = 0; i < 20000; i++) {
        GO(g, count_up, &count);
    }
    JOIN(g);
    CHECK_EQ(atomic_load(&count), 20000);
}

TASK_TEST(many_groups_in_turn)
{
    atomic_int count = 0;

    for (int i = 0; i < 2000; i++) {
        covey_group *g = covey_group_new(ctx);

        for (int j = 0; j < i % 4; j++) {
            GO(g, count_up, &count);
        }
        JOIN(g);
    }
    CHECK_EQ(atomic_load(&count), 500 * (0 + 1 + 2 + 3));
}

/* Results. */

TASK_TEST(zero_and_positive_codes_are_success)
{
    int codes[] = {0, 1, 1000000};
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 3; i++) {
        GO(g, return_code, &codes[i]);
    }
    while (covey_select(ctx, COVEY_JOINED(g)) != 0) {
    }
    CHECK_EQ(covey_ctx_err(covey_group_ctx(g)), 0);
    JOIN(g);
}

TASK_TEST(the_first_error_cancels_the_others_and_is_returned)
{
    covey_group *g = covey_group_new(ctx);
    atomic_int seen[5];
    int code = -EIO;

    for (int i = 0; i < 5; i++) {
        atomic_init(&seen[i], 1);
        GO(g, wait_for_end, &seen[i]);
    }
    GO(g, return_code, &code);
    CHECK_EQ(covey_group_wait(g), -EIO);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(atomic_load(&seen[i]), COVEY_ECANCELED);
    }
}

static int note_cause(covey_ctx *ctx, void *arg)
{
    CHECK_EQ(covey_sleep(ctx, hour), COVEY_ECANCELED);
    atomic_store((atomic_int *)arg, covey_ctx_cause(ctx));
    return 0;
}

TASK_TEST(the_first_errors_code_is_the_cause_that_the_others_see)
{
    covey_group *g = covey_group_new(ctx);
    atomic_int cause = 0;
    int code = -ENOENT;

    GO(g, note_cause, &cause);
    GO(g, return_code, &code);
    CHECK_EQ(covey_group_wait(g), -ENOENT);
    CHECK_EQ(atomic_load(&cause), -ENOENT);
}

static int fail_with_words(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    return covey_errorf(-ECONNREFUSED, "fetch %s: connection refused", (const char *)arg);
}

TASK_TEST(the_words_of_the_first_error_reach_who_waits)
{
    covey_group *g = covey_group_new(ctx);

    GO(g, wait_for_end, NULL);
    GO(g, fail_with_words, "http://x");
    CHECK_EQ(covey_group_wait(g), -ECONNREFUSED);
    CHECK_EQ(covey_errcode(), -ECONNREFUSED);
    CHECK_STR(covey_errmsg(), "fetch http://x: connection refused");
}

TASK_TEST(a_failure_without_words_has_strerrors)
{
    static const int codes[] = {-EIO, COVEY_ELOST, -ECONNREFUSED};

    for (int i = 0; i < 3; i++) {
        covey_group *g = covey_group_new(ctx);
        int code = codes[i];

        (void)covey_errorf(-EINVAL, "older words of the waiting task");
        GO(g, return_code, &code);
        CHECK_EQ(covey_group_wait(g), code);
        CHECK_STR(covey_errmsg(), covey_strerror(code));
    }
}

static int fail_with_older_words(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    (void)covey_errorf(-EINVAL, "words of another failure, handled since");
    return -EIO;
}

TASK_TEST(words_of_another_code_are_not_taken_for_this_failures)
{
    covey_group *g = covey_group_new(ctx);

    GO(g, fail_with_older_words, NULL);
    CHECK_EQ(covey_group_wait(g), -EIO);
    CHECK_STR(covey_errmsg(), covey_strerror(-EIO));
}

TASK_TEST(a_group_that_succeeds_leaves_the_words_alone)
{
    covey_group *g = covey_group_new(ctx);
    int code = 0;

    (void)covey_errorf(-EINVAL, "mine");
    GO(g, return_code, &code);
    JOIN(g);
    CHECK_STR(covey_errmsg(), "mine");
    CHECK_EQ(covey_errcode(), -EINVAL);
}

/* The other policies. */

TASK_TEST(all_cancels_nobody_and_returns_the_first_error)
{
    covey_group_options opts = {.policy = COVEY_ALL};
    covey_group *g = covey_group_new_with(ctx, &opts);
    covey_chan *go_on = covey_chan_new(0, 0);
    int first = -EIO, second = -ENOENT;
    atomic_int count = 0;

    GO(g, return_code, &first);
    CHECK_EQ(covey_select(ctx, COVEY_JOINED(g)), 0);
    CHECK_EQ(covey_ctx_err(covey_group_ctx(g)), 0);
    GO(g, recv_once, go_on);
    GO(g, return_code, &second);
    for (int i = 0; i < 10; i++) {
        GO(g, count_up, &count);
    }
    CHECK_EQ(covey_chan_send(NULL, go_on, NULL), 0);
    CHECK_EQ(covey_group_wait(g), -EIO);
    CHECK_EQ(atomic_load(&count), 10);
    covey_chan_unref(go_on);
}

TASK_TEST(first_success_cancels_the_rest_and_gives_zero)
{
    covey_group_options opts = {.policy = COVEY_FIRST_SUCCESS};
    covey_group *g = covey_group_new_with(ctx, &opts);
    int failure = -EIO, success = 0;
    atomic_int seen = 1;

    GO(g, return_code, &failure);
    CHECK_EQ(covey_select(ctx, COVEY_JOINED(g)), 0);
    CHECK_EQ(covey_ctx_err(covey_group_ctx(g)), 0); /* a failure cancels nobody */
    GO(g, wait_for_end, &seen);
    GO(g, return_code, &success);
    JOIN(g);
    CHECK_EQ(atomic_load(&seen), COVEY_ECANCELED);
}

TASK_TEST(a_positive_code_wins_a_race_too)
{
    covey_group_options opts = {.policy = COVEY_FIRST_SUCCESS};
    covey_group *g = covey_group_new_with(ctx, &opts);
    int success = 7;

    GO(g, wait_for_end, NULL);
    GO(g, return_code, &success);
    JOIN(g);
}

TASK_TEST(a_race_that_all_lose_gives_the_first_error)
{
    covey_group_options opts = {.policy = COVEY_FIRST_SUCCESS};
    covey_group *g = covey_group_new_with(ctx, &opts);
    int first = -ENOENT, second = -EIO;

    GO(g, return_code, &first);
    CHECK_EQ(covey_select(ctx, COVEY_JOINED(g)), 0);
    GO(g, return_code, &second);
    GO(g, fail_with_words, "http://x");
    CHECK_EQ(covey_group_wait(g), -ENOENT);
    CHECK_STR(covey_errmsg(), covey_strerror(-ENOENT));
}

/* The group's context. */

TASK_TEST(tasks_get_the_groups_context)
{
    static int key;
    int v = 1;
    covey_ctx *p = covey_ctx_with_value(ctx, &key, &v);
    covey_group *g = covey_group_new(p);
    covey_ctx *of_group = covey_group_ctx(g);

    CHECK(of_group && of_group != p);
    CHECK(covey_ctx_value(of_group, &key) == &v);
    CHECK_EQ(covey_ctx_err(of_group), 0);
    JOIN(g);
    covey_ctx_unref(p);
}

TASK_TEST(cancelling_the_parent_cancels_the_tasks)
{
    covey_ctx *p = covey_ctx_with_cancel(ctx);
    covey_group *g = covey_group_new(p);
    atomic_int cause = 0;

    GO(g, note_cause, &cause);
    covey_ctx_cancel_cause(p, -EIO);
    JOIN(g);
    CHECK_EQ(atomic_load(&cause), -EIO);
    covey_ctx_unref(p);
}

TASK_TEST(a_parents_deadline_ends_the_tasks)
{
    covey_ctx *p = covey_ctx_with_timeout(ctx, COVEY_MS);
    covey_group *g = covey_group_new(p);

    GO(g, wait_for_end, NULL);
    CHECK_EQ(covey_group_wait(g), COVEY_EDEADLINE);
    CHECK(strstr(covey_errmsg(), "deadline exceeded (1 ms, set at "));
    covey_ctx_unref(p);
}

TASK_TEST(cancelling_a_group_leaves_its_parent)
{
    covey_ctx *p = covey_ctx_with_cancel(ctx);
    covey_group *g = covey_group_new(p);

    covey_group_cancel(g, 0);
    CHECK_EQ(covey_ctx_err(covey_group_ctx(g)), COVEY_ECANCELED);
    JOIN(g);
    CHECK_EQ(covey_ctx_err(p), 0);
    covey_ctx_unref(p);
}

TASK_TEST(wait_cancels_the_context_and_a_reference_keeps_it)
{
    covey_group *g = covey_group_new(ctx);
    covey_ctx *kept = covey_ctx_ref(covey_group_ctx(g)), *child = covey_ctx_with_cancel(kept);

    JOIN(g);
    CHECK_EQ(covey_ctx_err(kept), COVEY_ECANCELED);
    CHECK_EQ(covey_ctx_err(child), COVEY_ECANCELED);
    covey_ctx_unref(child);
    covey_ctx_unref(kept);
}

static int close_channel(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    return covey_chan_close(arg);
}

/* No reference to the group's context is left: what hangs on it must hear of its end all the same.
 */
TASK_TEST(wait_ends_what_was_made_of_the_context_alone)
{
    covey_group *g = covey_group_new(ctx);
    covey_chan *done = covey_chan_ref(covey_ctx_done(covey_group_ctx(g)));
    JOIN(g);
    CHECK_EQ(covey_chan_try_recv(done, NULL), COVEY_ECLOSED);
    covey_chan_unref(done);

    g = covey_group_new(ctx);
    covey_ctx *child = covey_ctx_with_cancel(covey_group_ctx(g));
    JOIN(g);
    CHECK_EQ(covey_ctx_err(child), COVEY_ECANCELED);
    covey_ctx_unref(child);

    g = covey_group_new(ctx);
    covey_chan *called = covey_chan_new(0, 0);
    covey_stop *stop = covey_ctx_after_func(covey_group_ctx(g), close_channel, called);
    JOIN(g);
    CHECK_EQ(covey_chan_recv(NULL, called, NULL), COVEY_ECLOSED);
    CHECK(!covey_stop_call(stop));
    covey_chan_unref(called);
}

TASK_TEST(cancelling_is_no_failure)
{
    covey_group *g = covey_group_new(ctx);
    atomic_int cause = 0;

    GO(g, note_cause, &cause);
    covey_group_cancel(g, -EIO);
    covey_group_cancel(g, -ENOENT); /* the first stays */
    JOIN(g);
    CHECK_EQ(atomic_load(&cause), -EIO);
    g = covey_group_new(ctx);
    GO(g, note_cause, &cause);
    covey_group_cancel(g, 0);
    JOIN(g);
    CHECK_EQ(atomic_load(&cause), COVEY_ECANCELED);
}

TASK_TEST(what_cancelled_tasks_return_counts)
{
    covey_group *g = covey_group_new(ctx);

    GO(g, wait_for_end, NULL);
    covey_group_cancel(g, -EIO);
    CHECK_EQ(covey_group_wait(g), COVEY_ECANCELED);
}

TASK_TEST(a_failure_after_the_cancellation_is_returned_and_the_cause_stays)
{
    covey_group *g = covey_group_new(ctx);
    covey_ctx *kept = covey_ctx_ref(covey_group_ctx(g));
    int code = -EIO;

    covey_group_cancel(g, -ENOENT);
    GO(g, return_code, &code);
    CHECK_EQ(covey_group_wait(g), -EIO);
    CHECK_EQ(covey_ctx_cause(kept), -ENOENT);
    covey_ctx_unref(kept);
}

static int see_done(covey_ctx *ctx, void *arg)
{
    CHECK_EQ(covey_ctx_err(ctx), COVEY_ECANCELED);
    return count_up(ctx, arg);
}

TASK_TEST(a_task_started_after_the_cancellation_still_runs)
{
    covey_group *g = covey_group_new(ctx);
    atomic_int count = 0;

    covey_group_cancel(g, 0);
    /* The copy first: nobody counts yet while it is read. */
    CHECK_EQ(covey_group_go_copy(g, see_done, &count, sizeof(count)), 0);
    GO(g, see_done, &count);
    CHECK_EQ(covey_group_try_go(g, see_done, &count), 0);
    CHECK_EQ(covey_group_wait(g), 0);
    CHECK_EQ(atomic_load(&count), 2); /* the first had a copy of its own */
}

static int cancel_own_group(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    covey_group_cancel(arg, -EIO);
    return 0;
}

TASK_TEST(a_task_may_cancel_its_group)
{
    covey_group *g = covey_group_new(ctx);
    atomic_int cause = 0;

    GO(g, note_cause, &cause);
    GO(g, cancel_own_group, g);
    JOIN(g);
    CHECK_EQ(atomic_load(&cause), -EIO);
}

/* Limits. */

struct gauge {
    atomic_int now, peak, total;
};

static int pass_gauge(covey_ctx *ctx, void *arg)
{
    struct gauge *m = arg;
    int now = atomic_fetch_add(&m->now, 1) + 1, peak = atomic_load(&m->peak);

    (void)ctx;
    while (peak < now && !atomic_compare_exchange_weak(&m->peak, &peak, now)) {
    }
    for (int i = 0; i < 3; i++) {
        covey_yield();
    }
    atomic_fetch_sub(&m->now, 1);
    atomic_fetch_add(&m->total, 1);
    return 0;
}

TASK_TEST(no_more_run_at_once_than_the_limit)
{
    for (int limit = 1; limit <= 5; limit++) {
        covey_group_options opts = {.limit = limit};
        covey_group *g = covey_group_new_with(ctx, &opts);
        struct gauge m = {0, 0, 0};

        for (int i = 0; i < 100; i++) {
            GO(g, pass_gauge, &m);
        }
        JOIN(g);
        CHECK(atomic_load(&m.peak) <= limit);
        CHECK_EQ(atomic_load(&m.total), 100);
    }
}

TASK_TEST(a_limit_of_zero_or_less_in_the_options_is_none)
{
    for (int limit = -1; limit <= 0; limit++) {
        covey_group_options opts = {.limit = limit};
        covey_group *g = covey_group_new_with(ctx, &opts);
        covey_chan *go_on = covey_chan_new(0, 0);

        for (int i = 0; i < 50; i++) {
            CHECK_EQ(covey_group_try_go(g, recv_once, go_on), 0);
        }
        for (int i = 0; i < 50; i++) {
            CHECK_EQ(covey_chan_send(NULL, go_on, NULL), 0);
        }
        JOIN(g);
        covey_chan_unref(go_on);
    }
}

TASK_TEST(try_go_at_the_limit_returns_eagain)
{
    covey_group_options opts = {.limit = 2};
    covey_group *g = covey_group_new_with(ctx, &opts);
    covey_chan *go_on = covey_chan_new(0, 0);
    atomic_int count = 0;

    (void)covey_errorf(-EINVAL, "mine");
    CHECK_EQ(covey_group_try_go(g, recv_once, go_on), 0);
    CHECK_EQ(covey_group_try_go(g, recv_once, go_on), 0);
    CHECK_EQ(covey_group_try_go(g, count_up, &count), COVEY_EAGAIN);
    CHECK_EQ(covey_group_try_go_copy(g, count_up, &count, sizeof(count)), COVEY_EAGAIN);
    CHECK_STR(covey_errmsg(), "mine");
    CHECK_EQ(covey_chan_send(NULL, go_on, NULL), 0);
    while (covey_group_try_go(g, count_up, &count) == COVEY_EAGAIN) {
        covey_yield();
    }
    CHECK_EQ(covey_chan_send(NULL, go_on, NULL), 0);
    JOIN(g);
    CHECK_EQ(atomic_load(&count), 1);
    covey_chan_unref(go_on);
}

TASK_TEST(set_limit_zero_admits_nobody_and_less_everybody)
{
    covey_group *g = covey_group_new(ctx);
    atomic_int count = 0;

    covey_group_set_limit(g, 0);
    CHECK_EQ(covey_group_try_go(g, count_up, &count), COVEY_EAGAIN);
    covey_group_set_limit(g, 1);
    CHECK_EQ(covey_group_try_go(g, count_up, &count), 0);
    covey_group_set_limit(g, -1);
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(covey_group_try_go(g, count_up, &count), 0);
    }
    JOIN(g);
    CHECK_EQ(atomic_load(&count), 11);
}

TASK_TEST(a_lowered_limit_holds_for_later_starts)
{
    covey_group *g = covey_group_new(ctx);
    covey_chan *go_on = covey_chan_new(0, 0);

    for (int i = 0; i < 3; i++) {
        GO(g, recv_once, go_on);
    }
    covey_group_set_limit(g, 1);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(covey_group_try_go(g, recv_once, go_on), COVEY_EAGAIN);
        CHECK_EQ(covey_chan_send(NULL, go_on, NULL), 0);
    }
    while (covey_group_try_go(g, recv_once, go_on) == COVEY_EAGAIN) {
        covey_yield();
    }
    CHECK_EQ(covey_group_try_go(g, recv_once, go_on), COVEY_EAGAIN);
    CHECK_EQ(covey_chan_send(NULL, go_on, NULL), 0);
    JOIN(g);
    covey_chan_unref(go_on);
}

struct starter {
    covey_group *group;
    covey_fn *fn;
    void *arg;
    int result;
    atomic_int ended;
};

static int start_one(covey_ctx *ctx, void *arg)
{
    struct starter *s = arg;

    (void)ctx;
    s->result = covey_group_go(s->group, s->fn, s->arg);
    atomic_store(&s->ended, 1);
    return 0;
}

TASK_TEST(go_waits_while_the_limit_is_reached)
{
    covey_group_options opts = {.limit = 1};
    covey_group *g = covey_group_new_with(ctx, &opts), *starters = covey_group_new(ctx);
    covey_chan *go_on = covey_chan_new(0, 0);
    atomic_int count = 0;
    struct starter s = {.group = g, .fn = count_up, .arg = &count, .result = 1};

    GO(g, recv_once, go_on);
    GO(starters, start_one, &s);
    settle();
    CHECK_EQ(atomic_load(&s.ended), 0);
    CHECK_EQ(covey_chan_send(NULL, go_on, NULL), 0);
    JOIN(starters);
    CHECK_EQ(s.result, 0);
    JOIN(g);
    CHECK_EQ(atomic_load(&count), 1);
    covey_chan_unref(go_on);
}

TASK_TEST(a_raised_limit_lets_waiting_starts_in)
{
    covey_group *g = covey_group_new(ctx), *starters = covey_group_new(ctx);
    atomic_int count = 0;
    struct starter s[3];

    covey_group_set_limit(g, 0);
    for (int i = 0; i < 3; i++) {
        s[i] = (struct starter){.group = g, .fn = count_up, .arg = &count};
        GO(starters, start_one, &s[i]);
    }
    settle();
    CHECK_EQ(atomic_load(&count), 0);
    covey_group_set_limit(g, 1);
    JOIN(starters);
    JOIN(g);
    CHECK_EQ(atomic_load(&count), 3);
}

TASK_TEST(waiting_starts_are_served_first_come_first_served)
{
    enum { N = 6 };
    covey_group_options opts = {.limit = 1};
    covey_group *g = covey_group_new_with(ctx, &opts), *starters = covey_group_new(ctx);
    covey_chan *go_on[N];
    struct starter s[N];

    covey_group_set_limit(g, 0);
    for (int i = 0; i < N; i++) {
        go_on[i] = covey_chan_new(0, 0);
        s[i] = (struct starter){.group = g, .fn = recv_once, .arg = go_on[i]};
        go_waiting_nth(starters, "starter", i, start_one, &s[i]);
    }
    covey_group_set_limit(g, 1);
    for (int i = 0; i < N; i++) { /* only the next in line has a task that receives */
        CHECK_EQ(covey_chan_send(NULL, go_on[i], NULL), 0);
        if (i + 1 < N) {
            while (!atomic_load(&s[i + 1].ended)) {
                covey_yield();
            }
        }
        for (int j = i + 2; j < N; j++) {
            CHECK_EQ(atomic_load(&s[j].ended), 0);
        }
    }
    JOIN(starters);
    JOIN(g);
    for (int i = 0; i < N; i++) {
        covey_chan_unref(go_on[i]);
    }
}

TASK_TEST(cancelling_lets_waiting_starts_in)
{
    covey_group_options opts = {.limit = 1};
    covey_group *g = covey_group_new_with(ctx, &opts), *starters = covey_group_new(ctx);
    atomic_int count = 0, seen = 1;
    struct starter s = {.group = g, .fn = see_done, .arg = &count, .result = 1};

    GO(g, succeed_at_end, &seen);
    go_waiting(starters, "starter", start_one, &s);
    covey_group_cancel(g, 0);
    JOIN(starters);
    CHECK_EQ(s.result, 0);
    JOIN(g);
    CHECK_EQ(atomic_load(&count), 1);
}

struct last_slot {
    covey_group *group;
    atomic_int *count;
};

static int fail_then_start_a_sibling(covey_ctx *ctx, void *arg)
{
    struct last_slot *s = arg;

    (void)ctx;
    covey_group_cancel(s->group, 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(covey_group_go(s->group, see_done, s->count), 0);
    }
    CHECK_EQ(covey_group_try_go(s->group, see_done, s->count), 0);
    return 0;
}

TASK_TEST(the_last_slots_task_may_start_siblings_in_a_cancelled_group)
{
    covey_group_options opts = {.limit = 1};
    covey_group *g = covey_group_new_with(ctx, &opts);
    atomic_int count = 0;
    struct last_slot s = {g, &count};

    GO(g, fail_then_start_a_sibling, &s);
    JOIN(g);
    CHECK_EQ(atomic_load(&count), 4);
}

TASK_TEST(a_done_parent_lifts_the_limit_too)
{
    covey_ctx *done = done_ctx(COVEY_ECANCELED);
    covey_group_options opts = {.limit = 1};
    covey_group *g = covey_group_new_with(done, &opts);
    atomic_int count = 0;

    covey_group_set_limit(g, 0);
    for (int i = 0; i < 5; i++) {
        GO(g, see_done, &count);
    }
    JOIN(g);
    CHECK_EQ(atomic_load(&count), 5);
    covey_ctx_unref(done);
}

/* Arguments and options. */

static int check_copy(covey_ctx *ctx, void *arg)
{
    unsigned char *bytes = arg;

    (void)ctx;
    covey_yield();
    CHECK((uintptr_t)arg % _Alignof(max_align_t) == 0);
    for (int i = 1; i < 200; i++) {
        CHECK_EQ(bytes[i], bytes[0]);
    }
    memset(bytes, 0xee, 200); /* its own to change */
    return 0;
}

TASK_TEST(go_copy_gives_each_task_a_copy)
{
    covey_group *g = covey_group_new(ctx);
    unsigned char bytes[200];

    for (int i = 0; i < 100; i++) {
        memset(bytes, i, sizeof(bytes));
        if (i % 2) {
            CHECK_EQ(covey_group_go_copy(g, check_copy, bytes, sizeof(bytes)), 0);
        } else {
            CHECK_EQ(covey_group_try_go_copy(g, check_copy, bytes, sizeof(bytes)), 0);
        }
    }
    memset(bytes, 0xff, sizeof(bytes));
    JOIN(g);
}

static int check_name(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    CHECK_STR(covey_task_name(), arg);
    return 0;
}

TASK_TEST(tasks_are_named_by_their_function_or_option)
{
    covey_task_options opts = {.name = "reader"};
    covey_group *g = covey_group_new(ctx);

    GO(g, check_name, "check_name");
    CHECK_EQ(covey_group_go_with(g, &opts, check_name, "reader"), 0);
    JOIN(g);
}

static const covey_task_options impossible = {.stack_size = ((size_t)1 << 30) + 1};

TASK_TEST(options_out_of_range_start_nothing)
{
    covey_group *g = covey_group_new(ctx);
    atomic_int count = 0;

    CHECK_EQ(covey_group_go_with(g, &impossible, count_up, &count), -EINVAL);
    CHECK_EQ(covey_group_wait(g), -EINVAL);
    CHECK_EQ(atomic_load(&count), 0);
}

TASK_TEST(a_start_that_fails_is_a_failure_of_the_group)
{
    covey_group *g = covey_group_new(ctx);
    atomic_int cause = 0;

    GO(g, note_cause, &cause);
    CHECK_EQ(covey_group_go_with(g, &impossible, count_up, NULL), -EINVAL);
    CHECK_EQ(covey_ctx_err(covey_group_ctx(g)), COVEY_ECANCELED);
    CHECK_EQ(covey_ctx_cause(covey_group_ctx(g)), -EINVAL);
    (void)covey_errorf(-EIO, "other words meanwhile");
    CHECK_EQ(covey_group_wait(g), -EINVAL);
    CHECK_STR(covey_errmsg(), covey_strerror(-EINVAL));
    CHECK_EQ(atomic_load(&cause), -EINVAL);
}

TEST(an_error_list_that_lack_of_memory_gives_is_empty)
{
    CHECK_EQ(covey_error_list_len(NULL), 0);
    CHECK_EQ(covey_error_list_code(NULL, 0), 0);
    CHECK_STR(covey_error_list_message(NULL, 0), "");
    covey_error_list_free(NULL);
}

TASK_TEST(a_start_that_fails_counts_by_the_policy)
{
    covey_error_list *list = covey_error_list_new();
    covey_group_options all = {.policy = COVEY_ALL, .errors = list};
    covey_group_options race = {.policy = COVEY_FIRST_SUCCESS};
    covey_group *g = covey_group_new_with(ctx, &all);
    atomic_int count = 0;

    CHECK_EQ(covey_group_go_with(g, &impossible, count_up, &count), -EINVAL);
    GO(g, count_up, &count);
    CHECK_EQ(covey_group_wait(g), -EINVAL);
    CHECK_EQ(atomic_load(&count), 1);
    CHECK_EQ(covey_error_list_len(list), 1);
    CHECK_EQ(covey_error_list_code(list, 0), -EINVAL);
    covey_error_list_free(list);

    g = covey_group_new_with(ctx, &race);
    CHECK_EQ(covey_group_go_with(g, &impossible, count_up, &count), -EINVAL);
    GO(g, count_up, &count);
    JOIN(g);
    g = covey_group_new_with(ctx, &race);
    CHECK_EQ(covey_group_go_with(g, &impossible, count_up, &count), -EINVAL);
    CHECK_EQ(covey_group_wait(g), -EINVAL);
}

TASK_TEST(a_reached_limit_is_no_failure_of_the_group)
{
    covey_group_options opts = {.limit = 1};
    covey_group *g = covey_group_new_with(ctx, &opts);
    covey_chan *go_on = covey_chan_new(0, 1);

    GO(g, recv_once, go_on);
    CHECK_EQ(covey_group_try_go(g, recv_once, go_on), COVEY_EAGAIN);
    CHECK_EQ(covey_ctx_err(covey_group_ctx(g)), 0);
    CHECK_EQ(covey_chan_send(ctx, go_on, NULL), 0);
    JOIN(g);
    covey_chan_unref(go_on);
}

/* What covey_group_new() gives when memory is short. */
TASK_TEST(a_null_group_tells_of_the_lack_of_memory)
{
    covey_group *g = NULL;
    atomic_int count = 0;

    CHECK_EQ(covey_group_go(g, count_up, &count), -ENOMEM);
    CHECK_STR(covey_errmsg(), covey_strerror(-ENOMEM));
    CHECK_EQ(covey_group_go_with(g, &impossible, count_up, &count), -ENOMEM);
    CHECK_EQ(covey_group_try_go(g, count_up, &count), -ENOMEM);
    CHECK_EQ(covey_group_go_copy(g, count_up, &count, sizeof(count)), -ENOMEM);
    CHECK_EQ(covey_ctx_err(covey_group_ctx(g)), COVEY_ECANCELED);
    CHECK_EQ(covey_ctx_cause(covey_group_ctx(g)), -ENOMEM);
    covey_group_set_limit(g, 3);
    covey_group_cancel(g, -EIO);
    CHECK_EQ(covey_select(ctx, COVEY_JOINED(g)), 0);
    (void)covey_errorf(-EIO, "other words meanwhile");
    CHECK_EQ(covey_group_wait(g), -ENOMEM);
    CHECK_STR(covey_errmsg(), covey_strerror(-ENOMEM));
    CHECK_EQ(atomic_load(&count), 0);
}

TEST(without_a_runtime_nothing_is_started)
{
    covey_group *g = covey_group_new(NULL);
    atomic_int count = 0;

    CHECK_EQ(covey_group_go(g, count_up, &count), COVEY_ECLOSED);
    CHECK_EQ(covey_group_try_go(g, count_up, &count), COVEY_ECLOSED);
    CHECK_EQ(covey_group_wait(g), COVEY_ECLOSED);
    CHECK_EQ(atomic_load(&count), 0);
}

/* Error lists. */

TASK_TEST(the_error_list_has_every_failure_in_order_with_its_words)
{
    covey_error_list *list = covey_error_list_new();
    covey_group_options opts = {.policy = COVEY_ALL, .errors = list};
    covey_group *g = covey_group_new_with(ctx, &opts);
    int code = -EIO, success = 3;

    CHECK_EQ(covey_error_list_len(list), 0);
    GO(g, fail_with_words, "http://a");
    CHECK_EQ(covey_select(ctx, COVEY_JOINED(g)), 0);
    GO(g, return_code, &success);
    GO(g, return_code, &code);
    CHECK_EQ(covey_select(ctx, COVEY_JOINED(g)), 0);
    GO(g, fail_with_words, "http://b");
    CHECK_EQ(covey_group_wait(g), -ECONNREFUSED);
    CHECK_EQ(covey_error_list_len(list), 3);
    CHECK_EQ(covey_error_list_code(list, 0), -ECONNREFUSED);
    CHECK_STR(covey_error_list_message(list, 0), "fetch http://a: connection refused");
    CHECK_EQ(covey_error_list_code(list, 1), -EIO);
    CHECK_STR(covey_error_list_message(list, 1), covey_strerror(-EIO));
    CHECK_EQ(covey_error_list_code(list, 2), -ECONNREFUSED);
    CHECK_STR(covey_error_list_message(list, 2), "fetch http://b: connection refused");
    CHECK_EQ(covey_error_list_code(list, 3), 0);
    CHECK_EQ(covey_error_list_code(list, SIZE_MAX), 0);
    covey_error_list_free(list);
}

TASK_TEST(the_error_list_also_has_those_who_were_cancelled)
{
    covey_error_list *list = covey_error_list_new();
    covey_group_options opts = {.errors = list};
    covey_group *g = covey_group_new_with(ctx, &opts);

    for (int i = 0; i < 4; i++) {
        GO(g, wait_for_end, NULL);
    }
    GO(g, fail_with_words, "http://x");
    CHECK_EQ(covey_group_wait(g), -ECONNREFUSED);
    CHECK_EQ(covey_error_list_len(list), 5);
    CHECK_EQ(covey_error_list_code(list, 0), -ECONNREFUSED);
    for (size_t i = 1; i < 5; i++) {
        CHECK_EQ(covey_error_list_code(list, i), COVEY_ECANCELED);
    }
    covey_error_list_free(list);
}

TASK_TEST(the_error_list_of_a_won_race_has_the_losers)
{
    covey_error_list *list = covey_error_list_new();
    covey_group_options opts = {.policy = COVEY_FIRST_SUCCESS, .errors = list};
    covey_group *g = covey_group_new_with(ctx, &opts);
    int success = 0;

    GO(g, fail_with_words, "http://x");
    CHECK_EQ(covey_select(ctx, COVEY_JOINED(g)), 0);
    GO(g, return_code, &success);
    JOIN(g);
    CHECK_EQ(covey_error_list_len(list), 1);
    CHECK_EQ(covey_error_list_code(list, 0), -ECONNREFUSED);
    covey_error_list_free(list);
}

TASK_TEST(one_error_list_serves_several_groups)
{
    covey_error_list *list = covey_error_list_new();
    covey_group_options opts = {.errors = list};

    for (int i = 1; i <= 3; i++) {
        covey_group *g = covey_group_new_with(ctx, &opts);
        int code = -i;

        GO(g, return_code, &code);
        CHECK_EQ(covey_group_wait(g), -i);
    }
    CHECK_EQ(covey_error_list_len(list), 3);
    for (int i = 1; i <= 3; i++) {
        CHECK_EQ(covey_error_list_code(list, (size_t)i - 1), -i);
    }
    covey_error_list_free(list);
}

static int fail_together(covey_ctx *ctx, void *arg)
{
    covey_chan *start = arg;

    (void)ctx;
    CHECK_EQ(covey_chan_recv(NULL, start, NULL), COVEY_ECLOSED);
    return covey_errorf(-EIO, "task %llu", (unsigned long long)covey_task_id());
}

TASK_TEST(of_many_failures_in_the_same_instant_one_is_returned_and_all_are_listed)
{
    enum { N = 200 };
    covey_error_list *list = covey_error_list_new();
    covey_group_options opts = {.errors = list};
    covey_group *g = covey_group_new_with(ctx, &opts);
    covey_chan *start = covey_chan_new(0, 0);
    bool returned_is_listed = false;

    for (int i = 0; i < N; i++) {
        GO(g, fail_together, start);
    }
    CHECK_EQ(covey_chan_close(start), 0);
    CHECK_EQ(covey_group_wait(g), -EIO);
    CHECK_EQ(covey_error_list_len(list), N);
    for (size_t i = 0; i < N; i++) {
        CHECK_EQ(covey_error_list_code(list, i), -EIO);
        returned_is_listed |= strcmp(covey_error_list_message(list, i), covey_errmsg()) == 0;
        for (size_t j = 0; j < i; j++) {
            CHECK(strcmp(covey_error_list_message(list, i), covey_error_list_message(list, j)));
        }
    }
    CHECK(returned_is_listed);
    covey_error_list_free(list);
    covey_chan_unref(start);
}

/* The join against the last task's end. */

static int touch_then_end(covey_ctx *ctx, void *arg)
{
    struct last_slot *s = arg;

    (void)ctx;
    CHECK(covey_group_ctx(s->group) != NULL);
    atomic_fetch_add(s->count, 1);
    return 0;
}

TASK_TEST(wait_and_the_last_end_at_once)
{
    for (int i = 0; i < 3000; i++) {
        atomic_int count = 0;
        covey_group *g = covey_group_new(ctx);
        struct last_slot s = {g, &count};

        GO(g, touch_then_end, &s);
        for (int j = 0; j < i % 4; j++) {
            covey_yield();
        }
        JOIN(g);
        CHECK_EQ(atomic_load(&count), 1);
    }
}
