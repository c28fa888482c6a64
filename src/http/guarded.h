/* SPDX-License-Identifier: MIT
 * guarded.h - a call through what guards its host: see guarded.c. */
#ifndef CVY_HTTP_GUARDED_H
#define CVY_HTTP_GUARDED_H

#include "http/client.h"
#include "http/held.h"

/* What an answer that asks for another try is to retry and hedge. */
#define CVY_HTTP_ASKS_FOR_MORE (-EREMOTEIO)

/* One call. */
struct cvy_http_guarded {
    struct covey_http_client *client;
    struct cvy_http_guard *guard;
    const covey_http_request *req; /* what is sent; its callbacks are ours */
    struct cvy_http_held held;     /* if the caller has callbacks; else its req is NULL */
    covey_http_response *resp;
    bool is_hedged;
    _Atomic int attempts;
};

/* One attempt of g's, or one with others beside it if g is hedged; its response is g->resp. 0, or
 * why another might do better; a permanent code if it would not. May switch. */
int cvy_http_guarded_attempt(covey_ctx *ctx, struct cvy_http_guarded *g);

#endif
