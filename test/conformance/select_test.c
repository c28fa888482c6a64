/* SPDX-License-Identifier: MIT
 * select_test.c - select over channels, contexts, timers, descriptors and groups: which case runs,
 * that exactly one does, what it leaves alone. Situations from Go's select tests. */
#include "support.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { HOUR_S = 3600 };

static covey_chan *full_of(int value)
{
    covey_chan *ch = covey_chan_new(sizeof(int), 1);

    send_int(ch, value);
    return ch;
}

/* One case is ready. */

TASK_TEST(the_ready_receive_runs)
{
    covey_chan *empty = covey_chan_new(sizeof(int), 1), *full = full_of(5);
    int a = 100, b = 100;

    CHECK_EQ(covey_select(ctx, COVEY_RECV(empty, &a), COVEY_RECV(full, &b)), 1);
    CHECK_EQ(b, 5);
    CHECK_EQ(a, 100);
    CHECK_EQ(covey_chan_len(full), 0);
    covey_chan_unref(empty);
    covey_chan_unref(full);
}

TASK_TEST(the_ready_send_runs)
{
    covey_chan *room = covey_chan_new(sizeof(int), 1), *full = full_of(5);
    int a = 1, b = 2;

    CHECK_EQ(covey_select(ctx, COVEY_SEND(full, &a), COVEY_SEND(room, &b)), 1);
    CHECK_EQ(recv_int(room), 2);
    CHECK_EQ(recv_int(full), 5);
    CHECK_EQ(covey_chan_len(full), 0);
    covey_chan_unref(room);
    covey_chan_unref(full);
}

TASK_TEST(every_position_can_run)
{
    enum { N = 8 };
    covey_chan *ch[N];
    covey_case cases[N];
    int v = 0;

    for (int i = 0; i < N; i++) {
        ch[i] = covey_chan_new(sizeof(int), 1);
        cases[i] = COVEY_RECV(ch[i], &v);
    }
    for (int i = 0; i < N; i++) {
        send_int(ch[i], 10 + i);
        CHECK_EQ(covey_select_n(ctx, cases, N), i);
        CHECK_EQ(v, 10 + i);
    }
    for (int i = 0; i < N; i++) {
        covey_chan_unref(ch[i]);
    }
}

TASK_TEST(flags_and_variables_of_cases_not_chosen_are_left_alone)
{
    covey_chan *empty = covey_chan_new(sizeof(int), 1), *full = full_of(5);
    bool ok1 = true, ok2 = false, ok3 = true, ok4 = false;
    int a = 100, b = 101, c = 7;

    CHECK_EQ(covey_select(ctx, COVEY_RECV_OK(empty, &a, &ok1), COVEY_RECV_OK(empty, &b, &ok2),
                          COVEY_SEND_OK(full, &c, &ok3), COVEY_SEND_OK(full, &c, &ok4),
                          COVEY_DEFAULT),
             4);
    CHECK(ok1 && !ok2 && ok3 && !ok4);
    CHECK_EQ(a, 100);
    CHECK_EQ(b, 101);
    CHECK_EQ(c, 7);
    covey_chan_unref(empty);
    covey_chan_unref(full);
}

TASK_TEST(ok_is_true_for_a_value_and_for_a_sent_one)
{
    covey_chan *ch = full_of(5);
    bool ok = false;
    int v = 0;

    CHECK_EQ(covey_select(ctx, COVEY_RECV_OK(ch, &v, &ok)), 0);
    CHECK(ok);
    CHECK_EQ(v, 5);
    ok = false;
    CHECK_EQ(covey_select(ctx, COVEY_SEND_OK(ch, &v, &ok)), 0);
    CHECK(ok);
    CHECK_EQ(recv_int(ch), 5);
    covey_chan_unref(ch);
}

TASK_TEST(a_receive_case_may_drop_its_value)
{
    covey_chan *ch = full_of(5);

    CHECK_EQ(covey_select(ctx, COVEY_RECV(ch, NULL)), 0);
    CHECK_EQ(covey_chan_len(ch), 0);
    covey_chan_unref(ch);
}

static int evaluated;

static covey_chan *counted(covey_chan *ch)
{
    evaluated++;
    return ch;
}

TASK_TEST(arguments_are_evaluated_once)
{
    covey_chan *ch = full_of(1);

    CHECK_EQ(covey_select(ctx, COVEY_RECV(counted(ch), NULL), COVEY_SEND(counted(NULL), NULL)), 0);
    CHECK_EQ(evaluated, 2);
    covey_chan_unref(ch);
}

/* Closed channels. */

TASK_TEST(a_receive_on_a_closed_channel_is_ready)
{
    covey_chan *ch = covey_chan_new(sizeof(int), 2);
    bool ok = true;
    int v = 77;

    send_int(ch, 1);
    CHECK_EQ(covey_chan_close(ch), 0);
    CHECK_EQ(covey_select(ctx, COVEY_RECV_OK(ch, &v, &ok), COVEY_DEFAULT), 0);
    CHECK(ok);
    CHECK_EQ(v, 1);
    v = 77;
    CHECK_EQ(covey_select(ctx, COVEY_RECV_OK(ch, &v, &ok), COVEY_DEFAULT), 0);
    CHECK(!ok);
    CHECK_EQ(v, 0);
    v = 77;
    CHECK_EQ(covey_select(ctx, COVEY_RECV(ch, &v), COVEY_DEFAULT), 0);
    CHECK_EQ(v, 0);
    covey_chan_unref(ch);
}

TASK_TEST(a_send_on_a_closed_channel_returns_eclosed)
{
    covey_chan *ch = covey_chan_new(sizeof(int), 2), *empty = covey_chan_new(sizeof(int), 0);
    int v = 1;

    CHECK_EQ(covey_chan_close(ch), 0);
    CHECK_EQ(covey_select(ctx, COVEY_RECV(empty, &v), COVEY_SEND(ch, &v)), COVEY_ECLOSED);
    CHECK_EQ(covey_select(ctx, COVEY_SEND(ch, &v), COVEY_DEFAULT), COVEY_ECLOSED);
    covey_chan_unref(ch);
    covey_chan_unref(empty);
}

