/* SPDX-License-Identifier: MIT */
#include "tools/duration.h"

#include "harness.h"

#include <covey/defs.h>

static int64_t ns_of(const char *text)
{
    int64_t ns = -1;

    return cvy_duration_parse(text, &ns) ? ns : -1;
}

TEST(units_and_sums)
{
    CHECK_EQ(ns_of("5s"), 5 * COVEY_SEC);
    CHECK_EQ(ns_of("100ms"), 100 * COVEY_MS);
    CHECK_EQ(ns_of("1m30s"), 90 * COVEY_SEC);
    CHECK_EQ(ns_of("2h"), 7200 * COVEY_SEC);
    CHECK_EQ(ns_of("1d"), 86400 * COVEY_SEC);
    CHECK_EQ(ns_of("1.5s"), 1500 * COVEY_MS);
    CHECK_EQ(ns_of(".5s"), 500 * COVEY_MS);
    CHECK_EQ(ns_of("7us"), 7 * COVEY_US);
    CHECK_EQ(ns_of("7ns"), 7);
    CHECK_EQ(ns_of("10"), 10 * COVEY_SEC);
    CHECK_EQ(ns_of("0"), 0);
}

TEST(anything_else_is_refused)
{
    static const char *const bad[] = {"",       "s",      "-5s",   "+5s", "5 s", "5x",
                                      "5s5",    "1e400s", "inf",   "nan", "0x5", "400d",
                                      "99999h", "5S",     "1m-1s", "."};

    for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        CHECK_EQ(ns_of(bad[i]), -1);
    }
}
