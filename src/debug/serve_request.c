/* SPDX-License-Identifier: MIT
 * serve_request.c - see serve_request.h. RFC 9112, of which it takes no leniency: lines end with
 * CRLF, headers are not folded, a request has no body. */
#define _GNU_SOURCE
#include "debug/serve_request.h"

#include <string.h>
#include <strings.h>

enum { BAD = 400, NOT_ALLOWED = 405, UNKNOWN_VERSION = 505 };

static const char lower_hex[] = "0123456789abcdef";

size_t cvy_request_head_len(const char *text, size_t len)
{
    const char *end = len > 0 ? memmem(text, len, "\r\n\r\n", 4) : NULL;
    return end ? (size_t)(end - text) + 4 : 0;
}

/* A character of names: RFC 9110's token. */
static bool is_token(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_all_token(const char *text)
{
    if (!*text) {
        return false;
    }
    while (is_token(*text)) {
        text++;
    }
    return *text == '\0';
}

/* The line at *at as a string, and *at behind it. NULL: it has a byte that no line may have. */
static char *next_line(char **at)
{
    char *line = *at;
    char *end = line;

    for (; *end != '\r'; end++) {
        unsigned char c = (unsigned char)*end;
        if ((c < 0x20 && c != '\t') || c == 0x7F) {
            return NULL;
        }
    }
    if (end[1] != '\n') {
        return NULL;
    }
    *end = '\0';
    *at = end + 2;
    return line;
}

static int digit_of(char c)
{
    const char *found = c ? strchr(lower_hex, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;
    return found ? (int)(found - lower_hex) : -1;
}

/* Undoes %41 and, in a query, +. False: an escape is none, or stands for a zero byte. */
static bool decode(char *text, bool is_query)
{
    char *out = text;

    for (const char *in = text; *in; in++) {
        *out = is_query && *in == '+' ? ' ' : *in;
        if (*in == '%') {
            int high = digit_of(in[1]);
            int low = high < 0 ? -1 : digit_of(in[2]);
            if (low < 0 || high * 16 + low == 0) {
                return false;
            }
            *out = (char)(high * 16 + low);
            in += 2;
        }
        out++;
    }
    *out = '\0';
    return true;
}

static bool parse_query(char *text, struct cvy_request *r)
{
    for (char *next = text; next && *next;) {
        struct cvy_request_parameter *p = &r->parameters[r->parameter_count];
        if (r->parameter_count == CVY_REQUEST_PARAMETERS_MAX) {
            return false;
        }
        text = next;
        next = strchr(text, '&');
        if (next) {
            *next++ = '\0';
        }
        char *value = strchr(text, '=');
        if (value) {
            *value++ = '\0';
        }
        p->name = text;
        p->value = value ? value : "";
        if (!decode(text, true) || (value && !decode(value, true))) {
            return false;
        }
        r->parameter_count++;
    }
    return true;
}

static int parse_target(char *target, struct cvy_request *r)
{
    char *query = strchr(target, '?');

    if (target[0] != '/' || strchr(target, '#')) {
        return BAD;
    }
    if (query) {
        *query++ = '\0';
    }
    r->path = target;
    return decode(target, false) && (!query || parse_query(query, r)) ? 0 : BAD;
}

/* "GET /path?query HTTP/1.1" */
static int parse_first(char *line, struct cvy_request *r, bool *is_old)
{
    char *target = strchr(line, ' ');
    char *version = target ? strchr(target + 1, ' ') : NULL;

    if (!version) {
        return BAD;
    }
    *target++ = *version++ = '\0';
    if (!is_all_token(line) || strncmp(version, "HTTP/", 5) != 0) {
        return BAD;
    }
    *is_old = strcmp(version, "HTTP/1.0") == 0;
    if (!*is_old && strcmp(version, "HTTP/1.1") != 0) {
        return UNKNOWN_VERSION;
    }
    r->is_head = strcmp(line, "HEAD") == 0;
    if (!r->is_head && strcmp(line, "GET") != 0) {
        return NOT_ALLOWED;
    }
    return parse_target(target, r);
}

static char *trimmed(char *text)
{
    text += strspn(text, " \t");
    for (size_t len = strlen(text); len > 0 && strchr(" \t", text[len - 1]); len--) {
        text[len - 1] = '\0';
    }
    return text;
}

static int parse_header(char *line, struct cvy_request *r)
{
    char *value = strchr(line, ':');

    if (!value) {
        return BAD;
    }
    *value++ = '\0';
    value = trimmed(value);
    if (!is_all_token(line)) {
        return BAD;
    }
    const char **kept = strcasecmp(line, "Host") == 0             ? &r->host
                        : strcasecmp(line, "Origin") == 0         ? &r->origin
                        : strcasecmp(line, "Sec-Fetch-Site") == 0 ? &r->fetch_site
                                                                  : NULL;
    if (kept) {
        if (*kept) {
            return BAD;
        }
        *kept = value;
    }
    bool has_body = strcasecmp(line, "Transfer-Encoding") == 0 ||
                    (strcasecmp(line, "Content-Length") == 0 && strcmp(value, "0") != 0);
    return has_body ? BAD : 0;
}

int cvy_request_parse(char *head, size_t len, struct cvy_request *out)
{
    char *at = head;
    bool is_old = false;

    *out = (struct cvy_request){0};
    if (len > CVY_REQUEST_HEAD_MAX || len < 4 || memcmp(head + len - 4, "\r\n\r\n", 4) != 0) {
        return BAD;
    }
    head[len] = '\0';
    char *line = next_line(&at);
    int status = line ? parse_first(line, out, &is_old) : BAD;
    while (status == 0) {
        line = next_line(&at);
        if (!line || !*line) {
            break;
        }
        status = parse_header(line, out);
    }
    if (status == 0 && (!line || at != head + len || (!out->host && !is_old))) {
        status = BAD;
    }
    return status;
}

const char *cvy_request_get(const struct cvy_request *r, const char *name, const char *fallback)
{
    for (size_t i = 0; i < r->parameter_count; i++) {
        if (strcmp(r->parameters[i].name, name) == 0) {
            return r->parameters[i].value;
        }
    }
    return fallback;
}

int64_t cvy_request_number(const struct cvy_request *r, const char *name, int64_t max)
{
    const char *text = cvy_request_get(r, name, "0");
    int64_t n = 0;

    if (!*text) {
        return -1;
    }
    for (; *text; text++) {
        int digit = *text >= '0' && *text <= '9' ? *text - '0' : -1;
        if (digit < 0 || n > (max - digit) / 10) {
            return -1;
        }
        n = n * 10 + digit;
    }
    return n;
}