TASK_TEST(a_send_with_ok_on_a_closed_channel_runs_and_reports_false)
{
    covey_chan *ch = covey_chan_new(sizeof(int), 2), *empty = covey_chan_new(sizeof(int), 0);
    bool ok = true;
    int v = 1;

    CHECK_EQ(covey_chan_close(ch), 0);
    CHECK_EQ(covey_select(ctx, COVEY_RECV(empty, &v), COVEY_SEND_OK(ch, &v, &ok)), 1);
    CHECK(!ok);
    CHECK_EQ(covey_chan_len(ch), 0);
    covey_chan_unref(ch);
    covey_chan_unref(empty);
}

struct choice {
    covey_ctx *ctx;
    covey_chan *in, *out;
    covey_group *group;
    int value, got, index, fd;
    bool ok;
    int64_t after;
    atomic_int ended;
};

static int select_send_plain(covey_ctx *ctx, void *arg)
{
    struct choice *c = arg;

    (void)ctx;
    c->index = covey_select(c->ctx, COVEY_RECV(c->in, &c->got), COVEY_SEND(c->out, &c->value));
    atomic_store(&c->ended, 1);
    return 0;
}

static int select_both_ok(covey_ctx *ctx, void *arg)
{
    struct choice *c = arg;

    (void)ctx;
    c->index = covey_select(c->ctx, COVEY_RECV_OK(c->in, &c->got, &c->ok),
                            COVEY_SEND_OK(c->out, &c->value, &c->ok));
    atomic_store(&c->ended, 1);
    return 0;
}

static struct choice choice_new(covey_ctx *ctx)
{
    return (struct choice){.ctx = ctx,
                           .in = covey_chan_new(sizeof(int), 0),
                           .out = covey_chan_new(sizeof(int), 0),
                           .value = 31,
                           .got = 77,
                           .index = 99};
}

static void choice_fini(struct choice *c)
{
    covey_chan_unref(c->in);
    covey_chan_unref(c->out);
}

TASK_TEST(closing_wakes_a_waiting_plain_send_with_eclosed)
{
    covey_group *g = covey_group_new(ctx);
    struct choice c = choice_new(NULL);

    go_waiting(g, "selecting", select_send_plain, &c);
    CHECK_EQ(covey_chan_close(c.out), 0);
    JOIN(g);
    CHECK_EQ(c.index, COVEY_ECLOSED);
    CHECK_EQ(c.got, 77);
    choice_fini(&c);
}

TASK_TEST(closing_wakes_a_waiting_send_with_ok_false)
{
    covey_group *g = covey_group_new(ctx);
    struct choice c = choice_new(NULL);

    c.ok = true;
    go_waiting(g, "selecting", select_both_ok, &c);
    CHECK_EQ(covey_chan_close(c.out), 0);
    JOIN(g);
    CHECK_EQ(c.index, 1);
    CHECK(!c.ok);
    choice_fini(&c);
}

TASK_TEST(closing_wakes_a_waiting_receive_with_ok_false)
{
    covey_group *g = covey_group_new(ctx);
    struct choice c = choice_new(NULL);

    c.ok = true;
    go_waiting(g, "selecting", select_both_ok, &c);
    CHECK_EQ(covey_chan_close(c.in), 0);
    JOIN(g);
    CHECK_EQ(c.index, 0);
    CHECK(!c.ok);
    CHECK_EQ(c.got, 0);
    choice_fini(&c);
}

/* Waiting. */

TASK_TEST(a_waiting_select_is_woken_by_a_send)
{
    covey_group *g = covey_group_new(ctx);
    struct choice c = choice_new(NULL);

    GO(g, select_both_ok, &c);
    settle();
    CHECK_EQ(atomic_load(&c.ended), 0);
    send_int(c.in, 8);
    JOIN(g);
    CHECK_EQ(c.index, 0);
    CHECK(c.ok);
    CHECK_EQ(c.got, 8);
    choice_fini(&c);
}

TASK_TEST(a_waiting_select_is_woken_by_a_receive)
{
    covey_group *g = covey_group_new(ctx);
    struct choice c = choice_new(NULL);

    GO(g, select_both_ok, &c);
    CHECK_EQ(recv_int(c.out), 31);
    JOIN(g);
    CHECK_EQ(c.index, 1);
    CHECK(c.ok);
    CHECK_EQ(c.got, 77);
    choice_fini(&c);
}

TASK_TEST(a_select_that_ran_left_its_other_queues)
{
    covey_group *g = covey_group_new(ctx);
    struct choice c = choice_new(NULL);
    int v = 1;

    go_waiting(g, "selecting", select_both_ok, &c);
    send_int(c.in, 8);
    CHECK_EQ(covey_chan_try_recv(c.out, &v), COVEY_EAGAIN); /* even before it went on */
    CHECK_EQ(covey_chan_try_send(c.in, &v), COVEY_EAGAIN);
    JOIN(g);
    CHECK_EQ(c.index, 0);
    choice_fini(&c);
}

TASK_TEST(two_selects_meet_each_other)
{
    for (int i = 0; i < 200; i++) {
        covey_chan *ch = covey_chan_new(sizeof(int), 0);
        covey_group *g = covey_group_new(ctx);
        struct choice sender = {.out = ch, .value = i, .index = 99};
        struct choice receiver = {.in = ch, .got = -1, .index = 99};

        GO(g, select_both_ok, &sender);
        GO(g, select_both_ok, &receiver);
        JOIN(g);
        CHECK_EQ(sender.index, 1);
        CHECK_EQ(receiver.index, 0);
        CHECK_EQ(receiver.got, i);
        covey_chan_unref(ch);
    }
}

TASK_TEST(waiting_selects_are_served_first_come_first_served)
{
    enum { N = 6 };
    struct choice c[N];
    covey_chan *ch = covey_chan_new(sizeof(int), 0);
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < N; i++) {
        c[i] = (struct choice){.in = ch};
        go_waiting_nth(g, "selecting", i, select_both_ok, &c[i]);
    }
    for (int i = 0; i < N; i++) {
        send_int(ch, i);
    }
    JOIN(g);
    for (int i = 0; i < N; i++) {
        CHECK_EQ(c[i].got, i);
    }
    covey_chan_unref(ch);
}

