/* SPDX-License-Identifier: MIT
 * subscribe.c - subscriptions: a connection, a task that reads it, a channel of messages.
 *
 * The task owns the connection and makes it again when it is lost; the channel tells of the gap.
 * Both handle and task hold the subscription. A message belongs to whoever has received it; what
 * nobody has received is freed by the end of the handle. */
#define _GNU_SOURCE
#include "redis/client.h"
#include "redis/message.h"

#include <covey/chan.h>
#include <covey/ctx.h>
#include <covey/task.h>
#include <covey/time.h>

#include <stdlib.h>
#include <string.h>

#define CAPACITY 64
#define KEEPALIVE (10 * COVEY_SEC)

struct covey_redis_subscription {
    /* Immutable. */
    struct cvy_redis_client *client;
    covey_chan *messages; /* of covey_redis_message * */
    covey_ctx *life;      /* ends with unsubscribe or the client's */
    covey_redis_subscribe_options options;
    const char **words; /* the command and n names, one allocation with what they point to */
    size_t n;

    atomic_int holders; /* relaxed up, acq_rel down */

    /* The task's. */
    struct cvy_redis_wire *wire;
};

static void subscription_drop(covey_redis_subscription *s)
{
    /* Acquire, release: whatever the other did with it happens before its end. */
    if (atomic_fetch_sub_explicit(&s->holders, 1, memory_order_acq_rel) > 1) {
        return;
    }
    covey_chan_unref(s->messages);
    covey_ctx_unref(s->life);
    cvy_redis_client_drop(s->client);
    free(s->words);
    free(s);
}

/* ---- messages ---- */

/* Waits while the channel is full: then the server has to. Takes m. */
static int send_message(covey_redis_subscription *s, covey_redis_message *m)
{
    int code = m ? covey_chan_send(s->life, s->messages, &m) : -ENOMEM;

    if (code < 0) {
        covey_redis_message_free(m);
    }
    return code;
}

/* A push: a message goes into the channel; confirmations and answers to PING say nothing. */
static int take_push(covey_redis_subscription *s, const covey_redis_reply *push)
{
    return cvy_redis_is_message(push) ? send_message(s, cvy_redis_message_of(push))
                                      : cvy_redis_refusal(push);
}

/* ---- the connection ---- */

static int subscribe(covey_ctx *ctx, covey_redis_subscription *s, struct cvy_redis_wire *wire)
{
    struct cvy_redis_root *root = NULL;
    size_t confirmed = 0;

    int code = cvy_redis_wire_say(ctx, wire, (int)s->n + 1, s->words, NULL);
    while (code == 0 && confirmed < s->n) {
        code = cvy_redis_wire_read(ctx, wire, &root);
        if (code < 0) {
            break;
        }
        /* Messages of the first names may come before the others are confirmed. */
        bool is_confirmation =
            cvy_redis_opens_with(&root->reply, s->options.patterns ? "psubscribe" : "subscribe");
        confirmed += is_confirmation;
        code = is_confirmation ? 0 : take_push(s, &root->reply);
        cvy_redis_root_free(root);
    }
    return code;
}

/* Connects and subscribes. */
static int establish(covey_ctx *ctx, covey_redis_subscription *s)
{
    struct cvy_redis_wire *wire = NULL;

    int code = cvy_redis_wire_open(ctx, &s->client->config, &wire);
    if (code < 0) {
        return code;
    }
    covey_ctx *limited = covey_ctx_with_timeout(ctx, s->client->config.options.connect_timeout_ns);
    code = subscribe(limited, s, wire);
    if (code == COVEY_EDEADLINE && covey_ctx_err(ctx) == 0) {
        code = covey_errorf(-ETIMEDOUT, "redis: no confirmation of the subscription in time");
    } else if (code == COVEY_ECANCELED && covey_ctx_err(ctx) == 0) {
        code = covey_errorf(-ENOMEM, "out of memory"); /* for the limit */
    }
    covey_ctx_unref(limited);
    if (code < 0) {
        cvy_redis_wire_close(wire);
        return code;
    }
    s->wire = wire;
    return 0;
}

/* Reads some, or asks the server whether it is there; asked: it was, and has not said a word. */
static int fill(covey_redis_subscription *s, bool *asked)
{
    static const char *const ping[] = {"PING"};
    covey_ctx *limited = s->options.keepalive_ns > 0
                             ? covey_ctx_with_timeout(s->life, s->options.keepalive_ns)
                             : covey_ctx_ref(s->life);
    int code = cvy_redis_wire_fill(limited, s->wire);

    covey_ctx_unref(limited);
    if (code != COVEY_EDEADLINE || *asked) {
        *asked = false;
        return code;
    }
    *asked = true;
    return cvy_redis_wire_say(s->life, s->wire, 1, (const char **)ping, NULL);
}

