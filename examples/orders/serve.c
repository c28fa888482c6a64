/* SPDX-License-Identifier: MIT
 * serve.c - the order service's life: it opens what it needs, serves until SIGTERM or SIGINT, says
 * that it is not ready any more, lets go of its clients, finishes what runs, and closes everything.
 *
 * Without --redis it is its own worker, until the last request has ended. */
#include "api.h"

#include <signal.h>
#include <stdio.h>

/* What runs beside the API, until that has ended. */
struct helpers {
    struct service *service;
    covey_group *group;
    covey_listener *prices; /* of the price service in this process; or NULL */
    covey_ctx *serving;     /* done: the API accepts no more */
    char prices_url[128];
};

static int run_upstream(covey_ctx *ctx, void *arg)
{
    struct helpers *h = arg;

    return upstream_serve(ctx, h->prices);
}

static int run_worker(covey_ctx *ctx, void *arg)
{
    const struct helpers *h = arg;

    return worker_serve(ctx, h->service);
}

static void tell_debug(const char *addr, void *arg)
{
    (void)arg;
    log_info("debug addr=%s", addr);
}

int debug_serve(covey_ctx *ctx, void *arg)
{
    const struct config *config = arg;
    const covey_debug_options options = {.on_listen = tell_debug};

    return config->debug_addr[0] ? covey_debug_serve_with(ctx, config->debug_addr, &options) : 0;
}

/* Load balancers ask for readiness now and then: they get the time to see it change. */
static int drain_on_signal(covey_ctx *ctx, void *arg)
{
    static const int signals[] = {SIGTERM, SIGINT};
    struct helpers *h = arg;
    covey_ctx *until = covey_ctx_with_signals(ctx, signals, 2);

    (void)covey_chan_recv(NULL, covey_ctx_done(until), NULL);
    covey_ctx_unref(until);
    if (covey_ctx_err(ctx) == 0) {
        log_info("draining settle_ms=%lld", (long long)h->service->config->settle_ms);
        atomic_store(&h->service->is_ready, false);
        (void)covey_sleep(ctx, h->service->config->settle_ms * COVEY_MS);
    }
    covey_ctx_cancel(h->serving);
    return 0;
}

/* ---- the API ---- */

static void tell_access(const covey_http_access *a, void *arg)
{
    (void)arg;
    log_info("request method=%s target=%s http=%d status=%d bytes=%llu ms=%.1f",
             a->req ? a->req->method : "", a->req ? a->req->target : "",
             a->req ? a->req->http_version : 0, a->status, (unsigned long long)a->body_len,
             (double)a->duration_ns / 1e6);
}

/* NULL without a certificate. */
static int open_tls(const struct config *config, covey_tls_config **tls)
{
    const covey_tls_identity own = {.cert_file = config->cert_file,
                                    .key_file = config->key_file[0] ? config->key_file : NULL};
    const covey_tls_options options = {
        .identities = &own, .identity_count = 1, .alpn = covey_http_alpn()};

    *tls = NULL;
    return config->cert_file[0] ? covey_tls_config_new(tls, &options) : 0;
}

static int serve_api(struct service *s, covey_ctx *serving, covey_listener *listener,
                     covey_tls_config *tls)
{
    covey_http_server_stats stats = {0};
    const covey_http_server_options options = {
        .name = "orders",
        .stats = &stats,
        .max_body = 64 << 10,
        .request_timeout_ns = s->config->deadline_ms * COVEY_MS,
        .grace_ns = s->config->grace_ms * COVEY_MS,
        .on_access = s->config->log_requests ? tell_access : NULL,
        .wrap = tls ? covey_tls_wrap : NULL,
        .wrap_arg = tls,
    };
    covey_http_router *router = api_new(s);

    if (!router) {
        return covey_errorf(-ENOMEM, "api: out of memory");
    }
    atomic_store(&s->is_ready, true);
    log_info("listening addr=%s", covey_listener_addr(listener));
    int code = covey_http_serve(serving, listener, covey_http_route, router, &options);
    log_info("served requests=%llu failed=%llu clients_gone=%llu code=%d",
             (unsigned long long)stats.requests, (unsigned long long)stats.failed,
             (unsigned long long)stats.gone, code);
    covey_http_router_free(router);
    return code;
}

/* ---- the process ---- */

/* The price service of the configuration, or one in this process. */
static int find_prices(struct helpers *h, struct config *config)
{
    if (config->prices_url[0]) {
        return 0;
    }
    int code = covey_listen(&h->prices, "tcp://127.0.0.1:0", NULL);
    if (code < 0) {
        return code;
    }
    snprintf(h->prices_url, sizeof(h->prices_url), "http%s", covey_listener_addr(h->prices) + 3);
    config->prices_url = h->prices_url;
    return covey_group_go(h->group, run_upstream, h);
}

static int run(covey_ctx *ctx, struct helpers *h, struct config *config)
{
    struct service *s = h->service;
    covey_listener *listener = NULL;
    covey_tls_config *tls;
    int code = open_tls(config, &tls);

    code = code < 0 ? code : find_prices(h, config);
    code = code < 0 ? code : store_open(ctx, s);
    code = code < 0 ? code : prices_open(s);
    code = code < 0 ? code : engines_open(ctx, s);
    code = code < 0 ? code : covey_limiter_set_name(s->limiter, "orders");
    code = code < 0 ? code : covey_listen(&listener, config->addr, NULL);
    code = code < 0 ? code : covey_group_go(h->group, debug_serve, config);
    if (code == 0 && !s->redis) {
        code = covey_group_go(h->group, run_worker, h);
    }
    code = code < 0 ? code : covey_group_go(h->group, drain_on_signal, h);
    code = code < 0 ? code : serve_api(s, h->serving, listener, tls);
    covey_listener_close(listener);
    covey_tls_config_unref(tls);
    return code;
}

int serve_main(covey_ctx *ctx, void *arg)
{
    struct config *config = arg;
    int64_t rate = config->orders_a_second;
    struct service s = {.config = config, .limiter = covey_limiter_new((double)rate, (int)rate)};
    struct helpers h = {
        .service = &s, .group = covey_group_new(ctx), .serving = covey_ctx_with_cancel(ctx)};

    int code = s.limiter ? run(ctx, &h, config) : covey_errorf(-ENOMEM, "out of memory");
    if (code < 0) {
        log_warn("ending: %s", covey_errmsg());
    }
    covey_group_cancel(h.group, 0);
    int helped = covey_group_wait(h.group);
    covey_ctx_unref(h.serving);
    covey_listener_close(h.prices);
    engines_close(&s);
    prices_close(&s);
    covey_db_close(s.db);
    covey_limiter_free(s.limiter);
    return code < 0 ? code : helped;
}