TASK_TEST(closing_wakes_every_waiting_select)
{
    enum { N = 30 };
    struct choice c[N];
    covey_chan *ch = covey_chan_new(sizeof(int), 0);
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < N; i++) {
        c[i] = (struct choice){.in = ch, .ok = true};
        GO(g, select_both_ok, &c[i]);
    }
    settle();
    CHECK_EQ(covey_chan_close(ch), 0);
    JOIN(g);
    for (int i = 0; i < N; i++) {
        CHECK_EQ(c[i].index, 0);
        CHECK(!c[i].ok);
    }
    covey_chan_unref(ch);
}

/* One channel in several cases. */

TASK_TEST(a_select_does_not_meet_itself)
{
    covey_chan *ch = covey_chan_new(sizeof(int), 0);
    int out = 1, in = 2;

    CHECK_EQ(covey_select(ctx, COVEY_SEND(ch, &out), COVEY_RECV(ch, &in), COVEY_DEFAULT), 2);
    CHECK_EQ(covey_select(ctx, COVEY_SEND(ch, &out), COVEY_RECV(ch, &in), COVEY_AFTER(COVEY_MS)),
             2);
    CHECK_EQ(in, 2);
    covey_chan_unref(ch);
}

static int send_or_receive(covey_ctx *ctx, void *arg)
{
    struct choice *c = arg;

    for (int i = 0; i < 200; i++) {
        int v = c->value, got = -1, index;

        index = i % 2 == 0 ? covey_select(ctx, COVEY_SEND(c->in, &v), COVEY_RECV(c->in, &got))
                           : 1 - covey_select(ctx, COVEY_RECV(c->in, &got), COVEY_SEND(c->in, &v));
        CHECK(index == 0 || index == 1);
        if (index == 1) {
            CHECK_EQ(got, 1 - c->value); /* the other task's */
        }
    }
    return 0;
}

TASK_TEST(two_tasks_that_each_send_or_receive_on_one_channel_meet)
{
    covey_chan *ch = covey_chan_new(sizeof(int), 0);
    covey_group *g = covey_group_new(ctx);
    struct choice a = {.in = ch, .value = 0}, b = {.in = ch, .value = 1};

    GO(g, send_or_receive, &a);
    GO(g, send_or_receive, &b);
    JOIN(g);
    covey_chan_unref(ch);
}

static int select_thrice_same(covey_ctx *ctx, void *arg)
{
    struct choice *c = arg;
    int got[3] = {-1, -1, -1};

    (void)ctx;
    c->index = covey_select(NULL, COVEY_RECV(c->in, &got[0]), COVEY_RECV(c->in, &got[1]),
                            COVEY_RECV(c->in, &got[2]));
    CHECK(c->index >= 0 && c->index < 3);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(got[i], i == c->index ? 5 : -1);
    }
    return 0;
}

TASK_TEST(one_channel_in_several_cases_delivers_once)
{
    covey_chan *ch = covey_chan_new(sizeof(int), 0);
    covey_group *g = covey_group_new(ctx);
    struct choice c = {.in = ch};
    int v = 6;

    go_waiting(g, "selecting", select_thrice_same, &c);
    send_int(ch, 5);
    CHECK_EQ(covey_chan_try_send(ch, &v), COVEY_EAGAIN);
    JOIN(g);
    covey_chan_unref(ch);
}

/* Go's doubleselect.go: a send that stands twice in a select goes out once. */
static int send_series_twice(covey_ctx *ctx, void *arg)
{
    covey_chan **ch = arg;

    (void)ctx;
    for (int i = 0; i < 2000; i++) {
        CHECK(covey_select(NULL, COVEY_SEND(ch[0], &i), COVEY_SEND(ch[0], &i),
                           COVEY_SEND(ch[1], &i), COVEY_SEND(ch[1], &i)) >= 0);
    }
    (void)covey_chan_close(ch[0]);
    (void)covey_chan_close(ch[1]);
    return 0;
}

static int forward(covey_ctx *ctx, void *arg)
{
    covey_chan **ch = arg;
    int v;

    (void)ctx;
    while (covey_chan_recv(NULL, ch[0], &v) == 0) {
        CHECK_EQ(covey_chan_send(NULL, ch[2], &v), 0);
    }
    return 0;
}

/* Between the two other channels, one of a lower and one of a higher address. */
static int select_on_both_sides(covey_ctx *ctx, void *arg)
{
    covey_chan **chs = arg;
    int value = 0;

    for (int i = 0; i < 2; i++) {
        covey_chan *twice = chs[i], *other = chs[1 - i];
        int index = covey_select(ctx, COVEY_RECV(twice, &value), COVEY_RECV(other, NULL),
                                 COVEY_RECV(twice, &value));
        CHECK(index == 0 || index == 2);
        CHECK_EQ(value, 10 + i);
    }
    return 0;
}

TASK_TEST(a_channel_may_stand_on_both_sides_of_another)
{
    covey_chan *chs[] = {covey_chan_new(sizeof(int), 0), covey_chan_new(sizeof(int), 0)};
    covey_group *g = covey_group_new(ctx);

    go_waiting(g, "selector", select_on_both_sides, chs);
    send_int(chs[0], 10);
    send_int(chs[1], 11);
    JOIN(g);
    covey_chan_unref(chs[0]);
    covey_chan_unref(chs[1]);
}

TASK_TEST(a_send_that_stands_twice_goes_out_once)
{
    covey_chan *ch[4] = {covey_chan_new(sizeof(int), 0), covey_chan_new(sizeof(int), 0),
                         covey_chan_new(sizeof(int), 0), NULL};
    covey_group *g = covey_group_new(ctx);
    static char seen[2000];

    ch[3] = ch[2];
    GO(g, send_series_twice, ch);
    GO(g, forward, ch);     /* ch[0] to ch[2] */
    GO(g, forward, ch + 1); /* ch[1] to ch[3] */
    for (int i = 0; i < 2000; i++) {
        int v = recv_int(ch[2]);

        CHECK(v >= 0 && v < 2000);
        CHECK_EQ(seen[v]++, 0);
    }
    JOIN(g);
    CHECK_EQ(covey_chan_try_recv(ch[2], NULL), COVEY_EAGAIN);
    for (int i = 0; i < 3; i++) {
        covey_chan_unref(ch[i]);
    }
}

