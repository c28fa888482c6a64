/* SPDX-License-Identifier: MIT
 * router.h - the tree of path segments that patterns make (router.c) and requests are looked up in
 * (router_search.c).
 *
 * A node has children by literal, at most one for {name}, and at its end the routes of patterns
 * that stop here, and of those that take the rest. Names of parameters are the pattern's, so that
 * patterns of different methods may name them differently. Nothing changes while it serves. */
#ifndef CVY_HTTP_ROUTER_H
#define CVY_HTTP_ROUTER_H

#include "http/exchange.h"

struct cvy_http_route {
    struct cvy_http_route *next;
    char *method; /* NULL: any */
    covey_http_handler *handler;
    void *arg;
    const covey_site *site; /* in traces */
    size_t param_count;
    char *params[CVY_HTTP_PARAMS_MAX];
};

struct cvy_http_node {
    struct cvy_http_node *next;  /* sibling */
    char *literal;               /* NULL: {name} */
    struct cvy_http_node *child; /* literals, and one {name} */
    struct cvy_http_route *here; /* the path ends here */
    struct cvy_http_route *rest; /* it goes on, or ends with a '/' */
};

struct covey_http_router {
    struct cvy_http_node root;
};

#endif
