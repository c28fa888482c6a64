/* SPDX-License-Identifier: MIT
 * breaker_metrics.c - what covey_metrics_write() shows of a breaker that has a name. */
#include "resilience/breaker.h"

#include <covey/time.h>

static const covey_metric metrics[] = {
    {"covey_breaker_state", .help = "0 closed, 1 open, 2 half-open.", .is_gauge = true},
    {"covey_breaker_in_flight_calls", .help = "Calls let through that have no outcome yet.",
     .is_gauge = true},
    {"covey_breaker_calls_total", .help = "Calls, by outcome.",
     .more_labels = "outcome=\"succeeded\""},
    {"covey_breaker_calls_total", .more_labels = "outcome=\"failed\""},
    {"covey_breaker_calls_total", .more_labels = "outcome=\"ignored\""},
    {"covey_breaker_calls_total", .more_labels = "outcome=\"refused\""},
    {"covey_breaker_slow_calls_total", .help = "Failed calls that were slow successes."},
    {"covey_breaker_opened_total", .help = "Times it opened."},
};

/* Looks only: a change of state would be told to the user from within covey_metrics_write(). */
static void read_metrics(void *object, int64_t *values)
{
    covey_breaker *b = object;

    covey_mutex_lock(&b->lock);
    const covey_breaker_stats *s = &b->stats;
    bool is_over = b->state == COVEY_BREAKER_OPEN && covey_now() >= b->open_until;
    *values++ = is_over ? COVEY_BREAKER_HALF_OPEN : b->state;
    *values++ = b->tickets.out;
    *values++ = (int64_t)s->succeeded;
    *values++ = (int64_t)s->failed;
    *values++ = (int64_t)s->ignored;
    *values++ = (int64_t)s->refused;
    *values++ = (int64_t)s->slow;
    *values = (int64_t)s->opened;
    covey_mutex_unlock(&b->lock);
}

const covey_metrics_kind cvy_breaker_metrics = {"breaker", metrics,
                                                sizeof(metrics) / sizeof(*metrics), read_metrics};
