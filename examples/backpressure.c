/* SPDX-License-Identifier: MIT
 * backpressure.c - a producer meets a full channel. What then is the producer's choice.
 *
 * A producer makes items faster than the consumer takes them, through a channel with room for 8. It
 * waits for room, or backs off for 10 ms and tries again, or drops the item and counts it. At the
 * end the consumer goes away while a producer waits: a done channel, or the context, ends it. */
#include "example.h"

enum { ITEMS = 60, ROOM = 8 };

struct stream {
    covey_chan *items; /* of int */
    covey_chan *done;  /* closed when the consumer wants no more */
    int sent, dropped, backed_off;
};

typedef int put_fn(covey_ctx *ctx, struct stream *s, int item);

/* Waits until there is room. */
static int put_waiting(covey_ctx *ctx, struct stream *s, int item)
{
    int err = covey_chan_send(ctx, s->items, &item);

    s->sent += err == 0;
    return err;
}

/* Tries again every 10 ms: between tries the producer could do something else. */
static int put_backing_off(covey_ctx *ctx, struct stream *s, int item)
{
    int err;

    while ((err = covey_chan_try_send(s->items, &item)) == COVEY_EAGAIN) {
        s->backed_off++;
        err = covey_sleep(ctx, 10 * COVEY_MS);
        if (err < 0) {
            return err;
        }
    }
    s->sent += err == 0;
    return err;
}

/* Never waits: an item that finds no room is lost, and that is known. */
static int put_or_drop(covey_ctx *ctx, struct stream *s, int item)
{
    int err = covey_chan_try_send(s->items, &item);

    (void)ctx;
    s->sent += err == 0;
    s->dropped += err == COVEY_EAGAIN;
    return err == COVEY_EAGAIN ? 0 : err;
}

/* Waits for room or for the done channel, whichever comes first. */
static int put_until_done(covey_ctx *ctx, struct stream *s, int item)
{
    int which = covey_select(ctx, COVEY_SEND(s->items, &item), COVEY_RECV(s->done, NULL));

    s->sent += which == 0;
    return which == 1 ? COVEY_ECLOSED : which;
}

struct producer {
    struct stream *stream;
    put_fn *put;
};

static int produce(covey_ctx *ctx, void *arg)
{
    struct producer *p = arg;
    int err = 0;

    for (int item = 0; item < ITEMS && err == 0; item++) {
        err = p->put(ctx, p->stream, item);
    }
    (void)covey_chan_close(p->stream->items); /* the one who sends closes */
    return err;
}

/* Takes up to n items, one in 2 ms, and returns how many there were. */
static int consume(covey_ctx *ctx, struct stream *s, int n)
{
    int received = 0, item;

    while (received < n && covey_chan_recv(ctx, s->items, &item) == 0) {
        received++;
        (void)covey_sleep(ctx, 2 * COVEY_MS);
    }
    return received;
}

/* One producer, one consumer that takes n items and leaves by `leave`. Writes how many it got;
 * returns how the producer ended. */
static int run(covey_ctx *ctx, struct stream *s, put_fn *put, int n,
               void (*leave)(covey_group *g, struct stream *s), int *received)
{
    struct producer p = {s, put};
    covey_group *g = covey_group_new(ctx);

    if (!g) {
        return -ENOMEM;
    }
    *s = (struct stream){covey_chan_new(sizeof(int), ROOM), covey_chan_new(0, 0), 0, 0, 0};
    int err = s->items && s->done ? covey_group_go(g, produce, &p) : -ENOMEM;
    *received = err == 0 ? consume(ctx, s, n) : 0;
    if (leave) {
        leave(g, s);
    }
    int ended = covey_group_wait(g);
    covey_chan_unref(s->items);
    covey_chan_unref(s->done);
    return err < 0 ? err : ended;
}

static void close_done(covey_group *g, struct stream *s)
{
    (void)g;
    (void)covey_chan_close(s->done);
}

static void cancel_producer(covey_group *g, struct stream *s)
{
    (void)s;
    covey_group_cancel(g, 0);
}

static int tour(covey_ctx *ctx, void *arg)
{
    struct stream s;
    int received;

    (void)arg;
    printf("%d items as fast as may be, room for %d, a consumer that takes one in 2 ms:\n", ITEMS,
           ROOM);
    int err = run(ctx, &s, put_waiting, ITEMS, NULL, &received);
    expect(err == 0 && received == ITEMS, "waiting: all %d arrived", received);

    err = run(ctx, &s, put_backing_off, ITEMS, NULL, &received);
    expect(err == 0 && received == ITEMS && s.backed_off > 0,
           "backing off 10 ms: all %d arrived; it found no room %d times", received, s.backed_off);

    err = run(ctx, &s, put_or_drop, ITEMS, NULL, &received);
    expect(err == 0 && received == s.sent && s.sent + s.dropped == ITEMS && s.dropped > 0,
           "dropping: %d arrived, %d were dropped and counted", received, s.dropped);

    printf("the consumer leaves after 3 items, while the producer waits:\n");
    err = run(ctx, &s, put_until_done, 3, close_done, &received);
    expect(err == COVEY_ECLOSED && received == 3, "a done channel ends it, %d items sent", s.sent);

    err = run(ctx, &s, put_waiting, 3, cancel_producer, &received);
    expect(err == COVEY_ECANCELED && received == 3,
           "so does its context, with nothing to do for the producer: \"%s\"", covey_errmsg());
    return 0;
}

int main(int argc, char **argv)
{
    example_options(argc, argv, "Sends to a full channel in four ways.", NULL, 0);
    return example_result(covey_run(tour, NULL));
}
