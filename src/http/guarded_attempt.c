/* SPDX-License-Identifier: MIT
 * guarded_attempt.c - one attempt of a guarded call: limiter, breaker, transfer; and attempts
 * beside each other. */
#include "http/guarded.h"

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
static int verdict(const struct cvy_http_guarded *g, int code, const covey_http_response *resp)
{
    if (code == 0 && covey_http_is_transient(0, resp->status) && !g->held.is_given) {
        return cvy_http_name_failure(
            g->req->url, covey_errorf(CVY_HTTP_ASKS_FOR_MORE, "status %d", resp->status), NULL);
    }
    /* A deadline may be that of the try alone; covey_retry() knows the caller's. */
    bool is_worth = code == COVEY_EDEADLINE || covey_http_is_transient(code, 0);
    return is_worth && !g->held.is_given ? code : COVEY_PERMANENT(code);
}

static int attempt(covey_ctx *ctx, struct cvy_http_guarded *g, covey_http_response *resp)
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
    struct cvy_http_guarded *guarded;
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
    while (code == CVY_HTTP_ASKS_FOR_MORE && i < COVEY_HTTP_HEDGES_MAX - 1 &&
           !covey_http_is_transient(0, h->responses[i].status)) {
        i++;
    }
    return i;
}

static int attempt_hedged(covey_ctx *ctx, struct cvy_http_guarded *g)
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
    return code == 0 || code == CVY_HTTP_ASKS_FOR_MORE || code == COVEY_EDEADLINE ||
                   covey_http_is_transient(code, 0)
               ? code
               : COVEY_PERMANENT(code);
}

int cvy_http_guarded_attempt(covey_ctx *ctx, struct cvy_http_guarded *g)
{
    return g->is_hedged ? attempt_hedged(ctx, g) : attempt(ctx, g, g->resp);
}
