/* SPDX-License-Identifier: MIT
 * h1_framing.c - the headers that say where a request's body ends, and others of the server's own.
 *
 * What two programs in a row could read in two ways is refused: both lengths, codings other than
 * chunked, a missing or second Host. */
#include "http/server.h"
#include "http/token.h"

#include <string.h>
#include <strings.h>

struct framing {
    int hosts, lengths, codings;
    bool says_close, says_keep_alive;
};

static bool is_number(const char *text)
{
    return *text && text[strspn(text, "0123456789")] == '\0';
}

/* An absolute target has named the host already. */
static int look_at_host(struct cvy_http_exchange *x, const char *value, struct framing *f)
{
    if (!*x->req.host) {
        x->req.host = value;
    }
    return ++f->hosts > 1 || !cvy_http_is_authority(value) ? 400 : 0;
}

/* A list; the parser's own look at it misses a "close" that a tab follows. */
static int look_at_connection(const char *value, struct framing *f)
{
    while (*value) {
        value += strspn(value, " \t,");
        size_t len = strcspn(value, " \t,");
        f->says_close = f->says_close || cvy_http_is_word(value, len, "close");
        f->says_keep_alive = f->says_keep_alive || cvy_http_is_word(value, len, "keep-alive");
        value += len;
    }
    return 0;
}

/* 0, or the status to refuse it with. */
static int look_at(struct cvy_http_exchange *x, const covey_http_header *h, struct framing *f)
{
    switch (h->name[0] | 0x20) {
    case 'h':
        return strcasecmp(h->name, "Host") == 0 ? look_at_host(x, h->value, f) : 0;
    case 'c':
        if (strcasecmp(h->name, "Content-Length") == 0) {
            return ++f->lengths > 1 || !is_number(h->value) ? 400 : 0;
        }
        return strcasecmp(h->name, "Connection") == 0 ? look_at_connection(h->value, f) : 0;
    case 't':
        if (strcasecmp(h->name, "Transfer-Encoding") == 0) {
            return ++f->codings > 1 ? 400 : strcasecmp(h->value, "chunked") != 0 ? 501 : 0;
        }
        return 0;
    case 'e':
        if (strcasecmp(h->name, "Expect") == 0) {
            x->wants_continue = x->req.http_version == 11;
            return strcasecmp(h->value, "100-continue") == 0 ? 0 : 417;
        }
        return 0;
    default:
        return 0;
    }
}

int cvy_h1_framing_set(struct cvy_h1 *h, uint64_t length)
{
    struct cvy_http_exchange *x = &h->x;
    struct framing f = {0};

    for (size_t i = 0; i < x->req.header_count; i++) {
        int status = look_at(x, &x->headers[i], &f);
        if (status != 0) {
            return status;
        }
    }
    if ((x->req.http_version == 11 && f.hosts == 0) || (f.codings && f.lengths) ||
        (f.codings && x->req.http_version == 10)) {
        return 400;
    }
    /* "close" wins; HTTP/1.0 must say "keep-alive". */
    h->keep_alive = !f.says_close && (x->req.http_version == 11 || f.says_keep_alive);
    if (f.codings) {
        h->body = CVY_H1_BODY_CHUNKED;
        x->req.content_length = -1;
    } else if (f.lengths && length > 0) {
        h->body = CVY_H1_BODY_LENGTH;
        h->left = length;
        x->req.content_length = (int64_t)length;
    } else {
        x->wants_continue = false;
    }
    return f.lengths && length > (uint64_t)x->conn->server->opts.max_body ? 413 : 0;
}
