/* SPDX-License-Identifier: MIT
 * client.c - see client.h: a handle's beginning, end and figures, and the task that watches over
 * its links. */
#include "redis/client.h"

#include <covey/chan.h>
#include <covey/ctx.h>
#include <covey/select.h>
#include <covey/task.h>
#include <covey/time.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int cvy_redis_closed(void)
{
    return covey_errorf(COVEY_ECLOSED, "redis: closed");
}

/* splitmix64 over who asks and when. */
uint64_t cvy_redis_random(struct cvy_redis_client *c)
{
    uint64_t x =
        (uint64_t)covey_now() +
        UINT64_C(0x9E3779B97F4A7C15) * (CVY_COUNT(&c->counters.draws, 1) + (uint64_t)getpid());

    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

/* ---- its life ---- */

void cvy_redis_client_hold(struct cvy_redis_client *c)
{
    atomic_fetch_add_explicit(&c->holders, 1, memory_order_relaxed);
}

static void client_free(struct cvy_redis_client *c)
{
    for (int i = 0; c->links && i < c->link_count; i++) {
        covey_chan_unref(c->links[i].wake);
        free(c->links[i].words);
    }
    free(c->links);
    covey_chan_unref(c->permits);
    covey_ctx_unref(c->life);
    cvy_redis_url_fini(&c->config.url);
    free((char *)c->config.options.name);
    free(c);
}

void cvy_redis_client_drop(struct cvy_redis_client *c)
{
    /* Acquire, release: whatever others did with it happens before its end. */
    if (atomic_fetch_sub_explicit(&c->holders, 1, memory_order_acq_rel) == 1) {
        client_free(c);
    }
}

void cvy_redis_client_end(struct cvy_redis_client *c)
{
    covey_ctx_cancel(c->life);
    covey_mutex_lock(&c->mutex);
    struct cvy_redis_wire *idle = c->idle;
    c->has_ended = true;
    c->idle = NULL;
    c->idle_count = 0;
    cvy_redis_own_abort_locked(c->owns);
    covey_mutex_unlock(&c->mutex);
    (void)covey_chan_close(c->permits);
    while (idle) {
        struct cvy_redis_wire *next = idle->next;
        cvy_redis_wire_close(idle);
        idle = next;
    }
}

/* A task of the root group: sees to silent links, and to the end of the runtime. */
static int watch(covey_ctx *ctx, void *arg)
{
    struct cvy_redis_client *c = arg;
    int64_t silence = c->config.options.silence_ns;
    covey_case cases[] = {COVEY_DONE(c->life), COVEY_AFTER(silence / 4)};
    int ran;

    while ((ran = covey_select_n(ctx, cases, silence > 0 ? 2 : 1)) == 1) {
        for (int i = 0; i < c->link_count; i++) {
            cvy_redis_link_watch(&c->links[i], covey_now() - silence);
        }
    }
    if (ran < 0) {
        cvy_redis_client_end(c);
    }
    cvy_redis_client_drop(c);
    return 0;
}

/* ---- opening ---- */

static int make_parts(struct cvy_redis_client *c)
{
    c->life = covey_ctx_with_cancel(NULL);
    c->permits = covey_chan_new(0, (size_t)c->config.options.own_max);
    c->links = calloc((size_t)c->config.options.connections, sizeof(*c->links));
    if (covey_ctx_err(c->life) < 0 || !c->permits || !c->links) {
        return covey_errorf(-ENOMEM, "out of memory");
    }
    for (int i = 0; i < c->config.options.own_max; i++) {
        (void)covey_chan_try_send(c->permits, NULL);
    }
    for (; c->link_count < c->config.options.connections; c->link_count++) {
        struct cvy_redis_link *l = &c->links[c->link_count];
        l->client = c;
        l->wake = covey_chan_new(0, 1);
        if (!l->wake) {
            return covey_errorf(-ENOMEM, "out of memory");
        }
    }
    return 0;
}

static int go_holding(struct cvy_redis_client *c, const char *name, covey_fn *fn, void *arg)
{
    cvy_redis_client_hold(c);
    int code = covey_go_with(&(covey_task_options){.name = name}, fn, arg);
    if (code < 0) {
        cvy_redis_client_drop(c);
    }
    return code;
}

static int start_tasks(struct cvy_redis_client *c)
{
    int code = go_holding(c, "redis watch", watch, c);

    for (int i = 0; code == 0 && i < c->link_count; i++) {
        code = go_holding(c, "redis link", cvy_redis_link_run, &c->links[i]);
    }
    return code;
}

int covey_redis_open(covey_ctx *ctx, covey_redis **r, const char *url,
                     const covey_redis_options *opts)
{
    struct cvy_redis_client *c = calloc(1, sizeof(*c));

    if (!c) {
        return covey_errorf(-ENOMEM, "out of memory");
    }
    atomic_init(&c->holders, 1);
    c->handle = (struct covey_redis){.node = {&cvy_redis_lease_ops}, .client = c};
    int code = cvy_redis_url_parse(&c->config.url, url);
    code = code < 0 ? code : cvy_redis_options_set(&c->config, opts);
    code = code < 0 ? code : make_parts(c);
    if (code < 0) {
        cvy_redis_client_drop(c);
        return code;
    }
    code = start_tasks(c);
    if (code == 0 && c->config.options.name) {
        covey_metrics_register(&c->source, &cvy_redis_metrics, c->config.options.name, c);
    }
    if (code == 0 && !c->config.options.lazy) {
        code = covey_redis_command_again(ctx, &c->handle, NULL, "PING");
    }
    if (code < 0) {
        char *words =
            strdup(covey_errmsg()); /* closing may fail on the way, with words of its own */
        covey_redis_close(&c->handle);
        code = covey_errorf(code, "%s", words ? words : covey_strerror(code));
        free(words);
        return code;
    }
    *r = &c->handle;
    return 0;
}

void covey_redis_close(covey_redis *r)
{
    if (!r) {
        return;
    }
    if (r->own) {
        cvy_redis_own_close(r->own);
        return;
    }
    covey_metrics_unregister(&r->client->source);
    cvy_redis_client_end(r->client);
    cvy_redis_client_drop(r->client);
}

/* ---- figures ---- */

static uint64_t count_of(_Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static int gauge_of(_Atomic int64_t *gauge)
{
    return (int)atomic_load_explicit(gauge, memory_order_relaxed);
}

void covey_redis_stats_of(covey_redis *r, covey_redis_stats *out)
{
    struct cvy_redis_client *c = r->client;
    struct cvy_redis_counters *n = &c->counters;

    covey_mutex_lock(&c->mutex);
    int idle = c->idle_count;
    covey_mutex_unlock(&c->mutex);
    *out = (covey_redis_stats){
        .connections = gauge_of(&n->up),
        .own = gauge_of(&n->own),
        .own_idle = idle,
        .subscriptions = gauge_of(&n->subscriptions),
        .pending = (uint64_t)gauge_of(&n->pending),
        .commands = count_of(&n->commands),
        .refused = count_of(&n->refused),
        .failed = count_of(&n->failed),
        .abandoned = count_of(&n->abandoned),
        .resent = count_of(&n->resent),
        .connected = count_of(&n->connected),
        .lost = count_of(&n->lost),
        .connects_failed = count_of(&n->connects_failed),
        .writes = count_of(&n->writes),
    };
}
