/* SPDX-License-Identifier: MIT
 * url.c - see url.h. */
#include "tools/url.h"

#include <string.h>

/* Takes the text before the first of stops; *rest goes on at the stop. */
static struct cvy_text take(const char **rest, const char *stops)
{
    struct cvy_text t = {*rest, strcspn(*rest, stops)};

    *rest += t.len;
    return t;
}

static struct cvy_text after_last(struct cvy_text t, char c)
{
    for (size_t i = t.len; i > 0; i--) {
        if (t.at[i - 1] == c) {
            return (struct cvy_text){t.at + i, t.len - i};
        }
    }
    return t;
}

static void split_authority(struct cvy_text authority, struct cvy_url *u)
{
    struct cvy_text host = after_last(authority, '@');
    const char *end = host.at + host.len;
    const char *from = host.len > 0 && *host.at == '[' ? memchr(host.at, ']', host.len) : host.at;
    const char *colon = from ? memchr(from, ':', (size_t)(end - from)) : NULL;

    u->host = (struct cvy_text){host.at, (size_t)((colon ? colon : end) - host.at)};
    u->port =
        colon ? (struct cvy_text){colon + 1, (size_t)(end - colon - 1)} : (struct cvy_text){end, 0};
}

struct cvy_url cvy_url_split(const char *url)
{
    struct cvy_url u = {.scheme = {"http", 4}};
    const char *rest = url;
    /* "://" further on belongs to a path or a query. */
    struct cvy_text scheme = take(&rest, "/?#");

    if (scheme.len > 1 && strncmp(rest - 1, "://", 3) == 0) {
        u.scheme = (struct cvy_text){url, scheme.len - 1};
        rest += 2;
    } else {
        rest = url;
    }
    split_authority(take(&rest, "/?#"), &u);
    rest += *rest == '/';
    u.path = take(&rest, "?#");
    u.name = after_last(u.path, '/');
    rest += *rest == '?';
    u.query = take(&rest, "#");
    return u;
}
