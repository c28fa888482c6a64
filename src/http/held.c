/* SPDX-License-Identifier: MIT
 * held.c - see held.h. */
#include "http/held.h"

#define HELD_MAX ((size_t)64 << 10) /* bytes; an answer that is longer is not held */

static int give_head(covey_ctx *ctx, struct cvy_http_held *h, const covey_http_response *resp)
{
    h->is_given = true;
    int code = h->req->on_headers ? h->req->on_headers(ctx, resp, h->req->body_arg) : 0;
    h->callback_code = code < 0 ? code : 0;
    return h->callback_code;
}

static int give_piece(covey_ctx *ctx, struct cvy_http_held *h, const void *data, size_t len)
{
    int code = h->req->on_body(ctx, data, len, h->req->body_arg);

    h->callback_code = code < 0 ? code : 0;
    return h->callback_code;
}

int cvy_http_held_give(covey_ctx *ctx, struct cvy_http_held *h, const covey_http_response *resp)
{
    if (!h->is_held) {
        return 0;
    }
    h->is_held = false;
    int code = give_head(ctx, h, resp);
    if (code == 0 && h->body.len > 0) {
        code = give_piece(ctx, h, h->body.data, h->body.len);
    }
    cvy_http_buffer_reset(&h->body, 0);
    return code;
}

void cvy_http_held_drop(struct cvy_http_held *h)
{
    h->is_held = false;
    cvy_http_buffer_reset(&h->body, 0);
}

static int take_head(covey_ctx *ctx, const covey_http_response *resp, void *arg)
{
    struct cvy_http_held *h = arg;

    h->resp = resp;
    if (covey_http_is_transient(0, resp->status)) {
        h->is_held = true;
        return 0;
    }
    return give_head(ctx, h, resp);
}

static int take_piece(covey_ctx *ctx, const void *data, size_t len, void *arg)
{
    struct cvy_http_held *h = arg;

    if (h->is_held && cvy_http_buffer_append(&h->body, data, len, HELD_MAX) == 0) {
        return 0;
    }
    int code = cvy_http_held_give(ctx, h, h->resp);
    return code < 0 ? code : give_piece(ctx, h, data, len);
}

covey_http_request cvy_http_held_request(struct cvy_http_held *h)
{
    covey_http_request req = *h->req;

    req.on_headers = take_head;
    req.on_body = req.on_body ? take_piece : NULL;
    req.body_arg = h;
    return req;
}
