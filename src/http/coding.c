/* SPDX-License-Identifier: MIT
 * coding.c - see coding.h.
 *
 * What could be compressed depends on what the client accepts, and says so (Vary), whether or not
 * it was. What is compressed is another representation: its entity tag becomes a weak one, which no
 * range can be asked for with, and ranges are not offered. */
#include "http/coding.h"
#include "http/server.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define WHOLE_MAX ((size_t)64 << 10) /* held in memory, to know its length */
#define ETAG_MAX 512

/* ---- what gains by it ---- */

static bool has_suffix(const char *text, size_t len, const char *suffix)
{
    size_t n = strlen(suffix);

    return len >= n && strncasecmp(text + len - n, suffix, n) == 0;
}

bool cvy_http_is_compressible(const char *type, size_t len)
{
    static const char *const types[] = {
        "application/json",
        "application/javascript",
        "application/xml",
        "application/wasm",
        "application/x-ndjson",
        "application/graphql",
        "application/x-www-form-urlencoded",
    };

    while (len > 0 && (type[len - 1] == ' ' || type[len - 1] == '\t')) {
        len--;
    }
    if (len > 5 && strncasecmp(type, "text/", 5) == 0) {
        return true;
    }
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strlen(types[i]) == len && strncasecmp(type, types[i], len) == 0) {
            return true;
        }
    }
    return has_suffix(type, len, "+json") || has_suffix(type, len, "+xml");
}

/* ---- what the response is ---- */

static bool has_word(covey_http_writer *w, const char *name, const char *word)
{
    size_t len, n = strlen(word);
    const char *value = cvy_http_writer_field(w, name, &len);

    for (size_t i = 0; value && i + n <= len; i++) {
        if (strncasecmp(value + i, word, n) == 0) {
            return true;
        }
    }
    return false;
}

static bool has_type(covey_http_writer *w)
{
    size_t len;
    const char *type = cvy_http_writer_field(w, "Content-Type", &len);
    const char *end = type ? memchr(type, ';', len) : NULL;

    return type && cvy_http_is_compressible(type, end ? (size_t)(end - type) : len);
}

static bool can_be_coded(covey_http_writer *w)
{
    size_t len;

    return has_type(w) && !cvy_http_writer_field(w, "Content-Encoding", &len) &&
           !has_word(w, "Cache-Control", "no-transform");
}

static bool is_eligible(struct cvy_http_exchange *x, bool is_whole)
{
    covey_http_writer *w = &x->writer;
    uint64_t least = (uint64_t)x->conn->server->opts.gzip_min;
    size_t len;
    bool is_small = (w->has_length && w->length < least) || (is_whole && w->total < least);

    return !is_small && x->req.http_version >= 11 && w->status != 204 && w->status != 205 &&
           w->status != 206 && can_be_coded(w) && !cvy_http_writer_field(w, "Content-Range", &len);
}

/* ---- its headers ---- */

static int weaken(covey_http_writer *w)
{
    char weak[ETAG_MAX];
    size_t len;
    const char *etag = cvy_http_writer_field(w, "ETag", &len);

    if (!etag || strncmp(etag, "W/", 2) == 0) {
        return 0;
    }
    if (len + 3 > sizeof(weak)) {
        cvy_http_writer_drop(w, "ETag");
        return 0;
    }
    (void)snprintf(weak, sizeof(weak), "W/%.*s", (int)len, etag);
    return covey_http_set_header(w, "ETag", weak);
}

static int set_headers(covey_http_writer *w)
{
    int code = covey_http_set_header(w, "Content-Encoding", "gzip");

    cvy_http_writer_drop(w, "Accept-Ranges");
    w->says_length = false;
    return code < 0 ? code : weaken(w);
}

static int vary(covey_http_writer *w)
{
    bool is_said = has_word(w, "Vary", "Accept-Encoding") || has_word(w, "Vary", "*");

    return is_said ? 0 : covey_http_add_header(w, "Vary", "Accept-Encoding");
}

/* What stands for a whole response, or is a part of one, varies as that does. Of what a 304 stands
 * for nothing is known here: it may have been coded, and a weak tag is right in either case. */
static int mark_partial(struct cvy_http_exchange *x)
{
    covey_http_writer *w = &x->writer;
    int code = vary(w);

    return code == 0 && w->status == 304 && cvy_http_accepts_gzip(&x->req) ? weaken(w) : code;
}

/* ---- its body ---- */

/* The collected part, coded; and data, if it is the rest. */
static int code_body(covey_http_writer *w, bool is_all, const char *data, size_t len)
{
    struct cvy_http_buffer plain = w->body;

    w->body = (struct cvy_http_buffer){0};
    int code = cvy_gzip_add(w->coder, plain.data, plain.len, CVY_GZIP_MORE, &w->body);
    cvy_http_buffer_reset(&plain, 0);
    if (code < 0 || !is_all) {
        return code;
    }
    code = cvy_gzip_add(w->coder, data, len, CVY_GZIP_LAST, &w->body);
    cvy_gzip_free(w->coder);
    w->coder = NULL;
    w->says_length = true;
    w->said = w->body.len;
    return code < 0 ? code : 1;
}

int cvy_http_coding_begin(struct cvy_http_exchange *x, bool is_whole, const char *data, size_t len)
{
    covey_http_writer *w = &x->writer;
    int level = x->conn->server->opts.gzip;

    if (level > 0 && (w->status == 304 || (w->status == 206 && can_be_coded(w)))) {
        return mark_partial(x);
    }
    if (level == 0 || !is_eligible(x, is_whole)) {
        return 0;
    }
    int code = vary(w);
    if (code < 0 || !cvy_http_accepts_gzip(&x->req)) {
        return code;
    }
    if (w->is_bodiless) {
        return set_headers(w);
    }
    w->coder = cvy_gzip_new(level);
    if (!w->coder) {
        return 0; /* then as it is */
    }
    code = set_headers(w);
    return code < 0 ? code : code_body(w, is_whole && len <= WHOLE_MAX, data, len);
}
