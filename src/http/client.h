/* SPDX-License-Identifier: MIT
 * client.h - what is behind a covey_http_client: its options, its drivers, its idle transfers. */
#ifndef CVY_HTTP_CLIENT_H
#define CVY_HTTP_CLIENT_H

#include "http/client_metrics.h"
#include "http/driver.h"
#include "http/guard.h"
#include "http/transfer.h"

#include <covey.h>
#include <covey/http.h>

#define CVY_HTTP_DRIVERS_MAX 8

/* What is counted, beside transfers. */
enum cvy_http_count {
    CVY_HTTP_RETRIES,
    CVY_HTTP_HEDGES,
    CVY_HTTP_HEDGES_WON,
    CVY_HTTP_REFUSED,
    CVY_HTTP_COUNTS
};

struct covey_http_client {
    /* Immutable after covey_http_client_new(). Strings are owned. */
    covey_http_client_options options;
    bool is_ca_path_unset; /* only a file of certificates is used, no directory */
    int driver_count;
    struct cvy_http_guards guards;

    covey_mutex mutex;
    /* Guarded by mutex. */
    struct cvy_http_transfer *idle;

    /* Atomic, relaxed: counters. */
    _Atomic uint64_t started, finished, failed, connections_opened;
    _Atomic uint64_t counts[CVY_HTTP_COUNTS];
    struct cvy_http_client_metrics metrics;

    covey_waitgroup alive; /* driver tasks */
    struct cvy_http_driver drivers[CVY_HTTP_DRIVERS_MAX];
};

static inline void cvy_http_client_count(struct covey_http_client *c, enum cvy_http_count what,
                                         bool happened)
{
    if (happened) {
        atomic_fetch_add_explicit(&c->counts[what], 1, memory_order_relaxed);
    }
}

/* One transfer, without guards; resp is fresh. As covey_http_do(). */
int cvy_http_fetch(covey_ctx *ctx, struct covey_http_client *c, const covey_http_request *req,
                   covey_http_response *resp);
/* Whether a server that has got req before is asked for nothing else by it. */
bool cvy_http_may_repeat(const covey_http_request *req);
/* "fetch URL: words"; without words this task's message. */
int cvy_http_name_failure(const char *url, int code, const char *words);

#endif
