/* SPDX-License-Identifier: MIT
 * server.h - a server and its connections, as its files see them.
 *
 * A connection belongs to its task. What others touch: phase, deadline and what stands under them,
 * by the server's watch (server_watch.h), which ends waits by shutting the socket down: the task's
 * read or write returns, and the task sees why.
 *
 * The head of the request that is answered stands in `in` and must not move until the handler has
 * returned: req, params and path point into it and into text. */
#ifndef CVY_HTTP_SERVER_H
#define CVY_HTTP_SERVER_H

#include "http/buffer.h"
#include "http/list.h"

#include <covey.h>
#include <covey/http.h>

#include <stdatomic.h>
#include <sys/uio.h>
#include <time.h>

#define CVY_HTTP_PARAMS_MAX 16

struct cvy_http_server {
    /* Immutable while it serves. */
    covey_http_server_options opts; /* defaults filled in */
    covey_http_handler *handler;
    void *arg;
    covey_group *group;     /* of connections; its context ends with the grace period */
    covey_sem *slots;       /* for connections */
    covey_ctx *until_drain; /* ends with its beginning */
    int epoll;              /* reports clients that hung up */
    covey_http_server_stats *stats, own_stats;

    _Atomic bool is_draining;
    _Atomic int running; /* handlers */

    covey_mutex lock; /* guards the list, and that what an event of epoll names is in it */
    struct cvy_http_link conns;
};

/* What the task of a connection waits for; decides how its wait is ended. */
enum cvy_http_phase {
    CVY_HTTP_IDLE,    /* the first byte of a request */
    CVY_HTTP_READING, /* more of one */
    CVY_HTTP_WRITING,
    CVY_HTTP_RUNNING, /* the handler: not the watch's business */
};

/* A body as it comes. */
struct cvy_http_body {
    enum {
        CVY_HTTP_BODY_NONE,
        CVY_HTTP_BODY_LENGTH,  /* left bytes to come */
        CVY_HTTP_BODY_CHUNKED, /* left bytes of this chunk */
        CVY_HTTP_BODY_DONE,
    } kind;
    bool in_chunk;       /* its size was read, and its end was not */
    bool wants_continue; /* the client waits for 100 */
    int code;            /* it failed */
    uint64_t left, total;
};

/* What goes out. The head of a response is made when its framing is known. */
struct covey_http_writer {
    int status;
    bool is_committed; /* the head is out, or in `out` */
    bool is_failed;    /* the connection can carry no more */
    bool has_length, has_type, has_date;
    enum {
        CVY_HTTP_FRAME_NONE, /* counted, not sent */
        CVY_HTTP_FRAME_LENGTH,
        CVY_HTTP_FRAME_CHUNKED,
        CVY_HTTP_FRAME_CLOSE,
    } frame;
    uint64_t length;               /* announced by the handler */
    uint64_t total;                /* bytes of the body so far */
    struct cvy_http_buffer fields; /* lines that the handler set */
    struct cvy_http_buffer body;   /* pieces that were not sent yet */
    struct cvy_http_buffer out;    /* heads ready to be sent, and small bodies */
};

struct cvy_http_server_conn {
    struct cvy_http_server *server;
    covey_conn *conn;     /* what options' wrap made of it */
    const char *protocol; /* that wrap named; NULL */
    covey_ctx *ctx;       /* ends when the client goes away, and with the grace period */
    struct cvy_http_link link;

    /* Of the task and the watch. deadline: when the present wait has lasted too long. */
    _Atomic int phase;
    _Atomic int64_t deadline;
    _Atomic bool is_overdue; /* the watch ended the wait */
    _Atomic bool is_shut;    /* the watch shut it down for reading: its end is no hang-up */
    _Atomic bool is_gone;    /* the client hung up */