/* Choice. */

TASK_TEST(the_choice_among_ready_cases_is_uniform)
{
    enum { CASES = 4, TURNS = 20000 };
    covey_chan *ch[CASES];
    covey_case cases[CASES];
    int count[CASES] = {0};

    for (int i = 0; i < CASES; i++) {
        ch[i] = covey_chan_new(0, 1);
        CHECK_EQ(covey_chan_close(ch[i]), 0);
        cases[i] = COVEY_RECV(ch[i], NULL);
    }
    for (int i = 0; i < TURNS; i++) {
        int index = covey_select_n(ctx, cases, CASES);

        CHECK(index >= 0 && index < CASES);
        count[index]++;
    }
    for (int i = 0; i < CASES; i++) { /* 5000 expected, sigma 61 */
        CHECK(count[i] > 4400 && count[i] < 5600);
        covey_chan_unref(ch[i]);
    }
}

TASK_TEST(the_choice_is_uniform_among_kinds)
{
    enum { TURNS = 3000 };
    covey_chan *closed = covey_chan_new(0, 0), *room = covey_chan_new(0, TURNS);
    covey_ctx *done = done_ctx(COVEY_ECANCELED);
    int count[3] = {0};

    CHECK_EQ(covey_chan_close(closed), 0);
    for (int i = 0; i < TURNS; i++) {
        count[covey_select(ctx, COVEY_RECV(closed, NULL), COVEY_SEND(room, NULL),
                           COVEY_DONE(done))]++;
    }
    CHECK_EQ(covey_chan_len(room), count[1]);
    for (int i = 0; i < 3; i++) { /* 1000 expected, sigma 26 */
        CHECK(count[i] > 750 && count[i] < 1250);
    }
    covey_ctx_unref(done);
    covey_chan_unref(closed);
    covey_chan_unref(room);
}

TASK_TEST(two_sends_on_one_channel_are_both_chosen)
{
    enum { TURNS = 1000 };
    covey_chan *ch = covey_chan_new(sizeof(int), TURNS);
    int zero = 0, one = 1, ones = 0;

    for (int i = 0; i < TURNS; i++) {
        CHECK(covey_select(ctx, COVEY_SEND(ch, &zero), COVEY_SEND(ch, &one)) >= 0);
    }
    for (int i = 0; i < TURNS; i++) {
        ones += recv_int(ch);
    }
    CHECK(ones > 300 && ones < 700);
    covey_chan_unref(ch);
}

static int feed(covey_ctx *ctx, void *arg)
{
    for (;;) {
        int rc = covey_chan_send(ctx, arg, NULL);

        if (rc < 0) {
            return 0;
        }
    }
}

TASK_TEST(no_channel_starves_the_others)
{
    covey_chan *ch[3];
    covey_group *g = covey_group_new(ctx);
    int count[3] = {0};

    for (int i = 0; i < 3; i++) {
        ch[i] = covey_chan_new(0, 10);
        GO(g, feed, ch[i]);
    }
    while (count[0] < 100 || count[1] < 100 || count[2] < 100) {
        count[covey_select(NULL, COVEY_RECV(ch[0], NULL), COVEY_RECV(ch[1], NULL),
                           COVEY_RECV(ch[2], NULL))]++;
    }
    covey_group_cancel(g, 0);
    JOIN(g);
    for (int i = 0; i < 3; i++) {
        covey_chan_unref(ch[i]);
    }
}

/* DEFAULT. */

TASK_TEST(default_runs_if_nothing_is_ready)
{
    covey_chan *empty = covey_chan_new(sizeof(int), 0), *full = full_of(1);
    int v = 3;

    CHECK_EQ(covey_select(ctx, COVEY_RECV(empty, &v), COVEY_SEND(empty, &v), COVEY_SEND(full, &v),
                          COVEY_DEFAULT),
             3);
    CHECK_EQ(covey_select(ctx, COVEY_DEFAULT, COVEY_RECV(empty, &v)), 0);
    CHECK_EQ(covey_select(ctx, COVEY_DEFAULT), 0);
    CHECK_EQ(v, 3);
    covey_chan_unref(empty);
    covey_chan_unref(full);
}

TASK_TEST(default_does_not_run_if_something_is_ready)
{
    covey_chan *full = full_of(0);

    for (int i = 1; i < 1000; i++) {
        int v = -1;

        CHECK_EQ(covey_select(ctx, COVEY_DEFAULT, COVEY_RECV(full, &v)), 1);
        CHECK_EQ(v, i - 1);
        CHECK_EQ(covey_select(ctx, COVEY_SEND(full, &i), COVEY_DEFAULT), 0);
    }
    covey_chan_unref(full);
}

static int take_one(covey_ctx *ctx, void *arg)
{
    covey_chan **ch = arg;

    (void)ctx;
    CHECK(covey_select(NULL, COVEY_RECV(ch[0], NULL), COVEY_RECV(ch[1], NULL), COVEY_DEFAULT) != 2);
    return 0;
}

/* Go's TestNonblockSelectRace: at every moment at least one of the two has a value. */
TASK_TEST(default_never_overlooks_a_value_while_others_move)
{
    for (int i = 0; i < 2000; i++) {
        covey_chan *ch[2] = {covey_chan_new(0, 1), covey_chan_new(0, 1)};
        covey_group *g = covey_group_new(ctx);

        CHECK_EQ(covey_chan_send(NULL, ch[0], NULL), 0);
        GO(g, take_one, ch);
        CHECK_EQ(covey_chan_send(NULL, ch[1], NULL), 0);
        (void)covey_select(NULL, COVEY_RECV(ch[0], NULL), COVEY_DEFAULT);
        JOIN(g);
        covey_chan_unref(ch[0]);
        covey_chan_unref(ch[1]);
    }
}

