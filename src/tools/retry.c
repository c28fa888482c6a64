/* SPDX-License-Identifier: MIT
 * retry.c - see retry.h. */
#include "tools/retry.h"

const covey_backoff cvy_retry_backoff = {
    .base_ns = 500 * COVEY_MS,
    .cap_ns = 30 * COVEY_SEC,
};

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
