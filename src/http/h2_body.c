/* SPDX-License-Identifier: MIT
 * h2_body.c - the body of a stream's request: kept until its handler reads it, within a window.
 *
 * What a client may send ahead of its handler is the stream's window, and nothing more is ever kept
 * (the buffer is at most twice as large). A window of HTTP/2's 64 KiB lets a far client send that
 * much a round trip; so a handler that keeps up gets a wider one, twice as wide each time that a
 * whole window has come and it waits for more, up to max_stream_window. What all streams of a
 * connection have beyond 64 KiB comes out of one purse, `spare`. */
#include "http/h2_conn.h"
#include "http/pairs.h"

#include <covey/error.h>

#include <limits.h>
#include <string.h>

#define NARROW NGHTTP2_INITIAL_WINDOW_SIZE
#define SPARE_WINDOWS 4 /* of the widest */
#define CONN_WINDOW_MIN (INT64_C(1) << 20)

/* ---- windows ---- */

int64_t cvy_h2_spare(const covey_http_server_options *o)
{
    return o->max_stream_window > NARROW ? SPARE_WINDOWS * o->max_stream_window : 0;
}

/* It is given back as data comes, so nothing is kept by it: it must not be what holds them up. */
int32_t cvy_h2_conn_window(const covey_http_server_options *o)
{
    int64_t window = cvy_h2_spare(o);

    return (int32_t)(window < CONN_WINDOW_MIN ? CONN_WINDOW_MIN
                     : window < INT32_MAX     ? window
                                              : INT32_MAX);
}

/* The handler has read all there was. */
static void widen_locked(struct cvy_h2_stream *st)
{
    struct cvy_h2 *h2 = st->h2;
    int64_t most = h2->conn->server->opts.max_stream_window - st->window;
    int64_t more = st->window < most ? st->window : most;

    more = more < h2->spare ? more : h2->spare;
    if (more <= 0 || st->total - st->widened_at < (uint64_t)st->window) {
        return;
    }
    st->widened_at = st->total;
    if (nghttp2_session_set_local_window_size(h2->session, 0, st->id, st->window + (int32_t)more) ==
        0) {
        st->window += (int32_t)more;
        h2->spare -= more;
        cvy_h2_pack_locked(h2);
    }
}

void cvy_h2_body_end_locked(struct cvy_h2_stream *st)
{
    st->h2->spare += st->window - NARROW;
    st->window = NARROW;
}

/* ---- what the client sends ---- */

/* What is there moves only if more than that was read before it, so that no byte moves often. */
static int append(struct cvy_h2_stream *st, const void *data, size_t len)
{
    size_t there = st->in.len - st->at;

    if (st->at > 0 && st->at >= there && st->in.len + len > st->in.cap) {
        memmove(st->in.data, st->in.data + st->at, there);
        st->in.len = there;
        st->at = 0;
    }
    return cvy_http_buffer_append(&st->in, data, len, 2 * (size_t)st->window);
}

static void fail(struct cvy_h2_stream *st)
{
    (void)nghttp2_submit_rst_stream(st->h2->session, 0, st->id, NGHTTP2_INTERNAL_ERROR);
}

/* Later data of a body that has failed is dropped; the window is the client's own affair then. */
void cvy_h2_body_put_locked(struct cvy_h2_stream *st, const void *data, size_t len)
{
    uint64_t max = (uint64_t)st->h2->conn->server->opts.max_body;

    if (st->x.is_reset || st->is_too_large) {
        return;
    }
    st->is_too_large = len > max - st->total;
    st->total += len;
    if (!st->is_too_large && append(st, data, len) < 0) {
        fail(st);
        return;
    }
    covey_cond_broadcast(&st->changed);
}

void cvy_h2_body_add_trailer_locked(struct cvy_h2_stream *st, const void *name, size_t name_len,
                                    const void *value, size_t value_len)
{
    size_t max = st->h2->conn->server->opts.max_header_size;
    int code = st->x.is_reset || st->is_too_large
                   ? 0
                   : cvy_http_pairs_add(&st->x.trailers, max, name, name_len, value, value_len);

    if (code == COVEY_ETOOLARGE) {
        st->is_too_large = true;
    } else if (code < 0) {
        fail(st);
    }
}

/* ---- what the handler reads ---- */

static size_t take(struct cvy_h2_stream *st, void *buf, size_t len)
{
    size_t there = st->in.len - st->at, n = len < there ? len : there;

    memcpy(buf, st->in.data + st->at, n);
    st->at += n;
    if (st->at == st->in.len) {
        st->at = st->in.len = 0;
    }
    (void)nghttp2_session_consume_stream(st->h2->session, st->id, n);
    cvy_h2_pack_locked(st->h2);
    return n;
}

/* For the client. 0, or a code. */
static int wait_locked(covey_ctx *ctx, struct cvy_h2_stream *st)
{
    cvy_http_buffer_reset(&st->in, NARROW);
    widen_locked(st);
    int code = cvy_h2_stream_wait_locked(ctx, st);
    return code == -ETIMEDOUT ? covey_errorf(code, "http: the client sent nothing for too long")
                              : code;
}

static ssize_t read_locked(covey_ctx *ctx, struct cvy_h2_stream *st, void *buf, size_t len)
{
    for (;;) {
        if (st->in.len > st->at) {
            return (ssize_t)take(st, buf, len);
        }
        if (st->is_too_large) {
            return covey_errorf(COVEY_ETOOLARGE, "http body: larger than it may be");
        }
        if (st->has_ended) {
            return 0;
        }
        if (st->is_closed || st->h2->is_deaf) {
            return cvy_h2_gone();
        }
        int code = wait_locked(ctx, st);
        if (code < 0) {
            return code;
        }
    }
}

ssize_t cvy_h2_body_read(covey_ctx *ctx, struct cvy_http_exchange *x, void *buf, size_t len)
{
    struct cvy_h2_stream *st = (struct cvy_h2_stream *)x;

    covey_mutex_lock(&st->h2->lock);
    ssize_t n = read_locked(ctx, st, buf, len);
    covey_mutex_unlock(&st->h2->lock);
    return n;
}