    /* The present request. */
    covey_http_server_request req;
    struct cvy_http_body body;
    covey_http_writer writer;
    const char *raw_path; /* not decoded, in req.target */
    size_t raw_len;
    size_t body_at;  /* where the body begins in `in` */
    bool keep_alive; /* the connection can carry another request */
    bool lingers;    /* the client may still be sending: reads it off before the close */
    bool has_served; /* at least one request */
    const char *param_names[CVY_HTTP_PARAMS_MAX]; /* the router's */
    const char *param_values[CVY_HTTP_PARAMS_MAX];
    size_t param_count;
    covey_http_header *headers; /* headers_cap of them */
    size_t headers_cap;
    struct cvy_http_buffer text; /* the path and parameters, decoded; reserved before use */

    /* What was read: in.data[at ... in.len) is not used yet. */
    struct cvy_http_buffer in;
    size_t at;

    /* The Date line of this second. */
    time_t date_at;
    char date[40];
};

static inline struct cvy_http_server_conn *
cvy_http_conn_of_request(const covey_http_server_request *req)
{
    return (struct cvy_http_server_conn *)((char *)req -
                                           offsetof(struct cvy_http_server_conn, req));
}

static inline struct cvy_http_server_conn *cvy_http_conn_of_writer(const covey_http_writer *w)
{
    return (struct cvy_http_server_conn *)((char *)w -
                                           offsetof(struct cvy_http_server_conn, writer));
}

/* Relaxed: figures of their own. */
#define CVY_HTTP_COUNT(server, field, n)                                                           \
    ((void)__atomic_fetch_add(&(server)->stats->field, (uint64_t)(n), __ATOMIC_RELAXED))

/* server_conn.c */
struct cvy_http_server_conn *cvy_http_conn_new(struct cvy_http_server *s, covey_conn *conn);
void cvy_http_conn_free(struct cvy_http_server_conn *c);
/* The task that serves a connection, which it takes. */
int cvy_http_conn_serve(covey_ctx *ctx, void *conn);
/* One read until deadline: bytes; 0: the end; -ETIMEDOUT. */
ssize_t cvy_http_conn_read(covey_ctx *ctx, struct cvy_http_server_conn *c, void *buf, size_t len,
                           enum cvy_http_phase phase, int64_t deadline);
/* All of the pieces, of which the watch knows. 0 or a code. */
int cvy_http_conn_write(covey_ctx *ctx, struct cvy_http_server_conn *c, const struct iovec *iov,
                        int n);

/* server_head.c */
/* Parses the head of len bytes at c->in.data + c->at into c->req and c->body: 0, or the status to
 * refuse it with. */
int cvy_http_request_parse(struct cvy_http_server_conn *c, size_t len);
/* Nothing is known of the next request. */
void cvy_http_request_forget(struct cvy_http_server_conn *c);
/* Looks for the empty line that ends a head, from *seen on, of which it keeps account. The head's
 * length with it; 0: it is not there yet; negative: the status to refuse it with. */
int cvy_http_head_scan(const char *data, size_t len, size_t *seen);
/* Decodes %XX; is_query: also '+'. The length, or -EINVAL: malformed, or a NUL. out may be in. */
ssize_t cvy_http_decode(char *out, const char *in, size_t len, bool is_query);

/* server_body.c */
/* After the handler: makes the connection ready for the next request by reading what the handler
 * left, if it is not much. False: it cannot be. */
bool cvy_http_body_finish(struct cvy_http_server_conn *c);
/* Whether that can be done, seen from the time when the response's head is made. */
bool cvy_http_body_can_finish(const struct cvy_http_server_conn *c);

/* server_fields.c: -EALREADY with its words. */
int cvy_http_writer_already(void);

/* server_writer.c */
void cvy_http_writer_begin(covey_http_writer *w);
/* After the handler, which returned code: ends the response and sends it. 0 or a code: the
 * connection is to be closed at once. */
int cvy_http_writer_finish(struct cvy_http_server_conn *c, int code);
/* Sends "100 Continue". */
int cvy_http_writer_go_on(covey_ctx *ctx, struct cvy_http_server_conn *c);
void cvy_http_writer_fini(covey_http_writer *w);

#endif
