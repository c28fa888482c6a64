/* SPDX-License-Identifier: MIT
 * server_metrics.h - what covey_metrics_write() shows of a server that has a name. It listens where
 * an access log does, so that requests of whatever kind of connection are counted. */
#ifndef CVY_HTTP_SERVER_METRICS_H
#define CVY_HTTP_SERVER_METRICS_H

#include <covey.h>
#include <covey/http.h>

#define CVY_HTTP_CLASSES 6 /* by a status' first digit; 0: none was sent */

struct cvy_http_server_metrics {
    /* Atomic, relaxed: figures. */
    uint64_t answered[CVY_HTTP_CLASSES];
    covey_histogram duration;

    /* Immutable while registered. */
    const covey_http_server_stats *stats;
    void (*on_access)(const covey_http_access *a, void *arg); /* the user's; or NULL */
    void *access_arg;
    covey_metrics_source source;
};

/* If o has a name: shows m under it, and puts itself before o's access log. m is zero. */
void cvy_http_server_metrics_begin(struct cvy_http_server_metrics *m, covey_http_server_options *o,
                                   const covey_http_server_stats *stats);
/* Also if it was not begun. May switch. */
void cvy_http_server_metrics_end(struct cvy_http_server_metrics *m);

#endif
