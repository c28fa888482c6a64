/* SPDX-License-Identifier: MIT
 * h2_conn.c - the reader of an HTTP/2 connection, from its preface to its end.
 *
 * It waits under a context of its own, which is ended by the watch (for a drain, or what lasts too
 * long), by the last stream of a connection that drains, and by who cannot write. */
#include "http/h2_conn.h"
#include "http/server_watch.h"

#include <covey/error.h>

#include <limits.h>
#include <string.h>

#define IN_SIZE 2048
#define IN_BUSY 16384
#define QUEUE_MAX                                                                                  \
    1000 /* frames that a client makes us say and does not read, beside its streams' */

const bool cvy_h2_is_built = true;

/* ---- reading ---- */

/* What was read goes to the session. False: the connection is at its end. */
static bool digest(struct cvy_h2 *h2, const char *data, size_t len)
{
    size_t most = QUEUE_MAX + 2 * (size_t)h2->conn->server->opts.max_streams;

    covey_mutex_lock(&h2->lock);
    ssize_t n = nghttp2_session_mem_recv(h2->session, (const uint8_t *)data, len);
    bool goes_on = n >= 0 && nghttp2_session_get_outbound_queue_size(h2->session) <= most;
    cvy_h2_pack_locked(h2);
    goes_on = goes_on && !h2->has_failed && nghttp2_session_want_read(h2->session);
    cvy_h2_note_wait_locked(h2);
    covey_mutex_unlock(&h2->lock);
    return goes_on;
}

/* A new context to wait under, after the watch has ended the old one. */
static void renew(struct cvy_h2 *h2)
{
    struct cvy_http_server_conn *c = h2->conn;
    covey_ctx *old = h2->read_ctx, *fresh = covey_ctx_with_cancel(c->ctx);

    cvy_http_watch_set_read_ctx(c, fresh);
    covey_mutex_lock(&h2->lock);
    h2->read_ctx = fresh;
    c->is_overdue = false;
    cvy_h2_note_wait_locked(h2); /* perhaps the last stream has ended just now */
    covey_mutex_unlock(&h2->lock);
    covey_ctx_unref(old);
}

/* The wait was ended. True: streams still run, and are seen through. */
static bool begin_drain(struct cvy_h2 *h2)
{
    covey_mutex_lock(&h2->lock);
    bool is_stuck = h2->head_since != 0 && h2->conn->is_overdue;
    bool goes_on =
        !h2->is_draining && !h2->has_failed && !is_stuck && covey_ctx_err(h2->conn->ctx) == 0;
    cvy_h2_drain_locked(h2);
    goes_on = goes_on && h2->live > 0;
    covey_mutex_unlock(&h2->lock);
    if (goes_on) {
        renew(h2);
    }
    return goes_on;
}

/* Large as long as much comes at once; small as long as nothing does. */
static int make_room(struct cvy_http_buffer *in, bool is_busy)
{
    if (is_busy) {
        return cvy_http_buffer_reserve(in, IN_BUSY);
    }
    if (in->cap > IN_SIZE) {
        cvy_http_buffer_reset(in, 0);
    }
    return cvy_http_buffer_reserve(in, IN_SIZE);
}

/* Until the connection's end. True: it is the client's, which reads on. */
static bool read_all(struct cvy_h2 *h2)
{
    struct cvy_http_server_conn *c = h2->conn;
    struct cvy_http_buffer *in = &c->h1.in;
    bool is_busy = false;

    for (;;) {
        if (make_room(in, is_busy) < 0) {
            return false;
        }
        ssize_t n = covey_read(h2->read_ctx, c->conn, in->data, in->cap);
        if (n == COVEY_ECANCELED && begin_drain(h2)) {
            continue;
        }
        if (n <= 0) {
            c->lingers = n == COVEY_ECANCELED && covey_ctx_err(c->ctx) == 0;
            return n == 0 && c->server->opts.half_close && covey_ctx_err(c->ctx) == 0;
        }
        if (!digest(h2, in->data, (size_t)n)) {
            c->lingers = true;
            return false;
        }
        is_busy = (size_t)n == in->cap;
    }
}

/* ---- beginning and end ---- */

static int init(struct cvy_h2 *h2, struct cvy_http_server_conn *c)
{
    covey_group_options all = {.policy = COVEY_ALL};

    h2->conn = c;
    cvy_http_list_init(&h2->streams);
    h2->idle_since = h2->head_since = covey_now();
    h2->spare = cvy_h2_spare(&c->server->opts);
    h2->tasks = covey_group_new_with(c->ctx, &all);
    h2->read_ctx = covey_ctx_with_cancel(c->ctx);
    int code = h2->tasks ? cvy_h2_session_make(h2) : -ENOMEM;
    if (code == 0) {
        cvy_http_watch_set_read_ctx(c, h2->read_ctx);
    }
    return code;
}

static void fini(struct cvy_h2 *h2)
{
    cvy_http_watch_set_read_ctx(h2->conn, NULL);
    (void)covey_group_wait(h2->tasks);
    h2->conn->reading.phase = CVY_HTTP_RUNNING;
    if (h2->head) {
        cvy_h2_stream_free(h2->head);
    }
    nghttp2_session_del(h2->session);
    covey_ctx_unref(h2->read_ctx);
    cvy_http_buffer_reset(&h2->out, 0);
    cvy_http_buffer_reset(&h2->sending, 0);
}

/* No more comes: streams that still wait for their client's body do so in vain. */
static void end(struct cvy_h2 *h2, bool is_heard)
{
    covey_mutex_lock(&h2->lock);
    cvy_h2_pack_locked(h2); /* why it ends, if we say so */
    h2->is_deaf = true;
    if (is_heard) {
        cvy_h2_wake_locked(h2);
    } else {
        cvy_h2_abandon_locked(h2);
    }
    covey_mutex_unlock(&h2->lock);
}

void cvy_h2_serve(struct cvy_http_server_conn *c)
{
    struct cvy_h2 h2 = {0};
    struct cvy_h1 *h1 = &c->h1;

    if (init(&h2, c) == 0) {
        bool goes_on = digest(&h2, h1->in.data + h1->at, h1->in.len - h1->at);
        h1->in.len = h1->at = 0;
        if (goes_on && c->server->is_draining) {
            covey_ctx_cancel(h2.read_ctx);
        }
        end(&h2, goes_on && read_all(&h2));
    }
    fini(&h2);
}
