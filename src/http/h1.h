/* SPDX-License-Identifier: MIT
 * h1.h - HTTP/1 on a connection: one exchange after another, in its task.
 *
 * The head of the request that is answered stands in `in` and must not move until the handler has
 * returned: the exchange points into it. */
#ifndef CVY_HTTP_H1_H
#define CVY_HTTP_H1_H

#include "http/exchange.h"

#define CVY_H1_LINE_MAX                                                                            \
    1024 /* of what frames a body; there is room for it behind the head in `in` */

struct cvy_h1 {
    struct cvy_http_exchange x; /* the present one */

    bool keep_alive; /* the connection can carry another request */
    bool has_served; /* at least one request */
    bool is_h2;      /* or rather, it is not HTTP/1 */

    /* The body of the request. */
    enum {
        CVY_H1_BODY_NONE,
        CVY_H1_BODY_LENGTH,   /* left bytes to come */
        CVY_H1_BODY_CHUNKED,  /* left bytes of this chunk */
        CVY_H1_BODY_TRAILERS, /* the last chunk was read */
        CVY_H1_BODY_DONE,
    } body;
    bool in_chunk; /* its size was read, and its end was not */
    uint64_t left, total;
    uint64_t framing; /* bytes about chunks that were more than their due */

    /* That of the response. */
    enum {
        CVY_H1_FRAME_NONE, /* counted, not sent */
        CVY_H1_FRAME_LENGTH,
        CVY_H1_FRAME_CHUNKED,
        CVY_H1_FRAME_CLOSE,
    } frame;
    struct cvy_http_buffer out; /* heads ready to be sent */

    /* What was read: in.data[at ... in.len) is not used yet. */
    struct cvy_http_buffer in;
    size_t at;
    size_t body_at; /* where the body begins in `in` */
};

static inline struct cvy_h1 *cvy_h1_of(struct cvy_http_exchange *x)
{
    return (struct cvy_h1 *)((char *)x - offsetof(struct cvy_h1, x));
}

/* h1_conn.c */
int cvy_h1_init(struct cvy_h1 *h, struct cvy_http_server_conn *c); /* 0 or -ENOMEM */
void cvy_h1_fini(struct cvy_h1 *h);
/* All requests of a connection. False: the client speaks HTTP/2, nothing of which was consumed. */
bool cvy_h1_serve(struct cvy_http_server_conn *c);

/* h1_head.c */
/* Looks for the empty line that ends a head, from *seen on, of which it keeps account. The head's
 * length with it; 0: it is not there yet; negative: the status to refuse it with. */
int cvy_h1_head_scan(const char *data, size_t len, size_t *seen);
/* Parses the head of len bytes at in.data + at: 0, or the status to refuse it with. */
int cvy_h1_head_parse(struct cvy_h1 *h, size_t len);

/* h1_target.c */
struct cvy_h1_target {
    char *at;
    size_t len;
};
/* 0, or the status to refuse it with. The byte behind it is overwritten. */
int cvy_h1_target_parse(struct cvy_h1 *h, struct cvy_h1_target target);

/* h1_framing.c */
/* Looks at the headers that matter to the server; length is Content-Length's value, if there is
 * one. 0, or the status to refuse the request with. */
int cvy_h1_framing_set(struct cvy_h1 *h, uint64_t length);

/* h1_body.c */
ssize_t cvy_h1_body_read(covey_ctx *ctx, struct cvy_http_exchange *x, void *buf, size_t len);
/* After the handler: makes the connection ready for the next request by reading what the handler
 * left, if it is not much. False: it cannot be. */
bool cvy_h1_body_finish(struct cvy_h1 *h);
/* Whether that can be done, seen from the time when the response's head is made. */
bool cvy_h1_body_can_finish(const struct cvy_h1 *h);

/* h1_writer.c */
extern const struct cvy_http_protocol cvy_h1_protocol;

#endif
