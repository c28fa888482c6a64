/* SPDX-License-Identifier: MIT
 * singleflight_test.c - the situations of x/sync/singleflight's tests, and what contexts add:
 * callers leave alone, and the run ends with the last of them. */
#include "support.h"

#include <pthread.h>

/* What fn does, and what it saw. */
struct work {
    covey_chan *go_on; /* received from before it returns, under its own context; may be NULL */
    void *gives;
    int code;
    atomic_int runs, cancelled;
    atomic_int begun;
};

struct call {
    covey_singleflight *f;
    covey_ctx *ctx;
    const char *key;
    struct work *work;
    void *result;
    bool shared;
    int code;
    char words[100];
};

static int fly(covey_ctx *ctx, void *arg, void **result)
{
    struct work *w = arg;

    atomic_fetch_add(&w->runs, 1);
    atomic_fetch_add(&w->begun, 1);
    if (w->go_on && covey_chan_recv(ctx, w->go_on, NULL) == COVEY_ECANCELED) {
        atomic_fetch_add(&w->cancelled, 1);
        return COVEY_ECANCELED;
    }
    *result = w->gives;
    return w->code < 0 ? covey_errorf(w->code, "the work failed") : w->code;
}

static int ask(covey_ctx *ctx, void *arg)
{
    struct call *c = arg;

    (void)ctx;
    c->code = covey_singleflight_do(c->ctx, c->f, c->key, fly, c->work, &c->result, &c->shared);
    (void)snprintf(c->words, sizeof(c->words), "%s", c->code < 0 ? covey_errmsg() : "");
    return 0;
}

static void *ask_in_thread(void *arg)
{
    CHECK_EQ(ask(NULL, arg), 0);
    return NULL;
}

static void await_runs(struct work *w, int n)
{
    while (atomic_load(&w->begun) < n) {
        covey_yield();
    }
}

static int number;

TASK_TEST(do_gives_the_result_of_fn)
{
    struct work w = {.gives = &number, .code = 7};
    struct call c = {.f = covey_singleflight_new(), .key = "a", .work = &w, .shared = true};

    CHECK_EQ(ask(NULL, &c), 0);
    CHECK_EQ(c.code, 7);
    CHECK(c.result == &number);
    CHECK(!c.shared);
    CHECK_EQ(covey_singleflight_do(ctx, c.f, "a", fly, &w, NULL, NULL), 7);
    CHECK_EQ(atomic_load(&w.runs), 2); /* not at the same time: each has its own */
    covey_singleflight_free(c.f);
    covey_singleflight_free(NULL);
}

TASK_TEST(an_error_and_its_message_go_to_all_callers)
{
    enum { N = 5 };
    struct work w = {.go_on = covey_chan_new(0, 0), .gives = &number, .code = -EDOM};
    covey_singleflight *f = covey_singleflight_new();
    covey_group *g = covey_group_new(ctx);
    struct call c[N];

    for (int i = 0; i < N; i++) {
        c[i] = (struct call){.f = f, .key = "a", .work = &w};
        go_waiting_nth(g, "caller", i, ask, &c[i]);
    }
    CHECK_EQ(covey_chan_send(NULL, w.go_on, NULL), 0);
    JOIN(g);
    CHECK_EQ(atomic_load(&w.runs), 1);
    for (int i = 0; i < N; i++) {
        CHECK_EQ(c[i].code, -EDOM);
        CHECK_STR(c[i].words, "the work failed");
        CHECK(c[i].result == NULL);
        CHECK(c[i].shared);
    }
    covey_singleflight_free(f);
    covey_chan_unref(w.go_on);
}

TASK_TEST(keys_are_apart)
{
    struct work a = {.go_on = covey_chan_new(0, 0), .gives = &number}, b = {.gives = &a};
    struct call first = {.f = covey_singleflight_new(), .key = "a", .work = &a},
                second = {.f = first.f, .key = "b", .work = &b};
    covey_group *g = covey_group_new(ctx);

    GO(g, ask, &first);
    await_runs(&a, 1);
    CHECK_EQ(ask(NULL, &second), 0);
    CHECK(second.result == &a);
    CHECK(!second.shared);
    CHECK_EQ(covey_chan_send(NULL, a.go_on, NULL), 0);
    JOIN(g);
    CHECK(first.result == &number);
    CHECK(!first.shared);
    covey_singleflight_free(first.f);
    covey_chan_unref(a.go_on);
}

