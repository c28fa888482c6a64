/* SPDX-License-Identifier: MIT
 * Channels: a send before its receive, a close before the receive that sees it, the k-th receive on
 * capacity C before the (k+C)-th send completes; the same through select. */
#include "litmus.h"

static void open_unbuffered(struct litmus *l)
{
    l->object = covey_chan_new(0, 0);
}

static void open_one(struct litmus *l)
{
    l->object = covey_chan_new(sizeof(int), 1);
}

static void open_two(struct litmus *l)
{
    l->object = covey_chan_new(sizeof(int), 2);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(covey_chan_send(NULL, l->object, &i), 0);
    }
}

static void close_chan(struct litmus *l)
{
    covey_chan_unref(l->object);
}

static void write_then_send(struct litmus *l)
{
    int value = 1;
    litmus_write(l);
    CHECK_EQ(covey_chan_send(NULL, l->object, &value), 0);
}

static void write_then_try_send(struct litmus *l)
{
    int value = 1;
    litmus_write(l);
    CHECK_EQ(covey_chan_try_send(l->object, &value), 0);
}

static void recv_then_read(struct litmus *l)
{
    int value;
    CHECK_EQ(covey_chan_recv(NULL, l->object, &value), 0);
    litmus_read(l);
}

static void try_recv_then_read(struct litmus *l)
{
    int value;
    while (covey_chan_try_recv(l->object, &value) == COVEY_EAGAIN) {
        covey_yield();
    }
    litmus_read(l);
}

static void write_then_select_send(struct litmus *l)
{
    int value = 1;
    litmus_write(l);
    CHECK_EQ(covey_select(NULL, COVEY_RECV(NULL, NULL), COVEY_SEND(l->object, &value)), 1);
}

static void select_recv_then_read(struct litmus *l)
{
    int value;
    CHECK_EQ(covey_select(NULL, COVEY_RECV(l->object, &value), COVEY_AFTER(60 * COVEY_SEC)), 0);
    litmus_read(l);
}

static void write_then_close(struct litmus *l)
{
    litmus_write(l);
    CHECK_EQ(covey_chan_close(l->object), 0);
}

static void recv_closed_then_read(struct litmus *l)
{
    CHECK_EQ(covey_chan_recv(NULL, l->object, NULL), COVEY_ECLOSED);
    litmus_read(l);
}

static void select_closed_then_read(struct litmus *l)
{
    bool ok = true;
    CHECK_EQ(covey_select(NULL, COVEY_RECV_OK(l->object, NULL, &ok)), 0);
    CHECK(!ok);
    litmus_read(l);
}

static void send_closed_then_read(struct litmus *l)
{
    int value = 1;
    while (covey_chan_try_send(l->object, &value) != COVEY_ECLOSED) {
        (void)covey_chan_try_recv(l->object, NULL);
        covey_yield();
    }
    litmus_read(l);
}

/* The receive of the first value lets the third send complete. */
static void write_then_recv(struct litmus *l)
{
    int value;
    litmus_write(l);
    CHECK_EQ(covey_chan_recv(NULL, l->object, &value), 0);
}

static void send_third_then_read(struct litmus *l)
{
    int value = 3;
    CHECK_EQ(covey_chan_send(NULL, l->object, &value), 0);
    litmus_read(l);
}

LITMUS(send_before_its_receive_unbuffered, open_unbuffered, write_then_send, recv_then_read,
       close_chan)
LITMUS(send_before_its_receive_buffered, open_one, write_then_send, recv_then_read, close_chan)
LITMUS(send_before_its_try_receive, open_one, write_then_try_send, try_recv_then_read, close_chan)
LITMUS(send_before_its_receive_by_select, open_unbuffered, write_then_send, select_recv_then_read,
       close_chan)
LITMUS(send_by_select_before_its_receive, open_unbuffered, write_then_select_send, recv_then_read,
       close_chan)
LITMUS(select_before_select, open_unbuffered, write_then_select_send, select_recv_then_read,
       close_chan)
LITMUS(close_before_the_receive_that_sees_it, open_one, write_then_close, recv_closed_then_read,
       close_chan)
LITMUS(close_before_the_select_that_sees_it, open_one, write_then_close, select_closed_then_read,
       close_chan)
LITMUS(close_before_the_send_that_sees_it, open_one, write_then_close, send_closed_then_read,
       close_chan)
/* Capacity 0: a receive before its send completes. */
LITMUS(receive_before_its_send_completes_unbuffered, open_unbuffered, write_then_recv,
       send_third_then_read, close_chan)
LITMUS(first_receive_before_the_third_send_completes, open_two, write_then_recv,
       send_third_then_read, close_chan)
