/* SPDX-License-Identifier: MIT
 * h2_response.c - the response of a stream, as nghttp2 takes it.
 *
 * A head is submitted with what is sent first, so that one without a body ends the stream itself.
 * Pieces stay where they are until nghttp2 has taken them, which it does as far as the windows and
 * `out` have room; their sender waits for that. */
#include "http/h2_conn.h"

#include <covey/error.h>

#include <string.h>

int cvy_h2_gone(void)
{
    return covey_errorf(-ECONNRESET, "http: the client has given the request up");
}

static size_t take_piece(struct cvy_h2_stream *st, struct iovec *piece, uint8_t *buf, size_t room)
{
    size_t n = piece->iov_len < room ? piece->iov_len : room;

    if (n > 0) {
        memcpy(buf, piece->iov_base, n);
        piece->iov_base = (char *)piece->iov_base + n;
        piece->iov_len -= n;
        st->taken += n;
    }
    return n;
}

static size_t left(const struct cvy_h2_stream *st)
{
    return st->pieces[0].iov_len + st->pieces[1].iov_len;
}

static bool has_trailers(const struct cvy_h2_stream *st)
{
    const covey_http_writer *w = &st->x.writer;

    return w->trailers.len > 0 && !w->is_bodiless;
}

/* What comes behind the last of the body, and ends the stream in its place. 0, or nghttp2's code.
 */
static int submit_trailers(nghttp2_session *session, struct cvy_h2_stream *st)
{
    struct cvy_h2_fields f;

    if (!cvy_h2_fields_make_trailers(&f, &st->x.writer)) {
        return NGHTTP2_ERR_NOMEM;
    }
    int code = nghttp2_submit_trailer(session, st->id, f.list, f.count);
    cvy_h2_fields_free(&f);
    return code;
}

/* nghttp2 asks for a frame's worth. */
static ssize_t on_take(nghttp2_session *session, int32_t id, uint8_t *buf, size_t room,
                       uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct cvy_h2_stream *st = source->ptr;

    (void)id;
    (void)arg;
    if (left(st) == 0 && !st->is_last) {
        st->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    size_t n = take_piece(st, &st->pieces[0], buf, room);
    n += take_piece(st, &st->pieces[1], buf + n, room - n);
    if (left(st) == 0) {
        *flags = st->is_last ? NGHTTP2_DATA_FLAG_EOF : NGHTTP2_DATA_FLAG_NONE;
        covey_cond_broadcast(&st->changed);
    }
    if (left(st) == 0 && st->is_last && has_trailers(st)) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (submit_trailers(session, st) != 0) {
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
    }
    return (ssize_t)n;
}

static int submit(struct cvy_h2_stream *st, bool has_body)
{
    nghttp2_data_provider body = {.source.ptr = st, .read_callback = on_take};
    struct cvy_h2_fields f;

    if (!cvy_h2_fields_make(&f, &st->x)) {
        return -ENOMEM;
    }
    int code =
        nghttp2_submit_response(st->h2->session, st->id, f.list, f.count, has_body ? &body : NULL);
    cvy_h2_fields_free(&f);
    st->is_submitted = true;
    return code == 0 ? 0 : -ENOMEM;
}

/* Gives nghttp2 what is in pieces, and waits until it has it, or all of it if that is the end. */
static int give_locked(covey_ctx *ctx, struct cvy_h2_stream *st)
{
    struct cvy_h2 *h2 = st->h2;
    int code = 0;

    if (!st->is_submitted && !st->is_closed) {
        code = submit(st, !st->is_last || left(st) > 0 || has_trailers(st));
    } else if (st->is_deferred && !st->is_closed) {
        st->is_deferred = false;
        (void)nghttp2_session_resume_data(h2->session, st->id);
    }
    cvy_h2_pack_locked(h2);
    while (code == 0 && !st->is_closed && (st->is_last ? !st->is_sent : left(st) > 0)) {
        code = cvy_h2_stream_wait_locked(ctx, st);
    }
    if (code == 0 && st->is_closed && !st->is_sent) {
        code = cvy_h2_gone();
    }
    return code == -ETIMEDOUT ? covey_errorf(code, "http: the client took nothing for too long")
                              : code;
}

/* The writer's body and data; is_last: that is all. */
static int give(covey_ctx *ctx, struct cvy_http_exchange *x, const char *data, size_t len,
                bool is_last)
{
    struct cvy_h2_stream *st = (struct cvy_h2_stream *)x;

    covey_mutex_lock(&st->h2->lock);
    st->pieces[0] = (struct iovec){x->writer.body.data, x->writer.body.len};
    st->pieces[1] = (struct iovec){(char *)data, len};
    st->is_last = is_last;
    int code = give_locked(ctx, st);
    st->pieces[0].iov_len = st->pieces[1].iov_len = 0;
    covey_mutex_unlock(&st->h2->lock);
    x->writer.body.len = 0;
    return code;
}

static int begin(struct cvy_http_exchange *x)
{
    (void)x;
    return 0;
}

static int send_body(covey_ctx *ctx, struct cvy_http_exchange *x, const char *data, size_t len)
{
    return give(ctx, x, data, len, false);
}

static int end(struct cvy_http_exchange *x)
{
    return give(NULL, x, NULL, 0, true);
}

/* ---- the rest ---- */

static int go_on(covey_ctx *ctx, struct cvy_http_exchange *x)
{
    struct cvy_h2_stream *st = (struct cvy_h2_stream *)x;
    const nghttp2_nv status = {(uint8_t *)":status", (uint8_t *)"100", 7, 3, NGHTTP2_NV_FLAG_NONE};
    int code = 0;

    (void)ctx;
    covey_mutex_lock(&st->h2->lock);
    if (!st->is_closed) {
        code = nghttp2_submit_headers(st->h2->session, 0, st->id, NULL, &status, 1, NULL);
        cvy_h2_pack_locked(st->h2);
    }
    covey_mutex_unlock(&st->h2->lock);
    return code == 0 ? 0 : -ENOMEM;
}

static void cut(struct cvy_http_exchange *x)
{
    struct cvy_h2_stream *st = (struct cvy_h2_stream *)x;

    covey_mutex_lock(&st->h2->lock);
    if (!st->is_closed) {
        (void)nghttp2_submit_rst_stream(st->h2->session, 0, st->id, NGHTTP2_INTERNAL_ERROR);
        cvy_h2_pack_locked(st->h2);
    }
    covey_mutex_unlock(&st->h2->lock);
}

static void close_after(struct cvy_http_exchange *x)
{
    struct cvy_h2 *h2 = ((struct cvy_h2_stream *)x)->h2;

    covey_mutex_lock(&h2->lock);
    cvy_h2_drain_locked(h2);
    covey_mutex_unlock(&h2->lock);
}

const struct cvy_http_protocol cvy_h2_protocol = {
    .read = cvy_h2_body_read,
    .go_on = go_on,
    .begin = begin,
    .send = send_body,
    .end = end,
    .cut = cut,
    .close = close_after,
};
