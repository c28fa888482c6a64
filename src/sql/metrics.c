/* SPDX-License-Identifier: MIT
 * metrics.c - what covey_metrics_write() shows of a database that has a name. */
#include "sql/metrics.h"

#include "sql/pool.h"

static const covey_metric metrics[] = {
    {"covey_db_connections", .help = "Open connections.", .more_labels = "state=\"in_use\"",
     .is_gauge = true},
    {"covey_db_connections", .more_labels = "state=\"idle\""},
    {"covey_db_max_connections", .help = "As many may be open.", .is_gauge = true},
    {"covey_db_waiting_calls", .help = "Calls that wait for a connection.", .is_gauge = true},
    {"covey_db_opened_connections_total", .help = "Connections made."},
    {"covey_db_closed_connections_total", .help = "Connections closed, by why.",
     .more_labels = "reason=\"idle\""},
    {"covey_db_closed_connections_total", .more_labels = "reason=\"lifetime\""},
    {"covey_db_closed_connections_total", .more_labels = "reason=\"broken\""},
    {"covey_db_wait_seconds", .help = "How long calls waited that had to wait for a connection.",
     .is_histogram = true},
};

static void read_metrics(void *object, int64_t *values)
{
    struct cvy_sql_pool *p = object;
    covey_db_stats stats;

    covey_db_stats_get(&p->handle, &stats);
    *values++ = stats.in_use;
    *values++ = stats.idle;
    *values++ = stats.max_open;
    *values++ = stats.waiting;
    *values++ = (int64_t)stats.opened;
    *values++ = (int64_t)stats.closed_idle;
    *values++ = (int64_t)stats.closed_lifetime;
    *values++ = (int64_t)stats.closed_broken;
    covey_histogram_read(&p->waits, values);
}

static const covey_metrics_kind kind = {"db", metrics, sizeof(metrics) / sizeof(*metrics),
                                        read_metrics};

void cvy_sql_metrics_begin(struct cvy_sql_pool *p)
{
    if (p->config.options.name) {
        covey_metrics_register(&p->source, &kind, p->config.options.name, p);
    }
}

void cvy_sql_metrics_end(struct cvy_sql_pool *p)
{
    covey_metrics_unregister(&p->source);
}
