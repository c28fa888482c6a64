/* SPDX-License-Identifier: MIT
 * retry.c - see retry.h. */
#include "tools/retry.h"

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
