/* SPDX-License-Identifier: MIT */
#include "tools/url.h"

#include "harness.h"

#include <stdio.h>
#include <string.h>

/* The parts, joined by '|'. */
static const char *parts_of(const char *url)
{
    static char all[512];
    struct cvy_url u = cvy_url_split(url);

    snprintf(all, sizeof(all), "%.*s|%.*s|%.*s|%.*s|%.*s|%.*s", (int)u.scheme.len, u.scheme.at,
             (int)u.host.len, u.host.at, (int)u.port.len, u.port.at, (int)u.path.len, u.path.at,
             (int)u.name.len, u.name.at, (int)u.query.len, u.query.at);
    return all;
}

TEST(splits)
{
    CHECK_STR(parts_of("https://example.org:8443/a/b.html?x=1#f"),
              "https|example.org|8443|a/b.html|b.html|x=1");
    CHECK_STR(parts_of("http://u:p@h/"), "http|h||||");
    CHECK_STR(parts_of("http://h"), "http|h||||");
    CHECK_STR(parts_of("http://h?q"), "http|h||||q");
    CHECK_STR(parts_of("http://h/a/#f?x"), "http|h||a/||");
    CHECK_STR(parts_of("http://[::1]:80/x"), "http|[::1]|80|x|x|");
    CHECK_STR(parts_of("http://[::1]/x"), "http|[::1]||x|x|");
    CHECK_STR(parts_of("h:80/x"), "http|h|80|x|x|");
    CHECK_STR(parts_of("http://h/a?b/c"), "http|h||a|a|b/c");
    CHECK_STR(parts_of("h/a?u=http://x/y"), "http|h||a|a|u=http://x/y");
}

TEST(anything_gives_parts)
{
    CHECK_STR(parts_of(""), "http|||||");
    CHECK_STR(parts_of("://"), "http|||/||");
    CHECK_STR(parts_of("http://[::1"), "http|[::1||||");
    CHECK_STR(parts_of("///"), "http|||//||");
}
