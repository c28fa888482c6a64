/* SPDX-License-Identifier: MIT
 * worker.c - makes invoices: a job each, as invoices.c submits them.
 *
 * A job's context ends when its batch does. A worker may be killed at any line, and its jobs run
 * again elsewhere: so what a job does is one row, and whoever comes second finds it there. */
#include "service.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* Stands for what an invoice takes beside the database, before it is stored and after. */
static int toil(covey_ctx *ctx, const struct service *s)
{
    return covey_sleep(ctx, s->config->invoice_ms * COVEY_MS / 2);
}

/* 1; 0: it was there already. */
static int make(covey_ctx *ctx, struct service *s, struct invoice *i)
{
    struct order o;
    int code = store_get(ctx, s, i->order, &o);

    if (code < 0) {
        return code == COVEY_ENOROW ? COVEY_PERMANENT(code) : code;
    }
    i->tax = o.cents / 5;
    i->cents = o.cents + i->tax;
    code = toil(ctx, s);
    if (code < 0) {
        return code;
    }
    int made = store_add_invoice(ctx, s, i);
    code = made < 0 ? made : toil(ctx, s);
    return code < 0 ? code : made;
}

static int handle(covey_ctx *ctx, covey_fanout_call *call, void *arg)
{
    struct service *s = arg;
    struct invoice i = {.order = strtoll(call->key, NULL, 10)};
    char cents[24];

    if (s->config->log_requests) {
        log_info("invoice begins order=%s attempt=%d", call->key, call->attempt);
    }
    int made = make(ctx, s, &i);
    if (s->config->log_requests) {
        log_info("invoice ends order=%s made=%d", call->key, made);
    }
    int n = snprintf(cents, sizeof(cents), "%" PRId64, i.cents);
    return made < 0 ? made : covey_fanout_reply(call, cents, (size_t)n);
}

int worker_serve(covey_ctx *ctx, struct service *s)
{
    const covey_fanout_handler handler = {.name = "invoice", .fn = handle, .arg = s};
    covey_fanout_worker_stats stats = {0};
    const covey_fanout_worker_options options = {.queue = "invoices",
                                                 .jobs = (int)s->config->invoice_jobs,
                                                 .grace_ns = s->config->grace_ms * COVEY_MS,
                                                 .stats = &stats};

    log_info("working");
    int code = covey_fanout_serve(ctx, s->engine, &handler, 1, &options);
    log_info("worked taken=%llu reported=%llu returned=%llu lost=%llu troubles=%llu code=%d",
             (unsigned long long)stats.taken, (unsigned long long)stats.reported,
             (unsigned long long)stats.returned, (unsigned long long)stats.lost,
             (unsigned long long)stats.troubles, code);
    return code;
}

static int run(covey_ctx *ctx, struct service *s)
{
    static const int signals[] = {SIGTERM, SIGINT};
    int code = store_open(ctx, s);

    code = code < 0 ? code : engines_open(ctx, s);
    if (code == 0) {
        covey_ctx *until = covey_ctx_with_signals(ctx, signals, 2);
        code = worker_serve(until, s);
        covey_ctx_unref(until);
    }
    return code;
}

int worker_main(covey_ctx *ctx, void *arg)
{
    struct config *config = arg;
    struct service s = {.config = config};

    if (!config->redis_urls[0]) {
        return covey_errorf(-EINVAL, "a worker needs --redis, where it finds its jobs");
    }
    covey_group *debug = covey_group_new(ctx);
    int code = covey_group_go(debug, debug_serve, config);
    code = code < 0 ? code : run(ctx, &s);
    covey_group_cancel(debug, 0);
    int debugged = covey_group_wait(debug);
    engines_close(&s);
    covey_db_close(s.db);
    return code < 0 ? code : debugged;
}
