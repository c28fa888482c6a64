/* SPDX-License-Identifier: MIT
 * service.h - the order service: what its parts are and who may call whom.
 *
 *   main.c     what this process is: the service, a worker, a price service
 *   serve.c    the service: begins, waits for SIGTERM, drains, ends
 *   worker.c   makes invoices, in the service or in a process of its own
 *   config.c   arguments and environment
 *   api.c      HTTP: reads requests, writes answers (api.h); api_orders.c, api_invoices.c
 *   orders.c   what an order is: priced, then stored, one at a time of each user, or not at all
 *   invoices.c fans the making of invoices out to workers
 *   engines.c  where leases and jobs are: in this process, or (redis.c) on Redis servers
 *   prices.c   asks the price service, and knows what to do without it
 *   store.c    the database; store_invoices.c
 *   upstream.c a small price service, for a start without one
 *   log.c      a line a happening
 *
 * Everything that waits has the request's context first. It ends with the request's deadline, and
 * when the client hangs up; so do the query, the call, the line and the jobs that it waits for. */
#ifndef ORDERS_SERVICE_H
#define ORDERS_SERVICE_H

#include "config.h"

#include <covey.h>
#include <covey/db.h>
#include <covey/fanout.h>
#include <covey/http.h>
#include <covey/lock.h>
#include <covey/tls.h>

#include <stdatomic.h>

enum { NAME_BYTES = 41, PAGE_MAX = 100, QUANTITY_MAX = 1000, BATCH_MAX = 1000 };

struct service {
    const struct config *config;
    covey_db *db;
    covey_http_client *prices;
    covey_map *known_prices;     /* the last one of each item */
    covey_limiter *limiter;      /* of new orders */
    covey_redlock *users;        /* a lease for each whose order is being placed */
    covey_fanout_engine *engine; /* where workers find jobs */
    struct redis *redis;         /* on which these two are; NULL: they are in this process */
    atomic_bool is_ready;
};

struct order {
    int64_t id;
    char user[NAME_BYTES], item[NAME_BYTES];
    int64_t quantity, cents; /* cents: of all of them */
    bool is_stale;           /* priced by what the item cost last time */
};

struct invoice {
    int64_t order; /* its id: an order has one invoice */
    int64_t cents, tax;
};

/* ---- serve.c ---- */

/* The service, until SIGTERM or SIGINT. arg: its struct config. */
int serve_main(covey_ctx *ctx, void *arg);
/* Serves metrics, tasks and profiles until ctx is done. arg: the process's struct config. */
int debug_serve(covey_ctx *ctx, void *arg);

/* ---- worker.c ---- */

/* A worker process, until SIGTERM or SIGINT. arg: its struct config. */
int worker_main(covey_ctx *ctx, void *arg);
/* Makes invoices until ctx is done; then finishes those that it has begun. */
int worker_serve(covey_ctx *ctx, struct service *s);

/* ---- orders.c ---- */

/* Prices o and stores it under its user's lease, which it waits for; fills in the rest of it. 0, or
 * a code of covey_redlock_acquire(), price_of() or store_add(). */
int order_place(covey_ctx *ctx, struct service *s, struct order *o);

/* ---- invoices.c ---- */

struct batch {
    int64_t invoices, cents; /* how many, and what they come to with tax */
};

/* Has an invoice made of each order, of one user or ("") of all, that has none; of BATCH_MAX at
 * most. What was made before a failure stays made: asked again, it goes on from there. */
int invoices_make(covey_ctx *ctx, struct service *s, const char *user, struct batch *made);

/* ---- engines.c ---- */

int engines_open(covey_ctx *ctx, struct service *s);
void engines_close(struct service *s);

/* ---- redis.c; where libcovey-redis is not built no_redis.c ---- */

/* Opens s's leases and engine on the servers of the configuration. */
int redis_open(covey_ctx *ctx, struct service *s, const covey_redlock_options *lease,
               const covey_fanout_timing *timing);
/* After what was opened on them was freed. */
void redis_close(struct redis *r);

/* ---- prices.c ---- */

int prices_open(struct service *s);
void prices_close(struct service *s);
/* What one of an item costs. *is_stale: the price service does not answer, and this is what it said
 * last. -ENOENT: there is no such item. -EREMOTEIO, COVEY_EOPEN, or a code of covey_http_do(): not
 * to be known now. */
int price_of(covey_ctx *ctx, struct service *s, const char *item, int64_t *cents, bool *is_stale);

/* ---- store.c, store_invoices.c ---- */

int store_open(covey_ctx *ctx, struct service *s);
int store_ping(covey_ctx *ctx, struct service *s);
/* Under the lease with this token. COVEY_ELOST: a later holder has stored an order of the user. */
int store_add(covey_ctx *ctx, struct service *s, struct order *o, uint64_t token);
/* COVEY_ENOROW: there is none. */
int store_get(covey_ctx *ctx, struct service *s, int64_t id, struct order *o);
/* The newest orders, of one user or ("") of all; each() for each, until it fails. */
int store_list(covey_ctx *ctx, struct service *s, const char *user, int64_t limit,
               int (*each)(covey_ctx *ctx, const struct order *o, void *arg), void *arg);
/* The oldest orders without an invoice, of one user or ("") of all. How many, at most max. */
int store_due(covey_ctx *ctx, struct service *s, const char *user, int64_t *orders, int max);
/* 1; 0: the order had this invoice. */
int store_add_invoice(covey_ctx *ctx, struct service *s, const struct invoice *i);
/* COVEY_ENOROW: there is none. */
int store_get_invoice(covey_ctx *ctx, struct service *s, int64_t order, struct invoice *i);

/* ---- upstream.c ---- */

/* GET /prices/{item}, until ctx is done. */
int upstream_serve(covey_ctx *ctx, covey_listener *listener);
/* Nothing but that, until SIGTERM or SIGINT. arg: the process's struct config. */
int upstream_main(covey_ctx *ctx, void *arg);

/* ---- log.c ---- */

/* "2026-11-27T17:00:00.123Z INFO listening addr=..." on standard error. */
void log_line(const char *level, const char *fmt, ...) COVEY_PRINTF(2, 3);
#define log_info(...) log_line("INFO", __VA_ARGS__)
#define log_warn(...) log_line("WARN", __VA_ARGS__)

#endif
