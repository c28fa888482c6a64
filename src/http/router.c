/* SPDX-License-Identifier: MIT
 * router.c - finds the handler of a request: a tree of path segments.
 *
 * A node has children by literal, at most one for {name}, and at its end the routes of patterns
 * that stop here, and of those that take the rest. A search tries the literal child first, then
 * {name}, then the rest, and goes back if that came to nothing: the most specific pattern wins, and
 * a method before none. Names of parameters are the pattern's, so that patterns of different
 * methods may name them differently. */
#include "http/route_site.h"
#include "http/server.h"

#include <covey/error.h>
#include <covey/trace.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define METHODS_TEXT 256

struct route {
    struct route *next;
    char *method; /* NULL: any */
    covey_http_handler *handler;
    void *arg;
    const covey_site *site; /* in traces */
    size_t param_count;
    char *params[CVY_HTTP_PARAMS_MAX];
};

struct node {
    struct node *next;  /* sibling */
    char *literal;      /* NULL: {name} */
    struct node *child; /* literals, and one {name} */
    struct route *here; /* the path ends here */
    struct route *rest; /* it goes on, or ends with a '/' */
};

struct covey_http_router {
    struct node root;
};

covey_http_router *covey_http_router_new(void)
{
    return calloc(1, sizeof(covey_http_router));
}

static void free_routes(struct route *r)
{
    while (r) {
        struct route *next = r->next;
        for (size_t i = 0; i < r->param_count; i++) {
            free(r->params[i]);
        }
        free(r->method);
        free(r);
        r = next;
    }
}

/* Its depth is the longest pattern's. */
static void free_nodes(struct node *n)
{
    while (n) {
        struct node *next = n->next;
        free_nodes(n->child);
        free_routes(n->here);
        free_routes(n->rest);
        free(n->literal);
        free(n);
        n = next;
    }
}

void covey_http_router_free(covey_http_router *r)
{
    if (r) {
        free_nodes(r->root.child);
        free_routes(r->root.here);
        free_routes(r->root.rest);
        free(r);
    }
}

/* ---- patterns ---- */

/* The child for a literal (len bytes), or for {name} if literal is NULL; made on demand. */
static struct node *child_of(struct node *n, const char *literal, size_t len)
{
    for (struct node *c = n->child; c; c = c->next) {
        bool is_same = literal && c->literal
                           ? strncmp(c->literal, literal, len) == 0 && c->literal[len] == '\0'
                           : !literal && !c->literal;
        if (is_same) {
            return c;
        }
    }
    struct node *made = calloc(1, sizeof(*made));
    if (made && literal && !(made->literal = strndup(literal, len))) {
        free(made);
        return NULL;
    }
    if (made) {
        made->next = n->child;
        n->child = made;
    }
    return made;
}

static int add_param(struct route *r, const char *name, size_t len)
{
    if (len == 0 || memchr(name, '{', len) || memchr(name, '.', len) ||
        r->param_count == CVY_HTTP_PARAMS_MAX) {
        return -EINVAL;
    }
    char *copy = strndup(name, len);
    if (!copy) {
        return -ENOMEM;
    }
    r->params[r->param_count++] = copy;
    return 0;
}

/* One segment of a pattern: follows it to the next node. 1: it takes the rest; 2: {$}. */
static int add_segment(struct route *r, struct node **n, const char *segment, size_t len)
{
    if (*segment != '{' || len < 2) {
        if (memchr(segment, '{', len) || memchr(segment, '}', len)) {
            return -EINVAL;
        }
        *n = child_of(*n, segment, len);
        return *n ? 0 : -ENOMEM;
    }
    if (segment[len - 1] != '}') {
        return -EINVAL;
    }
    if (len == 3 && segment[1] == '$') {
        return 2;
    }
    if (len > 5 && memcmp(segment + len - 4, "...}", 4) == 0) {
        int code = add_param(r, segment + 1, len - 5);
        return code < 0 ? code : 1;
    }
    int code = add_param(r, segment + 1, len - 2);
    if (code == 0) {
        *n = child_of(*n, NULL, 0);
        code = *n ? 0 : -ENOMEM;
    }
    return code;
}

