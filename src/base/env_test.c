/* SPDX-License-Identifier: MIT */
#include "base/env.h"

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TEST(a_number_is_digits_alone)
{
    static const char *const others[] = {"",   "abc", "-1", "+1",   "1e3", "4 ", " 4",
                                         "4x", "0x",  "x",  "0x1g", "1.5", "4\n"};
    uint64_t n;

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        CHECK(!cvy_env_parse(others[i], &n));
    }
    CHECK(cvy_env_parse("0", &n) && n == 0);
    CHECK(cvy_env_parse("0010", &n) && n == 10);
    CHECK(cvy_env_parse("0x1fA", &n) && n == 0x1fa);
    CHECK(cvy_env_parse("18446744073709551615", &n) && n == UINT64_MAX);
}

TEST(what_is_too_large_is_the_largest)
{
    uint64_t n;

    CHECK(cvy_env_parse("18446744073709551616", &n) && n == UINT64_MAX);
    CHECK(cvy_env_parse("99999999999999999999999990", &n) && n == UINT64_MAX);
    CHECK_EQ(setenv("COVEY_X", "9223372036854775808", 1), 0);
    CHECK_EQ(cvy_env_number("COVEY_X"), INT64_MAX);
}

/* What standard error gets from two looks at a variable. */
static void told(const char *value, char *out, size_t size)
{
    int pipes[2];
    int kept = dup(2);

    CHECK_EQ(setenv("COVEY_Y", value, 1), 0);
    CHECK(pipe(pipes) == 0 && dup2(pipes[1], 2) == 2);
    CHECK_EQ(cvy_env_number("COVEY_Y"), 0);
    CHECK_EQ(cvy_env_number("COVEY_Y"), 0);
    CHECK(dup2(kept, 2) == 2 && close(pipes[1]) == 0);
    ssize_t n = read(pipes[0], out, size - 1);
    out[n > 0 ? n : 0] = '\0';
}

TEST(what_is_no_number_is_told_of_once)
{
    char text[256];

    told("0", text, sizeof(text));
    CHECK_STR(text, "");
    told("", text, sizeof(text));
    CHECK_STR(text, "");
    told("4 ", text, sizeof(text));
    CHECK_STR(text, "covey: COVEY_Y=\"4 \" is not a number, and counts as not set\n");
}
