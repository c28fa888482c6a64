/* SPDX-License-Identifier: MIT
 * Tasks: a start after the call that starts it, an end before its group's wait returns, and the two
 * ways of covey_blocking. */
#include "litmus.h"

static int reader(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    litmus_read(arg);
    return 0;
}

static int writer(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    litmus_write(arg);
    return 0;
}

/* Reads, and then tells by a channel, which is not the edge under test but the way back. */
static int reader_telling(covey_ctx *ctx, void *arg)
{
    struct litmus *l = arg;
    (void)ctx;
    litmus_read(l);
    CHECK_EQ(covey_chan_close(l->object), 0);
    return 0;
}

static int copy_reader_telling(covey_ctx *ctx, void *arg)
{
    return reader_telling(ctx, *(struct litmus **)arg);
}

static void open_chan(struct litmus *l)
{
    l->object = covey_chan_new(0, 0);
}

static void close_chan(struct litmus *l)
{
    covey_chan_unref(l->object);
}

static void await_told(struct litmus *l)
{
    CHECK_EQ(covey_chan_recv(NULL, l->object, NULL), COVEY_ECLOSED);
}

static void write_then_group_go(struct litmus *l)
{
    covey_group *g = covey_group_new(NULL);
    litmus_write(l);
    GO(g, reader, l);
    JOIN(g);
}

static void write_then_limited_go(struct litmus *l)
{
    covey_group_options opts = {.limit = 1};
    covey_group *g = covey_group_new_with(NULL, &opts);
    struct litmus first = {0};
    GO(g, writer, &first);
    litmus_write(l);
    GO(g, reader, l);
    JOIN(g);
    litmus_read(&first);
}

static void write_then_try_go(struct litmus *l)
{
    covey_group *g = covey_group_new(NULL);
    litmus_write(l);
    CHECK_EQ(covey_group_try_go(g, reader, l), 0);
    JOIN(g);
}

static void write_then_go(struct litmus *l)
{
    litmus_write(l);
    CHECK_EQ(covey_go(reader_telling, l), 0);
    await_told(l);
}

static void write_then_go_copy(struct litmus *l)
{
    litmus_write(l);
    CHECK_EQ(covey_go_copy(copy_reader_telling, &l, sizeof(l)), 0);
    await_told(l);
}

static void wait_then_read(struct litmus *l)
{
    covey_group *g = covey_group_new(NULL);
    GO(g, writer, l);
    JOIN(g);
    litmus_read(l);
}

static void joined_then_read(struct litmus *l)
{
    covey_group *g = covey_group_new(NULL);
    GO(g, writer, l);
    CHECK_EQ(covey_select(NULL, COVEY_JOINED(g)), 0);
    litmus_read(l);
    JOIN(g);
}

/* The limit: an end before the start that it lets in. */
struct pair {
    struct litmus *l;
    bool is_writer;
};

static int take_turn(covey_ctx *ctx, void *arg)
{
    struct pair *p = arg;
    (void)ctx;
    if (p->is_writer) {
        litmus_write(p->l);
    } else {
        litmus_read(p->l);
    }
    return 0;
}

static void end_lets_in(struct litmus *l)
{
    covey_group_options opts = {.limit = 1};
    covey_group *g = covey_group_new_with(NULL, &opts);
    struct pair w = {l, true}, r = {l, false};
    GO(g, take_turn, &w);
    GO(g, take_turn, &r);
    JOIN(g);
}

static void blocking_both_ways(struct litmus *l)
{
    litmus_write(l);
    CHECK_EQ(covey_blocking(NULL, reader, l), 0);
    memset(l->data, 0, sizeof(l->data));
    CHECK_EQ(covey_blocking(NULL, writer, l), 0);
    litmus_read(l);
}

LITMUS(go_before_its_task_starts, NULL, write_then_group_go, NULL, NULL)
LITMUS(go_that_waits_for_the_limit_before_its_task_starts, NULL, write_then_limited_go, NULL, NULL)
LITMUS(try_go_before_its_task_starts, NULL, write_then_try_go, NULL, NULL)
LITMUS(detached_go_before_its_task_starts, open_chan, write_then_go, NULL, close_chan)
LITMUS(go_copy_before_its_task_starts, open_chan, write_then_go_copy, NULL, close_chan)
LITMUS(end_before_the_groups_wait_returns, NULL, wait_then_read, NULL, NULL)
LITMUS(end_before_the_select_that_sees_it_joined, NULL, joined_then_read, NULL, NULL)
LITMUS(end_before_the_start_that_the_limit_lets_in, NULL, end_lets_in, NULL, NULL)
LITMUS(blocking_call_after_its_caller_and_before_its_return, NULL, blocking_both_ways, NULL, NULL)

/* ---- covey_run ---- */

TEST(run_after_its_caller_and_before_its_return)
{
    struct litmus l = {0};

    for (int i = 0; i < ROUNDS; i++) {
        memset(l.data, 0, sizeof(l.data));
        CHECK_EQ(covey_run(writer, &l), 0);
        litmus_read(&l);
        CHECK_EQ(covey_run(reader, &l), 0);
    }
}
