/* SPDX-License-Identifier: MIT */
#include "tools/descriptors.h"

#include "harness.h"

#include <sys/resource.h>
#include <unistd.h>

TEST(counts_what_is_open)
{
    int before = cvy_descriptors_open(), fds[2];

    CHECK(before >= 3);
    CHECK(pipe(fds) == 0);
    CHECK_EQ(cvy_descriptors_open(), before + 2);
    /* A sanitizer may have one of its own. */
    CHECK(cvy_threads_alive() >= 1);
}

TEST(raises_the_soft_limit)
{
    struct rlimit limit;

    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_max = limit.rlim_max < 128 ? limit.rlim_max : 128;
    limit.rlim_cur = 64;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK_EQ(cvy_descriptors_limit(), limit.rlim_max);
}

TEST(what_fits)
{
    CHECK_EQ(cvy_descriptors_fit(64, 4, 1), 36);
    CHECK_EQ(cvy_descriptors_fit(64, 4, 2), 18);
    CHECK_EQ(cvy_descriptors_fit(29, 4, 1), 1);
    CHECK_EQ(cvy_descriptors_fit(29, 4, 2), 0);
    CHECK_EQ(cvy_descriptors_fit(8, 4, 1), 0);
}
