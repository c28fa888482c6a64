/* SPDX-License-Identifier: MIT
 * route_site.h - the names that requests have in traces: those of their routes. */
#ifndef CVY_HTTP_ROUTE_SITE_H
#define CVY_HTTP_ROUTE_SITE_H

#include <covey/defs.h>

/* The same for the same pattern; NULL: out of memory. It stays for as long as the process: what was
 * recorded refers to it, also when the router is gone. Any thread. */
const covey_site *cvy_http_route_site(const char *pattern);

#endif
