/* SPDX-License-Identifier: MIT
 * h2_stream.c - a stream and its task. */
#include "http/h2_conn.h"

#include <covey/error.h>

#include <stdlib.h>
#include <string.h>

struct cvy_h2_stream *cvy_h2_stream_new(struct cvy_h2 *h2, int32_t id)
{
    struct cvy_h2_stream *st = calloc(1, sizeof(*st));

    if (st) {
        st->x.conn = h2->conn;
        st->x.via = &cvy_h2_protocol;
        cvy_http_exchange_forget(&st->x);
        st->h2 = h2;
        st->id = id;
        st->window = NGHTTP2_INITIAL_WINDOW_SIZE;
        cvy_http_list_init(&st->link);
    }
    return st;
}

void cvy_h2_stream_free(struct cvy_h2_stream *st)
{
    covey_ctx_unref(st->ctx);
    cvy_http_exchange_fini(&st->x);
    cvy_http_buffer_reset(&st->text, 0);
    cvy_http_buffer_reset(&st->in, 0);
    free(st);
}

/* ---- the task ---- */

/* nghttp2 is not to point to it any more, nor to ask it for data, which a reset sees to. Without
 * blame: who has its answer need not send the rest. */
static void detach_locked(struct cvy_h2_stream *st)
{
    struct cvy_h2 *h2 = st->h2;

    if (nghttp2_session_get_stream_user_data(h2->session, st->id) == st) {
        (void)nghttp2_session_set_stream_user_data(h2->session, st->id, NULL);
        if (nghttp2_submit_rst_stream(h2->session, 0, st->id, NGHTTP2_NO_ERROR) != 0) {
            cvy_h2_fail_locked(h2);
        }
        cvy_h2_pack_locked(h2);
    }
}

static void leave(struct cvy_h2_stream *st)
{
    struct cvy_h2 *h2 = st->h2;

    covey_mutex_lock(&h2->lock);
    detach_locked(st);
    cvy_h2_body_end_locked(st);
    cvy_http_list_remove(&st->link);
    if (--h2->live == 0) {
        h2->idle_since = covey_now();
    }
    cvy_h2_note_wait_locked(h2);
    covey_mutex_unlock(&h2->lock);
    cvy_h2_stream_free(st);
}

static int run(covey_ctx *ctx, void *arg)
{
    struct cvy_h2_stream *st = arg;

    (void)ctx; /* of all: the request has its own */
    if (st->status != 0) {
        cvy_http_exchange_refuse(&st->x, st->status);
    } else if (cvy_http_exchange_answer(st->ctx, &st->x) == COVEY_EAGAIN) {
        cvy_http_exchange_refuse(&st->x, 503);
    }
    leave(st);
    return 0;
}

int cvy_h2_stream_start_locked(struct cvy_h2_stream *st)
{
    struct cvy_h2 *h2 = st->h2;
    covey_task_options task = {.name = "http stream",
                               .stack_size = h2->conn->server->opts.stack_size};

    st->ctx = cvy_http_exchange_ctx(h2->conn->ctx, &st->x);
    cvy_http_list_append(&h2->streams, &st->link);
    h2->live++;
    int code = covey_group_go_with(h2->tasks, &task, run, st);
    if (code < 0) {
        h2->live--;
        cvy_http_list_remove(&st->link);
        (void)nghttp2_session_set_stream_user_data(h2->session, st->id, NULL);
        cvy_h2_stream_free(st);
    }
    return code;
}

void cvy_h2_stream_close_locked(struct cvy_h2_stream *st, uint32_t why)
{
    if (!st->is_closed) {
        st->is_closed = true;
        st->x.is_reset = why != NGHTTP2_NO_ERROR;
        covey_ctx_cancel_cause(st->ctx, -ECONNRESET);
        covey_cond_broadcast(&st->changed);
    }
}

int cvy_h2_stream_wait_locked(covey_ctx *ctx, struct cvy_h2_stream *st)
{
    int64_t patience = st->h2->conn->server->opts.io_timeout_ns;
    uint64_t taken = st->taken;
    covey_ctx *until = covey_ctx_with_timeout(ctx, patience);
    int code = covey_cond_wait(until, &st->changed, &st->h2->lock);

    covey_ctx_unref(until);
    if (code == COVEY_EDEADLINE && covey_ctx_err(ctx) == 0) {
        /* Some of a large piece was taken: it is not too slow. */
        code = taken != st->taken ? 0 : -ETIMEDOUT;
    }
    return code;
}
