/* SPDX-License-Identifier: MIT
 * h2_conn.h - HTTP/2 on a connection, by libnghttp2, as its files see it.
 *
 * The connection's task reads; each stream has a task, which runs its exchange. nghttp2's session
 * is no thread's friend: all calls of it are made under `lock`, which is not held over a write. Who
 * has made it say something packs that into `out`; a task that lives as long as there is something
 * in there writes it. So what many streams say at once goes out at once, and nobody who reads waits
 * for who writes.
 *
 * A stream belongs to its task; nghttp2 points to it until it closes the stream, or the task ends.
 */
#ifndef CVY_HTTP_H2_CONN_H
#define CVY_HTTP_H2_CONN_H

#include "http/server.h"

#include <nghttp2/nghttp2.h>

struct cvy_h2_stream;

struct cvy_h2 {
    /* Immutable. */
    struct cvy_http_server_conn *conn;
    covey_group *tasks; /* of the streams, and the writer */

    covey_mutex lock;
    /* Guarded by lock. */
    nghttp2_session *session;
    covey_ctx *read_ctx;          /* the reader waits under it */
    struct cvy_http_buffer out;   /* packed */
    bool is_writing;              /* the writer runs */
    bool has_failed;              /* nothing can be sent any more */
    bool is_deaf;                 /* nothing will be read any more */
    bool is_draining;             /* GOAWAY: ends with its last stream */
    struct cvy_http_link streams; /* those that have a task; live of them */
    unsigned live;
    int64_t idle_since;         /* live is 0 */
    int64_t spare;              /* bytes by which streams' windows may still grow */
    struct cvy_h2_stream *head; /* whose head is coming */
    int64_t head_since;         /* or that of the connection; 0: none */

    struct cvy_http_buffer sending; /* the writer's */
};

struct cvy_h2_stream {
    struct cvy_http_exchange x;

    /* Immutable once it has a task. */
    struct cvy_h2 *h2;
    int32_t id;
    int status;                  /* to refuse it with; 0 */
    covey_ctx *ctx;              /* of the request */
    struct cvy_http_buffer text; /* "name\0value\0" for each header, as they came */
    size_t count, size;          /* headers; and their size, as RFC 9113 has it */

    /* Guarded by h2's lock. */
    struct cvy_http_link link;
    covey_cond changed;
    bool is_closed; /* by nghttp2, or for want of a connection */

    /* The request's body: in.data[at ... in.len) was not read yet. */
    struct cvy_http_buffer in;
    size_t at;
    uint64_t total, widened_at; /* bytes in all; and when the window grew */
    int32_t window;             /* bytes that may stand in `in` */
    bool has_ended;             /* no more comes */
    bool is_too_large;

    /* The response's. */
    struct iovec pieces[2]; /* what is still to be taken: borrowed from who waits for that */
    uint64_t taken;         /* bytes, in all */
    bool is_submitted;
    bool is_deferred; /* nghttp2 has asked, and there was nothing */
    bool is_last;     /* nothing comes after pieces */
    bool is_sent;     /* its end was packed */
};

/* h2_stream.c */
/* For a stream whose head begins: owned by h2->head. NULL: out of memory. */
struct cvy_h2_stream *cvy_h2_stream_new(struct cvy_h2 *h2, int32_t id);
void cvy_h2_stream_free(struct cvy_h2_stream *st);
/* Its head is there, and lock is held: starts its task. 0 or -ENOMEM; it is taken in any case. */
int cvy_h2_stream_start_locked(struct cvy_h2_stream *st);
/* It is over, for that reason, whatever its task does. */
void cvy_h2_stream_close_locked(struct cvy_h2_stream *st, uint32_t why);
/* Waits until it has changed; lock is released meanwhile. -ETIMEDOUT: nothing has happened for
 * io_timeout_ns. */
int cvy_h2_stream_wait_locked(covey_ctx *ctx, struct cvy_h2_stream *st);

/* h2_body.c; lock is held. */
/* How much all streams' windows may grow, and what a connection's is to be. */
int64_t cvy_h2_spare(const covey_http_server_options *o);
int32_t cvy_h2_conn_window(const covey_http_server_options *o);
/* What the client has sent of its body. */
void cvy_h2_body_put_locked(struct cvy_h2_stream *st, const void *data, size_t len);
/* A header that came behind it. */
void cvy_h2_body_add_trailer_locked(struct cvy_h2_stream *st, const void *name, size_t name_len,
                                    const void *value, size_t value_len);
/* The stream has ended: what its window has grown by is others'. */
void cvy_h2_body_end_locked(struct cvy_h2_stream *st);
ssize_t cvy_h2_body_read(covey_ctx *ctx, struct cvy_http_exchange *x, void *buf, size_t len);

/* h2_request.c */
/* A header has come: kept, as far as the limits allow. */
void cvy_h2_request_add(struct cvy_h2_stream *st, const void *name, size_t name_len,
                        const void *value, size_t value_len);
/* All have come: makes the request of them. has_body: there is more to come. Sets status. */
void cvy_h2_request_make(struct cvy_h2_stream *st, bool has_body);

/* h2_fields.c */
#define CVY_H2_FIELDS_FEW 24
/* Names and values, of which nghttp2 makes copies. */
struct cvy_h2_fields {
    nghttp2_nv *list, few[CVY_H2_FIELDS_FEW];
    size_t count;
    char status[8], length[24]; /* digits, at their ends */
};
/* The head of x's response, whose lines are changed; valid as long as x and the connection's date.
 * False: out of memory. */
bool cvy_h2_fields_make(struct cvy_h2_fields *f, struct cvy_http_exchange *x);
/* The same of what comes behind its body. */
bool cvy_h2_fields_make_trailers(struct cvy_h2_fields *f, covey_http_writer *w);
void cvy_h2_fields_free(struct cvy_h2_fields *f);

/* h2_response.c */
/* The code of a stream that is no more, with its message. */
int cvy_h2_gone(void);
extern const struct cvy_http_protocol cvy_h2_protocol;

/* h2_output.c; lock is held. */
/* What the session has to say goes to out, and from there to the client. */
void cvy_h2_pack_locked(struct cvy_h2 *h2);
/* No new streams; the connection ends with the last one. */
void cvy_h2_drain_locked(struct cvy_h2 *h2);
/* Streams that wait look around. */
void cvy_h2_wake_locked(struct cvy_h2 *h2);
/* No stream gets anything more, or can say anything more. */
void cvy_h2_abandon_locked(struct cvy_h2 *h2);
/* Nothing can be sent, or is to be: the same, and the reader is woken. */
void cvy_h2_fail_locked(struct cvy_h2 *h2);
/* The reader's wait is over once there is nothing to read for. */
void cvy_h2_note_wait_locked(struct cvy_h2 *h2);

/* h2_session.c */
/* A server's session with its settings: 0 or -ENOMEM. */
int cvy_h2_session_make(struct cvy_h2 *h2);

#endif
