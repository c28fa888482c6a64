/* SPDX-License-Identifier: MIT
 * h1_head.c - the head of a request, by http-parser, and what that one is too lenient about.
 *
 * What two programs in a row could read in two ways is refused (request smuggling): here, line ends
 * other than CR LF, folded lines, and spaces in names; in h1_framing.c, the rest. Strings are
 * terminated in place: the parser has finished with the head by then. */
#include "http/server.h"
#include "http/token.h"

#include <covey/error.h>

#include <http_parser.h>
#include <string.h>

/* Whether the line that begins there goes on with the one before; its first byte may be still to
 * come. */
static bool is_folded(const char *data, size_t len, size_t line)
{
    return line < len && cvy_http_is_blank(data[line]);
}

int cvy_h1_head_scan(const char *data, size_t len, size_t *seen)
{
    while (*seen == 0 || !is_folded(data, len, *seen)) {
        const char *newline = memchr(data + *seen, '\n', len - *seen);
        if (!newline) {
            return 0;
        }
        size_t at = (size_t)(newline - data);
        if (at == 0 || data[at - 1] != '\r') {
            return -400;
        }
        if (at >= 3 && data[at - 2] == '\n') {
            return (int)at + 1;
        }
        *seen = at + 1;
    }
    return -400;
}

/* ---- the parser's callbacks ---- */

struct parse {
    struct cvy_http_exchange *x;
    struct cvy_h1_target target;
    size_t count;
    int status; /* of a failure that is not the parser's */
    struct {
        char *at;
        size_t len;
    } name;
};

static int on_url(http_parser *p, const char *at, size_t len)
{
    struct parse *parse = p->data;

    parse->target = (struct cvy_h1_target){(char *)at, len};
    return 0;
}

static int on_name(http_parser *p, const char *at, size_t len)
{
    struct parse *parse = p->data;

    parse->name.at = (char *)at;
    parse->name.len = len;
    return 0;
}

/* The name's ':' was read already; a value's end was not. Of an empty value the parser's place is
 * the next line. */
static int on_value(http_parser *p, const char *at, size_t len)
{
    struct parse *parse = p->data;
    char *end = parse->name.at + parse->name.len;

    if (!cvy_http_is_token(parse->name.at, parse->name.len)) {
        return -1;
    }
    parse->status = cvy_http_exchange_grow(parse->x, parse->count);
    if (parse->status != 0) {
        return -1;
    }
    *end = '\0';
    parse->x->headers[parse->count++] = (covey_http_header){parse->name.at, len > 0 ? at : end};
    return 0;
}

static void terminate_values(struct parse *parse)
{
    for (size_t i = 0; i < parse->count; i++) {
        char *value = (char *)parse->x->headers[i].value;
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

/* A method that nobody knows, before a target and a version, is something else than garbage. */
static int status_of_method(const char *head)
{
    size_t len = 0;

    while (cvy_http_is_token_char(head[len])) {
        len++;
    }
    if (len == 0 || head[len] != ' ') {
        return 400;
    }
    const char *target = head + len + 1;
    const char *version = target + strcspn(target, " \r\n"); /* the head has its lines' ends */
    return version > target && strncmp(version, " HTTP/", 6) == 0 ? 501 : 400;
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

/* ---- all of it ---- */

/* The parser is built to be lenient: "GET /\t HTTQ/1.1 " would pass. */
static bool is_strict(const struct parse *parse)
{
    const char *end = parse->target.at + parse->target.len;

    for (const char *at = parse->target.at; at < end; at++) {
        if (*at <= ' ' || *at == 127) {
            return false;
        }
    }
    return memcmp(end, " HTTP/", 6) == 0 && end[7] == '.' && end[9] == '\r';
}

/* The parser finds fault with what is there, or with the version. */
static int run_parser(struct parse *parse, http_parser *p, const char *head, size_t len)
{
    http_parser_init(p, HTTP_REQUEST);
    p->data = parse;
    size_t used = http_parser_execute(p, &settings, head, len);
    if (HTTP_PARSER_ERRNO(p) != HPE_OK) {
        return status_of(parse, p, head, len);
    }
    if (!is_strict(parse)) {
        return 400;
    }
    if (p->http_major != 1 || p->http_minor > 1) {
        return 505;
    }
    return p->method == HTTP_CONNECT ? 501 : used != len ? 400 : 0;
}

int cvy_h1_head_parse(struct cvy_h1 *h, size_t len)
{
    struct parse parse = {.x = &h->x};
    http_parser p;

    if (cvy_http_buffer_reserve(&h->in, h->in.cap - h->at < len + CVY_H1_LINE_MAX
                                            ? h->at + len + CVY_H1_LINE_MAX
                                            : h->in.cap) < 0) {
        return 503;
    }
    int status = run_parser(&parse, &p, h->in.data + h->at, len);
    if (status != 0) {
        return status;
    }
    terminate_values(&parse);
    h->at += len;
    h->body_at = h->at;
    h->x.req.method = http_method_str((enum http_method)p.method);
    h->x.req.http_version = 10 + p.http_minor;
    h->x.req.headers = h->x.headers;
    h->x.req.header_count = parse.count;
    status = cvy_h1_target_parse(h, parse.target);
    return status != 0 ? status : cvy_h1_framing_set(h, p.content_length);
}
