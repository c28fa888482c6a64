/* SPDX-License-Identifier: MIT
 * route_site_test.c - the names of routes in traces. */
#include "http/route_site.h"

#include "harness.h"

#include <string.h>

TEST(a_pattern_has_one_site_for_ever)
{
    char pattern[] = "GET /a/{id}";
    const covey_site *a = cvy_http_route_site(pattern);
    const covey_site *b = cvy_http_route_site("/b");

    CHECK(a && b && a != b);
    CHECK(a == cvy_http_route_site("GET /a/{id}"));
    memset(pattern, 'x', 3);
    CHECK_EQ(strcmp(a->name, "GET /a/{id}"), 0);
    CHECK(a == cvy_http_route_site("GET /a/{id}"));
    CHECK(b == cvy_http_route_site("/b"));
}
