/* SPDX-License-Identifier: MIT
 * list.h - intrusive doubly linked ring. A node that is in no list points at itself or is NULL. */
#ifndef CVY_BASE_LIST_H
#define CVY_BASE_LIST_H

#include "base/atomic.h"

#include <stddef.h>

struct cvy_node {
    struct cvy_node *next, *prev;
};

static inline void cvy_list_init(struct cvy_node *head)
{
    head->next = head->prev = head;
}

static inline bool cvy_list_is_empty(const struct cvy_node *head)
{
    return head->next == head;
}

static inline void cvy_list_push_tail(struct cvy_node *head, struct cvy_node *n)
{
    n->prev = head->prev;
    n->next = head;
    head->prev->next = n;
    head->prev = n;
}

static inline void cvy_list_push_head(struct cvy_node *head, struct cvy_node *n)
{
    cvy_list_push_tail(head->next, n);
}

static inline void cvy_list_remove(struct cvy_node *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
    n->next = n->prev = NULL;
}

static inline struct cvy_node *cvy_list_pop_head(struct cvy_node *head)
{
    struct cvy_node *n = head->next;
    if (n == head) {
        return NULL;
    }
    cvy_list_remove(n);
    return n;
}

/* Moves everything from one list to the tail of another; from is empty afterwards. */
static inline void cvy_list_move_all(struct cvy_node *to, struct cvy_node *from)
{
    if (cvy_list_is_empty(from)) {
        return;
    }
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    cvy_list_init(from);
}

#endif
