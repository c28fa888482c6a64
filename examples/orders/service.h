/* SPDX-License-Identifier: MIT
 * service.h - the order service: what its parts are and who may call whom.
 *
 *   main.c     begins, waits for SIGTERM, drains, ends
 *   config.c   arguments and environment
 *   api.c      HTTP: reads requests, writes answers
 *   orders.c   what an order is: priced, then stored, or not at all
 *   prices.c   asks the price service, and knows what to do without it
 *   store.c    the database
 *   upstream.c a small price service, for a start without one
 *   log.c      a line a happening
 *
 * Everything that waits has the request's context first. It ends with the request's deadline, and
 * when the client hangs up; so do the query and the call that it waits for. */
#ifndef ORDERS_SERVICE_H
#define ORDERS_SERVICE_H

#include "config.h"

#include <covey.h>
#include <covey/db.h>
#include <covey/http.h>
#include <covey/tls.h>

#include <stdatomic.h>

enum { NAME_BYTES = 41, PAGE_MAX = 100, QUANTITY_MAX = 1000 };

struct service {
    const struct config *config;
    covey_db *db;
    covey_http_client *prices;
    covey_map *known_prices; /* the last one of each item */
    covey_limiter *limiter;  /* of new orders */
    atomic_bool is_ready;
};

struct order {
    int64_t id;
    char user[NAME_BYTES], item[NAME_BYTES];
    int64_t quantity, cents; /* cents: of all of them */
    bool is_stale;           /* priced by what the item cost last time */
};

/* ---- orders.c ---- */

/* Prices o and stores it; fills in the rest of it. 0, or a code of price_of() or store_add(). */
int order_place(covey_ctx *ctx, struct service *s, struct order *o);

/* ---- prices.c ---- */

int prices_open(struct service *s);
void prices_close(struct service *s);
/* What one of an item costs. *is_stale: the price service does not answer, and this is what it said
 * last. -ENOENT: there is no such item. -EREMOTEIO, COVEY_EOPEN, or a code of covey_http_do(): not
 * to be known now. */
int price_of(covey_ctx *ctx, struct service *s, const char *item, int64_t *cents, bool *is_stale);

/* ---- store.c ---- */

int store_open(covey_ctx *ctx, struct service *s);
int store_ping(covey_ctx *ctx, struct service *s);
int store_add(covey_ctx *ctx, struct service *s, struct order *o);
/* COVEY_ENOROW: there is none. */
int store_get(covey_ctx *ctx, struct service *s, int64_t id, struct order *o);
/* The newest orders, of one user or ("") of all; each() for each, until it fails. */
int store_list(covey_ctx *ctx, struct service *s, const char *user, int64_t limit,
               int (*each)(covey_ctx *ctx, const struct order *o, void *arg), void *arg);

/* ---- api.c ---- */

/* NULL: out of memory. */
covey_http_router *api_new(struct service *s);

/* ---- upstream.c ---- */

/* GET /prices/{item}, until ctx is done. */
int upstream_serve(covey_ctx *ctx, covey_listener *listener);

/* ---- log.c ---- */

/* "2026-11-27T17:00:00.123Z INFO listening addr=..." on standard error. */
void log_line(const char *level, const char *fmt, ...) COVEY_PRINTF(2, 3);
#define log_info(...) log_line("INFO", __VA_ARGS__)
#define log_warn(...) log_line("WARN", __VA_ARGS__)

#endif
