/* SPDX-License-Identifier: MIT
 * client_metrics.h - a client's figures for covey_metrics_write(). Without a name it counts none.
 */
#ifndef CVY_HTTP_CLIENT_METRICS_H
#define CVY_HTTP_CLIENT_METRICS_H

#include <covey.h>
#include <covey/http.h>

#include <stdatomic.h>

#define CVY_HTTP_RESULTS 7

struct cvy_http_client_metrics {
    /* Atomic, relaxed: figures. */
    _Atomic uint64_t results[CVY_HTTP_RESULTS];
    _Atomic int64_t in_flight;
    covey_histogram duration;

    covey_metrics_source source;
};

void cvy_http_client_metrics_begin(struct covey_http_client *c);
void cvy_http_client_metrics_end(struct covey_http_client *c);
/* Around each transfer; what enter gives is for leave. Do not switch. */
int64_t cvy_http_client_metrics_enter(struct covey_http_client *c);
void cvy_http_client_metrics_leave(struct covey_http_client *c, int64_t begun, int code,
                                   int status);

#endif
