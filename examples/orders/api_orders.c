/* SPDX-License-Identifier: MIT
 * api_orders.c - orders over HTTP; api.c has the list of what there is. */
#include "api.h"

#include <strings.h>

enum { FORM_BYTES = 1024, ORDER_BYTES = 256 };

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

    return respond(ctx, s, w, status, body, write_order(body, sizeof(body), o));
}

/* ---- a new one ---- */

/* The whole body into buf: its length, or a code. */
static ssize_t read_body(covey_ctx *ctx, covey_http_server_request *req, char *buf, size_t size)
{
    size_t len = 0;
    ssize_t n;

    while ((n = covey_http_body_read(ctx, req, buf + len, size - len)) > 0) {
        len += (size_t)n;
        if (len == size) {
            return covey_errorf(COVEY_ETOOLARGE, "the form is too long");
        }
    }
    return n < 0 ? n : (ssize_t)len;
}

static bool read_form(const char *form, size_t len, struct order *o)
{
    char quantity[24] = "1";

    (void)covey_http_form_param(form, len, "user", o->user, sizeof(o->user));
    (void)covey_http_form_param(form, len, "item", o->item, sizeof(o->item));
    (void)covey_http_form_param(form, len, "quantity", quantity, sizeof(quantity));
    return is_name(o->user) && is_name(o->item) &&
           read_number(quantity, QUANTITY_MAX, &o->quantity);
}

int api_create_order(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w,
                     void *arg)
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
    ssize_t len = read_body(ctx, req, form, sizeof(form));
    if (len < 0) {
        return (int)len; /* the server knows what to answer */
    }
    if (!read_form(form, (size_t)len, &o)) {
        return refuse(s, w, 400, "user, item and quantity (1 to 1000) are needed");
    }
    int code = order_place(ctx, s, &o);
    if (code < 0) {
        return refuse_code(ctx, s, w, code);
    }
    snprintf(location, sizeof(location), "/orders/%lld", (long long)o.id);
    (void)covey_http_set_header(w, "Location", location);
    return respond_order(ctx, s, w, 201, &o);
}

/* ---- those that there are ---- */

int api_get_order(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
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

int api_list_orders(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
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
