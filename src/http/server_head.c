/* SPDX-License-Identifier: MIT
 * server_head.c - the head of a request, by http-parser, and what that one is too lenient about.
 *
 * What two programs in a row could read in two ways is refused (request smuggling): line ends other
 * than CR LF, folded lines, spaces in names, both lengths, codings other than chunked, a missing or
 * second Host. Strings are terminated in place: the parser has finished with the head by then. */
#define _GNU_SOURCE
#include "http/server.h"

#include <covey/error.h>

#include <http_parser.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TARGET_MAX 8192
#define HEADERS_MIN 16
#define BODY_ROOM 1024 /* behind the head in `in`, for the framing of chunks */

int cvy_http_head_scan(const char *data, size_t len, size_t *seen)
{
    const char *newline;

    while ((newline = memchr(data + *seen, '\n', len - *seen)) != NULL) {
        size_t at = (size_t)(newline - data);
        if (at == 0 || data[at - 1] != '\r') {
            return -400;
        }
        if (at >= 3 && data[at - 2] == '\n') {
            return (int)at + 1;
        }
        *seen = at + 1;
        if (*seen < len && (data[*seen] == ' ' || data[*seen] == '\t')) {
            return -400; /* a folded line */
        }
    }
    return 0;
}

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

ssize_t cvy_http_decode(char *out, const char *in, size_t len, bool is_query)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        char c = in[i];
        if (c == '%') {
            int high = i + 1 < len ? hex(in[i + 1]) : -1, low = i + 2 < len ? hex(in[i + 2]) : -1;
            if (high < 0 || low < 0 || (high | low) == 0) {
                return -EINVAL;
            }
            c = (char)(16 * high + low);
            i += 2;
        } else if (c == '+' && is_query) {
            c = ' ';
        }
        out[n++] = c;
    }
    return (ssize_t)n;
}

/* The characters of RFC 9110's tokens, as bits. */
static bool is_token(char c)
{
    static const uint64_t bits[2] = {UINT64_C(0x3ff6cfa00000000), UINT64_C(0x57ffffffc7fffffe)};

    return (c & 0x80) == 0 && (bits[c >> 6] >> (c & 63) & 1);
}

static bool is_token_text(const char *text, size_t len)
{
    while (len > 0 && is_token(text[len - 1])) {
        len--;
    }
    return len == 0;
}

/* ---- the parser's callbacks ---- */

struct parse {
    struct cvy_http_server_conn *conn;
    char *target;
    size_t target_len;
    size_t count;
    int status; /* of a failure that is not the parser's */
    struct {
        char *at;
        size_t len;
    } name, host;
};

static int on_url(http_parser *p, const char *at, size_t len)
{
    struct parse *parse = p->data;

    parse->target = (char *)at;
    parse->target_len = len;
    return 0;
}

static int on_name(http_parser *p, const char *at, size_t len)
{
    struct parse *parse = p->data;

    parse->name.at = (char *)at;
    parse->name.len = len;
    return 0;
}

/* Room for one more header. */
static int grow(struct parse *parse)
{
    struct cvy_http_server_conn *c = parse->conn;
    size_t cap = c->headers_cap ? 2 * c->headers_cap : HEADERS_MIN;

    if (parse->count >= (size_t)c->server->opts.max_header_count) {
        parse->status = 431;
        return -1;
    }
    if (parse->count < c->headers_cap) {
        return 0;
    }
    covey_http_header *grown = realloc(c->headers, cap * sizeof(*grown));
    if (!grown) {
        parse->status = 503;
        return -1;
    }
    c->headers = grown;
    c->headers_cap = cap;
    return 0;
}

/* The name's ':' was read already; a value's end was not. Of an empty value the parser's place is
 * the next line. */
static int on_value(http_parser *p, const char *at, size_t len)
{
    struct parse *parse = p->data;
    char *end = parse->name.at + parse->name.len;

    if (!is_token_text(parse->name.at, parse->name.len) || grow(parse) < 0) {
        return -1;
    }
    *end = '\0';
    parse->conn->headers[parse->count++] = (covey_http_header){parse->name.at, len > 0 ? at : end};
    return 0;
}

