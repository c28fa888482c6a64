/* SPDX-License-Identifier: MIT
 * api.c - the service over HTTP.
 *
 *   POST /orders               user=ann&item=tea&quantity=2 as a form: 201 and the order
 *   GET  /orders/{id}          200 and the order
 *   GET  /orders               ?user=ann&limit=20: 200 and the newest orders
 *   POST /invoices             ?user=ann: 200 when each order (of the user) has its invoice
 *   GET  /orders/{id}/invoice  200 and the order's invoice
 *   GET  /healthz              200 while the process can answer
 *   GET  /readyz               200 while requests are welcome; 503 once it drains, or without a
 *                              database
 *
 * Failures: 400 (cannot be understood), 404, 415, 429 (more than the limit; Retry-After), 503 (no
 * price to be had, the user's lease was lost, ...; Retry-After), 504 (the deadline passed, perhaps
 * behind other orders of the user). */
#include "api.h"

#include <stdlib.h>

/* ---- answers ---- */

void ask_to_leave(struct service *s, covey_http_writer *w)
{
    if (!atomic_load(&s->is_ready)) {
        (void)covey_http_set_header(w, "Connection", "close");
    }
}

int respond(covey_ctx *ctx, struct service *s, covey_http_writer *w, int status, const char *json,
            int len)
{
    ask_to_leave(s, w);
    return covey_http_respond(ctx, w, status, "application/json", json, (size_t)len);
}

/* Under NULL: a request whose deadline has passed is still answered. */
int refuse(struct service *s, covey_http_writer *w, int status, const char *why)
{
    char body[128];

    if (status == 429 || status == 503) {
        (void)covey_http_set_header(w, "Retry-After", "1");
    }
    return respond(NULL, s, w, status, body,
                   snprintf(body, sizeof(body), "{\"error\":\"%s\"}\n", why));
}

/* The words of a failure are for the log: they name hosts and tables. */
int refuse_code(covey_ctx *ctx, struct service *s, covey_http_writer *w, int code)
{
    if (code == COVEY_ENOROW || code == -ENOENT) {
        return refuse(s, w, 404, "there is no such thing");
    }
    if (covey_ctx_err(ctx) == COVEY_ECANCELED) {
        return code; /* the client is gone */
    }
    log_warn("request failed: %s", covey_errmsg());
    if (covey_ctx_err(ctx) == COVEY_EDEADLINE) {
        return refuse(s, w, 504, "it took too long");
    }
    return refuse(s, w, 503, "not now");
}

/* ---- questions ---- */

bool is_name(const char *text)
{
    size_t len = strlen(text);

    return len > 0 && len < NAME_BYTES &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == len;
}

bool read_number(const char *text, int64_t most, int64_t *n)
{
    char *end;

    *n = strtoll(text, &end, 10);
    return end != text && !*end && *n > 0 && *n <= most;
}

/* ---- whether it is well ---- */

static int get_health(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w,
                      void *arg)
{
    (void)req;
    ask_to_leave(arg, w);
    return covey_http_respondf(ctx, w, 200, "ok\n");
}

static int get_readiness(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w,
                         void *arg)
{
    struct service *s = arg;

    (void)req;
    ask_to_leave(s, w);
    if (!atomic_load(&s->is_ready)) {
        return covey_http_respondf(ctx, w, 503, "draining\n");
    }
    int code = store_ping(ctx, s);
    return code < 0 ? covey_http_respondf(ctx, w, 503, "no database\n")
                    : covey_http_respondf(ctx, w, 200, "ready\n");
}

covey_http_router *api_new(struct service *s)
{
    static const struct {
        const char *pattern;
        covey_http_handler *handler;
    } routes[] = {
        {"POST /orders", api_create_order},
        {"GET /orders/{id}", api_get_order},
        {"GET /orders", api_list_orders},
        {"POST /invoices", api_make_invoices},
        {"GET /orders/{id}/invoice", api_get_invoice},
        {"GET /healthz", get_health},
        {"GET /readyz", get_readiness},
    };
    covey_http_router *router = covey_http_router_new();
    int code = router ? 0 : -ENOMEM;

    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]) && code == 0; i++) {
        code = covey_http_router_handle(router, routes[i].pattern, routes[i].handler, s);
    }
    if (code < 0) {
        covey_http_router_free(router);
        return NULL;
    }
    return router;
}