/* Until the connection is lost or life over. */
static void read_pushes(covey_redis_subscription *s)
{
    struct cvy_redis_root *root = NULL;
    bool asked = false;
    int code = 0;

    while (code >= 0) {
        code = cvy_redis_wire_next(s->wire, &root);
        if (code > 0) {
            code = take_push(s, &root->reply);
            cvy_redis_root_free(root);
        } else if (code == 0) {
            code = fill(s, &asked);
        }
    }
}

static int establish_again(covey_redis_subscription *s)
{
    const covey_backoff *pauses = &s->client->config.options.reconnect;
    int failures = 0, code;

    CVY_COUNT(&s->client->counters.lost, 1);
    while ((code = establish(s->life, s)) < 0 && covey_ctx_err(s->life) == 0) {
        CVY_COUNT(&s->client->counters.connects_failed, 1);
        (void)covey_sleep(s->life,
                          covey_backoff_pause(pauses, ++failures, cvy_redis_random(s->client)));
    }
    if (code == 0) {
        CVY_COUNT(&s->client->counters.connected, 1);
        code = send_message(s, cvy_redis_message_gap());
    }
    return code;
}

static int run(covey_ctx *ctx, void *arg)
{
    covey_redis_subscription *s = arg;

    (void)ctx; /* life ends with it */
    do {
        read_pushes(s);
        cvy_redis_wire_close(s->wire);
        s->wire = NULL;
    } while (covey_ctx_err(s->life) == 0 && establish_again(s) == 0);
    cvy_redis_wire_close(s->wire);
    (void)covey_chan_close(s->messages);
    CVY_COUNT(&s->client->counters.subscriptions, -1);
    subscription_drop(s);
    return 0;
}

/* ---- for users ---- */

static const char **copy_words(const char *command, const char *const *names, size_t n)
{
    size_t size = 0;

    for (size_t i = 0; i < n; i++) {
        size += strlen(names[i]) + 1;
    }
    const char **words = malloc((n + 1) * sizeof(*words) + size);
    if (words) {
        char *to = (char *)(words + n + 1);
        words[0] = command;
        for (size_t i = 0; i < n; i++) {
            words[1 + i] = to;
            to = stpcpy(to, names[i]) + 1;
        }
    }
    return words;
}

static int make(struct cvy_redis_client *c, const char *const *channels, size_t n,
                const covey_redis_subscribe_options *opts, covey_redis_subscription **made)
{
    covey_redis_subscription *s = calloc(1, sizeof(*s));

    if (!s) {
        return covey_errorf(-ENOMEM, "out of memory");
    }
    if (opts) {
        s->options = *opts;
    }
    if (s->options.keepalive_ns == 0) {
        s->options.keepalive_ns = KEEPALIVE;
    }
    cvy_redis_client_hold(c);
    atomic_init(&s->holders, 1);
    s->client = c;
    s->n = n;
    s->life = covey_ctx_with_cancel(c->life);
    s->messages = covey_chan_new(sizeof(covey_redis_message *),
                                 s->options.capacity ? s->options.capacity : CAPACITY);
    s->words = copy_words(s->options.patterns ? "PSUBSCRIBE" : "SUBSCRIBE", channels, n);
    if (!s->messages || !s->words || covey_ctx_err(s->life) < 0) {
        subscription_drop(s);
        return covey_errorf(-ENOMEM, "out of memory");
    }
    *made = s;
    return 0;
}

int covey_redis_subscribe(covey_ctx *ctx, covey_redis *r, covey_redis_subscription **s,
                          const char *const *channels, size_t n,
                          const covey_redis_subscribe_options *opts)
{
    struct cvy_redis_client *c = r->client;
    covey_redis_subscription *made = NULL;

    if (n == 0 || n > 1000000) {
        return covey_errorf(-EINVAL, "redis: a subscription to %zu channels", n);
    }
    int code = covey_ctx_err(c->life) < 0 ? cvy_redis_closed() : 0;
    code = code < 0 ? code : make(c, channels, n, opts, &made);
    if (code < 0) {
        return code;
    }
    code = establish(ctx, made);
    if (code == 0) {
        CVY_COUNT(&c->counters.connected, 1);
        CVY_COUNT(&c->counters.subscriptions, 1);
        atomic_fetch_add_explicit(&made->holders, 1, memory_order_relaxed);
        code = covey_go_with(&(covey_task_options){.name = "redis subscription"}, run, made);
        if (code < 0) {
            atomic_fetch_sub_explicit(&made->holders, 1, memory_order_relaxed);
            CVY_COUNT(&c->counters.subscriptions, -1);
            cvy_redis_wire_close(made->wire);
        }
    }
    if (code < 0) {
        subscription_drop(made);
        return code;
    }
    *s = made;
    return 0;
}

covey_chan *covey_redis_messages(covey_redis_subscription *s)
{
    return s->messages;
}

void covey_redis_unsubscribe(covey_redis_subscription *s)
{
    covey_redis_message *m;

    if (!s) {
        return;
    }
    covey_ctx_cancel(s->life);
    (void)covey_chan_close(s->messages);
    while (covey_chan_try_recv(s->messages, &m) == 0) {
        covey_redis_message_free(m);
    }
    subscription_drop(s);
}
