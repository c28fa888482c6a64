/* SPDX-License-Identifier: MIT
 * h2.h - HTTP/2 on a connection, if libnghttp2 was there (h2_*.c; else no_h2.c). */
#ifndef CVY_HTTP_H2_H
#define CVY_HTTP_H2_H

#include <stdbool.h>

struct cvy_http_server_conn;

extern const bool cvy_h2_is_built;

/* All requests of a connection; it begins with what was read in h1. */
void cvy_h2_serve(struct cvy_http_server_conn *c);

#endif
