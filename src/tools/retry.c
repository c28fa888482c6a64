/* SPDX-License-Identifier: MIT
 * retry.c - see retry.h. */
#define _GNU_SOURCE
#include "tools/retry.h"

#include <stdlib.h>
#include <time.h>

#define ASKED_MAX_S (INT64_C(366) * 24 * 3600)

bool cvy_retry_is_worth(int code, int status)
{
    switch (code) {
    case 0:
        return status == 408 || status == 429 || (status >= 500 && status <= 599);
    case -ECONNREFUSED:
    case -ECONNRESET:
    case -ETIMEDOUT:
    case -EHOSTUNREACH:
    case -ENETUNREACH:
        return true;
    default:
        return false;
    }
}

int64_t cvy_retry_after_ns(const char *value, int64_t now_s)
{
    struct tm tm = {0};
    int64_t seconds = 0;
    char *end;

    if (!value) {
        return 0;
    }
    if (*value >= '0' && *value <= '9') {
        seconds = strtoll(value, &end, 10);
    } else if (strptime(value, "%a, %d %b %Y %H:%M:%S GMT", &tm)) {
        seconds = (int64_t)timegm(&tm) - now_s;
    }
    seconds = seconds < 0 ? 0 : seconds > ASKED_MAX_S ? ASKED_MAX_S : seconds;
    return seconds * COVEY_SEC;
}

int64_t cvy_retry_pause_ns(int attempt, uint64_t random, int64_t asked_ns)
{
    int64_t limit = CVY_RETRY_FIRST_NS;

    for (int i = 1; i < attempt && limit < CVY_RETRY_MAX_NS; i++) {
        limit *= 2;
    }
    limit = limit < CVY_RETRY_MAX_NS ? limit : CVY_RETRY_MAX_NS;
    int64_t pause = (int64_t)(random % (uint64_t)(limit + 1));
    return pause > asked_ns ? pause : asked_ns;
}
