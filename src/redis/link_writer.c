/* SPDX-License-Identifier: MIT
 * link_writer.c - the writer of a link: what is queued, as many at a time as there are.
 *
 * Whoever can run runs once before a batch is taken, so that commands of many tasks go out in one
 * write. */
#include "redis/link_tasks.h"

#include <covey/chan.h>
#include <covey/ctx.h>
#include <covey/task.h>
#include <covey/time.h>

/* Of one write; what is queued beyond that has its turn next. */
#define BATCH_MAX 128
#define BATCH_BYTES (256 * 1024)

int cvy_redis_link_wait(struct cvy_redis_link *l)
{
    covey_ctx *life = l->client->life;

    for (;;) {
        covey_mutex_lock(&l->mutex);
        bool is_dead = l->wire && l->is_dead, is_ready = l->queued.head || is_dead;
        l->is_asleep = !is_ready;
        covey_mutex_unlock(&l->mutex);
        int code = is_ready ? covey_ctx_err(life) : covey_chan_recv(life, l->wake, NULL);
        if (code < 0 || is_ready) {
            return code < 0 ? code : is_dead;
        }
    }
}

struct batch {
    struct cvy_redis_request *requests[BATCH_MAX];
    struct iovec pieces[BATCH_MAX];
    int n;
};

/* Moves requests from queued to sent; the batch holds them. */
static void take_batch(struct cvy_redis_link *l, struct batch *b)
{
    size_t bytes = 0;

    covey_mutex_lock(&l->mutex);
    if (!l->sent.head) {
        l->heard_at = covey_now();
    }
    for (b->n = 0; b->n < BATCH_MAX && bytes < BATCH_BYTES; b->n++) {
        struct cvy_redis_request *q = cvy_redis_requests_pop(&l->queued);
        if (!q) {
            break;
        }
        cvy_redis_request_hold(q);
        q->is_queued = false;
        q->sends++;
        cvy_redis_requests_push(&l->sent, q);
        b->requests[b->n] = q;
        b->pieces[b->n] = (struct iovec){q->bytes, q->len};
        bytes += q->len;
    }
    covey_mutex_unlock(&l->mutex);
}

static int write_batch(struct cvy_redis_link *l, struct cvy_redis_wire *wire)
{
    struct batch b;

    take_batch(l, &b);
    if (b.n == 0) {
        return 0;
    }
    /* Before it is: who has a reply finds its write counted. */
    CVY_COUNT(&l->client->counters.writes, 1);
    ssize_t n = covey_writev(l->client->life, wire->conn, b.pieces, b.n);
    for (int i = 0; i < b.n; i++) {
        cvy_redis_request_drop(b.requests[i]);
    }
    return n < 0 ? (int)n : 0;
}

void cvy_redis_link_write(struct cvy_redis_link *l, struct cvy_redis_wire *wire)
{
    int code = cvy_redis_link_wait(l);

    while (code == 0) {
        covey_yield(); /* whoever can run now may add to it */
        code = write_batch(l, wire);
        code = code < 0 ? code : cvy_redis_link_wait(l);
    }
    if (code < 0) {
        cvy_redis_link_die(l, code);
    }
}