TASK_TEST(the_key_is_copied)
{
    char key[] = "a";
    struct work w = {.go_on = covey_chan_new(0, 0), .gives = &number};
    struct call c = {.f = covey_singleflight_new(), .key = key, .work = &w},
                other = {.f = c.f, .key = "a", .work = &w};
    covey_group *g = covey_group_new(ctx);

    go_waiting(g, "first", ask, &c);
    key[0] = 'b';
    go_waiting(g, "second", ask, &other);
    CHECK_EQ(covey_chan_send(NULL, w.go_on, NULL), 0);
    JOIN(g);
    CHECK_EQ(atomic_load(&w.runs), 1);
    CHECK(other.shared);
    covey_singleflight_free(c.f);
    covey_chan_unref(w.go_on);
}

TASK_TEST(forget_starts_a_new_run_beside_the_old)
{
    struct work old = {.go_on = covey_chan_new(0, 0), .gives = &old},
                new = {.go_on = covey_chan_new(0, 0), .gives = &new};
    struct call c[3] = {{.f = covey_singleflight_new(), .key = "a", .work = &old}};
    covey_group *g = covey_group_new(ctx);

    go_waiting(g, "first", ask, &c[0]);
    await_runs(&old, 1);
    covey_singleflight_forget(c[0].f, "a");
    covey_singleflight_forget(c[0].f, "never asked for");
    c[1] = c[2] = (struct call){.f = c[0].f, .key = "a", .work = &new};
    go_waiting(g, "second", ask, &c[1]);
    go_waiting(g, "third", ask, &c[2]);
    /* The old run's end does not make the new one unknown. */
    CHECK_EQ(covey_chan_send(NULL, old.go_on, NULL), 0);
    settle();
    CHECK_EQ(covey_chan_send(NULL, new.go_on, NULL), 0);
    JOIN(g);
    CHECK(c[0].result == &old && !c[0].shared);
    CHECK(c[1].result == &new &&c[1].shared);
    CHECK(c[2].result == &new &&c[2].shared);
    CHECK_EQ(atomic_load(&new.runs), 1);
    covey_singleflight_free(c[0].f);
    covey_chan_unref(old.go_on);
    covey_chan_unref(new.go_on);
}

TASK_TEST(a_caller_whose_context_ends_leaves_alone)
{
    struct work w = {.go_on = covey_chan_new(0, 0), .gives = &number};
    covey_ctx *its = covey_ctx_with_cancel(ctx);
    struct call first = {.f = covey_singleflight_new(), .ctx = its, .key = "a", .work = &w},
                second = {.f = first.f, .key = "a", .work = &w};
    covey_group *leaver = covey_group_new(ctx), *stayer = covey_group_new(ctx);

    go_waiting(leaver, "first", ask, &first);
    go_waiting(stayer, "second", ask, &second);
    covey_ctx_cancel(its);
    JOIN(leaver);
    CHECK_EQ(first.code, COVEY_ECANCELED);
    CHECK(first.result == NULL);
    settle();
    CHECK_EQ(atomic_load(&w.cancelled), 0);
    CHECK_EQ(covey_chan_send(NULL, w.go_on, NULL), 0);
    JOIN(stayer);
    CHECK_EQ(second.code, 0);
    CHECK(second.result == &number);
    CHECK(second.shared);
    CHECK_EQ(atomic_load(&w.runs), 1);
    covey_singleflight_free(first.f);
    covey_ctx_unref(its);
    covey_chan_unref(w.go_on);
}

TASK_TEST(the_run_is_cancelled_when_all_have_left)
{
    struct work w = {.go_on = covey_chan_new(0, 0)}, again = {.gives = &number};
    covey_ctx *theirs = covey_ctx_with_cancel(ctx);
    struct call c[2];
    covey_singleflight *f = covey_singleflight_new();
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < 2; i++) {
        c[i] = (struct call){.f = f, .ctx = theirs, .key = "a", .work = &w};
        go_waiting_nth(g, "caller", i, ask, &c[i]);
    }
    covey_ctx_cancel(theirs);
    JOIN(g);
    CHECK_EQ(c[0].code, COVEY_ECANCELED);
    CHECK_EQ(c[1].code, COVEY_ECANCELED);
    /* A caller that comes now does not join what is being cancelled. */
    struct call late = {.f = f, .key = "a", .work = &again};
    CHECK_EQ(ask(NULL, &late), 0);
    CHECK_EQ(late.code, 0);
    CHECK(late.result == &number);
    while (!atomic_load(&w.cancelled)) {
        covey_yield();
    }
    covey_singleflight_free(f);
    covey_ctx_unref(theirs);
    covey_chan_unref(w.go_on);
}

