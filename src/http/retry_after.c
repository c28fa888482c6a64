/* SPDX-License-Identifier: MIT
 * retry_after.c - see retry_after.h. */
#include "http/retry_after.h"
#include "http/date.h"

#include <covey/http.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WISH_MAX_S (INT64_C(366) * 24 * 3600)

static int64_t read_seconds(const char *value, int64_t now_s)
{
    size_t digits = strspn(value, "0123456789");

    if (digits > 0) {
        return value[digits] == '\0' ? strtoll(value, NULL, 10) : 0; /* too large: the largest */
    }
    time_t at;
    return cvy_http_date_read(value, &at) ? (int64_t)at - now_s : 0;
}

int64_t cvy_http_retry_after_ns(const char *value, int64_t now_s)
{
    int64_t seconds = value ? read_seconds(value, now_s) : 0;

    return (seconds < 0 ? 0 : seconds > WISH_MAX_S ? WISH_MAX_S : seconds) * COVEY_SEC;
}

int64_t covey_http_retry_after(const covey_http_response *resp)
{
    return cvy_http_retry_after_ns(covey_http_response_header(resp, "Retry-After"), time(NULL));
}
