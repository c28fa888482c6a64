/* SPDX-License-Identifier: MIT
 * inbox.c - see inbox.h. */
#include "http/inbox.h"

static struct cvy_http_node asleep, closed; /* marks; their contents do not matter */

void cvy_http_inbox_open(struct cvy_http_inbox *in)
{
    atomic_store_explicit(&in->head, NULL, memory_order_release);
}

int cvy_http_inbox_push(struct cvy_http_inbox *in, struct cvy_http_node *node)
{
    struct cvy_http_node *head = atomic_load_explicit(&in->head, memory_order_relaxed);

    do {
        if (head == &closed) {
            return COVEY_ECLOSED;
        }
        node->next = head == &asleep ? NULL : head;
        /* Release: the node and what it stands in, to the acquire in take. */
    } while (!atomic_compare_exchange_weak_explicit(&in->head, &head, node, memory_order_acq_rel,
                                                    memory_order_relaxed));
    return head == &asleep;
}

static struct cvy_http_node *oldest_first(struct cvy_http_node *head)
{
    struct cvy_http_node *list = NULL;

    if (head == &asleep || head == &closed) {
        return NULL;
    }
    while (head) {
        struct cvy_http_node *next = head->next;
        head->next = list;
        list = head;
        head = next;
    }
    return list;
}

struct cvy_http_node *cvy_http_inbox_take(struct cvy_http_inbox *in)
{
    if (atomic_load_explicit(&in->head, memory_order_relaxed) == NULL) {
        return NULL;
    }
    return oldest_first(atomic_exchange_explicit(&in->head, NULL, memory_order_acq_rel));
}

bool cvy_http_inbox_sleep(struct cvy_http_inbox *in)
{
    struct cvy_http_node *none = NULL;

    return atomic_compare_exchange_strong_explicit(&in->head, &none, &asleep, memory_order_acq_rel,
                                                   memory_order_relaxed);
}

struct cvy_http_node *cvy_http_inbox_close(struct cvy_http_inbox *in)
{
    return oldest_first(atomic_exchange_explicit(&in->head, &closed, memory_order_acq_rel));
}