/* The task does not yield, so with one worker the run starts after its only caller has left. */
TASK_TEST(a_run_that_starts_after_all_have_left_is_cancelled)
{
    struct work w = {.go_on = covey_chan_new(0, 0)};
    struct call c = {.f = covey_singleflight_new(), .key = "a", .work = &w};
    covey_stats before, now;
    pthread_t thread;

    c.ctx = covey_ctx_with_cancel(ctx);
    covey_stats_get(&before);
    CHECK_EQ(pthread_create(&thread, NULL, ask_in_thread, &c), 0);
    do {
        (void)sched_yield();
        covey_stats_get(&now);
    } while (now.tasks_started == before.tasks_started);
    covey_ctx_cancel(c.ctx);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(c.code, COVEY_ECANCELED);
    while (!atomic_load(&w.cancelled)) {
        covey_yield();
    }
    covey_singleflight_free(c.f);
    covey_ctx_unref(c.ctx);
    covey_chan_unref(w.go_on);
}

TASK_TEST(a_done_context_starts_nothing)
{
    struct work w = {.code = 0};
    int codes[] = {COVEY_ECANCELED, COVEY_EDEADLINE};

    for (int i = 0; i < 2; i++) {
        struct call c = {
            .f = covey_singleflight_new(), .ctx = done_ctx(codes[i]), .key = "a", .work = &w};
        CHECK_EQ(ask(NULL, &c), 0);
        CHECK_EQ(c.code, codes[i]);
        covey_singleflight_free(c.f);
        covey_ctx_unref(c.ctx);
    }
    CHECK_EQ(atomic_load(&w.runs), 0);
}

static int see_no_values(covey_ctx *ctx, void *arg, void **result)
{
    (void)result;
    CHECK(covey_ctx_value(ctx, arg) == NULL);
    CHECK(!covey_ctx_deadline(ctx, NULL));
    CHECK_EQ(covey_ctx_err(ctx), 0);
    return 0;
}

TASK_TEST(fn_sees_no_callers_context)
{
    covey_singleflight *f = covey_singleflight_new();
    covey_ctx *limited = covey_ctx_with_timeout(ctx, 1000 * COVEY_SEC);
    covey_ctx *valued = covey_ctx_with_value(limited, &number, &number);

    CHECK_EQ(covey_singleflight_do(valued, f, "a", see_no_values, &number, NULL, NULL), 0);
    covey_ctx_unref(valued);
    covey_ctx_unref(limited);
    covey_singleflight_free(f);
}

static int read_copy(covey_ctx *ctx, void *arg, void **result)
{
    int *copy = arg;

    (void)ctx;
    covey_yield();
    CHECK_EQ((uintptr_t)copy % _Alignof(max_align_t), 0);
    CHECK(copy != *(int **)(copy + 2));
    CHECK_EQ(copy[0], 41);
    *result = &number;
    return copy[0] + 1;
}

TASK_TEST(an_argument_can_be_copied)
{
    struct block {
        int words[2];
        void *self;
    } block = {{41, 0}, &block};
    covey_singleflight *f = covey_singleflight_new();
    void *result = NULL;
    bool shared = true;

    CHECK_EQ(
        covey_singleflight_do_copy(ctx, f, "a", read_copy, &block, sizeof(block), &result, &shared),
        42);
    CHECK(result == &number);
    CHECK(!shared);
    covey_singleflight_free(f);
}

static atomic_int refs;

static void count_ref(void *result)
{
    CHECK(result == &number);
    CHECK(atomic_fetch_add(&refs, 1) > 0);
}

static void count_unref(void *result)
{
    CHECK(result == &number);
    CHECK(atomic_fetch_sub(&refs, 1) > 0);
}

static const covey_singleflight_options counted = {count_ref, count_unref};

TASK_TEST(each_caller_gets_a_reference_of_a_counted_result)
{
    enum { N = 4 };
    struct work w = {.go_on = covey_chan_new(0, 0), .gives = &number};
    covey_singleflight *f = covey_singleflight_new_with(&counted);
    covey_group *g = covey_group_new(ctx);
    struct call c[N];

    atomic_store(&refs, 1);
    for (int i = 0; i < N; i++) {
        c[i] = (struct call){.f = f, .key = "a", .work = &w};
        go_waiting_nth(g, "caller", i, ask, &c[i]);
    }
    CHECK_EQ(covey_chan_send(NULL, w.go_on, NULL), 0);
    JOIN(g);
    CHECK_EQ(atomic_load(&refs), N); /* fn's own is gone */
    /* One that nobody wants. */
    atomic_store(&refs, 1);
    covey_chan_unref(w.go_on);
    w.go_on = NULL;
    CHECK_EQ(covey_singleflight_do(ctx, f, "a", fly, &w, NULL, NULL), 0);
    CHECK_EQ(atomic_load(&refs), 0);
    covey_singleflight_free(f);
    CHECK(!covey_singleflight_new_with(&(covey_singleflight_options){.result_ref = count_ref}));
}

