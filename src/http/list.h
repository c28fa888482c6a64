/* SPDX-License-Identifier: MIT
 * list.h - transfers in a ring with a head; each stands in one list at a time. The driver's alone.
 */
#ifndef CVY_HTTP_LIST_H
#define CVY_HTTP_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct cvy_http_link {
    struct cvy_http_link *prev, *next;
};

static inline void cvy_http_list_init(struct cvy_http_link *head)
{
    head->prev = head->next = head;
}

static inline bool cvy_http_list_is_empty(const struct cvy_http_link *head)
{
    return head->next == head;
}

static inline void cvy_http_list_append(struct cvy_http_link *head, struct cvy_http_link *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

static inline void cvy_http_list_remove(struct cvy_http_link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    cvy_http_list_init(link);
}

/* The first one, out of the list; NULL: empty. */
static inline struct cvy_http_link *cvy_http_list_pop(struct cvy_http_link *head)
{
    struct cvy_http_link *link = head->next;

    if (link == head) {
        return NULL;
    }
    cvy_http_list_remove(link);
    return link;
}

/* Moves all of from to the end of to. */
static inline void cvy_http_list_splice(struct cvy_http_link *to, struct cvy_http_link *from)
{
    if (cvy_http_list_is_empty(from)) {
        return;
    }
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    cvy_http_list_init(from);
}

#endif