static void terminate_values(struct parse *parse)
{
    for (size_t i = 0; i < parse->count; i++) {
        char *value = (char *)parse->conn->headers[i].value;
        size_t len = strcspn(value, "\r");
        while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t')) {
            len--;
        }
        value[len] = '\0';
    }
}

static const http_parser_settings settings = {
    .on_url = on_url,
    .on_header_field = on_name,
    .on_header_value = on_value,
};

/* ---- what a failure of the parser is called ---- */

/* A method that nobody knows is something else than garbage. */
static int status_of_method(const char *head)
{
    size_t len = 0;

    while (is_token(head[len])) {
        len++;
    }
    return len > 0 && head[len] == ' ' ? 501 : 400;
}

static int status_of_version(const char *head, size_t len)
{
    const char *end = memchr(head, '\r', len);
    const char *version = end && end - head > 8 ? end - 8 : head;

    return memcmp(version, "HTTP/", 5) == 0 && version[6] == '.' ? 505 : 400;
}

static int status_of(const struct parse *parse, const http_parser *p, const char *head, size_t len)
{
    if (parse->status) {
        return parse->status;
    }
    switch (HTTP_PARSER_ERRNO(p)) {
    case HPE_INVALID_METHOD:
        return status_of_method(head);
    case HPE_INVALID_VERSION:
        return status_of_version(head, len);
    case HPE_HEADER_OVERFLOW:
        return 431;
    default:
        return 400;
    }
}

/* ---- the target ---- */

/* "http://host/path?query": its host is the one that counts. */
static int split_absolute(struct parse *parse, char **path)
{
    struct http_parser_url url;

    http_parser_url_init(&url);
    if (http_parser_parse_url(parse->target, parse->target_len, 0, &url) != 0 ||
        !(url.field_set & (1 << UF_HOST)) || (url.field_set & (1 << UF_USERINFO)) ||
        strncasecmp(parse->target, "http", 4) != 0) {
        return 400;
    }
    parse->host.at = parse->target + url.field_data[UF_HOST].off;
    parse->host.len = strcspn(parse->host.at, "/?");
    *path = parse->host.at + parse->host.len;
    return 0;
}

/* Decodes the path into text, and leaves room for the host and as many parameters as there may be.
 */
static int set_path(struct cvy_http_server_conn *c, const struct parse *parse)
{
    size_t room = 2 * (c->raw_len + 1) + CVY_HTTP_PARAMS_MAX + parse->host.len + 1;

    if (cvy_http_buffer_reserve(&c->text, room) < 0) {
        return 503;
    }
    ssize_t n = cvy_http_decode(c->text.data, c->raw_path, c->raw_len, false);
    if (n < 0) {
        return 400;
    }
    c->text.data[n] = '\0';
    c->text.len = (size_t)n + 1;
    c->req.path = c->text.data;
    return 0;
}

static int set_target(struct cvy_http_server_conn *c, struct parse *parse)
{
    char *path = parse->target;

    if (parse->target_len > TARGET_MAX) {
        return 414;
    }
    if (memchr(parse->target, '#', parse->target_len)) {
        return 400;
    }
    parse->target[parse->target_len] = '\0';
    if (*path != '/' && strcmp(path, "*") != 0 && split_absolute(parse, &path) != 0) {
        return 400;
    }
    c->req.target = parse->target;
    c->raw_len = strcspn(path, "?");
    c->raw_path = c->raw_len > 0 ? path : "/";
    c->req.query = path[c->raw_len] ? path + c->raw_len + 1 : "";
    c->raw_len = c->raw_len > 0 ? c->raw_len : 1;
    return set_path(c, parse);
}

/* The parser is built to be lenient: "GET /\t HTTQ/1.1 " would pass. */
static bool is_strict(const struct parse *parse)
{
    const char *end = parse->target + parse->target_len;

    for (const char *at = parse->target; at < end; at++) {
        if (*at <= ' ' || *at == 127) {
            return false;
        }
    }
    return memcmp(end, " HTTP/", 6) == 0 && end[7] == '.' && end[9] == '\r';
}

static void set_host(struct cvy_http_server_conn *c, const struct parse *parse)
{
    if (parse->host.len > 0) {
        char *host = c->text.data + c->text.len;
        memcpy(host, parse->host.at, parse->host.len);
        host[parse->host.len] = '\0';
        c->text.len += parse->host.len + 1;
        c->req.host = host;
    }
}

