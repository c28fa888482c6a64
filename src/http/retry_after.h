/* SPDX-License-Identifier: MIT
 * retry_after.h - a server's wish for how long to stay away. */
#ifndef CVY_HTTP_RETRY_AFTER_H
#define CVY_HTTP_RETRY_AFTER_H

#include <covey.h>

/* The value of a Retry-After header (NULL: there was none): seconds, or a date in any of HTTP's
 * three formats. now_s: seconds since 1970. Nanoseconds; 0: none, or it is past. Does not switch.
 */
int64_t cvy_http_retry_after_ns(const char *value, int64_t now_s);

#endif
