/* SPDX-License-Identifier: MIT
 * request.c - one transfer: the side of the task that asks. Guards are around it (guarded.c). */
#define _GNU_SOURCE
#include "http/client.h"
#include "http/token.h"

#include <stdlib.h>
#include <string.h>

#define URL_SHOWN 512 /* bytes of a URL in a message */

/* One call, in its task. */
struct call {
    covey_wait_note note; /* first */
    covey_ctx *ctx;
    struct covey_http_client *client;
    const covey_http_request *req;
    struct cvy_http_transfer *transfer;
    struct cvy_http_driver *driver;
    covey_http_response *resp;
    bool has_told_head;
};

int cvy_http_name_failure(const char *url, int code, const char *words)
{
    char shown[URL_SHOWN];

    (void)cvy_http_location_public(url, shown, sizeof(shown));
    if (words) {
        return covey_errorf(code, "fetch %s: %s", shown, words[0] ? words : covey_strerror(code));
    }
    return covey_wrapf(code, "fetch %s", shown);
}

/* ---- the request ---- */

static bool is_name(const char *text)
{
    return text && text[0] != '\0' && cvy_http_is_token(text, strlen(text));
}

/* Whether text can stand in a header line: nothing that would begin another. */
static bool is_clean(const char *text)
{
    return text && strpbrk(text, "\r\n") == NULL;
}

static int add_header(struct curl_slist **list, const covey_http_header *h)
{
    if (!is_name(h->name) || !is_clean(h->value)) {
        return covey_errorf(-EINVAL, "bad header \"%s\"", h->name ? h->name : "");
    }
    char *line = NULL;
    /* libcurl's notation: "Name;" sends one without a value, where "Name:" would take it out. */
    int len = h->value[0] ? asprintf(&line, "%s: %s", h->name, h->value)
                          : asprintf(&line, "%s;", h->name);
    if (len < 0) {
        return -ENOMEM;
    }
    struct curl_slist *longer = curl_slist_append(*list, line);
    free(line);
    if (!longer) {
        return -ENOMEM;
    }
    *list = longer;
    return 0;
}

static int check(const covey_http_request *req)
{
    if (req->method && !is_name(req->method)) {
        return covey_errorf(-EINVAL, "bad method");
    }
    if (req->on_body && req->discard_body) {
        return covey_errorf(-EINVAL, "on_body and discard_body exclude each other");
    }
    return 0;
}

static int prepare(struct call *x)
{
    struct cvy_http_transfer *t = x->transfer;
    const covey_http_request *req = x->req;
    int code = check(req);

    t->req = req;
    t->location = cvy_http_location_of(req->url);
    t->body_max = x->client->options.max_body;
    t->may_repeat = cvy_http_may_repeat(req);
    t->keep = req->on_body ? CVY_HTTP_STREAM : req->discard_body ? CVY_HTTP_DROP : CVY_HTTP_KEEP;
    for (size_t i = 0; i < req->header_count && code == 0; i++) {
        code = add_header(&t->headers, &req->headers[i]);
    }
    return code;
}

static struct cvy_http_driver *choose_driver(struct covey_http_client *c,
                                             const struct cvy_http_location *l)
{
    if (c->driver_count == 1) {
        return &c->drivers[0];
    }
    return &c->drivers[cvy_http_location_hash(l) % (uint64_t)c->driver_count];
}

static int submit(struct call *x)
{
    struct cvy_http_transfer *t = x->transfer;

    x->driver = choose_driver(x->client, &t->location);
    for (int attempt = 0; attempt < 2; attempt++) {
        if (cvy_http_driver_order(x->driver, t, CVY_HTTP_START)) {
            atomic_fetch_add_explicit(&x->client->started, 1, memory_order_relaxed);
            return 0;
        }
        atomic_store_explicit(&t->orders, 0, memory_order_relaxed);
        int code = cvy_http_driver_start(x->driver);
        if (code < 0) {
            return code == COVEY_ECLOSED ? COVEY_ECANCELED : code;
        }
    }
    return COVEY_ECANCELED; /* covey_run() is ending */
}

/* ---- the response ---- */

/* Head, URL and figures into resp. Again: only the figures. */
static int fill_head(struct call *x, const covey_http_response *figures)
{
    struct cvy_http_transfer *t = x->transfer;
    covey_http_response *resp = x->resp;

    if (!resp->owned) {
        int code =
            cvy_http_head_export(&t->head, t->url_reached ? t->url_reached : x->req->url, resp);
        if (code < 0) {
            return code;
        }
    }
    resp->http_version = figures->http_version;
    resp->content_length = figures->content_length;
    resp->connection_reused = figures->connection_reused;
    resp->ttfb_ns = figures->ttfb_ns;
    resp->total_ns = figures->total_ns;
    return 0;
}

static int tell_head(struct call *x, const covey_http_response *figures)
{
    if (x->has_told_head || !x->req->on_headers) {
        return 0;
    }
    x->has_told_head = true;
    int code = fill_head(x, figures);
    return code < 0 ? code : x->req->on_headers(x->ctx, x->resp, x->req->body_arg);
}

static int tell_piece(struct call *x, const struct cvy_http_buffer *piece)
{
    int code = tell_head(x, &x->transfer->at_head);

    if (code >= 0 && piece->len > 0) {
        code = x->req->on_body(x->ctx, piece->data, piece->len, x->req->body_arg);
    }
    return code < 0 ? code : 0;
}

/* Ends the transfer early: returns when the driver is done with it, which is at once. Leaves the
 * message alone. */
