/* SPDX-License-Identifier: MIT
 * h2_output.c - what goes out on a connection, and how it ends. */
#include "http/h2_conn.h"

#include <limits.h>

#define OUT_MAX ((size_t)64 << 10)

static struct cvy_h2_stream *stream_of(struct cvy_http_link *link)
{
    return (struct cvy_h2_stream *)((char *)link - offsetof(struct cvy_h2_stream, link));
}

void cvy_h2_wake_locked(struct cvy_h2 *h2)
{
    for (struct cvy_http_link *l = h2->streams.next; l != &h2->streams; l = l->next) {
        covey_cond_broadcast(&stream_of(l)->changed);
    }
}

void cvy_h2_abandon_locked(struct cvy_h2 *h2)
{
    for (struct cvy_http_link *l = h2->streams.next; l != &h2->streams; l = l->next) {
        cvy_h2_stream_close_locked(stream_of(l), NGHTTP2_CONNECT_ERROR);
    }
}

void cvy_h2_fail_locked(struct cvy_h2 *h2)
{
    h2->has_failed = true;
    cvy_h2_abandon_locked(h2);
    covey_ctx_cancel(h2->read_ctx);
}

/* All of sending, and so on until there is nothing. */
static int write_all(covey_ctx *ctx, void *arg)
{
    struct cvy_h2 *h2 = arg;

    (void)ctx;
    covey_mutex_lock(&h2->lock);
    for (;;) {
        struct cvy_http_buffer packed = h2->out;
        h2->out = h2->sending;
        h2->sending = packed;
        if (packed.len == 0) {
            break;
        }
        covey_mutex_unlock(&h2->lock);
        struct iovec all = {packed.data, packed.len};
        int code = cvy_http_conn_write(NULL, h2->conn, &all, 1);
        h2->sending.len = 0;
        covey_mutex_lock(&h2->lock);
        if (code < 0) {
            cvy_h2_fail_locked(h2);
            break;
        }
        cvy_h2_pack_locked(h2);
    }
    cvy_http_buffer_reset(&h2->out, h2->has_failed ? 0 : CVY_HTTP_KEPT);
    cvy_http_buffer_reset(&h2->sending, CVY_HTTP_KEPT);
    h2->is_writing = false;
    covey_mutex_unlock(&h2->lock);
    return 0;
}

static void start_writer(struct cvy_h2 *h2)
{
    covey_task_options task = {.name = "http writer",
                               .stack_size = h2->conn->server->opts.stack_size};

    h2->is_writing = true;
    if (covey_group_go_with(h2->tasks, &task, write_all, h2) < 0) {
        h2->is_writing = false;
        cvy_h2_fail_locked(h2);
    }
}

void cvy_h2_pack_locked(struct cvy_h2 *h2)
{
    while (!h2->has_failed && h2->out.len < OUT_MAX) {
        const uint8_t *data;
        ssize_t n = nghttp2_session_mem_send(h2->session, &data);
        if (n == 0) {
            break;
        }
        if (n < 0 || cvy_http_buffer_append(&h2->out, data, (size_t)n, SIZE_MAX / 2) < 0) {
            cvy_h2_fail_locked(h2);
        }
    }
    if (h2->out.len > 0 && !h2->is_writing && !h2->has_failed) {
        start_writer(h2);
    }
}

void cvy_h2_note_wait_locked(struct cvy_h2 *h2)
{
    const covey_http_server_options *o = &h2->conn->server->opts;
    int64_t deadline = INT64_MAX;

    if (h2->head_since != 0) {
        deadline = h2->head_since + o->header_timeout_ns;
    } else if (h2->live == 0) {
        deadline = h2->idle_since + o->idle_timeout_ns;
        if (h2->is_draining) {
            covey_ctx_cancel(h2->read_ctx);
        }
    }
    /* The deadline first: the watch reads them the other way round. */
    atomic_store_explicit(&h2->conn->reading.deadline, deadline, memory_order_relaxed);
    h2->conn->reading.phase = CVY_HTTP_READING;
}

void cvy_h2_drain_locked(struct cvy_h2 *h2)
{
    if (!h2->is_draining) {
        int32_t last = nghttp2_session_get_last_proc_stream_id(h2->session);
        h2->is_draining = true;
        (void)nghttp2_submit_goaway(h2->session, 0, last, NGHTTP2_NO_ERROR, NULL, 0);
        cvy_h2_pack_locked(h2);
    }
}
