/* SPDX-License-Identifier: MIT
 * location.c - see location.h. */
#include "http/location.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *last_at(const char *from, const char *end)
{
    const char *found = NULL;

    for (const char *p = from; p < end; p++) {
        if (*p == '@') {
            found = p;
        }
    }
    return found;
}

/* What comes behind "https://" (libcurl is content with one slash, or three); url itself if it
 * begins with no scheme: "://" further on belongs to a path or a query. */
static const char *skip_scheme(const char *url)
{
    size_t n = strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");
    size_t slashes = url[n] == ':' ? strspn(url + n + 1, "/") : 0;

    return n > 0 && slashes > 0 ? url + n + 1 + (slashes < 3 ? slashes : 3) : url;
}

static bool is_numeric(const char *host, size_t len)
{
    if (len > 0 && host[0] == '[') {
        return true;
    }
    for (size_t i = 0; i < len; i++) {
        if ((host[i] < '0' || host[i] > '9') && host[i] != '.') {
            return false;
        }
    }
    return len > 0;
}

struct cvy_http_location cvy_http_location_of(const char *url)
{
    struct cvy_http_location l = {.is_tls = strncasecmp(url, "https:", 6) == 0};
    const char *start = skip_scheme(url);
    const char *end = start + strcspn(start, "/?#");

    l.user_end = last_at(start, end);
    l.user = start;
    l.host = l.user_end ? l.user_end + 1 : start;
    const char *stop = memchr(l.host, *l.host == '[' ? ']' : ':', (size_t)(end - l.host));
    if (stop) {
        stop += *stop == ']';
        if (stop < end && *stop == ':') {
            l.port = stop + 1;
            l.port_len = (size_t)(end - l.port);
        }
        end = stop;
    }
    l.host_len = (size_t)(end - l.host);
    l.is_numeric = is_numeric(l.host, l.host_len);
    return l;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

size_t cvy_http_location_key(const struct cvy_http_location *l, char *buf, size_t size)
{
    const char *port = l->port_len > 0 ? l->port : l->is_tls ? "443" : "80";
    int port_len = l->port_len > 0 ? (int)l->port_len : (int)strlen(port);
    int n = snprintf(buf, size, "%.*s:%.*s", (int)l->host_len, l->host, port_len, port);

    for (char *p = buf; *p; p++) {
        *p = lower(*p);
    }
    return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

uint64_t cvy_http_location_hash(const struct cvy_http_location *l)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

    for (size_t i = 0; i < l->host_len; i++) {
        h = (h ^ (unsigned char)lower(l->host[i])) * UINT64_C(0x100000001b3);
    }
    return h ^ (h >> 32);
}

const char *cvy_http_location_public(const char *url, char *buf, size_t size)
{
    struct cvy_http_location l = cvy_http_location_of(url);
    const char *colon = NULL;

    if (l.user_end) {
        colon = memchr(l.user, ':', (size_t)(l.user_end - l.user));
    }
    if (colon) {
        (void)snprintf(buf, size, "%.*s:***%s", (int)(colon - url), url, l.user_end);
    } else {
        (void)snprintf(buf, size, "%s", url);
    }
    return buf;
}