/* Go's TestNonblockSelectRace2: the same with a close. */
TASK_TEST(default_never_overlooks_a_close_while_others_move)
{
    for (int i = 0; i < 2000; i++) {
        covey_chan *ch[2] = {covey_chan_new(0, 1), covey_chan_new(0, 0)};
        covey_group *g = covey_group_new(ctx);

        CHECK_EQ(covey_chan_send(NULL, ch[0], NULL), 0);
        GO(g, take_one, ch);
        CHECK_EQ(covey_chan_close(ch[1]), 0);
        (void)covey_select(NULL, COVEY_RECV(ch[0], NULL), COVEY_DEFAULT);
        JOIN(g);
        covey_chan_unref(ch[0]);
        covey_chan_unref(ch[1]);
    }
}

/* NULL channels and empty selects. */

TASK_TEST(cases_on_null_channels_never_run)
{
    int v = 3;
    bool ok = true;

    CHECK_EQ(covey_select(ctx, COVEY_RECV(NULL, &v), COVEY_SEND(NULL, &v),
                          COVEY_RECV_OK(NULL, &v, &ok), COVEY_SEND_OK(NULL, &v, &ok),
                          COVEY_DONE(NULL), COVEY_DEFAULT),
             5);
    CHECK_EQ(covey_select(ctx, COVEY_RECV(NULL, &v), COVEY_SEND(NULL, &v), COVEY_DONE(NULL),
                          COVEY_AFTER(COVEY_MS)),
             3);
    CHECK(ok);
    CHECK_EQ(v, 3);
}

TASK_TEST(a_case_is_switched_off_by_setting_its_channel_to_null)
{
    covey_chan *a = covey_chan_new(sizeof(int), 3), *b = covey_chan_new(sizeof(int), 3);
    covey_chan *left[2] = {a, b};
    int sum = 0;

    for (int i = 1; i <= 3; i++) {
        send_int(a, i);
        send_int(b, 10 * i);
    }
    (void)covey_chan_close(a);
    (void)covey_chan_close(b);
    while (left[0] || left[1]) {
        bool ok = false;
        int v = 0, index;

        index = covey_select(ctx, COVEY_RECV_OK(left[0], &v, &ok), COVEY_RECV_OK(left[1], &v, &ok));
        if (ok) {
            sum += v;
        } else {
            left[index] = NULL;
        }
    }
    CHECK_EQ(sum, 66);
    covey_chan_unref(a);
    covey_chan_unref(b);
}

static int select_nothing(covey_ctx *ctx, void *arg)
{
    struct choice *c = arg;

    (void)ctx;
    c->index = covey_select_n(c->ctx, NULL, 0);
    atomic_store(&c->ended, 1);
    return 0;
}

TASK_TEST(an_empty_select_waits_for_its_context)
{
    covey_group *g = covey_group_new(ctx);
    struct choice c = {.ctx = covey_ctx_with_cancel(ctx)};

    GO(g, select_nothing, &c);
    settle();
    CHECK_EQ(atomic_load(&c.ended), 0);
    covey_ctx_cancel(c.ctx);
    JOIN(g);
    CHECK_EQ(c.index, COVEY_ECANCELED);
    covey_ctx_unref(c.ctx);
}

/* The select's own context. */

TASK_TEST(a_done_context_comes_before_ready_cases)
{
    covey_ctx *done = done_ctx(COVEY_ECANCELED), *late = done_ctx(COVEY_EDEADLINE);
    covey_chan *full = full_of(4), *room = covey_chan_new(sizeof(int), 1);
    int v = 9;

    CHECK_EQ(covey_select(done, COVEY_RECV(full, &v), COVEY_SEND(room, &v), COVEY_DEFAULT),
             COVEY_ECANCELED);
    CHECK_EQ(covey_select(late, COVEY_RECV(full, &v), COVEY_SEND(room, &v)), COVEY_EDEADLINE);
    CHECK_EQ(covey_select(late, COVEY_AFTER(0)), COVEY_EDEADLINE);
    CHECK_EQ(v, 9);
    CHECK_EQ(covey_chan_len(full), 1);
    CHECK_EQ(covey_chan_len(room), 0);
    covey_chan_unref(full);
    covey_chan_unref(room);
    covey_ctx_unref(done);
    covey_ctx_unref(late);
}

TASK_TEST(cancelling_wakes_a_waiting_select_and_no_case_ran)
{
    covey_group *g = covey_group_new(ctx);
    struct choice c = choice_new(covey_ctx_with_cancel(ctx));
    int v = 1;

    go_waiting(g, "selecting", select_both_ok, &c);
    covey_ctx_cancel(c.ctx);
    CHECK_EQ(covey_chan_try_send(c.in, &v), COVEY_EAGAIN); /* even before it went on */
    CHECK_EQ(covey_chan_try_recv(c.out, &v), COVEY_EAGAIN);
    JOIN(g);
    CHECK_EQ(c.index, COVEY_ECANCELED);
    CHECK_EQ(c.got, 77);
    covey_ctx_unref(c.ctx);
    choice_fini(&c);
}

TASK_TEST(a_deadline_wakes_a_waiting_select)
{
    covey_group *g = covey_group_new(ctx);
    struct choice c = choice_new(covey_ctx_with_timeout(ctx, COVEY_MS));

    GO(g, select_both_ok, &c);
    JOIN(g);
    CHECK_EQ(c.index, COVEY_EDEADLINE);
    covey_ctx_unref(c.ctx);
    choice_fini(&c);
}

/* DONE. */

TASK_TEST(done_case_is_ready_once_its_context_is_done)
{
    covey_ctx *c = covey_ctx_with_cancel(ctx);
    covey_chan *empty = covey_chan_new(0, 0);

    CHECK_EQ(covey_select(ctx, COVEY_DONE(c), COVEY_DEFAULT), 1);
    covey_ctx_cancel(c);
    CHECK_EQ(covey_select(ctx, COVEY_DONE(c), COVEY_DEFAULT), 0);
    CHECK_EQ(covey_select(ctx, COVEY_RECV(empty, NULL), COVEY_DONE(c)), 1);
    CHECK_EQ(covey_select(ctx, COVEY_DONE(covey_ctx_background()), COVEY_DEFAULT), 1);
    covey_chan_unref(empty);
    covey_ctx_unref(c);
}

static int select_done(covey_ctx *ctx, void *arg)
{
    struct choice *c = arg;

    (void)ctx;
    c->index = covey_select(NULL, COVEY_RECV(c->in, NULL), COVEY_DONE(c->ctx));
    atomic_store(&c->ended, 1);
    return 0;
}

