/* SPDX-License-Identifier: MIT
 * transfer.h - one transfer, shared by the task that asked for it and the driver that runs it.
 *
 * The task gives orders (start, cancel, resume) through the driver's inbox; the driver publishes
 * events in `word` and wakes the task if it said there that it waits. Each event hands something
 * over:
 *   HEAD   the head is complete and stays as it is; the driver holds the body back until RESUME
 *   DATA   `full` is the task's, until it clears the bit
 *   DONE   everything is the task's; the driver does not touch the transfer again
 * The task leaves only after DONE. So what it borrowed to the driver (URL, body, itself) is safe,
 * and since a driver never blocks, a cancelled task is not kept waiting.
 *
 * No covey call is made inside libcurl: even one that does not wait may switch, and a task that
 * comes back on another thread in the middle of libcurl finds stale thread-locals there. Callbacks
 * note the transfer; the driver offers and publishes once libcurl has returned. */
#ifndef CVY_HTTP_TRANSFER_H
#define CVY_HTTP_TRANSFER_H

#include "http/buffer.h"
#include "http/head.h"
#include "http/inbox.h"
#include "http/list.h"
#include "http/location.h"

#include <covey.h>
#include <covey/http.h>
#include <curl/curl.h>

#define CVY_HTTP_PIECE_MAX ((size_t)64 << 10)

struct cvy_http_driver;
struct cvy_http_easy;
struct cvy_http_host;

enum cvy_http_keep { CVY_HTTP_KEEP, CVY_HTTP_STREAM, CVY_HTTP_DROP }; /* what becomes of the body */

enum cvy_http_order {
    CVY_HTTP_START = 1u,
    CVY_HTTP_CANCEL = 2u,
    CVY_HTTP_RESUME = 4u,
    CVY_HTTP_CLOSED = 8u /* the driver takes no more orders for it */
};

enum cvy_http_event {
    CVY_HTTP_HEAD = 1u,
    CVY_HTTP_DATA = 2u,
    CVY_HTTP_DONE = 4u,
    CVY_HTTP_EVENTS = 7u,
    CVY_HTTP_WAITING = 8u, /* the task waits, or is about to: who clears it sends one wake */
    CVY_HTTP_HELD = 16u /* with DATA: the driver has more, and wants RESUME when DATA is cleared */
};

enum cvy_http_state {
    CVY_HTTP_NEW,
    CVY_HTTP_LINKED, /* waits in a list of the driver's for its turn */
    CVY_HTTP_RUNNING,
    CVY_HTTP_FINISHED
};

struct cvy_http_transfer {
    struct cvy_http_node node;           /* in the inbox while an order is not taken */
    struct cvy_http_transfer *next_idle; /* in the client's pool */
    covey_chan *wake;                    /* room for one; empty while nobody waits */

    /* Immutable from start to DONE. */
    const covey_http_request *req;
    struct cvy_http_location location;
    struct curl_slist *headers;
    size_t body_max;
    enum cvy_http_keep keep;
    bool may_repeat;

    /* Atomic. Whoever makes it other than 0 pushes the node, so any order here says that the node
     * is in the inbox; the driver takes them with acquire, and closes it at the end. */
    _Atomic uint32_t orders;
    /* Atomic. Changes release what they hand over; a look acquires. */
    _Atomic uint32_t word;

    struct cvy_http_buffer full; /* the task's while DATA is set, else the driver's */

    /* The driver's, until DONE. */
    enum cvy_http_state state;
    struct cvy_http_link link;
    struct cvy_http_transfer *next_noted;
    bool is_noted;
    bool is_paused;    /* libcurl holds the body back */
    bool is_head_due;  /* HEAD is to be published */
    bool is_head_seen; /* the task has answered HEAD */
    bool has_address;  /* its host is known by now */
    bool is_url_known; /* url_reached is final */
    bool is_asked;     /* the request has gone out, and nothing has come back yet */
    struct cvy_http_easy *easy;
    struct cvy_http_host *host;  /* it looks up or waits for */
    struct cvy_http_buffer fill; /* a kept body, or a piece that is not offered yet */
    struct cvy_http_head head;
    uint64_t received;
    int own_code;         /* of a callback that made libcurl give up */
    char *url_reached;    /* owned; NULL: as requested. With at_head: not changed after the head */
    unsigned connections; /* it opened */
    covey_http_response at_head; /* what was measured when the body began, for on_headers */
    covey_http_response figures; /* what was measured at the end */
    int code;                    /* the outcome */
    char words[CURL_ERROR_SIZE];
};

static inline struct cvy_http_transfer *cvy_http_transfer_of(struct cvy_http_link *link)
{
    return (struct cvy_http_transfer *)(void *)((char *)link -
                                                offsetof(struct cvy_http_transfer, link));
}

/* New or used; NULL: out of memory. */
struct cvy_http_transfer *cvy_http_transfer_new(void);
void cvy_http_transfer_free(struct cvy_http_transfer *t);
/* Ready for a new request. */
void cvy_http_transfer_reset(struct cvy_http_transfer *t);

/* The request has gone out, and the end of the response's head has not come. */
static inline bool cvy_http_transfer_is_in_head(const struct cvy_http_transfer *t)
{
    return t->is_asked || (t->head.status != 0 && !t->head.is_ended);
}

/* The task's side. */
/* True: the order stands in t and t->node must be pushed. False: the node is on its way already, or
 * the driver takes no more orders. */
bool cvy_http_order(struct cvy_http_transfer *t, uint32_t order);
/* Waits for an event and gives the whole word. A code of ctx: ctx is done and DONE is not set.
 * May switch. */
int cvy_http_await(covey_ctx *ctx, struct cvy_http_transfer *t, uint32_t *word);
/* Gives `full` back. True: the driver wants RESUME. */
bool cvy_http_taken(struct cvy_http_transfer *t);

/* The driver's side. May switch (see above), so never inside libcurl. */
void cvy_http_publish(struct cvy_http_transfer *t, uint32_t events);
/* Hands `fill` over if it holds something and the task has taken the last piece. */
void cvy_http_offer(struct cvy_http_transfer *t);

#endif
