/* SPDX-License-Identifier: MIT
 * select_kinds_test.c - one select over everything that there is to wait for: each alone wakes it,
 * and what did not wake it is as it was. */
#include "support.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

static const int64_t hour = 3600 * COVEY_SEC;

enum kind { RECEIVE, SEND, TIMER, DONE, JOINED, READABLE, WRITABLE, AFTER, KINDS, ITS_CONTEXT };

struct all {
    covey_chan *in, *out; /* a rendezvous each */
    covey_timer *timer;
    covey_ctx *watched, *own;
    covey_group *group;
    covey_chan *keeps_group;
    int event, pipe[2];
    int64_t after;
    int index;
    bool ok;
};

static int wait_for_all(covey_ctx *ctx, void *arg)
{
    struct all *a = arg;
    int64_t at;

    (void)ctx;
    a->index = covey_select(a->own, COVEY_RECV_OK(a->in, NULL, &a->ok), COVEY_SEND(a->out, NULL),
                            COVEY_RECV(covey_timer_chan(a->timer), &at), COVEY_DONE(a->watched),
                            COVEY_JOINED(a->group), COVEY_READABLE(a->event),
                            COVEY_WRITABLE(a->pipe[1]), COVEY_AFTER(a->after));
    return 0;
}

static int wait_for_close(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    CHECK_EQ(covey_chan_recv(NULL, arg, NULL), COVEY_ECLOSED);
    return 0;
}

static void open_all(struct all *a, covey_ctx *ctx)
{
    char bytes[4096] = {0};

    *a = (struct all){.in = covey_chan_new(0, 0),
                      .out = covey_chan_new(0, 0),
                      .timer = covey_timer_new(hour),
                      .watched = covey_ctx_with_cancel(ctx),
                      .own = covey_ctx_with_cancel(ctx),
                      .group = covey_group_new(ctx),
                      .keeps_group = covey_chan_new(0, 0),
                      .event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                      .after = hour};
    GO(a->group, wait_for_close, a->keeps_group);
    CHECK(a->event >= 0);
    CHECK_EQ(pipe2(a->pipe, O_CLOEXEC | O_NONBLOCK), 0);
    while (write(a->pipe[1], bytes, sizeof(bytes)) > 0) {
    }
}

static void drain(int fd)
{
    char bytes[4096];

    while (read(fd, bytes, sizeof(bytes)) > 0) {
    }
}

static void let_happen(struct all *a, enum kind kind)
{
    static const uint64_t one = 1;

    switch (kind) {
    case RECEIVE:
        CHECK_EQ(covey_chan_send(NULL, a->in, NULL), 0);
        break;
    case SEND:
        CHECK_EQ(covey_chan_recv(NULL, a->out, NULL), 0);
        break;
    case TIMER:
        CHECK(covey_timer_reset(a->timer, 0));
        break;
    case DONE:
        covey_ctx_cancel(a->watched);
        break;
    case JOINED:
        CHECK_EQ(covey_chan_close(a->keeps_group), 0);
        break;
    case READABLE:
        CHECK_EQ(write(a->event, &one, sizeof(one)), sizeof(one));
        break;
    case WRITABLE:
        drain(a->pipe[0]);
        break;
    case ITS_CONTEXT:
        covey_ctx_cancel(a->own);
        break;
    default:
        break;
    }
}

/* Nobody stands in a queue any more, and all that did not happen can still happen. */
static void check_the_rest(struct all *a, enum kind kind)
{
    CHECK_EQ(covey_chan_try_send(a->in, NULL), COVEY_EAGAIN);
    CHECK_EQ(covey_chan_try_recv(a->out, NULL), COVEY_EAGAIN);
    CHECK_EQ(covey_timer_stop(a->timer), kind != TIMER);
    CHECK_EQ(covey_ctx_err(a->watched), kind == DONE ? COVEY_ECANCELED : 0);
    CHECK_EQ(a->ok, kind == RECEIVE);
    if (kind != JOINED) {
        CHECK_EQ(covey_select(NULL, COVEY_JOINED(a->group), COVEY_DEFAULT), 1);
        CHECK_EQ(covey_chan_close(a->keeps_group), 0);
    }
}

static void close_all(struct all *a)
{
    JOIN(a->group);
    covey_chan_unref(a->in);
    covey_chan_unref(a->out);
    covey_chan_unref(a->keeps_group);
    covey_timer_free(a->timer);
    covey_ctx_unref(a->watched);
    covey_ctx_unref(a->own);
    CHECK_EQ(close(a->event) | close(a->pipe[0]) | close(a->pipe[1]), 0);
}

static void check_kind(covey_ctx *ctx, enum kind kind)
{
    struct all a;
    covey_group *g = covey_group_new(ctx);

    open_all(&a, ctx);
    a.after = kind == AFTER ? COVEY_MS : hour;
    if (kind == AFTER) {
        GO(g, wait_for_all, &a);
    } else {
        go_waiting(g, "for_all", wait_for_all, &a);
        let_happen(&a, kind);
    }
    JOIN(g);
    CHECK_EQ(a.index, kind == ITS_CONTEXT ? COVEY_ECANCELED : (int)kind);
    check_the_rest(&a, kind);
    close_all(&a);
}

TASK_TEST(each_kind_of_case_wakes_a_select_over_all_kinds)
{
    for (int turn = 0; turn < 5; turn++) {
        for (int kind = 0; kind < KINDS; kind++) {
            check_kind(ctx, (enum kind)kind);
        }
    }
}

TASK_TEST(the_end_of_its_context_wakes_a_select_over_all_kinds)
{
    check_kind(ctx, ITS_CONTEXT);
}
