/* SPDX-License-Identifier: MIT
 * api.c - the service over HTTP.
 *
 *   POST /orders        user=ann&item=tea&quantity=2 as a form: 201 and the order
 *   GET  /orders/{id}   200 and the order
 *   GET  /orders        ?user=ann&limit=20: 200 and the newest orders
 *   GET  /healthz       200 while the process can answer
 *   GET  /readyz        200 while requests are welcome; 503 once it drains, or without a database
 *
 * Failures: 400 (cannot be understood), 404, 415, 429 (more than the limit; Retry-After), 503 (no
 * price to be had, or the user's lease was lost; Retry-After), 504 (the deadline passed, perhaps
 * behind other orders of the user). A name is of letters, digits, - and _,
 * so nothing here needs escaping. */
#include "service.h"

#include <stdlib.h>
#include <strings.h>

enum { FORM_BYTES = 1024, ORDER_BYTES = 256 };

/* ---- answers ---- */

/* Clients that are told to close will have gone when the last connections are closed. */
static void ask_to_leave(struct service *s, covey_http_writer *w)
{
    if (!atomic_load(&s->is_ready)) {
        (void)covey_http_set_header(w, "Connection", "close");
    }
}

/* Under NULL: a request whose deadline has passed is still answered. */
static int refuse(struct service *s, covey_http_writer *w, int status, const char *why)
{
    char body[768];

    ask_to_leave(s, w);
    if (status == 429 || status == 503) {
        (void)covey_http_set_header(w, "Retry-After", "1");
    }
    int n = snprintf(body, sizeof(body), "{\"error\":\"%s\"}\n", why);
    return covey_http_respond(NULL, w, status, "application/json", body, (size_t)n);
}

/* The words of a failure are for the log: they name hosts and tables. */
static int refuse_code(covey_ctx *ctx, struct service *s, covey_http_writer *w, int code)
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

static int write_order(char *buf, size_t size, const struct order *o)
{
    return snprintf(buf, size,
                    "{\"id\":%lld,\"user\":\"%s\",\"item\":\"%s\",\"quantity\":%lld,"
                    "\"cents\":%lld,\"price\":\"%s\"}",
                    (long long)o->id, o->user, o->item, (long long)o->quantity, (long long)o->cents,
                    o->is_stale ? "stale" : "fresh");
}

static int respond_order(covey_ctx *ctx, struct service *s, covey_http_writer *w, int status,
                         const struct order *o)
{
    char body[ORDER_BYTES];
    int n = write_order(body, sizeof(body), o);

    ask_to_leave(s, w);
    return covey_http_respond(ctx, w, status, "application/json", body, (size_t)n);
}

/* ---- questions ---- */

static bool is_name(const char *text)
{
    size_t len = strlen(text);

    return len > 0 && len < NAME_BYTES &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == len;
}

static bool read_number(const char *text, int64_t most, int64_t *n)
{
    char *end;

    *n = strtoll(text, &end, 10);
    return end != text && !*end && *n > 0 && *n <= most;
}

/* The whole body into buf, as a string. 0, or a code. */
static int read_body(covey_ctx *ctx, covey_http_server_request *req, char *buf, size_t size)
{
    size_t len = 0;
    ssize_t n;

    while ((n = covey_http_body_read(ctx, req, buf + len, size - 1 - len)) > 0) {
        len += (size_t)n;
        if (len == size - 1) {
            return covey_errorf(COVEY_ETOOLARGE, "the form is too long");
        }
    }
    buf[len] = '\0';
    return (int)n;
}

/* A form is written as a query is. */
static bool read_form(const char *form, struct order *o)
{
    covey_http_server_request fields = {.query = form};
    char quantity[24] = "1";

    (void)covey_http_query_param(&fields, "user", o->user, sizeof(o->user));
    (void)covey_http_query_param(&fields, "item", o->item, sizeof(o->item));
    (void)covey_http_query_param(&fields, "quantity", quantity, sizeof(quantity));
    return is_name(o->user) && is_name(o->item) &&
           read_number(quantity, QUANTITY_MAX, &o->quantity);
}

/* ---- handlers ---- */

static int create(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    static const char form_type[] = "application/x-www-form-urlencoded";
    struct service *s = arg;
    struct order o = {0};
    char form[FORM_BYTES], location[32];
    const char *type = covey_http_request_header(req, "Content-Type");

    if (!type || strncasecmp(type, form_type, strlen(form_type)) != 0) {
        return refuse(s, w, 415, "send a form: application/x-www-form-urlencoded");
    }
    if (!covey_limiter_allow(s->limiter, 1)) {
        return refuse(s, w, 429, "too many orders");
    }
    int code = read_body(ctx, req, form, sizeof(form));
    if (code < 0) {
        return code; /* the server knows what to answer */
    }
    if (!read_form(form, &o)) {
        return refuse(s, w, 400, "user, item and quantity (1 to 1000) are needed");
    }
    code = order_place(ctx, s, &o);
    if (code < 0) {
        return refuse_code(ctx, s, w, code);
    }
    snprintf(location, sizeof(location), "/orders/%lld", (long long)o.id);
    (void)covey_http_set_header(w, "Location", location);
    return respond_order(ctx, s, w, 201, &o);
}

static int get_one(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    struct service *s = arg;
    struct order o;
    int64_t id;

    if (!read_number(covey_http_path_param(req, "id"), INT64_MAX, &id)) {
        return refuse(s, w, 400, "an order's id is a number");
    }
    int code = store_get(ctx, s, id, &o);
    return code < 0 ? refuse_code(ctx, s, w, code) : respond_order(ctx, s, w, 200, &o);
}

struct list {
    covey_http_writer *writer;
    const char *before; /* the next one */
};

static int write_one(covey_ctx *ctx, const struct order *o, void *arg)
{
    struct list *list = arg;
    char text[ORDER_BYTES + 2];
    size_t n = strlen(list->before);

    memcpy(text, list->before, n);
    n += (size_t)write_order(text + n, sizeof(text) - n, o);
    list->before = ",\n";
    ssize_t written = covey_http_write(ctx, list->writer, text, n);
    return written < 0 ? (int)written : 0;
}

static int get_all(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    struct service *s = arg;
    struct list list = {w, "["};
    char user[NAME_BYTES] = "", limit[24] = "20";
    int64_t n;

    (void)covey_http_query_param(req, "user", user, sizeof(user));
    (void)covey_http_query_param(req, "limit", limit, sizeof(limit));
    if ((user[0] && !is_name(user)) || !read_number(limit, PAGE_MAX, &n)) {
        return refuse(s, w, 400, "limit is 1 to 100");
    }
    ask_to_leave(s, w);
    (void)covey_http_set_header(w, "Content-Type", "application/json");
    int code = store_list(ctx, s, user, n, write_one, &list);
    if (code < 0) {
        return code; /* 500, or if a part was sent already, a connection that breaks off */
    }
    ssize_t end = covey_http_write(ctx, w, list.before[0] == '[' ? "[]\n" : "]\n",
                                   list.before[0] == '[' ? 3 : 2);
    return end < 0 ? (int)end : 0;
}

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
        {"POST /orders", create},     {"GET /orders/{id}", get_one},  {"GET /orders", get_all},
        {"GET /healthz", get_health}, {"GET /readyz", get_readiness},
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