/* Succeeds although everybody has left. */
static int finish_anyway(covey_ctx *ctx, void *arg, void **result)
{
    covey_chan *done = arg;

    CHECK_EQ(covey_chan_recv(ctx, done, NULL), COVEY_ECANCELED);
    *result = &number;
    return 0;
}

static int ask_and_leave(covey_ctx *ctx, void *arg)
{
    covey_chan *never = covey_chan_new(0, 0);

    CHECK_EQ(covey_singleflight_do(ctx, arg, "a", finish_anyway, never, NULL, NULL),
             COVEY_ECANCELED);
    covey_singleflight_free(arg); /* before the run is over */
    while (atomic_load(&refs) > 0) {
        covey_yield();
    }
    covey_chan_unref(never);
    return 0;
}

TASK_TEST(a_result_that_nobody_waited_for_is_released)
{
    covey_group *g = covey_group_new(ctx);

    atomic_store(&refs, 1);
    go_waiting(g, "caller", ask_and_leave, covey_singleflight_new_with(&counted));
    covey_group_cancel(g, 0);
    JOIN(g);
    CHECK_EQ(atomic_load(&refs), 0);
}

TASK_TEST(plain_threads_share_runs_with_tasks)
{
    struct work w = {.go_on = covey_chan_new(0, 0), .gives = &number};
    struct call task = {.f = covey_singleflight_new(), .key = "a", .work = &w}, thread = task;
    covey_group *g = covey_group_new(ctx);
    pthread_t handle;

    CHECK_EQ(pthread_create(&handle, NULL, ask_in_thread, &thread), 0);
    await_runs(&w, 1);
    go_waiting(g, "task", ask, &task);
    CHECK_EQ(covey_chan_send(NULL, w.go_on, NULL), 0);
    JOIN(g);
    CHECK_EQ(pthread_join(handle, NULL), 0);
    CHECK(task.result == &number && task.shared);
    CHECK(thread.result == &number && thread.shared);
    CHECK_EQ(atomic_load(&w.runs), 1);
    covey_singleflight_free(task.f);
    covey_chan_unref(w.go_on);
}

TEST(without_a_runtime_it_is_closed)
{
    struct work w = {.code = 0};
    struct call c = {.f = covey_singleflight_new(), .key = "a", .work = &w};

    CHECK_EQ(ask(NULL, &c), 0);
    CHECK_EQ(c.code, COVEY_ECLOSED);
    CHECK_EQ(atomic_load(&w.runs), 0);
    covey_singleflight_free(c.f);
}

static int leave_a_run_behind(covey_ctx *ctx, void *arg)
{
    struct call *c = arg;

    c->ctx = ctx;
    CHECK_EQ(covey_go(ask, c), 0);
    await_runs(c->work, 1);
    return 0;
}

TEST(the_end_of_the_runtime_ends_runs)
{
    struct work w = {.go_on = covey_chan_new(0, 0)};
    struct call c = {.f = covey_singleflight_new(), .key = "a", .work = &w};

    CHECK_EQ(covey_run(leave_a_run_behind, &c), 0);
    CHECK_EQ(atomic_load(&w.cancelled), 1);
    CHECK_EQ(c.code, COVEY_ECANCELED);
    covey_singleflight_free(c.f);
    covey_chan_unref(w.go_on);
}

struct deeper {
    covey_singleflight *f;
    int left;
};

/* Another key from inside a run. */
static int ask_deeper(covey_ctx *ctx, void *arg, void **result)
{
    struct deeper *d = arg, next = {d->f, d->left - 1};
    char key[16];

    if (d->left == 0) {
        *result = &number;
        return 0;
    }
    (void)snprintf(key, sizeof(key), "%d", d->left);
    return covey_singleflight_do_copy(ctx, d->f, key, ask_deeper, &next, sizeof(next), result,
                                      NULL);
}

TASK_TEST(a_run_may_ask_for_other_keys)
{
    struct deeper d = {covey_singleflight_new(), 20};
    void *result = NULL;

    CHECK_EQ(covey_singleflight_do(ctx, d.f, "top", ask_deeper, &d, &result, NULL), 0);
    CHECK(result == &number);
    covey_singleflight_free(d.f);
}
