/* SPDX-License-Identifier: MIT
 * guard.h - what stands between a client's callers and each host: a breaker, a limiter, a budget.
 *
 * A host is "name:port". Its guard is made at the first request to it and shared by all; a client
 * that has met thousands forgets those that nobody uses and that have nothing to tell. */
#ifndef CVY_HTTP_GUARD_H
#define CVY_HTTP_GUARD_H

#include "http/location.h"

#include <covey.h>
#include <covey/http.h>

#include <stdatomic.h>

struct cvy_http_guard {
    _Atomic int refs; /* the map's, and of whoever uses it */

    /* Immutable. Owned; NULL: the client has none. */
    covey_breaker *breaker;
    covey_limiter *limiter;
    covey_retry_budget *budget;

    _Atomic bool is_pinned; /* its breaker was handed out: it stays as long as the client */
    _Atomic int64_t used_at;
    char name[]; /* the host; behind the client's name, if that has one */
};

/* A client's; all zero: it has none. */
struct cvy_http_guards {
    /* Immutable; the options are copies. */
    const char *client_name; /* "" */
    bool is_set, has_retry, has_hedge, has_breaker;
    covey_backoff retry;
    covey_retry_budget_options budget;
    covey_hedge_options hedge;
    covey_breaker_options breaker;
    double per_second;
    int burst; /* 0: no limiter */

    covey_map *hosts;         /* of struct cvy_http_guard, counted */
    covey_mutex mutex;        /* of who adds one; held across switches */
    _Atomic size_t sweep_len; /* look for some to forget when there are so many */
};

/* options may be NULL. client_name is borrowed for as long. 0, -ENOMEM, -EINVAL: out of range. */
int cvy_http_guards_init(struct cvy_http_guards *g, const covey_http_guards *options,
                         const char *client_name);
void cvy_http_guards_fini(struct cvy_http_guards *g);
/* The guard of a host, made if need be; counted. NULL: out of memory. */
struct cvy_http_guard *cvy_http_guards_find(struct cvy_http_guards *g,
                                            const struct cvy_http_location *l);
void cvy_http_guard_unref(struct cvy_http_guard *guard);

/* May a request be made now? Waits for the limiter. 0; else the code, with words. May switch. */
int cvy_http_guard_enter(covey_ctx *ctx, struct cvy_http_guard *guard, uint64_t *ticket);
/* What became of it, in terms of the host. */
void cvy_http_guard_leave(struct cvy_http_guard *guard, uint64_t ticket, int code, int status,
                          bool is_callers);

#endif
