/* SPDX-License-Identifier: MIT
 * metrics.c - what covey_metrics_write() shows of a handle that has a name. */
#include "redis/client.h"

static const covey_metric metrics[] = {
    {"covey_redis_connections", "Connections that are up, by use.", "use=\"shared\"", true, 0,
     false},
    {"covey_redis_connections", NULL, "use=\"own\"", true, 0, false},
    {"covey_redis_connections", NULL, "use=\"idle\"", true, 0, false},
    {"covey_redis_subscriptions", "Subscriptions.", NULL, true, 0, false},
    {"covey_redis_pending_commands", "Commands queued or waiting for their reply.", NULL, true, 0,
     false},
    {"covey_redis_commands_total", "Commands that ended in a reply.", NULL, false, 0, false},
    {"covey_redis_refused_commands_total", "Commands answered with an error.", NULL, false, 0,
     false},
    {"covey_redis_failed_commands_total", "Commands that ended without a reply.", NULL, false, 0,
     false},
    {"covey_redis_abandoned_commands_total", "Sent, then left by their caller.", NULL, false, 0,
     false},
    {"covey_redis_resent_commands_total", "Sent again over a new connection.", NULL, false, 0,
     false},
    {"covey_redis_connects_total", "Attempts to connect, by outcome.", "outcome=\"made\"", false, 0,
     false},
    {"covey_redis_connects_total", NULL, "outcome=\"failed\"", false, 0, false},
    {"covey_redis_lost_connections_total", "Connections lost.", NULL, false, 0, false},
    {"covey_redis_writes_total", "Writes to shared connections.", NULL, false, 0, false},
};

static void read_metrics(void *object, int64_t *values)
{
    struct cvy_redis_client *c = object;
    covey_redis_stats s;

    covey_redis_stats_of(&c->handle, &s);
    *values++ = s.connections;
    *values++ = s.own;
    *values++ = s.own_idle;
    *values++ = s.subscriptions;
    *values++ = (int64_t)s.pending;
    *values++ = (int64_t)s.commands;
    *values++ = (int64_t)s.refused;
    *values++ = (int64_t)s.failed;
    *values++ = (int64_t)s.abandoned;
    *values++ = (int64_t)s.resent;
    *values++ = (int64_t)s.connected;
    *values++ = (int64_t)s.connects_failed;
    *values++ = (int64_t)s.lost;
    *values = (int64_t)s.writes;
}

const covey_metrics_kind cvy_redis_metrics = {"redis", metrics, sizeof(metrics) / sizeof(*metrics),
                                              read_metrics};
