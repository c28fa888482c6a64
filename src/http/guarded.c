/* SPDX-License-Identifier: MIT
 * guarded.c - covey_http_do(): one request through what guards its host.
 *
 * From the outside in: retry, then hedge, then for each attempt the limiter and the breaker, then
 * the transfer. So a breaker hears of every attempt, and refuses each by itself; what it refuses is
 * not tried again, its answer is meant to be fast. An answer that asks for another try is a failure
 * inside, -EREMOTEIO, and an answer again if it was the last one. */
#include "http/client.h"
#include "http/held.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ANSWER_ASKS_FOR_MORE (-EREMOTEIO)

/* One call. */
struct guarded {
    struct covey_http_client *client;
    struct cvy_http_guard *guard;
    const covey_http_request *req; /* what is sent; its callbacks are ours */
    struct cvy_http_held held;     /* if the caller has callbacks; else its req is NULL */
    covey_http_response *resp;
    bool is_hedged;
    _Atomic int attempts;
};

bool covey_http_is_transient(int code, int status)
{
    switch (code) {
    case 0:
        return status == 408 || status == 429 || (status >= 500 && status <= 599);
    case -ECONNREFUSED:
    case -ECONNRESET:
    case -ETIMEDOUT:
    case -EHOSTUNREACH:
    case -ENETUNREACH:
        return true;
    default:
        return false;
    }
}

/* ---- one attempt ---- */

static void drop_response(covey_http_response *resp)
{
    covey_http_response_free(resp);
    resp->content_length = -1;
}

/* 0, or why another attempt might do better; permanent if it would not. */
static int verdict(const struct guarded *g, int code, const covey_http_response *resp)
{
    if (code == 0 && covey_http_is_transient(0, resp->status) && !g->held.is_given) {
        return cvy_http_name_failure(
            g->req->url, covey_errorf(ANSWER_ASKS_FOR_MORE, "status %d", resp->status), NULL);
    }
    /* A deadline may be that of the try alone; covey_retry() knows the caller's. */
    bool is_worth = code == COVEY_EDEADLINE || covey_http_is_transient(code, 0);
    return is_worth && !g->held.is_given ? code : COVEY_PERMANENT(code);
}

static int attempt(covey_ctx *ctx, struct guarded *g, covey_http_response *resp)
{
    uint64_t ticket = 0;
    int code = cvy_http_guard_enter(ctx, g->guard, &ticket);

    drop_response(resp);
    if (code < 0) {
        cvy_http_client_count(g->client, CVY_HTTP_REFUSED, code == COVEY_EOPEN);
        return COVEY_PERMANENT(cvy_http_name_failure(g->req->url, code, NULL));
    }
    atomic_fetch_add_explicit(&g->attempts, 1, memory_order_relaxed);
    if (g->held.req) {
        cvy_http_held_drop(&g->held);
    }
    code = cvy_http_fetch(ctx, g->client, g->req, resp);
    cvy_http_guard_leave(g->guard, ticket, code, resp->status, g->held.callback_code < 0);
    return verdict(g, code, resp);
}

/* ---- attempts beside each other ---- */

struct hedge {
    struct guarded *guarded;
    covey_http_response responses[COVEY_HTTP_HEDGES_MAX];
};

static int attempt_beside(covey_ctx *ctx, void *arg)
{
    struct hedge *h = arg;
    int number = covey_retry_attempt(ctx);

    cvy_http_client_count(h->guarded->client, CVY_HTTP_HEDGES, number > 1);
    return attempt(ctx, h->guarded, &h->responses[number - 1]);
}

/* Whose response counts when winner (from 1; 0: nobody) has succeeded. */
static size_t choose(const struct hedge *h, int code, int winner)
{
    size_t i = 0;

    if (winner > 0) {
        return (size_t)winner - 1;
    }
    while (code == ANSWER_ASKS_FOR_MORE && i < COVEY_HTTP_HEDGES_MAX - 1 &&
           !covey_http_is_transient(0, h->responses[i].status)) {
        i++;
    }
    return i;
}

