/* SPDX-License-Identifier: MIT
 * link_reader.c - the reader of a link: replies to the requests that wait for them, in order.
 *
 * What one read has brought is taken apart first and handed out under the mutex then, so that a
 * write of many commands costs the mutex once. */
#include "redis/link_tasks.h"

#include <covey/chan.h>
#include <covey/time.h>

#include <stdlib.h>
#include <string.h>

void cvy_redis_link_die_locked(struct cvy_redis_link *l, int code, const char *words)
{
    if (!l->is_dead) {
        l->is_dead = true;
        /* Whether the server or this side ended it, what was sent is in doubt. */
        l->code = code == COVEY_ECLOSED || code == COVEY_ECANCELED ? -ECONNRESET : code;
        l->words = strdup(words);
    }
}

void cvy_redis_link_die(struct cvy_redis_link *l, int code)
{
    covey_mutex_lock(&l->mutex);
    cvy_redis_link_die_locked(l, code, covey_errmsg());
    bool must_wake = l->is_asleep;
    l->is_asleep = false;
    covey_mutex_unlock(&l->mutex);
    if (must_wake) {
        (void)covey_chan_try_send(l->wake, NULL);
    }
}

/* Everything that is there, by next. A code: what comes after that is no reply. */
static int take_replies(struct cvy_redis_wire *wire, struct cvy_redis_root **list)
{
    int got;

    *list = NULL;
    while ((got = cvy_redis_wire_next(wire, list)) > 0) {
        (*list)->next = NULL;
        list = &(*list)->next;
    }
    *list = NULL;
    return got;
}

/* Hands them out; the rest, for which nobody waits, is left in *list. */
static void hand_out(struct cvy_redis_link *l, struct cvy_redis_root **list)
{
    struct cvy_redis_counters *counters = &l->client->counters;
    struct cvy_redis_requests ended = {0};
    uint64_t commands = 0, refused = 0;

    covey_mutex_lock(&l->mutex);
    l->heard_at = covey_now();
    while (*list && l->sent.head) {
        struct cvy_redis_request *q = l->sent.head;
        struct cvy_redis_root *root = *list;
        *list = root->next;
        commands++;
        refused += root->reply.type == COVEY_REDIS_ERROR;
        if (cvy_redis_request_add(q, root)) {
            q->has_ended = true;
            (void)cvy_redis_requests_pop(&l->sent);
            cvy_redis_requests_push(&ended, q);
        }
    }
    covey_mutex_unlock(&l->mutex);
    CVY_COUNT(&counters->commands, commands);
    if (refused > 0) {
        CVY_COUNT(&counters->refused, refused);
    }
    cvy_redis_link_release(l, &ended);
}

static int read_some(struct cvy_redis_link *l, struct cvy_redis_wire *wire)
{
    struct cvy_redis_root *list;

    int code = cvy_redis_wire_fill(l->client->life, wire);
    if (code < 0) {
        return code;
    }
    code = take_replies(wire, &list);
    hand_out(l, &list);
    if (list) {
        while (list) {
            struct cvy_redis_root *next = list->next;
            cvy_redis_root_free(list);
            list = next;
        }
        code = covey_errorf(COVEY_EPROTO, "redis: a reply that nobody asked for");
    }
    return code;
}

int cvy_redis_link_read(covey_ctx *ctx, void *arg)
{
    struct cvy_redis_link *l = arg;
    struct cvy_redis_wire *wire = l->wire; /* set before this task was started */
    int code;

    (void)ctx;
    do {
        code = read_some(l, wire);
    } while (code == 0);
    cvy_redis_link_die(l, code);
    covey_conn_abort(wire->conn); /* a write may still wait for a server that does not read */
    return 0;
}
