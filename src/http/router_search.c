/* SPDX-License-Identifier: MIT
 * router_search.c - finds the handler of a request in the router's tree (router.h).
 *
 * A search tries the literal child first, then {name}, then the rest, and goes back if that came to
 * nothing: the most specific pattern wins, and a method before none. */
#include "http/router.h"

#include <covey/trace.h>

#include <stdio.h>
#include <string.h>

#define METHODS_TEXT 256

struct search {
    struct cvy_http_exchange *x;
    const char *method;
    const char *end; /* of the raw path */
    size_t count;
    char allow[METHODS_TEXT]; /* methods of routes whose path would have matched */
};

static void allow(struct search *s, const char *method)
{
    size_t len = strlen(s->allow), more = strlen(method);

    if (!strstr(s->allow, method) && len + more + 3 < sizeof(s->allow)) {
        (void)snprintf(s->allow + len, sizeof(s->allow) - len, "%s%s", len ? ", " : "", method);
    }
}

/* The route for the request's method: its own, then GET's for HEAD, then any. */
static const struct cvy_http_route *pick(struct search *s, const struct cvy_http_route *list)
{
    const struct cvy_http_route *found = NULL;
    int rank = 0;

    for (const struct cvy_http_route *r = list; r; r = r->next) {
        int own = !r->method                                                        ? 1
                  : strcmp(r->method, s->method) == 0                               ? 3
                  : strcmp(r->method, "GET") == 0 && strcmp(s->method, "HEAD") == 0 ? 2
                                                                                    : 0;
        if (own > rank) {
            rank = own;
            found = r;
        }
    }
    for (const struct cvy_http_route *r = list; r && !found; r = r->next) {
        allow(s, r->method);
        if (strcmp(r->method, "GET") == 0) {
            allow(s, "HEAD");
        }
    }
    return found;
}

/* Decodes a value to the end of text, for which there is room. NULL: there are too many. */
static const char *push(struct search *s, const char *raw, size_t len)
{
    struct cvy_http_buffer *text = &s->x->text;

    if (s->count == CVY_HTTP_PARAMS_MAX) {
        return NULL;
    }
    char *value = text->data + text->len;
    ssize_t n = cvy_http_decode(value, raw, len, false);
    value[n < 0 ? 0 : n] = '\0'; /* it was decoded before, with the path */
    text->len += (size_t)(n < 0 ? 0 : n) + 1;
    s->x->param_values[s->count++] = value;
    return value;
}

static void pop(struct search *s)
{
    s->x->text.len = (size_t)(s->x->param_values[--s->count] - s->x->text.data);
}

static bool is_literal(const struct cvy_http_node *n, const char *raw, size_t len)
{
    const char *literal = n->literal;
    char c;

    for (size_t i = 0; i < len; literal++) {
        bool is_coded = raw[i] == '%';
        (void)cvy_http_decode(&c, raw + i, is_coded ? 3 : 1, false);
        if (c != *literal || c == '\0') {
            return false;
        }
        i += is_coded ? 3 : 1;
    }
    return *literal == '\0';
}

/* raw: behind the '/' that begins a segment, or NULL at the path's end. */
static const struct cvy_http_route *find(struct search *s, const struct cvy_http_node *n,
                                         const char *raw);

/* NOLINTNEXTLINE(misc-no-recursion): its depth is the longest pattern's */
static const struct cvy_http_route *find_child(struct search *s, const struct cvy_http_node *n,
                                               const char *raw, bool is_literal_wanted)
{
    const char *slash = memchr(raw, '/', (size_t)(s->end - raw));
    size_t len = (size_t)((slash ? slash : s->end) - raw);
    const struct cvy_http_route *found = NULL;

    for (const struct cvy_http_node *c = n->child; c && !found; c = c->next) {
        if (is_literal_wanted) {
            found =
                c->literal && is_literal(c, raw, len) ? find(s, c, slash ? slash + 1 : NULL) : NULL;
        } else if (!c->literal && len > 0 && push(s, raw, len)) {
            found = find(s, c, slash ? slash + 1 : NULL);
            if (!found) {
                pop(s);
            }
        }
    }
    return found;
}

/* NOLINTNEXTLINE(misc-no-recursion): as above */
static const struct cvy_http_route *find(struct search *s, const struct cvy_http_node *n,
                                         const char *raw)
{
    if (!raw) {
        return pick(s, n->here);
    }
    const struct cvy_http_route *found = find_child(s, n, raw, true);
    if (!found) {
        found = find_child(s, n, raw, false);
    }
    if (!found && (found = pick(s, n->rest)) != NULL && found->param_count > s->count) {
        found = push(s, raw, (size_t)(s->end - raw)) ? found : NULL;
    }
    return found;
}

int covey_http_route(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w,
                     void *router)
{
    struct cvy_http_exchange *x = cvy_http_exchange_of_request(req);
    struct search s = {.x = x, .method = req->method, .end = x->raw_path + x->raw_len};
    const struct cvy_http_route *r = NULL;

    if (*x->raw_path == '*') {
        return covey_http_respond(ctx, w, 204, NULL, NULL, 0);
    }
    r = find(&s, &((covey_http_router *)router)->root, x->raw_path + 1);
    if (r) {
        x->param_count = r->param_count;
        for (size_t i = 0; i < r->param_count; i++) {
            x->param_names[i] = r->params[i];
        }
        covey_trace_region region = covey_trace_region_begin_at(r->site);
        int code = r->handler(ctx, req, w, r->arg);
        covey_trace_region_end(&region);
        return code;
    }
    if (*s.allow) {
        int code = covey_http_set_header(w, "Allow", s.allow);
        return code < 0 ? code : covey_http_respondf(ctx, w, 405, "method not allowed\n");
    }
    return covey_http_respondf(ctx, w, 404, "not found\n");
}
