/* SPDX-License-Identifier: MIT
 * router.c - makes the router's tree of patterns (router.h). */
#include "http/router.h"

#include "http/route_site.h"

#include <covey/error.h>

#include <stdlib.h>
#include <string.h>

covey_http_router *covey_http_router_new(void)
{
    return calloc(1, sizeof(covey_http_router));
}

static void free_routes(struct cvy_http_route *r)
{
    while (r) {
        struct cvy_http_route *next = r->next;
        for (size_t i = 0; i < r->param_count; i++) {
            free(r->params[i]);
        }
        free(r->method);
        free(r);
        r = next;
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): its depth is the longest pattern's */
static void free_nodes(struct cvy_http_node *n)
{
    while (n) {
        struct cvy_http_node *next = n->next;
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
static struct cvy_http_node *child_of(struct cvy_http_node *n, const char *literal, size_t len)
{
    for (struct cvy_http_node *c = n->child; c; c = c->next) {
        bool is_same = literal && c->literal
                           ? strncmp(c->literal, literal, len) == 0 && c->literal[len] == '\0'
                           : !literal && !c->literal;
        if (is_same) {
            return c;
        }
    }
    struct cvy_http_node *made = calloc(1, sizeof(*made));
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

static int add_param(struct cvy_http_route *r, const char *name, size_t len)
{
    if (len == 0 || memchr(name, '{', len) || memchr(name, '.', len) ||
        r->param_count == CVY_HTTP_PARAMS_MAX) {
        return -EINVAL;
    }
    for (size_t i = 0; i < r->param_count; i++) {
        if (strncmp(r->params[i], name, len) == 0 && r->params[i][len] == '\0') {
            return -EINVAL; /* one of them could not be asked for */
        }
    }
    char *copy = strndup(name, len);
    if (!copy) {
        return -ENOMEM;
    }
    r->params[r->param_count++] = copy;
    return 0;
}

/* One segment of a pattern: follows it to the next node. 1: it takes the rest; 2: {$}. */
static int add_segment(struct cvy_http_route *r, struct cvy_http_node **n, const char *segment,
                       size_t len)
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
static int find_place(struct cvy_http_node *root, struct cvy_http_route *r, const char *path,
                      struct cvy_http_route ***place)
{
    struct cvy_http_node *n = root;

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

static int insert(struct covey_http_router *router, struct cvy_http_route *r, const char *pattern)
{
    size_t method = strcspn(pattern, " /");
    const char *path = pattern + method + strspn(pattern + method, " ");
    struct cvy_http_route **place = NULL;

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
    for (struct cvy_http_route *other = *place; other; other = other->next) {
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
    struct cvy_http_route *r = router ? calloc(1, sizeof(*r)) : NULL;

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
