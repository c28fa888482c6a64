/* SPDX-License-Identifier: MIT
 * h1_target.c - the target of a request line: "/path?query", "http://host/path?query" or "*". */
#define _GNU_SOURCE
#include "http/h1.h"

#include <http_parser.h>
#include <string.h>
#include <strings.h>

static bool is_http(const char *url)
{
    return strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0;
}

/* An absolute target's host is the one that counts. */
static int split_absolute(struct cvy_h1_target target, struct cvy_h1_target *host)
{
    struct http_parser_url url;

    http_parser_url_init(&url);
    if (http_parser_parse_url(target.at, target.len, 0, &url) != 0 ||
        !(url.field_set & (1 << UF_HOST)) || (url.field_set & (1 << UF_USERINFO)) ||
        !is_http(target.at)) {
        return 400;
    }
    host->at = target.at + url.field_data[UF_HOST].off;
    host->len = strcspn(host->at, "/?");
    return 0;
}

static void set_host(struct cvy_http_exchange *x, const struct cvy_h1_target *from)
{
    char *host = x->text.data + x->text.len;

    memcpy(host, from->at, from->len);
    host[from->len] = '\0';
    x->text.len += from->len + 1;
    x->req.host = host;
}

int cvy_h1_target_parse(struct cvy_h1 *h, struct cvy_h1_target target)
{
    struct cvy_h1_target host = {.at = target.at};
    bool is_server = *target.at == '*' && target.len == 1;
    bool is_absolute = *target.at != '/' && !is_server;

    if (target.len > CVY_HTTP_TARGET_MAX) {
        return 414;
    }
    if (memchr(target.at, '#', target.len) ||
        (is_server && strcmp(h->x.req.method, "OPTIONS") != 0)) {
        return 400;
    }
    target.at[target.len] = '\0';
    if (is_absolute && split_absolute(target, &host) != 0) {
        return 400;
    }
    h->x.req.target = target.at;
    int status = cvy_http_exchange_set_path(&h->x, host.at + host.len, host.len + 1);
    if (status == 0 && is_absolute) {
        set_host(&h->x, &host);
    }
    return status;
}
