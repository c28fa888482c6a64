/* SPDX-License-Identifier: MIT
 * guarded.c - covey_http_do(): one request through what guards its host.
 *
 * From the outside in: retry, then hedge, then for each attempt the limiter and the breaker, then
 * the transfer. So a breaker hears of every attempt, and refuses each by itself; what it refuses is
 * not tried again, its answer is meant to be fast. An answer that asks for another try is a failure
 * inside, -EREMOTEIO, and an answer again if it was the last one. */
#include "http/guarded.h"

#include <string.h>

/* ---- tries ---- */

static int try_once(covey_ctx *ctx, void *arg)
{
    struct cvy_http_guarded *g = arg;

    cvy_http_client_count(g->client, CVY_HTTP_RETRIES, covey_retry_attempt(ctx) > 1);
    int code = cvy_http_guarded_attempt(ctx, g);
    int64_t wish = code == CVY_HTTP_ASKS_FOR_MORE ? covey_http_retry_after(g->resp) : 0;
    if (wish > COVEY_HTTP_RETRY_AFTER_MAX) {
        return COVEY_PERMANENT(code);
    }
    covey_retry_after(ctx, wish);
    return code;
}

/* Only reads, and only where one answer can be chosen at the end. */
static bool may_hedge(const struct cvy_http_guarded *g, const covey_http_request *req)
{
    bool is_read = !req->method
                       ? !req->body
                       : strcmp(req->method, "GET") == 0 || strcmp(req->method, "HEAD") == 0;

    return g->client->guards.has_hedge && is_read && req->repeat != COVEY_HTTP_REPEAT_NEVER &&
           !req->on_body && !req->on_headers;
}

/* ---- the call ---- */

static int run(covey_ctx *ctx, struct cvy_http_guarded *g)
{
    covey_backoff policy = g->client->guards.retry;
    int code;

    if (g->client->guards.has_retry && cvy_http_may_repeat(g->req)) {
        policy.budget = policy.budget ? policy.budget : g->guard->budget;
        code = covey_retry(ctx, &policy, try_once, g);
    } else {
        code = covey_plain_code(try_once(ctx, g));
    }
    if (code == CVY_HTTP_ASKS_FOR_MORE && covey_http_is_transient(0, g->resp->status)) {
        code = cvy_http_held_give(ctx, &g->held, g->resp);
    }
    cvy_http_held_drop(&g->held);
    g->resp->attempts = atomic_load_explicit(&g->attempts, memory_order_relaxed);
    return code;
}

static int do_guarded(covey_ctx *ctx, covey_http_client *c, const covey_http_request *req,
                      covey_http_response *resp)
{
    struct cvy_http_location l = cvy_http_location_of(req->url);
    struct cvy_http_guarded g = {.client = c, .req = req, .resp = resp};
    covey_http_request ours;

    g.guard = cvy_http_guards_find(&c->guards, &l);
    if (!g.guard) {
        return cvy_http_name_failure(req->url, -ENOMEM, "");
    }
    g.is_hedged = may_hedge(&g, req);
    if (req->on_body || req->on_headers) {
        g.held.req = req;
        ours = cvy_http_held_request(&g.held);
        g.req = &ours;
    }
    int code = run(ctx, &g);
    cvy_http_guard_unref(g.guard);
    return code;
}

int covey_http_do(covey_ctx *ctx, covey_http_client *c, const covey_http_request *req,
                  covey_http_response *resp)
{
    covey_http_response unwanted;
    covey_http_response *wanted = resp ? resp : &unwanted;
    int code;

    *wanted = (covey_http_response){.content_length = -1};
    if (!c || !req || !req->url) {
        return covey_errorf(-EINVAL, "fetch: no client or no URL");
    }
    if (c->guards.is_set) {
        code = do_guarded(ctx, c, req, wanted);
    } else {
        code = cvy_http_fetch(ctx, c, req, wanted);
        wanted->attempts = 1;
    }
    if (!resp) {
        covey_http_response_free(&unwanted);
    }
    return code;
}

int covey_http_get(covey_ctx *ctx, covey_http_client *c, const char *url, covey_http_response *resp)
{
    covey_http_request req = {.url = url};

    return covey_http_do(ctx, c, &req, resp);
}

/* ---- looks ---- */

covey_breaker *covey_http_client_breaker(covey_http_client *c, const char *url)
{
    struct cvy_http_location l = cvy_http_location_of(url);
    struct cvy_http_guard *guard =
        c->guards.has_breaker ? cvy_http_guards_find(&c->guards, &l) : NULL;

    if (!guard) {
        return NULL;
    }
    atomic_store_explicit(&guard->is_pinned, true, memory_order_relaxed);
    covey_breaker *breaker = guard->breaker;
    cvy_http_guard_unref(guard);
    return breaker;
}

int covey_http_client_host_stats_get(covey_http_client *c, const char *url,
                                     covey_http_host_stats *out)
{
    struct cvy_http_location l = cvy_http_location_of(url);
    struct cvy_http_guard *guard = c->guards.is_set ? cvy_http_guards_find(&c->guards, &l) : NULL;

    if (!guard) {
        return c->guards.is_set ? -ENOMEM : -ENOENT;
    }
    *out = (covey_http_host_stats){0};
    covey_retry_budget_stats_of(guard->budget, &out->budget);
    if (guard->breaker) {
        covey_breaker_stats_of(guard->breaker, &out->breaker);
    }
    if (guard->limiter) {
        covey_limiter_stats_of(guard->limiter, &out->limiter);
    }
    cvy_http_guard_unref(guard);
    return 0;
}
