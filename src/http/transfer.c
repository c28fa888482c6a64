/* SPDX-License-Identifier: MIT
 * transfer.c - see transfer.h. */
#include "http/transfer.h"

#include <stdlib.h>

#define PIECE_KEPT ((size_t)16 << 10) /* a pooled transfer keeps pieces up to that size */

struct cvy_http_transfer *cvy_http_transfer_new(void)
{
    struct cvy_http_transfer *t = calloc(1, sizeof(*t));
    if (!t) {
        return NULL;
    }
    cvy_http_list_init(&t->link);
    t->wake = covey_chan_new(0, 1);
    if (!t->wake) {
        free(t);
        return NULL;
    }
    return t;
}

void cvy_http_transfer_free(struct cvy_http_transfer *t)
{
    cvy_http_buffer_reset(&t->full, 0);
    cvy_http_buffer_reset(&t->fill, 0);
    cvy_http_head_fini(&t->head);
    free(t->url_reached);
    covey_chan_unref(t->wake);
    free(t);
}

void cvy_http_transfer_reset(struct cvy_http_transfer *t)
{
    cvy_http_buffer_reset(&t->full, PIECE_KEPT);
    cvy_http_buffer_reset(&t->fill, PIECE_KEPT);
    cvy_http_head_reset(&t->head);
    atomic_store_explicit(&t->orders, 0, memory_order_relaxed);
    atomic_store_explicit(&t->word, 0, memory_order_relaxed);
    t->state = CVY_HTTP_NEW;
    t->is_noted = t->is_paused = t->is_head_due = t->is_head_seen = false;
    t->has_address = t->is_url_known = t->is_asked = false;
    free(t->url_reached);
    t->url_reached = NULL;
    t->headers = NULL;
    t->host = NULL;
    t->received = 0;
    t->connections = 0;
    t->code = t->own_code = 0;
    t->figures = t->at_head = (covey_http_response){.content_length = -1};
    t->words[0] = '\0';
}

bool cvy_http_order(struct cvy_http_transfer *t, uint32_t order)
{
    uint32_t orders = atomic_load_explicit(&t->orders, memory_order_relaxed);

    do {
        if (orders & CVY_HTTP_CLOSED) {
            return false; /* and set nothing: a bit there says that the node is in the inbox */
        }
        /* Release: what the order refers to, to the acquire of the driver that takes it. */
    } while (!atomic_compare_exchange_weak_explicit(&t->orders, &orders, orders | order,
                                                    memory_order_acq_rel, memory_order_relaxed));
    return orders == 0;
}

/* Takes WAITING back. False: a wake is on its way. */
static bool stop_waiting(struct cvy_http_transfer *t)
{
    uint32_t word = atomic_load_explicit(&t->word, memory_order_acquire);

    while (word & CVY_HTTP_WAITING) {
        if (atomic_compare_exchange_weak_explicit(&t->word, &word, word & ~CVY_HTTP_WAITING,
                                                  memory_order_acq_rel, memory_order_acquire)) {
            return true;
        }
    }
    return false;
}

int cvy_http_await(covey_ctx *ctx, struct cvy_http_transfer *t, uint32_t *word)
{
    for (;;) {
        uint32_t now = atomic_load_explicit(&t->word, memory_order_acquire);

        if (now & CVY_HTTP_EVENTS) {
            *word = now;
            /* A stream that never runs dry must still notice the end of its context. */
            return now & CVY_HTTP_DONE || covey_ctx_err(ctx) == 0
                       ? 0
                       : covey_select(ctx, COVEY_DEFAULT);
        }
        if (!atomic_compare_exchange_strong_explicit(&t->word, &now, now | CVY_HTTP_WAITING,
                                                     memory_order_acq_rel, memory_order_relaxed)) {
            continue;
        }
        int code = covey_chan_recv(ctx, t->wake, NULL);
        if (code < 0) {
            if (stop_waiting(t)) {
                return code;
            }
            (void)covey_chan_recv(NULL, t->wake, NULL);
        }
    }
}

bool cvy_http_taken(struct cvy_http_transfer *t)
{
    /* Release: we are done with `full`. */
    uint32_t word =
        atomic_fetch_and_explicit(&t->word, ~(CVY_HTTP_DATA | CVY_HTTP_HELD), memory_order_acq_rel);
    return word & CVY_HTTP_HELD;
}

void cvy_http_publish(struct cvy_http_transfer *t, uint32_t events)
{
    uint32_t word = atomic_load_explicit(&t->word, memory_order_relaxed);

    /* Release: what the events hand over. Without WAITING, or after the wake, t may be gone. */
    covey_chan *wake = t->wake;
    while (!atomic_compare_exchange_weak_explicit(&t->word, &word,
                                                  (word | events) & ~CVY_HTTP_WAITING,
                                                  memory_order_acq_rel, memory_order_relaxed)) {
    }
    if (word & CVY_HTTP_WAITING) {
        (void)covey_chan_try_send(wake, NULL);
    }
}

void cvy_http_offer(struct cvy_http_transfer *t)
{
    uint32_t word = atomic_load_explicit(&t->word, memory_order_acquire);

    if (t->keep != CVY_HTTP_STREAM || t->fill.len == 0) {
        return;
    }
    while (word & CVY_HTTP_DATA) {
        /* Either it learns that we hold more, or we see that it took the piece. */
        if (atomic_compare_exchange_weak_explicit(&t->word, &word, word | CVY_HTTP_HELD,
                                                  memory_order_acq_rel, memory_order_acquire)) {
            return;
        }
    }
    struct cvy_http_buffer empty = t->full;
    t->full = t->fill;
    t->fill = empty;
    t->fill.len = 0;
    cvy_http_publish(t, CVY_HTTP_DATA);
}
