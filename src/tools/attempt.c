/* SPDX-License-Identifier: MIT
 * attempt.c - see attempt.h. */
#define _GNU_SOURCE
#include "tools/attempt.h"

#include <stdlib.h>
#include <string.h>

#define ERROR_PAGE_MAX                                                                             \
    ((uint64_t)64 << 10) /* more of it is not worth keeping the connection for                     \
                          */

/* The number at *text, which goes on behind it and the character that must follow. */
static bool read_number(const char **text, char behind, uint64_t *n)
{
    char *end;

    if (**text < '0' || **text > '9') {
        return false;
    }
    *n = strtoull(*text, &end, 10);
    *text = end + (behind != '\0');
    return *end == behind;
}

/* "bytes 100-199/200" of a 206: from there to the end. False: anything else. */
static bool read_content_range(const char *text, uint64_t *from)
{
    uint64_t last, total;

    if (!text || strncmp(text, "bytes ", 6) != 0) {
        return false;
    }
    text += 6;
    return read_number(&text, '-', from) && read_number(&text, '/', &last) &&
           read_number(&text, '\0', &total) && last >= *from && last == total - 1;
}

/* The length that a 416 tells behind its asterisk. */
static bool read_total(const char *text, uint64_t *total)
{
    if (!text || strncmp(text, "bytes */", 8) != 0) {
        return false;
    }
    text += 8;
    return read_number(&text, '\0', total);
}

/* What names this version of the body for If-Range: a strong ETag, or the date. "": nothing. */
static void find_validator(const covey_http_response *resp, char *validator)
{
    const char *etag = covey_http_response_header(resp, "ETag");
    const char *date = covey_http_response_header(resp, "Last-Modified");
    const char *chosen = etag && etag[0] == '"' ? etag : date ? date : "";

    if (strlen(chosen) >= CVY_VALIDATOR_MAX) {
        chosen = "";
    }
    (void)snprintf(validator, CVY_VALIDATOR_MAX, "%s", chosen);
}

/* The server refuses the range: either there is nothing behind it, or the part is of no use. */
static void take_416(struct cvy_attempt *a, const covey_http_response *resp)
{
    uint64_t total = 0;
    bool is_known = read_total(covey_http_response_header(resp, "Content-Range"), &total);

    a->is_unwanted = true;
    a->is_complete = is_known && total == a->asked_from;
    a->must_restart = !a->is_complete;
}

/* Opens the file for what is coming. */
static int open_target(struct cvy_attempt *a, const covey_http_response *resp)
{
    uint64_t from = 0, offset = 0;

    if (a->asked_from > 0 && resp->status == 206) {
        bool fits = read_content_range(covey_http_response_header(resp, "Content-Range"), &from);
        if (!fits || from != a->asked_from) {
            a->must_restart = true;
            return covey_errorf(COVEY_EPROTO,
                                "fetch %s: the server sent another range than asked "
                                "for",
                                a->job->url);
        }
        offset = from;
    }
    char validator[CVY_VALIDATOR_MAX];
    find_validator(resp, validator);
    int code = cvy_target_open(a->target, a->job->url, validator, offset);
    a->is_local = code < 0;
    return code;
}

static int take_head(covey_ctx *ctx, const covey_http_response *resp, void *arg)
{
    struct cvy_attempt *a = arg;
    (void)ctx;

    if (resp->status == 416 && a->asked_from > 0) {
        take_416(a, resp);
        return 0;
    }
    if (resp->status < 200 || resp->status >= 300) {
        a->is_unwanted = true;
        return 0;
    }
    return a->target ? open_target(a, resp) : 0;
}

static int take_piece(covey_ctx *ctx, const void *data, size_t len, void *arg)
{
    struct cvy_attempt *a = arg;
    struct cvy_fetch *f = a->job->fetch;
    int code = 0;

    a->received += len;
    atomic_fetch_add_explicit(&f->counts.bytes, len, memory_order_relaxed);
    if (a->is_unwanted) {
        /* The status says it all; the words here only end the transfer. */
        return a->received > ERROR_PAGE_MAX ? covey_errorf(COVEY_ETOOLARGE, "a long error page")
                                            : 0;
    }
    if (a->target) {
        code = cvy_target_write(a->target, data, len);
    } else if (f->options.to_stdout) {
        a->has_output = true;
        code = cvy_output_write(ctx, &f->out, data, len);
    }
    a->is_local = code < 0 && covey_ctx_err(ctx) != code;
    return code;
}

/* The command's headers and, for a part, If-Range. NULL: out of memory. */
static covey_http_header *make_headers(const struct cvy_attempt *a, size_t *n)
{
    const struct cvy_fetch_options *o = &a->job->fetch->options;
    covey_http_header *headers = malloc((o->header_count + 1) * sizeof(*headers));
    if (!headers) {
        return NULL;
    }
    for (size_t i = 0; i < o->header_count; i++) {
        headers[i] = o->headers[i];
    }
    *n = o->header_count;
    if (a->asked_from > 0) {
        headers[(*n)++] = (covey_http_header){"If-Range", a->validator};
    }
    return headers;
}

int cvy_attempt_run(covey_ctx *ctx, struct cvy_attempt *a)
{
    struct cvy_fetch *f = a->job->fetch;
    covey_http_request req = {.url = a->job->url, .body_arg = a};
    covey_http_header *headers = NULL;

    if (a->target && a->may_resume) {
        a->asked_from = cvy_target_left(a->target, a->job->url, a->validator);
        req.resume_from = a->asked_from;
    }
    if (f->options.header_count > 0 || a->asked_from > 0) {
        headers = make_headers(a, &req.header_count);
        if (!headers) {
            a->is_local = true;
            return covey_errorf(-ENOMEM, "fetch %s: out of memory", a->job->url);
        }
        req.headers = headers;
    }
    /* Pieces are handed over only where somebody looks at them. */
    bool is_dropped = f->options.discard && !f->shows_progress;
    req.discard_body = is_dropped;
    req.on_body = is_dropped ? NULL : take_piece;
    req.on_headers = is_dropped ? NULL : take_head;
    int code = covey_http_do(ctx, f->client, &req, &a->response);
    free(headers);
    a->status = a->response.status;
    if (is_dropped) {
        a->received = a->response.len;
        atomic_fetch_add_explicit(&f->counts.bytes, a->received, memory_order_relaxed);
    }
    if (code < 0 && a->is_unwanted && a->received > ERROR_PAGE_MAX) {
        code = 0;
    }
    a->retry_after_ns = covey_http_retry_after(&a->response);
    return code;
}

void cvy_attempt_fini(struct cvy_attempt *a)
{
    covey_http_response_free(&a->response);
}