TASK_TEST(a_waiting_done_case_is_woken)
{
    covey_group *g = covey_group_new(ctx);
    struct choice c = choice_new(covey_ctx_with_cancel(ctx));

    GO(g, select_done, &c);
    settle();
    CHECK_EQ(atomic_load(&c.ended), 0);
    covey_ctx_cancel(c.ctx);
    JOIN(g);
    CHECK_EQ(c.index, 1);
    covey_ctx_unref(c.ctx);
    choice_fini(&c);
}

TASK_TEST(a_waiting_done_case_is_woken_by_a_deadline)
{
    covey_ctx *c = covey_ctx_with_timeout(ctx, COVEY_MS);

    CHECK_EQ(covey_select(NULL, COVEY_DONE(c)), 0);
    CHECK_EQ(covey_ctx_err(c), COVEY_EDEADLINE);
    covey_ctx_unref(c);
}

TASK_TEST(the_channel_of_a_context_serves_as_a_receive_case)
{
    covey_ctx *c = covey_ctx_with_timeout(ctx, COVEY_MS);
    bool ok = true;

    CHECK_EQ(covey_select(NULL, COVEY_RECV_OK(covey_ctx_done(c), NULL, &ok)), 0);
    CHECK(!ok);
    CHECK_EQ(covey_select(NULL, COVEY_RECV(covey_ctx_done(NULL), NULL), COVEY_DEFAULT), 1);
    covey_ctx_unref(c);
}

/* AFTER. */

TASK_TEST(after_runs_if_nothing_else_did)
{
    covey_chan *empty = covey_chan_new(0, 0);
    int64_t start = covey_now();

    CHECK_EQ(covey_select(ctx, COVEY_RECV(empty, NULL), COVEY_AFTER(2 * COVEY_MS)), 1);
    CHECK(covey_now() - start >= 2 * COVEY_MS);
    covey_chan_unref(empty);
}

TASK_TEST(after_does_not_run_if_a_case_is_ready)
{
    covey_chan *closed = covey_chan_new(0, 0);

    CHECK_EQ(covey_chan_close(closed), 0);
    for (int i = 0; i < 200; i++) {
        CHECK_EQ(covey_select(ctx, COVEY_AFTER(0), COVEY_RECV(closed, NULL)), 1);
        CHECK_EQ(covey_select(ctx, COVEY_AFTER(-5), COVEY_RECV(closed, NULL)), 1);
        CHECK_EQ(covey_select(ctx, COVEY_RECV(closed, NULL), COVEY_AFTER(COVEY_US)), 0);
    }
    covey_chan_unref(closed);
}

TASK_TEST(after_zero_or_less_runs_if_nothing_is_ready)
{
    covey_chan *empty = covey_chan_new(0, 0);

    CHECK_EQ(covey_select(ctx, COVEY_RECV(empty, NULL), COVEY_AFTER(0)), 1);
    CHECK_EQ(covey_select(ctx, COVEY_AFTER(-1), COVEY_RECV(empty, NULL)), 0);
    CHECK_EQ(covey_select(ctx, COVEY_AFTER(INT64_MIN), COVEY_RECV(empty, NULL)), 0);
    covey_chan_unref(empty);
}

TASK_TEST(of_several_afters_the_shortest_runs)
{
    CHECK_EQ(covey_select(ctx, COVEY_AFTER(HOUR_S * COVEY_SEC), COVEY_AFTER(COVEY_MS),
                          COVEY_AFTER(2 * HOUR_S * COVEY_SEC)),
             1);
    CHECK_EQ(
        covey_select(ctx, COVEY_AFTER(INT64_MAX), COVEY_AFTER(HOUR_S * COVEY_SEC), COVEY_AFTER(0)),
        2);
}

static int select_after(covey_ctx *ctx, void *arg)
{
    struct choice *c = arg;

    (void)ctx;
    c->index = covey_select(c->ctx, COVEY_AFTER(c->after), COVEY_RECV(c->in, &c->got));
    return 0;
}

TASK_TEST(a_value_ends_the_wait_for_a_long_after)
{
    static const int64_t long_ns[] = {HOUR_S * COVEY_SEC, INT64_MAX, INT64_MAX / 2};

    for (int i = 0; i < 3; i++) {
        covey_group *g = covey_group_new(ctx);
        struct choice c = choice_new(NULL);

        c.after = long_ns[i];
        GO(g, select_after, &c);
        settle();
        send_int(c.in, 1);
        JOIN(g);
        CHECK_EQ(c.index, 1);
        choice_fini(&c);
    }
}

TASK_TEST(cancelling_ends_the_wait_for_a_long_after)
{
    covey_group *g = covey_group_new(ctx);
    struct choice c = choice_new(covey_ctx_with_cancel(ctx));

    c.after = HOUR_S * COVEY_SEC;
    go_waiting(g, "selecting", select_after, &c);
    covey_ctx_cancel(c.ctx);
    JOIN(g);
    CHECK_EQ(c.index, COVEY_ECANCELED);
    covey_ctx_unref(c.ctx);
    choice_fini(&c);
}

TASK_TEST(timer_and_ticker_channels_serve_as_cases)
{
    covey_timer *t = covey_timer_new(COVEY_MS), *never = covey_timer_new(HOUR_S * COVEY_SEC);
    covey_ticker *tick = covey_ticker_new(COVEY_MS);
    int ticks = 0, fired = 0;
    int64_t at = 0;

    while (ticks < 3 || fired < 1) {
        switch (covey_select(ctx, COVEY_RECV(covey_timer_chan(never), &at),
                             COVEY_RECV(covey_timer_chan(t), &at),
                             COVEY_RECV(covey_ticker_chan(tick), &at))) {
        case 1:
            fired++;
            break;
        case 2:
            ticks++;
            break;
        default:
            CHECK(false);
        }
        CHECK(at > 0);
    }
    CHECK_EQ(fired, 1);
    covey_timer_free(t);
    covey_timer_free(never);
    covey_ticker_free(tick);
}

/* Descriptors. */

