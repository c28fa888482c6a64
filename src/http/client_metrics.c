/* SPDX-License-Identifier: MIT
 * client_metrics.c - what covey_metrics_write() shows of a client that has a name. */
#include "http/client_metrics.h"

#include "http/client.h"

#include <assert.h>

static const covey_metric metrics[] = {
    {"covey_http_client_requests_total", .help = "Requests sent, by what came of them.",
     .more_labels = "result=\"canceled\""},
    {"covey_http_client_requests_total", .more_labels = "result=\"failed\""},
    {"covey_http_client_requests_total", .more_labels = "result=\"1xx\""},
    {"covey_http_client_requests_total", .more_labels = "result=\"2xx\""},
    {"covey_http_client_requests_total", .more_labels = "result=\"3xx\""},
    {"covey_http_client_requests_total", .more_labels = "result=\"4xx\""},
    {"covey_http_client_requests_total", .more_labels = "result=\"5xx\""},
    {"covey_http_client_in_flight_requests", .help = "Requests under way.", .is_gauge = true},
    {"covey_http_client_opened_connections_total", .help = "Connections opened."},
    {"covey_http_client_retries_total", .help = "Further tries of a request."},
    {"covey_http_client_hedges_total", .help = "Attempts beside a slow one."},
    {"covey_http_client_hedges_won_total", .help = "Of them, those that answered first."},
    {"covey_http_client_refused_requests_total", .help = "Not sent, because a breaker was open."},
    {"covey_http_client_request_seconds", .help = "From a request to the end of its answer.",
     .is_histogram = true},
};

enum { CANCELED, FAILED, FIRST_STATUS }; /* 1xx is FIRST_STATUS */
static_assert(FIRST_STATUS + 5 == CVY_HTTP_RESULTS, "one result for each of the first metrics");

static void read_metrics(void *object, int64_t *values)
{
    struct covey_http_client *c = object;
    struct cvy_http_client_metrics *m = &c->metrics;
    covey_http_client_stats stats;

    covey_http_client_stats_get(c, &stats);
    for (size_t i = 0; i < CVY_HTTP_RESULTS; i++) {
        *values++ = (int64_t)atomic_load_explicit(&m->results[i], memory_order_relaxed);
    }
    *values++ = atomic_load_explicit(&m->in_flight, memory_order_relaxed);
    *values++ = (int64_t)stats.connections_opened;
    *values++ = (int64_t)stats.retries;
    *values++ = (int64_t)stats.hedges;
    *values++ = (int64_t)stats.hedges_won;
    *values++ = (int64_t)stats.refused;
    covey_histogram_read(&m->duration, values);
}

static const covey_metrics_kind kind = {"client", metrics, sizeof(metrics) / sizeof(*metrics),
                                        read_metrics};

void cvy_http_client_metrics_begin(struct covey_http_client *c)
{
    if (c->options.name[0]) {
        covey_metrics_register(&c->metrics.source, &kind, c->options.name, c);
    }
}

void cvy_http_client_metrics_end(struct covey_http_client *c)
{
    covey_metrics_unregister(&c->metrics.source);
}

int64_t cvy_http_client_metrics_enter(struct covey_http_client *c)
{
    if (!c->options.name[0]) {
        return 0;
    }
    (void)atomic_fetch_add_explicit(&c->metrics.in_flight, 1, memory_order_relaxed);
    return covey_now();
}

static size_t result_of(int code, int status)
{
    if (code < 0) {
        return code == COVEY_ECANCELED ? CANCELED : FAILED;
    }
    return status >= 100 && status < 600 ? FIRST_STATUS + (size_t)status / 100 - 1 : FAILED;
}

void cvy_http_client_metrics_leave(struct covey_http_client *c, int64_t begun, int code, int status)
{
    struct cvy_http_client_metrics *m = &c->metrics;

    if (c->options.name[0]) {
        (void)atomic_fetch_sub_explicit(&m->in_flight, 1, memory_order_relaxed);
        (void)atomic_fetch_add_explicit(&m->results[result_of(code, status)], 1,
                                        memory_order_relaxed);
        covey_histogram_add(&m->duration, covey_now() - begun);
    }
}