/* ---- the headers that matter here ---- */

struct framing {
    int hosts, lengths, codings;
};

static bool is_number(const char *text)
{
    return *text && text[strspn(text, "0123456789")] == '\0';
}

/* 0, or the status to refuse it with. */
static int look_at(struct cvy_http_server_conn *c, const covey_http_header *h, struct framing *f)
{
    switch (h->name[0] | 0x20) {
    case 'h':
        if (strcasecmp(h->name, "Host") == 0) {
            c->req.host = h->value;
            return ++f->hosts > 1 || h->value[strcspn(h->value, " \t,/@")] ? 400 : 0;
        }
        return 0;
    case 'c':
        if (strcasecmp(h->name, "Content-Length") == 0) {
            return ++f->lengths > 1 || !is_number(h->value) ? 400 : 0;
        }
        return 0;
    case 't':
        if (strcasecmp(h->name, "Transfer-Encoding") == 0) {
            return ++f->codings > 1 ? 400 : strcasecmp(h->value, "chunked") != 0 ? 501 : 0;
        }
        return 0;
    case 'e':
        if (strcasecmp(h->name, "Expect") == 0) {
            c->body.wants_continue = c->req.http_version == 11;
            return strcasecmp(h->value, "100-continue") == 0 ? 0 : 417;
        }
        return 0;
    default:
        return 0;
    }
}

static int set_framing(struct cvy_http_server_conn *c, const http_parser *p)
{
    struct framing f = {0};
    int status = 0;

    for (size_t i = 0; i < c->req.header_count && status == 0; i++) {
        status = look_at(c, &c->headers[i], &f);
    }
    if (status != 0) {
        return status;
    }
    if ((c->req.http_version == 11 && f.hosts == 0) || (f.codings && f.lengths) ||
        (f.codings && c->req.http_version == 10)) {
        return 400;
    }
    c->keep_alive = http_should_keep_alive(p);
    if (f.codings) {
        c->body.kind = CVY_HTTP_BODY_CHUNKED;
        c->req.content_length = -1;
    } else if (f.lengths && p->content_length > 0) {
        c->body.kind = CVY_HTTP_BODY_LENGTH;
        c->body.left = p->content_length;
        c->req.content_length = (int64_t)p->content_length;
    } else {
        c->body.wants_continue = false;
    }
    return p->content_length > (uint64_t)c->server->opts.max_body && f.lengths ? 413 : 0;
}

/* ---- all of it ---- */

void cvy_http_request_forget(struct cvy_http_server_conn *c)
{
    c->req = (covey_http_server_request){.host = "", .query = "", .path = "", .target = ""};
    c->body = (struct cvy_http_body){.kind = CVY_HTTP_BODY_NONE};
    c->param_count = 0;
    c->keep_alive = false;
}

int cvy_http_request_parse(struct cvy_http_server_conn *c, size_t len)
{
    struct parse parse = {.conn = c};
    http_parser p;

    if (cvy_http_buffer_reserve(&c->in, c->in.cap - c->at < len + BODY_ROOM
                                            ? c->at + len + BODY_ROOM
                                            : c->in.cap) < 0) {
        return 503;
    }
    char *head = c->in.data + c->at;
    http_parser_init(&p, HTTP_REQUEST);
    p.data = &parse;
    size_t used = http_parser_execute(&p, &settings, head, len);
    if (HTTP_PARSER_ERRNO(&p) != HPE_OK) {
        return status_of(&parse, &p, head, len);
    }
    if (!is_strict(&parse)) {
        return 400;
    }
    if (p.http_major != 1 || p.http_minor > 1) {
        return 505;
    }
    if (p.method == HTTP_CONNECT || used != len) {
        return p.method == HTTP_CONNECT ? 501 : 400;
    }
    terminate_values(&parse);
    c->at += len;
    c->body_at = c->at;
    c->req.method = http_method_str((enum http_method)p.method);
    c->req.http_version = 10 + p.http_minor;
    c->req.headers = c->headers;
    c->req.header_count = parse.count;
    int status = set_target(c, &parse);
    if (status == 0) {
        status = set_framing(c, &p);
        set_host(c, &parse);
    }
    return status;
}