static void cancel(struct call *x)
{
    uint32_t word = 0;

    (void)cvy_http_driver_order(x->driver, x->transfer, CVY_HTTP_CANCEL);
    do {
        (void)cvy_http_taken(x->transfer);
        (void)atomic_fetch_and_explicit(&x->transfer->word, ~(uint32_t)CVY_HTTP_HEAD,
                                        memory_order_relaxed);
        (void)cvy_http_await(NULL, x->transfer, &word);
    } while (!(word & CVY_HTTP_DONE));
}

/* The piece that came, or the head that is waited for. 0, or the code of the user's callback. */
static int answer(struct call *x, uint32_t word)
{
    struct cvy_http_transfer *t = x->transfer;
    bool is_held = true;
    int code;

    if (word & CVY_HTTP_DATA) {
        code = tell_piece(x, &t->full);
        is_held = code == 0 && cvy_http_taken(t);
    } else {
        code = tell_head(x, &t->at_head);
        /* Relaxed: nothing is handed over by it; the order below says "go on". */
        (void)atomic_fetch_and_explicit(&t->word, ~(uint32_t)CVY_HTTP_HEAD, memory_order_relaxed);
    }
    if (code >= 0 && is_held) {
        (void)cvy_http_driver_order(x->driver, t, CVY_HTTP_RESUME);
    }
    return code < 0 ? code : 0;
}

/* Until DONE. A code of ctx (its message set and wrapped) or of the user's callbacks: then the
 * transfer has ended too. */
static int converse(struct call *x)
{
    for (;;) {
        uint32_t word = 0;
        int code = cvy_http_await(x->ctx, x->transfer, &word);

        if (code < 0) {
            cancel(x);
            return cvy_http_name_failure(x->req->url, code, NULL);
        }
        if (!(word & (CVY_HTTP_DATA | CVY_HTTP_HEAD))) {
            return 0;
        }
        code = answer(x, word);
        if (code < 0) {
            cancel(x);
            return code;
        }
    }
}

/* After DONE and with nothing wrong: what is left of a stream, or the kept body. */
static int conclude(struct call *x)
{
    struct cvy_http_transfer *t = x->transfer;
    covey_http_response *resp = x->resp;
    int code = tell_head(x, &t->figures);

    if (code >= 0 && t->keep == CVY_HTTP_STREAM) {
        code = tell_piece(x, &t->fill);
    }
    if (code >= 0 && t->keep == CVY_HTTP_KEEP) {
        code = cvy_http_buffer_reserve(&t->fill, t->fill.len);
        if (code == 0) {
            resp->body = t->fill.data;
            resp->body[t->fill.len] = '\0';
            t->fill = (struct cvy_http_buffer){0};
        }
    }
    return code < 0 ? code : 0;
}

/* After a failure that is not the caller's: a stream's reader gets what came before it. */
static int conclude_failed(struct call *x)
{
    struct cvy_http_transfer *t = x->transfer;

    if (t->keep == CVY_HTTP_STREAM && t->fill.len > 0) {
        int code = tell_piece(x, &t->fill);
        if (code < 0) {
            return code;
        }
    }
    return cvy_http_name_failure(x->req->url, t->code, t->words);
}

/* ---- the call ---- */

static struct cvy_http_transfer *take_transfer(struct covey_http_client *c)
{
    covey_mutex_lock(&c->mutex);
    struct cvy_http_transfer *t = c->idle;
    if (t) {
        c->idle = t->next_idle;
    }
    covey_mutex_unlock(&c->mutex);
    return t ? t : cvy_http_transfer_new();
}

static void give_transfer(struct covey_http_client *c, struct cvy_http_transfer *t)
{
    curl_slist_free_all(t->headers);
    t->headers = NULL;
    cvy_http_transfer_reset(t);
    covey_mutex_lock(&c->mutex);
    t->next_idle = c->idle;
    c->idle = t;
    covey_mutex_unlock(&c->mutex);
}

static void describe(const covey_wait_note *note, char *out, size_t size)
{
    const covey_http_request *req = ((const struct call *)note)->req;
    const char *method = req->method ? req->method : req->body ? "POST" : "GET";
    int len = snprintf(out, size, "%s ", method);

    if (len > 0 && (size_t)len < size) {
        (void)cvy_http_location_public(req->url, out + len, size - (size_t)len);
    }
}

static int run(struct call *x)
{
    struct cvy_http_transfer *t = x->transfer;
    int code = prepare(x);

    if (code < 0) {
        return cvy_http_name_failure(x->req->url, code, NULL);
    }
    code = submit(x);
    if (code < 0) {
        return cvy_http_name_failure(x->req->url, code, "");
    }
    code = converse(x);
    if (code == 0 && t->code < 0) {
        code = conclude_failed(x);
    } else if (code == 0) {
        code = conclude(x);
    }
    x->resp->len = t->received;
    int filled = fill_head(x, &t->figures);
    if (code == 0 && filled == 0) {
        filled = cvy_http_head_export_trailers(&t->head, x->resp);
    }
    return code < 0 ? code : filled;
}

int cvy_http_fetch(covey_ctx *ctx, struct covey_http_client *c, const covey_http_request *req,
                   covey_http_response *resp)
{
    struct call x = {.note = {.what = "HTTP transfer", .describe = describe},
                     .ctx = ctx,
                     .client = c,
                     .req = req,
                     .resp = resp};

    if (covey_ctx_err(ctx) < 0) {
        return cvy_http_name_failure(req->url, covey_select(ctx, COVEY_DEFAULT), NULL);
    }
    x.transfer = take_transfer(c);
    if (!x.transfer) {
        return cvy_http_name_failure(req->url, -ENOMEM, "");
    }
    int64_t begun = cvy_http_client_metrics_enter(c);
    covey_wait_note_begin(&x.note);
    int code = run(&x);
    covey_wait_note_end(&x.note);
    cvy_http_client_metrics_leave(c, begun, code, resp->status);
    give_transfer(c, x.transfer);
    return code;
}
