/* SPDX-License-Identifier: MIT
 * limiter_metrics.c - what covey_metrics_write() shows of a limiter that has a name. */
#include "resilience/limiter.h"

#include <stdlib.h>
#include <string.h>

static const covey_metric metrics[] = {
    {"covey_limiter_tokens", .help = "What could be taken now.", .is_gauge = true, .decimals = 3},
    {"covey_limiter_waiting_calls", .help = "Calls that wait for their turn.", .is_gauge = true},
    {"covey_limiter_calls_total", .help = "Calls, by outcome.",
     .more_labels = "outcome=\"allowed\""},
    {"covey_limiter_calls_total", .more_labels = "outcome=\"refused\""},
    {"covey_limiter_calls_total", .more_labels = "outcome=\"canceled\""},
};

static void read_metrics(void *object, int64_t *values)
{
    covey_limiter_stats stats;

    covey_limiter_stats_of(object, &stats);
    *values++ = (int64_t)(stats.tokens * 1000);
    *values++ = (int64_t)stats.waiting;
    *values++ = (int64_t)stats.allowed;
    *values++ = (int64_t)stats.refused;
    *values = (int64_t)stats.canceled;
}

static const covey_metrics_kind kind = {"limiter", metrics, sizeof(metrics) / sizeof(*metrics),
                                        read_metrics};

int covey_limiter_set_name(covey_limiter *l, const char *name)
{
    if (l->name || !name || name[0] == '\0') {
        return covey_errorf(-EINVAL, "limiter: %s",
                            l->name ? "it has a name" : "its name is empty");
    }
    l->name = strdup(name);
    if (!l->name) {
        return covey_errorf(-ENOMEM, "limiter");
    }
    covey_metrics_register(&l->source, &kind, l->name, l);
    return 0;
}