TASK_TEST(a_readable_descriptor_is_a_ready_case)
{
    covey_chan *empty = covey_chan_new(0, 0);
    int p[2];
    char byte;

    CHECK_EQ(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
    CHECK_EQ(covey_select(ctx, COVEY_READABLE(p[0]), COVEY_RECV(empty, NULL), COVEY_DEFAULT), 2);
    CHECK_EQ(write(p[1], "x", 1), 1);
    CHECK_EQ(covey_select(ctx, COVEY_RECV(empty, NULL), COVEY_READABLE(p[0])), 1);
    CHECK_EQ(covey_select(ctx, COVEY_READABLE(p[0]), COVEY_DEFAULT), 0); /* still: level */
    CHECK_EQ(read(p[0], &byte, 1), 1);
    CHECK_EQ(covey_select(ctx, COVEY_READABLE(p[0]), COVEY_DEFAULT), 1);
    CHECK_EQ(close(p[0]), 0);
    CHECK_EQ(close(p[1]), 0);
    covey_chan_unref(empty);
}

TASK_TEST(a_writable_descriptor_is_a_ready_case)
{
    int p[2];
    char bytes[4096] = {0};

    CHECK_EQ(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
    CHECK_EQ(covey_select(ctx, COVEY_READABLE(p[0]), COVEY_WRITABLE(p[1])), 1);
    while (write(p[1], bytes, sizeof(bytes)) > 0) {
    }
    CHECK_EQ(covey_select(ctx, COVEY_WRITABLE(p[1]), COVEY_DEFAULT), 1);
    CHECK_EQ(covey_select(ctx, COVEY_WRITABLE(p[1]), COVEY_READABLE(p[0])), 1);
    CHECK_EQ(close(p[0]), 0);
    CHECK_EQ(close(p[1]), 0);
}

static int select_readable(covey_ctx *ctx, void *arg)
{
    struct choice *c = arg;

    (void)ctx;
    c->index = covey_select(c->ctx, COVEY_RECV(c->in, &c->got), COVEY_READABLE(c->fd));
    atomic_store(&c->ended, 1);
    return 0;
}

TASK_TEST(a_waiting_select_is_woken_by_its_descriptor)
{
    covey_group *g = covey_group_new(ctx);
    struct choice c = choice_new(NULL);
    uint64_t one = 1;

    c.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK(c.fd >= 0);
    GO(g, select_readable, &c);
    settle();
    CHECK_EQ(atomic_load(&c.ended), 0);
    CHECK_EQ(write(c.fd, &one, sizeof(one)), sizeof(one));
    JOIN(g);
    CHECK_EQ(c.index, 1);
    CHECK_EQ(close(c.fd), 0);
    choice_fini(&c);
}

TASK_TEST(a_value_ends_the_wait_for_a_descriptor)
{
    for (int i = 0; i < 50; i++) { /* and the number is free for another descriptor */
        covey_group *g = covey_group_new(ctx);
        struct choice c = choice_new(NULL);

        c.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        CHECK(c.fd >= 0);
        GO(g, select_readable, &c);
        send_int(c.in, i);
        JOIN(g);
        CHECK_EQ(c.index, 0);
        CHECK_EQ(c.got, i);
        CHECK_EQ(close(c.fd), 0);
        choice_fini(&c);
    }
}

TASK_TEST(cancelling_ends_the_wait_for_a_descriptor)
{
    covey_group *g = covey_group_new(ctx);
    struct choice c = choice_new(covey_ctx_with_cancel(ctx));

    c.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    go_waiting(g, "selecting", select_readable, &c);
    covey_ctx_cancel(c.ctx);
    JOIN(g);
    CHECK_EQ(c.index, COVEY_ECANCELED);
    CHECK_EQ(close(c.fd), 0);
    covey_ctx_unref(c.ctx);
    choice_fini(&c);
}

TASK_TEST(a_hang_up_makes_a_descriptor_ready)
{
    int p[2];

    CHECK_EQ(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
    CHECK_EQ(close(p[1]), 0);
    CHECK_EQ(covey_select(ctx, COVEY_READABLE(p[0])), 0);
    CHECK_EQ(close(p[0]), 0);
}

TASK_TEST(a_bad_descriptor_is_an_error)
{
    covey_chan *empty = covey_chan_new(0, 0);
    int fd = eventfd(0, EFD_CLOEXEC);

    CHECK_EQ(close(fd), 0);
    CHECK_EQ(covey_select(ctx, COVEY_RECV(empty, NULL), COVEY_READABLE(fd)), -EBADF);
    CHECK_EQ(covey_select(ctx, COVEY_WRITABLE(-1), COVEY_RECV(empty, NULL)), -EBADF);
    covey_chan_unref(empty);
}

/* JOINED. */

static int wait_for_signal(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    return covey_chan_recv(NULL, arg, NULL);
}

static int select_joined(covey_ctx *ctx, void *arg)
{
    struct choice *c = arg;

    (void)ctx;
    c->index = covey_select(NULL, COVEY_RECV(c->in, NULL), COVEY_JOINED(c->group));
    atomic_store(&c->ended, 1);
    return 0;
}

TASK_TEST(joined_is_ready_when_no_task_is_alive)
{
    covey_group *g = covey_group_new(ctx), *watch = covey_group_new(ctx);
    covey_chan *go_on = covey_chan_new(0, 0);
    struct choice c = choice_new(NULL);

    CHECK_EQ(covey_select(ctx, COVEY_JOINED(g), COVEY_DEFAULT), 0); /* empty */
    GO(g, wait_for_signal, go_on);
    GO(g, wait_for_signal, go_on);
    CHECK_EQ(covey_select(ctx, COVEY_JOINED(g), COVEY_DEFAULT), 1);
    c.group = g;
    GO(watch, select_joined, &c);
    CHECK_EQ(covey_chan_send(NULL, go_on, NULL), 0);
    settle();
    CHECK_EQ(atomic_load(&c.ended), 0);
    CHECK_EQ(covey_chan_send(NULL, go_on, NULL), 0);
    JOIN(watch);
    CHECK_EQ(c.index, 1);
    CHECK_EQ(covey_select(ctx, COVEY_JOINED(g)), 0);
    JOIN(g);
    covey_chan_unref(go_on);
    choice_fini(&c);
}

TASK_TEST(a_group_joined_in_a_select_can_start_tasks_again)
{
    covey_group *g = covey_group_new(ctx);
    covey_chan *go_on = covey_chan_new(0, 0);

    for (int i = 0; i < 20; i++) {
        GO(g, wait_for_signal, go_on);
        CHECK_EQ(covey_select(ctx, COVEY_JOINED(g), COVEY_AFTER(0)), 1);
        CHECK_EQ(covey_chan_send(NULL, go_on, NULL), 0);
        CHECK_EQ(covey_select(ctx, COVEY_JOINED(g)), 0);
    }
    JOIN(g);
    covey_chan_unref(go_on);
}

static int fail_eio(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return -EIO;
}

TASK_TEST(joined_keeps_the_error_for_wait)
{
    covey_group *g = covey_group_new(ctx);

    GO(g, fail_eio, NULL);
    CHECK_EQ(covey_select(ctx, COVEY_JOINED(g)), 0);
    CHECK_EQ(covey_group_wait(g), -EIO);
}

/* Many cases. */

TASK_TEST(up_to_1024_cases)
{
    enum { N = 1025 };
    covey_case *cases = calloc(N, sizeof(*cases));
    covey_chan *empty = covey_chan_new(0, 0), *ready = covey_chan_new(sizeof(int), 1);
    int v = 0;

    CHECK(cases);
    for (int i = 0; i < N; i++) {
        cases[i] = COVEY_RECV(empty, NULL);
    }
    send_int(ready, 3);
    cases[1023] = COVEY_RECV(ready, &v);
    CHECK_EQ(covey_select_n(ctx, cases, N), -EINVAL);
    CHECK_EQ(covey_chan_len(ready), 1);
    CHECK_EQ(covey_select_n(ctx, cases, 1024), 1023);
    CHECK_EQ(v, 3);
    cases[1023] = COVEY_AFTER(COVEY_MS);
    CHECK_EQ(covey_select_n(ctx, cases, 1024), 1023);
    free(cases);
    covey_chan_unref(empty);
    covey_chan_unref(ready);
}

TASK_TEST(the_array_of_cases_is_not_changed)
{
    covey_chan *a = covey_chan_new(sizeof(int), 1), *b = full_of(2);
    int v = 0;
    covey_case cases[3], before[3];

    memset(cases, 0, sizeof(cases));
    cases[0] = COVEY_RECV(a, &v);
    cases[1] = COVEY_RECV(b, &v);
    cases[2] = COVEY_AFTER(COVEY_MS);
    memcpy(before, cases, sizeof(cases));
    CHECK_EQ(covey_select_n(ctx, cases, 3), 1);
    CHECK_EQ(covey_select_n(ctx, cases, 3), 2);
    for (int i = 0; i < 3; i++) {
        CHECK(cases[i].kind == before[i].kind && cases[i].object == before[i].object &&
              cases[i].elem == before[i].elem && cases[i].ok == before[i].ok &&
              cases[i].number == before[i].number);
    }
    covey_chan_unref(a);
    covey_chan_unref(b);
}

/* Conservation, as in Go's TestSelectStress: on each of four channels a plain sender and a plain
 * receiver, and across all of them one that sends and one that receives by select. */

enum { MILL_CHANNELS = 4, MILL_TURNS = 500, BY_SELECT = MILL_CHANNELS };

struct mill {
    covey_chan **ch;
    int which; /* the channel, or BY_SELECT */
    long sum;
};

static int mill_send(covey_ctx *ctx, void *arg)
{
    struct mill *m = arg;
    int sent[MILL_CHANNELS] = {0}, turns = m->which == BY_SELECT ? MILL_CHANNELS : 1;
    covey_case cases[MILL_CHANNELS];

    (void)ctx;
    for (int i = 0; i < turns * MILL_TURNS; i++) {
        if (m->which == BY_SELECT) {
            for (int j = 0; j < MILL_CHANNELS; j++) {
                cases[j] = COVEY_SEND(sent[j] < MILL_TURNS ? m->ch[j] : NULL, &i);
            }
            sent[covey_select_n(NULL, cases, MILL_CHANNELS)]++;
        } else {
            CHECK_EQ(covey_chan_send(NULL, m->ch[m->which], &i), 0);
        }
        m->sum += i;
    }
    return 0;
}

static int mill_recv(covey_ctx *ctx, void *arg)
{
    struct mill *m = arg;
    int received[MILL_CHANNELS] = {0}, turns = m->which == BY_SELECT ? MILL_CHANNELS : 1;
    covey_case cases[MILL_CHANNELS];
    int value;

    (void)ctx;
    for (int i = 0; i < turns * MILL_TURNS; i++) {
        if (m->which == BY_SELECT) {
            for (int j = 0; j < MILL_CHANNELS; j++) {
                cases[j] = COVEY_RECV(received[j] < MILL_TURNS ? m->ch[j] : NULL, &value);
            }
            received[covey_select_n(NULL, cases, MILL_CHANNELS)]++;
        } else {
            CHECK_EQ(covey_chan_recv(NULL, m->ch[m->which], &value), 0);
        }
        m->sum += value;
    }
    return 0;
}

TASK_TEST(selects_and_plain_operations_mixed_lose_nothing)
{
    struct mill senders[MILL_CHANNELS + 1], receivers[MILL_CHANNELS + 1];
    covey_group *g = covey_group_new(ctx);
    covey_chan *ch[MILL_CHANNELS];
    long sent = 0, received = 0;

    for (int i = 0; i < MILL_CHANNELS; i++) {
        ch[i] = covey_chan_new(sizeof(int), i < 2 ? 0 : (size_t)i);
    }
    for (int i = 0; i <= MILL_CHANNELS; i++) {
        senders[i] = receivers[i] = (struct mill){.ch = ch, .which = i};
        GO(g, mill_send, &senders[i]);
        GO(g, mill_recv, &receivers[i]);
    }
    JOIN(g);
    for (int i = 0; i <= MILL_CHANNELS; i++) {
        sent += senders[i].sum;
        received += receivers[i].sum;
    }
    CHECK_EQ(sent, received);
    for (int i = 0; i < MILL_CHANNELS; i++) {
        CHECK_EQ(covey_chan_len(ch[i]), 0);
        covey_chan_unref(ch[i]);
    }
}
