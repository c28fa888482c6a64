/* SPDX-License-Identifier: MIT
 * server.h - a server and its connections, as its files see them.
 *
 * A connection belongs to its task. What others touch are its waits, of which the server's watch
 * (server_watch.h) ends those that last too long by shutting the socket down: the read or write
 * returns, and its task sees why. */
#ifndef CVY_HTTP_SERVER_H
#define CVY_HTTP_SERVER_H

#include "http/h1.h"
#include "http/h2.h"
#include "http/list.h"

#include <covey.h>
#include <covey/http.h>

#include <stdatomic.h>
#include <sys/uio.h>
#include <time.h>

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

/* What is waited for; decides how the wait is ended. */
enum cvy_http_phase {
    CVY_HTTP_RUNNING, /* nothing: not the watch's business */
    CVY_HTTP_IDLE,    /* the first byte of a request */
    CVY_HTTP_READING, /* more of one */
    CVY_HTTP_WRITING,
};

/* Of a task and the watch. */
struct cvy_http_wait {
    _Atomic int phase;
    _Atomic int64_t deadline; /* when it has lasted too long */
};

struct cvy_http_server_conn {
    struct cvy_http_server *server;
    covey_conn *conn;     /* what options' wrap made of it */
    const char *protocol; /* that wrap named; NULL */
    covey_ctx *ctx;       /* ends when the client goes away, and with the grace period */
    struct cvy_http_link link;

    struct cvy_http_wait reading, writing;
    _Atomic bool is_overdue; /* the watch ended a wait */
    _Atomic bool is_shut;    /* the watch shut it down for reading: its end is no hang-up */
    _Atomic bool is_gone;    /* the client hung up */

    bool lingers; /* the client may still be sending: reads it off before the close */

    /* The Date line of this second. */
    time_t date_at;
    char date[40];

    struct cvy_h1 h1;
    covey_ctx *read_ctx; /* guarded by the server's lock: HTTP/2 reads under it, and it is ended
                            instead of the socket's reading; owned by h2; NULL: none */
};

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
/* All of the pieces. 0; -ETIMEDOUT: the client took nothing for too long; another code. */
int cvy_http_conn_write(covey_ctx *ctx, struct cvy_http_server_conn *c, const struct iovec *iov,
                        int n);
/* Its end will be seen as a failure: neither goodbye nor anything else is sent any more. */
void cvy_http_conn_break(struct cvy_http_server_conn *c);
/* "Date: ...\r\n" of now; one task at a time. */
const char *cvy_http_conn_date(struct cvy_http_server_conn *c);

#endif