static int attempt_hedged(covey_ctx *ctx, struct guarded *g)
{
    struct hedge h = {.guarded = g};
    covey_hedge_options options = g->client->guards.hedge;
    int winner = 0;

    for (size_t i = 0; i < COVEY_HTTP_HEDGES_MAX; i++) {
        h.responses[i].content_length = -1;
    }
    options.winner = &winner;
    options.budget = options.budget ? options.budget : g->guard->budget;
    int code = covey_hedge(ctx, &options, attempt_beside, &h);
    size_t chosen = choose(&h, covey_plain_code(code), winner);
    cvy_http_client_count(g->client, CVY_HTTP_HEDGES_WON, winner > 1);
    covey_http_response_free(g->resp);
    *g->resp = h.responses[chosen];
    for (size_t i = 0; i < COVEY_HTTP_HEDGES_MAX; i++) {
        if (i != chosen) {
            covey_http_response_free(&h.responses[i]);
        }
    }
    /* Its words are those of the failure; what covey_retry() must know of it is in its kind. */
    return code == 0 || code == ANSWER_ASKS_FOR_MORE || code == COVEY_EDEADLINE ||
                   covey_http_is_transient(code, 0)
               ? code
               : COVEY_PERMANENT(code);
}

/* ---- tries ---- */

static int try_once(covey_ctx *ctx, void *arg)
{
    struct guarded *g = arg;

    cvy_http_client_count(g->client, CVY_HTTP_RETRIES, covey_retry_attempt(ctx) > 1);
    int code = g->is_hedged ? attempt_hedged(ctx, g) : attempt(ctx, g, g->resp);
    int64_t wish = code == ANSWER_ASKS_FOR_MORE ? covey_http_retry_after(g->resp) : 0;
    if (wish > COVEY_HTTP_RETRY_AFTER_MAX) {
        return COVEY_PERMANENT(code);
    }
    covey_retry_after(ctx, wish);
    return code;
}

static bool has_idempotency_key(const covey_http_request *req)
{
    for (size_t i = 0; i < req->header_count; i++) {
        const char *name = req->headers[i].name;
        if (name && strcasecmp(name, "Idempotency-Key") == 0) {
            return true;
        }
    }
    return false;
}

static bool may_repeat(const covey_http_request *req)
{
    static const char *const idempotent[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"};
    const char *method = req->method ? req->method : req->body ? "POST" : "GET";

    if (req->repeat != COVEY_HTTP_REPEAT_IDEMPOTENT) {
        return req->repeat == COVEY_HTTP_REPEAT_ALWAYS;
    }
    for (size_t i = 0; i < sizeof(idempotent) / sizeof(*idempotent); i++) {
        if (strcmp(method, idempotent[i]) == 0) {
            return true;
        }
    }
    return has_idempotency_key(req);
}

/* Only reads, and only where one answer can be chosen at the end. */
static bool may_hedge(const struct guarded *g, const covey_http_request *req)
{
    bool is_read = !req->method
                       ? !req->body
                       : strcmp(req->method, "GET") == 0 || strcmp(req->method, "HEAD") == 0;

    return g->client->guards.has_hedge && is_read && req->repeat != COVEY_HTTP_REPEAT_NEVER &&
           !req->on_body && !req->on_headers;
}

/* ---- the call ---- */

static int run(covey_ctx *ctx, struct guarded *g)
{
    covey_backoff policy = g->client->guards.retry;
    int code;

    if (g->client->guards.has_retry && may_repeat(g->req)) {
        policy.budget = policy.budget ? policy.budget : g->guard->budget;
        code = covey_retry(ctx, &policy, try_once, g);
    } else {
        code = covey_plain_code(try_once(ctx, g));
    }
    if (code == ANSWER_ASKS_FOR_MORE && covey_http_is_transient(0, g->resp->status)) {
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
    struct guarded g = {.client = c, .req = req, .resp = resp};
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
