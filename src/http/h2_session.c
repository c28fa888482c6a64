/* SPDX-License-Identifier: MIT
 * h2_session.c - nghttp2's session: its limits, and what it is told to call.
 *
 * What nghttp2 sees to: the order of frames, flow control, pseudo headers and malformed ones,
 * content-length against what came, floods of PING, SETTINGS, CONTINUATION and of resets. The
 * connection's window is given back as data comes, a stream's as its handler reads (h2_body.c): one
 * that does not read holds up nobody else. */
#include "http/h2_conn.h"

#include <string.h>

#define RESETS_BURST 200
#define RESETS_PER_SECOND 100
/* Debian's nghttp2 counts each read of a piece of a frame's beginning as another frame. */
#define CONTINUATIONS_MAX 100

static struct cvy_h2_stream *stream_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

/* ---- heads ---- */

static bool is_request(const nghttp2_frame *frame)
{
    return frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
}

/* Tasks of streams that were reset may take a while to end. */
static bool is_full(const struct cvy_h2 *h2)
{
    return h2->live >= 2 * (unsigned)h2->conn->server->opts.max_streams;
}

/* One that turned out malformed has no end. */
static void drop_head(struct cvy_h2 *h2)
{
    if (h2->head) {
        (void)nghttp2_session_set_stream_user_data(h2->session, h2->head->id, NULL);
        cvy_h2_stream_free(h2->head);
        h2->head = NULL;
    }
}

/* A head that turned out malformed may still be coming: until then its time runs. */
static int on_frame_begin(nghttp2_session *session, const nghttp2_frame_hd *hd, void *arg)
{
    struct cvy_h2 *h2 = arg;

    if (hd->type != NGHTTP2_CONTINUATION) {
        h2->head_since = 0;
    }
    /* Of priorities nghttp2 takes no notice, not even of this. */
    return hd->type == NGHTTP2_PRIORITY && hd->stream_id == 0
               ? nghttp2_session_terminate_session(session, NGHTTP2_PROTOCOL_ERROR)
               : 0;
}

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct cvy_h2 *h2 = arg;
    int32_t id = frame->hd.stream_id;

    h2->head_since = covey_now();
    if (!is_request(frame)) {
        return 0; /* trailers */
    }
    drop_head(h2);
    if (is_full(h2)) {
        return nghttp2_submit_rst_stream(session, 0, id, NGHTTP2_REFUSED_STREAM);
    }
    h2->head = cvy_h2_stream_new(h2, id);
    return h2->head ? nghttp2_session_set_stream_user_data(session, id, h2->head)
                    : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *arg)
{
    const struct cvy_h2 *h2 = arg;
    struct cvy_h2_stream *st = stream_of(session, frame->hd.stream_id);

    (void)flags;
    if (st && st == h2->head) {
        cvy_h2_request_add(st, name, name_len, value, value_len);
    } else if (st) {
        cvy_h2_body_add_trailer_locked(st, name, name_len, value, value_len);
    }
    return 0;
}

static int on_head(struct cvy_h2 *h2, bool has_ended)
{
    struct cvy_h2_stream *st = h2->head;

    h2->head = NULL;
    if (!st) {
        return 0;
    }
    st->has_ended = has_ended;
    cvy_h2_request_make(st, !has_ended);
    return cvy_h2_stream_start_locked(st) < 0 ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

/* ---- the rest ---- */

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct cvy_h2 *h2 = arg;
    bool has_ended = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

    if (frame->hd.type == NGHTTP2_HEADERS) {
        h2->head_since = 0;
    }
    if (is_request(frame)) {
        return on_head(h2, has_ended);
    }
    if (has_ended && (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS)) {
        struct cvy_h2_stream *st = stream_of(session, frame->hd.stream_id);
        if (st) {
            st->has_ended = true;
            covey_cond_broadcast(&st->changed);
        }
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t len, void *arg)
{
    struct cvy_h2_stream *st = stream_of(session, id);

    (void)flags;
    (void)arg;
    if (st) {
        cvy_h2_body_put_locked(st, data, len);
    }
    return nghttp2_session_consume_connection(session, len);
}

static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    bool is_end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

    (void)arg;
    if (is_end && (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS)) {
        struct cvy_h2_stream *st = stream_of(session, frame->hd.stream_id);
        if (st) {
            st->is_sent = true;
            covey_cond_broadcast(&st->changed);
        }
    }
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t why, void *arg)
{
    struct cvy_h2 *h2 = arg;
    struct cvy_h2_stream *st = stream_of(session, id);

    if (st && st == h2->head) {
        drop_head(h2);
    } else if (st) {
        cvy_h2_stream_close_locked(st, why);
    }
    return 0;
}

/* ---- making it ---- */

static int set_up(nghttp2_session_callbacks **callbacks, nghttp2_option **option)
{
    *callbacks = NULL;
    *option = NULL;
    if (nghttp2_session_callbacks_new(callbacks) != 0 || nghttp2_option_new(option) != 0) {
        return -ENOMEM;
    }
    nghttp2_session_callbacks_set_on_begin_frame_callback(*callbacks, on_frame_begin);
    nghttp2_session_callbacks_set_on_begin_headers_callback(*callbacks, on_begin);
    nghttp2_session_callbacks_set_on_header_callback(*callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(*callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(*callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(*callbacks, on_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(*callbacks, on_close);
    nghttp2_option_set_no_auto_window_update(*option, 1);
    nghttp2_option_set_no_closed_streams(*option, 1);
    nghttp2_option_set_stream_reset_rate_limit(*option, RESETS_BURST, RESETS_PER_SECOND);
    nghttp2_option_set_max_continuations(*option, CONTINUATIONS_MAX);
    return 0;
}

static int say_settings(struct cvy_h2 *h2)
{
    const covey_http_server_options *o = &h2->conn->server->opts;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t)o->max_streams},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)o->max_header_size},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };

    if (nghttp2_submit_settings(h2->session, 0, settings, sizeof(settings) / sizeof(settings[0])) ||
        nghttp2_session_set_local_window_size(h2->session, 0, 0, cvy_h2_conn_window(o)) != 0) {
        return -ENOMEM;
    }
    return 0;
}

int cvy_h2_session_make(struct cvy_h2 *h2)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    int code = set_up(&callbacks, &option);

    if (code == 0 && nghttp2_session_server_new2(&h2->session, callbacks, h2, option) != 0) {
        code = -ENOMEM;
    }
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    return code < 0 ? code : say_settings(h2);
}
