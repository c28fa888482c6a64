/* SPDX-License-Identifier: MIT
 * link.c - see link.h: queueing, and the connection's beginning and end. The writer is
 * link_writer.c, the reader link_reader.c. */
#include "redis/link_tasks.h"

#include <covey/chan.h>
#include <covey/ctx.h>
#include <covey/select.h>
#include <covey/task.h>
#include <covey/time.h>

#include <stdlib.h>
#include <string.h>

static void wake(struct cvy_redis_link *l)
{
    (void)covey_chan_try_send(l->wake, NULL); /* full: it is being woken */
}

/* ---- for callers ---- */

int cvy_redis_link_queue(struct cvy_redis_link *l, struct cvy_redis_request *q)
{
    covey_mutex_lock(&l->mutex);
    bool has_ended = l->has_ended, must_wake = l->is_asleep;
    if (!has_ended) {
        cvy_redis_request_hold(q);
        q->is_queued = true;
        cvy_redis_requests_push(&l->queued, q);
        l->is_asleep = false;
        CVY_COUNT(&l->client->counters.pending, 1);
    }
    covey_mutex_unlock(&l->mutex);
    if (has_ended) {
        return cvy_redis_closed();
    }
    if (must_wake) {
        wake(l);
    }
    return 0;
}

bool cvy_redis_link_leave(struct cvy_redis_link *l, struct cvy_redis_request *q)
{
    covey_mutex_lock(&l->mutex);
    bool has_ended = q->has_ended, was_queued = q->is_queued;
    if (was_queued) {
        cvy_redis_requests_remove(&l->queued, q);
        q->is_queued = false;
    }
    q->is_left = true;
    covey_mutex_unlock(&l->mutex);
    if (was_queued) {
        CVY_COUNT(&l->client->counters.pending, -1);
        cvy_redis_request_drop(q); /* the link's hold */
    } else if (!has_ended) {
        CVY_COUNT(&l->client->counters.abandoned, 1);
    }
    return !has_ended;
}

/* ---- ends ---- */

static void fail_locked(struct cvy_redis_request *q, int code, const char *words)
{
    q->is_queued = false;
    q->has_ended = true;
    q->code = code;
    q->words = words && !q->words ? strdup(words) : q->words;
}

/* Lets the callers of requests that have ended go on. */
void cvy_redis_link_release(struct cvy_redis_link *l, struct cvy_redis_requests *ended)
{
    struct cvy_redis_request *q;

    while ((q = cvy_redis_requests_pop(ended)) != NULL) {
        CVY_COUNT(&l->client->counters.pending, -1);
        covey_waitgroup_done(&q->ended);
        cvy_redis_request_drop(q);
    }
}

/* An attempt to connect has failed: the queued have waited for one more. Some are told now. */
static void count_failure(struct cvy_redis_link *l, int code, const char *words)
{
    int max = l->client->config.options.reconnect.max_tries;
    struct cvy_redis_requests kept = {0}, failed = {0};
    struct cvy_redis_request *q;

    CVY_COUNT(&l->client->counters.connects_failed, 1);
    covey_mutex_lock(&l->mutex);
    while ((q = cvy_redis_requests_pop(&l->queued)) != NULL) {
        /* A wrong password stays wrong. */
        bool is_over = ++q->tries >= max || code == -EACCES;
        if (is_over) {
            fail_locked(q, code, words);
            CVY_COUNT(&l->client->counters.failed, 1);
        }
        cvy_redis_requests_push(is_over ? &failed : &kept, q);
    }
    l->queued = kept;
    covey_mutex_unlock(&l->mutex);
    cvy_redis_link_release(l, &failed);
}

/* The connection is gone: what was sent fails, or is to be sent again. */
static void settle_sent(struct cvy_redis_link *l)
{
    int max = l->client->config.options.reconnect.max_tries;
    struct cvy_redis_requests again = {0}, failed = {0};
    struct cvy_redis_request *q;

    covey_mutex_lock(&l->mutex);
    while ((q = cvy_redis_requests_pop(&l->sent)) != NULL) {
        if (q->may_repeat && !q->is_left && q->sends < max) {
            cvy_redis_request_rewind(q);
            q->is_queued = true;
            CVY_COUNT(&l->client->counters.resent, 1);
            cvy_redis_requests_push(&again, q);
        } else {
            fail_locked(q, l->code, l->words);
            CVY_COUNT(&l->client->counters.failed, 1);
            cvy_redis_requests_push(&failed, q);
        }
    }
    cvy_redis_requests_unshift(&l->queued, &again);
    covey_mutex_unlock(&l->mutex);
    cvy_redis_link_release(l, &failed);
}

