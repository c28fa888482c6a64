/* SPDX-License-Identifier: MIT
 * route_site.c - see route_site.h. A list that only grows, by the patterns that there are. */
#include "http/route_site.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct named {
    covey_site site;
    struct named *next; /* immutable once it is in the list */
    char pattern[];
};

static struct named *_Atomic sites; /* release by who adds one, acquire */

static const struct named *find(const struct named *from, const char *pattern)
{
    while (from && strcmp(from->pattern, pattern) != 0) {
        from = from->next;
    }
    return from;
}

const covey_site *cvy_http_route_site(const char *pattern)
{
    struct named *first = atomic_load_explicit(&sites, memory_order_acquire);
    const struct named *found = find(first, pattern);

    if (found) {
        return &found->site;
    }
    struct named *n = calloc(1, sizeof(*n) + strlen(pattern) + 1);
    if (!n) {
        return NULL;
    }
    memcpy(n->pattern, pattern, strlen(pattern) + 1);
    n->site = (covey_site){.name = n->pattern, .file = "route", .line = 0};
    /* Two threads may add the same one at once: then there are two, which does no harm. */
    do {
        n->next = first;
    } while (!atomic_compare_exchange_weak_explicit(&sites, &first, n, memory_order_acq_rel,
                                                    memory_order_acquire));
    return &n->site;
}
