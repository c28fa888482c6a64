/* SPDX-License-Identifier: MIT
 * no_h2.c - in the place of HTTP/2, where libnghttp2 is not. */
#include "http/h2.h"

const bool cvy_h2_is_built = false;

void cvy_h2_serve(struct cvy_http_server_conn *c)
{
    (void)c; /* a wrap has agreed on what cannot be: it is closed */
}
