/* SPDX-License-Identifier: MIT
 * client.h - what stands behind a handle: links that all share, connections of one's own, counters.
 *
 * `life` is done when the handle is closed or the runtime ends; all tasks and waits of the client
 * end with it. The client's memory lasts as long as anybody holds it: the handle, each call under
 * way, each task, each connection of one's own, each subscription. */
#ifndef CVY_REDIS_CLIENT_H
#define CVY_REDIS_CLIENT_H

#include "redis/link.h"
#include "redis/wire.h"

#include <covey/lock.h>
#include <covey/metrics.h>
#include <covey/sync.h>

struct cvy_redis_own;

struct covey_redis {
    covey_redlock_node node; /* first: what covey_redlock_new() takes it for */
    struct cvy_redis_client *client;
    struct cvy_redis_own *own; /* NULL: the shared links */
};

/* Relaxed: figures. */
struct cvy_redis_counters {
    _Atomic uint64_t commands, refused, failed, abandoned, resent;
    _Atomic uint64_t connected, lost, connects_failed, writes, draws;
    _Atomic int64_t pending, up, own, subscriptions;
};

#define CVY_COUNT(counter, n) atomic_fetch_add_explicit((counter), (n), memory_order_relaxed)

struct cvy_redis_client {
    /* Immutable. */
    struct covey_redis handle;
    struct cvy_redis_config config;
    covey_ctx *life;
    covey_chan *permits; /* one lies in it for each connection of one's own that may be taken */
    struct cvy_redis_link *links;
    int link_count;

    atomic_int holders; /* relaxed up, acq_rel down */
    atomic_uint next;   /* whose turn it is among the links; relaxed */
    struct cvy_redis_counters counters;
    covey_metrics_source source; /* the registry's; registered if there is a name */

    covey_mutex mutex; /* guards the rest */
    bool has_ended;
    struct cvy_redis_wire *idle; /* last in, first out */
    int idle_count;
    struct cvy_redis_own *owns; /* in use */
};

extern const covey_redlock_ops cvy_redis_lease_ops __attribute__((visibility("hidden")));
extern const covey_metrics_kind cvy_redis_metrics __attribute__((visibility("hidden")));

void cvy_redis_client_hold(struct cvy_redis_client *c);
void cvy_redis_client_drop(struct cvy_redis_client *c);
/* Ends everything that goes on; may come several times. May switch. */
void cvy_redis_client_end(struct cvy_redis_client *c);
int cvy_redis_closed(void);                            /* COVEY_ECLOSED, with words */
uint64_t cvy_redis_random(struct cvy_redis_client *c); /* for pauses */

/* Sends q, which it takes, over r, and waits for the outcome: *root is the caller's if it is 0. */
int cvy_redis_run(covey_ctx *ctx, covey_redis *r, struct cvy_redis_request *q,
                  struct cvy_redis_root **root);
/* One command; flags as of covey_redis_batch(). */
int cvy_redis_run_args(covey_ctx *ctx, covey_redis *r, covey_redis_reply **reply,
                       const covey_redis_args *args, unsigned flags);
/* The same on a connection of one's own; q stays the caller's. */
int cvy_redis_own_run(covey_ctx *ctx, struct cvy_redis_own *own, struct cvy_redis_request *q,
                      struct cvy_redis_root **root);
/* Wakes whoever waits on it. The client's mutex is held. */
void cvy_redis_own_abort_locked(struct cvy_redis_own *own);
/* covey_redis_close() of it. */
void cvy_redis_own_close(struct cvy_redis_own *own);

#endif
