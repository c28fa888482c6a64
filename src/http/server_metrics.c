/* SPDX-License-Identifier: MIT
 * server_metrics.c - see server_metrics.h. */
#include "http/server_metrics.h"

static const covey_metric metrics[] = {
    {"covey_http_server_requests_total", .help = "Requests, by their answer's status.",
     .more_labels = "code=\"none\""},
    {"covey_http_server_requests_total", .more_labels = "code=\"1xx\""},
    {"covey_http_server_requests_total", .more_labels = "code=\"2xx\""},
    {"covey_http_server_requests_total", .more_labels = "code=\"3xx\""},
    {"covey_http_server_requests_total", .more_labels = "code=\"4xx\""},
    {"covey_http_server_requests_total", .more_labels = "code=\"5xx\""},
    {"covey_http_server_in_flight_requests", .help = "Handlers that run.", .is_gauge = true},
    {"covey_http_server_refused_requests_total",
     .help = "Malformed, too large, or too many at once."},
    {"covey_http_server_gone_clients_total", .help = "Clients that left before their answer."},
    {"covey_http_server_connections", .help = "Open connections.", .is_gauge = true},
    {"covey_http_server_accepted_connections_total", .help = "Connections accepted."},
    {"covey_http_server_request_seconds", .help = "From a request's head to the end of its answer.",
     .is_histogram = true},
};

static void read_metrics(void *object, int64_t *values)
{
    const struct cvy_http_server_metrics *m = object;
    covey_http_server_stats stats;

    covey_http_server_stats_get(m->stats, &stats);
    for (size_t i = 0; i < CVY_HTTP_CLASSES; i++) {
        *values++ = (int64_t)__atomic_load_n(&m->answered[i], __ATOMIC_RELAXED);
    }
    *values++ = (int64_t)stats.running;
    *values++ = (int64_t)stats.refused;
    *values++ = (int64_t)stats.gone;
    *values++ = (int64_t)stats.open;
    *values++ = (int64_t)stats.accepted;
    covey_histogram_read(&m->duration, values);
}

static const covey_metrics_kind kind = {"server", metrics, sizeof(metrics) / sizeof(*metrics),
                                        read_metrics};

static void count(const covey_http_access *a, void *arg)
{
    struct cvy_http_server_metrics *m = arg;
    size_t class = (size_t)a->status / 100;

    (void)__atomic_fetch_add(&m->answered[class < CVY_HTTP_CLASSES ? class : 0], 1,
                             __ATOMIC_RELAXED);
    if (a->req) {
        covey_histogram_add(&m->duration, a->duration_ns);
    }
    if (m->on_access) {
        m->on_access(a, m->access_arg);
    }
}

void cvy_http_server_metrics_begin(struct cvy_http_server_metrics *m, covey_http_server_options *o,
                                   const covey_http_server_stats *stats)
{
    if (o->name && o->name[0]) {
        m->stats = stats;
        m->on_access = o->on_access;
        m->access_arg = o->access_arg;
        o->on_access = count;
        o->access_arg = m;
        covey_metrics_register(&m->source, &kind, o->name, m);
    }
}

void cvy_http_server_metrics_end(struct cvy_http_server_metrics *m)
{
    covey_metrics_unregister(&m->source);
}
