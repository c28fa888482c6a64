/* SPDX-License-Identifier: MIT
 * server_conn.c - a connection, its waits, and its task.
 *
 * Its own reads and writes have no context: the watch ends them by shutting the socket down, which
 * costs nothing as long as it does not happen. Reads of a connection that was wrapped do: TLS takes
 * a socket that is shut for a stream cut short, and would not let the answer be written. */
#define _GNU_SOURCE
#include "http/date.h"
#include "http/server.h"
#include "http/server_watch.h"

#include <covey/error.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define LINGER_NS (2 * COVEY_SEC)
#define LINGER_MAX ((size_t)1 << 20)

struct cvy_http_server_conn *cvy_http_conn_new(struct cvy_http_server *s, covey_conn *conn)
{
    struct cvy_http_server_conn *c = calloc(1, sizeof(*c));

    if (c && cvy_h1_init(&c->h1, c) < 0) {
        free(c);
        c = NULL;
    }
    if (c) {
        c->server = s;
        c->conn = conn;
        cvy_http_list_init(&c->link);
    }
    return c;
}

void cvy_http_conn_free(struct cvy_http_server_conn *c)
{
    struct cvy_http_server *s = c->server;

    covey_close(c->conn);
    covey_ctx_unref(c->ctx);
    cvy_h1_fini(&c->h1);
    free(c);
    CVY_HTTP_COUNT(s, open, -1);
    covey_sem_release(s->slots, 1);
}

/* ---- waits that the watch knows of ---- */

/* The deadline first: the watch reads them the other way round. */
static void wait_begin(struct cvy_http_wait *w, enum cvy_http_phase phase, int64_t deadline)
{
    atomic_store_explicit(&w->deadline, deadline, memory_order_relaxed);
    w->phase = (int)phase;
}

/* Release: a deadline that the watch read for the earlier phase was not a later one's. */
static void wait_end(struct cvy_http_wait *w)
{
    atomic_store_explicit(&w->phase, CVY_HTTP_RUNNING, memory_order_release);
}

static ssize_t too_slow(void)
{
    return covey_errorf(-ETIMEDOUT, "http: the client sent nothing for too long");
}

/* A stream that ends without TLS's goodbye has ended. */
static ssize_t read_wrapped(covey_ctx *ctx, struct cvy_http_server_conn *c, void *buf, size_t len,
                            enum cvy_http_phase phase, int64_t deadline)
{
    covey_ctx *parent = phase == CVY_HTTP_IDLE ? c->server->until_drain : ctx;
    covey_ctx *until = covey_ctx_with_deadline(parent, deadline);
    ssize_t n = covey_read(until, c->conn, buf, len);

    if (n == COVEY_EDEADLINE && covey_ctx_err(parent) == 0) {
        n = too_slow();
    }
    covey_ctx_unref(until);
    return n == COVEY_EPROTO ? 0 : n;
}

ssize_t cvy_http_conn_read(covey_ctx *ctx, struct cvy_http_server_conn *c, void *buf, size_t len,
                           enum cvy_http_phase phase, int64_t deadline)
{
    if (c->server->opts.wrap) {
        return read_wrapped(ctx, c, buf, len, phase, deadline);
    }
    wait_begin(&c->reading, phase, deadline);
    if (phase == CVY_HTTP_IDLE && c->server->is_draining) {
        cvy_http_watch_end_read(c);
    }
    ssize_t n = covey_read(ctx, c->conn, buf, len);
    wait_end(&c->reading);
    return n == 0 && c->is_overdue ? too_slow() : n;
}

int cvy_http_conn_write(covey_ctx *ctx, struct cvy_http_server_conn *c, const struct iovec *iov,
                        int n)
{
    wait_begin(&c->writing, CVY_HTTP_WRITING, covey_now() + c->server->opts.io_timeout_ns);
    ssize_t sent = covey_writev(ctx, c->conn, iov, n);
    wait_end(&c->writing);
    if (sent < 0 && c->is_overdue) {
        return covey_errorf(-ETIMEDOUT, "http: the client took nothing for too long");
    }
    return sent < 0 ? (int)sent : 0;
}

void cvy_http_conn_break(struct cvy_http_server_conn *c)
{
    struct linger at_once = {.l_onoff = 1};

    (void)setsockopt(covey_conn_fd(c->conn), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    if (c->server->opts.wrap) {
        covey_conn_abort(c->conn); /* a goodbye of TLS would make a whole of it */
    }
}

const char *cvy_http_conn_date(struct cvy_http_server_conn *c)
{
    time_t now = time(NULL);

    if (now != c->date_at) {
        char date[CVY_HTTP_DATE_SIZE];
        c->date_at = now;
        cvy_http_date_write(date, now);
        (void)snprintf(c->date, sizeof(c->date), "Date: %s\r\n", date);
    }
    return c->date;
}

/* ---- the task ---- */

/* A close while the client still sends would reset the connection, and could take the answer with
 * it before the client has read it. */
__attribute__((noinline)) static void linger(struct cvy_http_server_conn *c)
{
    int64_t deadline = covey_now() + LINGER_NS;
    size_t dropped = 0;
    char buf[4096];
    ssize_t n = covey_shutdown_write(c->conn);

    while (n >= 0 && dropped < LINGER_MAX) {
        n = cvy_http_conn_read(c->ctx, c, buf, sizeof(buf), CVY_HTTP_READING, deadline);
        if (n <= 0) {
            break;
        }
        dropped += (size_t)n;
    }
}

/* Before the watch knows the connection: on failure its socket is closed. */
static int wrap(struct cvy_http_server_conn *c)
{
    const covey_http_server_options *o = &c->server->opts;

    if (!o->wrap) {
        return 0;
    }
    covey_ctx *ctx = covey_ctx_with_timeout(c->server->until_drain, o->header_timeout_ns);
    int code = o->wrap(ctx, &c->conn, &c->protocol, o->wrap_arg);
    covey_ctx_unref(ctx);
    if (code < 0) {
        CVY_HTTP_COUNT(c->server, wrap_failures, 1);
    }
    return code;
}

static bool is_h2(const struct cvy_http_server_conn *c)
{
    return c->protocol && strcmp(c->protocol, "h2") == 0;
}

int cvy_http_conn_serve(covey_ctx *ctx, void *conn)
{
    struct cvy_http_server_conn *c = conn;

    c->ctx = covey_ctx_with_cancel(ctx);
    if (wrap(c) == 0 && cvy_http_watch_add(c) == 0) {
        if (is_h2(c) || !cvy_h1_serve(c)) {
            cvy_h2_serve(c);
        }
        if (c->lingers) {
            linger(c);
        }
        cvy_http_watch_remove(c);
    }
    cvy_http_conn_free(c);
    return 0;
}