static void end(struct cvy_redis_link *l)
{
    struct cvy_redis_requests all = {0};
    struct cvy_redis_request *q;

    covey_mutex_lock(&l->mutex);
    l->has_ended = true;
    while ((q = cvy_redis_requests_pop(&l->queued)) != NULL) {
        fail_locked(q, COVEY_ECLOSED, "redis: closed");
        CVY_COUNT(&l->client->counters.failed, 1);
        cvy_redis_requests_push(&all, q);
    }
    covey_mutex_unlock(&l->mutex);
    cvy_redis_link_release(l, &all);
}

/* ---- the connection ---- */

static void attach(struct cvy_redis_link *l, struct cvy_redis_wire *wire)
{
    covey_mutex_lock(&l->mutex);
    l->wire = wire;
    l->is_dead = false;
    free(l->words);
    l->words = NULL;
    l->heard_at = covey_now();
    covey_mutex_unlock(&l->mutex);
    CVY_COUNT(&l->client->counters.connected, 1);
    CVY_COUNT(&l->client->counters.up, 1);
}

static void detach(struct cvy_redis_link *l)
{
    covey_mutex_lock(&l->mutex);
    covey_conn_abort(l->wire->conn);
    covey_mutex_unlock(&l->mutex);
    (void)covey_waitgroup_wait(NULL, &l->reader);
    covey_mutex_lock(&l->mutex);
    struct cvy_redis_wire *wire = l->wire;
    l->wire = NULL;
    if (covey_ctx_err(l->client->life) < 0) {
        free(l->words);
        l->words = strdup("redis: closed");
        l->code = COVEY_ECLOSED;
    } else {
        CVY_COUNT(&l->client->counters.lost, 1);
    }
    covey_mutex_unlock(&l->mutex);
    CVY_COUNT(&l->client->counters.up, -1);
    cvy_redis_wire_close(wire);
    settle_sent(l);
}

static void serve(struct cvy_redis_link *l, struct cvy_redis_wire *wire)
{
    attach(l, wire);
    int code = covey_waitgroup_go(&l->reader, cvy_redis_link_read, l);
    if (code < 0) {
        cvy_redis_link_die(l, code);
    } else {
        cvy_redis_link_write(l, wire);
    }
    detach(l);
}

static void pause_after(struct cvy_redis_link *l, int failures)
{
    struct cvy_redis_client *c = l->client;

    (void)covey_sleep(
        c->life, covey_backoff_pause(&c->config.options.reconnect, failures, cvy_redis_random(c)));
}

int cvy_redis_link_run(covey_ctx *ctx, void *arg)
{
    struct cvy_redis_link *l = arg;
    struct cvy_redis_client *c = l->client;
    struct cvy_redis_wire *wire = NULL;
    int failures = 0;

    (void)ctx; /* life ends with it */
    while (cvy_redis_link_wait(l) == 0) {
        int code = cvy_redis_wire_open(c->life, &c->config, &wire);
        if (code == 0) {
            failures = 0;
            serve(l, wire);
        } else if (covey_ctx_err(c->life) == 0) {
            count_failure(l, code, covey_errmsg());
            pause_after(l, ++failures);
        }
    }
    end(l);
    cvy_redis_client_drop(c);
    return 0;
}

void cvy_redis_link_watch(struct cvy_redis_link *l, int64_t since)
{
    covey_mutex_lock(&l->mutex);
    if (l->wire && !l->is_dead && l->sent.head && l->heard_at <= since) {
        cvy_redis_link_die_locked(l, -ETIMEDOUT, "redis: no reply in time");
        covey_conn_abort(l->wire->conn);
    }
    covey_mutex_unlock(&l->mutex);
}