/* The list of routes that a pattern's path belongs to. */
static int find_place(struct node *root, struct route *r, const char *path, struct route ***place)
{
    struct node *n = root;

    while (*path == '/') {
        const char *segment = path + 1;
        size_t len = strcspn(segment, "/");
        bool is_last = segment[len] == '\0';
        if (is_last && len == 0) {
            *place = &n->rest;
            return 0;
        }
        int code = add_segment(r, &n, segment, len);
        if (code < 0 || (code > 0 && !is_last)) {
            return code < 0 ? code : -EINVAL;
        }
        if (code == 1) {
            *place = &n->rest;
            return 0;
        }
        if (code == 2) { /* "/a/{$}": an empty last segment */
            n = child_of(n, "", 0);
            *place = n ? &n->here : NULL;
            return n ? 0 : -ENOMEM;
        }
        path = segment + len;
    }
    *place = &n->here;
    return 0;
}

static bool is_same_method(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static int insert(struct covey_http_router *router, struct route *r, const char *pattern)
{
    size_t method = strcspn(pattern, " /");
    const char *path = pattern + method + strspn(pattern + method, " ");
    struct route **place = NULL;

    if (*path != '/' || (method > 0 && path == pattern + method)) {
        return -EINVAL;
    }
    if (method > 0 && !(r->method = strndup(pattern, method))) {
        return -ENOMEM;
    }
    int code = find_place(&router->root, r, path, &place);
    if (code < 0) {
        return code;
    }
    for (struct route *other = *place; other; other = other->next) {
        if (is_same_method(other->method, r->method)) {
            return -EEXIST;
        }
    }
    r->next = *place;
    *place = r;
    return 0;
}

int covey_http_router_handle(covey_http_router *router, const char *pattern, covey_http_handler *h,
                             void *arg)
{
    struct route *r = router ? calloc(1, sizeof(*r)) : NULL;

    if (!r) {
        return covey_errorf(-ENOMEM, "http router: %s", covey_strerror(-ENOMEM));
    }
    r->handler = h;
    r->arg = arg;
    r->site = cvy_http_route_site(pattern);
    int code = r->site ? insert(router, r, pattern) : -ENOMEM;
    if (code < 0) {
        free_routes(r);
        return covey_errorf(code, "http router: \"%s\": %s", pattern, covey_strerror(code));
    }
    return 0;
}

/* ---- requests ---- */

struct search {
    struct cvy_http_server_conn *conn;
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
static const struct route *pick(struct search *s, const struct route *list)
{
    const struct route *found = NULL;
    int rank = 0;

    for (const struct route *r = list; r; r = r->next) {
        int own = !r->method                                                        ? 1
                  : strcmp(r->method, s->method) == 0                               ? 3
                  : strcmp(r->method, "GET") == 0 && strcmp(s->method, "HEAD") == 0 ? 2
                                                                                    : 0;
        if (own > rank) {
            rank = own;
            found = r;
        }
    }
    for (const struct route *r = list; r && !found; r = r->next) {
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
    struct cvy_http_buffer *text = &s->conn->text;

    if (s->count == CVY_HTTP_PARAMS_MAX) {
        return NULL;
    }
    char *value = text->data + text->len;
    ssize_t n = cvy_http_decode(value, raw, len, false);
    value[n < 0 ? 0 : n] = '\0'; /* it was decoded before, with the path */
    text->len += (size_t)(n < 0 ? 0 : n) + 1;
    s->conn->param_values[s->count++] = value;
    return value;
}

static void pop(struct search *s)
{
    s->conn->text.len = (size_t)(s->conn->param_values[--s->count] - s->conn->text.data);
}

static bool is_literal(const struct node *n, const char *raw, size_t len)
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
static const struct route *find(struct search *s, const struct node *n, const char *raw);

static const struct route *find_child(struct search *s, const struct node *n, const char *raw,
                                      bool is_literal_wanted)
{
    const char *slash = memchr(raw, '/', (size_t)(s->end - raw));
    size_t len = (size_t)((slash ? slash : s->end) - raw);
    const struct route *found = NULL;

    for (const struct node *c = n->child; c && !found; c = c->next) {
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

static const struct route *find(struct search *s, const struct node *n, const char *raw)
{
    if (!raw) {
        return pick(s, n->here);
    }
    const struct route *found = find_child(s, n, raw, true);
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
    struct cvy_http_server_conn *c = cvy_http_conn_of_request(req);
    struct search s = {.conn = c, .method = req->method, .end = c->raw_path + c->raw_len};
    const struct route *r = NULL;

    if (*c->raw_path == '/') {
        r = find(&s, &((covey_http_router *)router)->root, c->raw_path + 1);
    }
    if (r) {
        c->param_count = r->param_count;
        for (size_t i = 0; i < r->param_count; i++) {
            c->param_names[i] = r->params[i];
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
