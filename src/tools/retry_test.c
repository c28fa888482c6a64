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

TEST(the_pause_is_drawn_below_a_doubling_limit)
{
    int64_t limit = CVY_RETRY_FIRST_NS;

    for (int attempt = 1; attempt < 100; attempt++) {
        int64_t most = limit < CVY_RETRY_MAX_NS ? limit : CVY_RETRY_MAX_NS;
        for (uint64_t r = 1; r; r <<= 1) {
            int64_t pause = cvy_retry_pause_ns(attempt, r * UINT64_C(0x9E3779B97F4A7C15), 0);
            CHECK(pause >= 0 && pause <= most);
        }
        CHECK_EQ(cvy_retry_pause_ns(attempt, (uint64_t)most, 0), most);
        limit = most < CVY_RETRY_MAX_NS ? 2 * limit : limit;
    }
    CHECK_EQ(cvy_retry_pause_ns(1, 0, 0), 0);
    CHECK_EQ(cvy_retry_pause_ns(1, 0, 90 * COVEY_SEC), 90 * COVEY_SEC); /* the server's wish */
}
