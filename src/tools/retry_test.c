/* SPDX-License-Identifier: MIT */
#include "tools/retry.h"

#include "harness.h"

TEST(only_what_may_pass_is_tried_again)
{
    CHECK(cvy_retry_is_worth(0, 408));
    CHECK(cvy_retry_is_worth(0, 429));
    CHECK(cvy_retry_is_worth(0, 500));
    CHECK(cvy_retry_is_worth(0, 503));
    CHECK(cvy_retry_is_worth(-ECONNREFUSED, 0));
    CHECK(cvy_retry_is_worth(-ECONNRESET, 200));
    CHECK(cvy_retry_is_worth(-ETIMEDOUT, 0));
    CHECK(!cvy_retry_is_worth(0, 404));
    CHECK(!cvy_retry_is_worth(0, 301));
    CHECK(!cvy_retry_is_worth(COVEY_EDNS, 0));
    CHECK(!cvy_retry_is_worth(COVEY_ETLS, 0));
    CHECK(!cvy_retry_is_worth(-ENOSPC, 200));
    CHECK(!cvy_retry_is_worth(COVEY_ECANCELED, 503));
}
