/* SPDX-License-Identifier: MIT
 * moment_test.c - times as text. */
#include "sql/moment.h"

#include "harness.h"

#define DAY INT64_C(86400000000)

TEST(a_time_is_written_without_a_fraction_it_has_not)
{
    char text[CVY_SQL_MOMENT_LEN];

    CHECK(cvy_sql_moment_format(0, text));
    CHECK_STR(text, "1970-01-01 00:00:00");
    CHECK(cvy_sql_moment_format(250000, text));
    CHECK_STR(text, "1970-01-01 00:00:00.250000");
    CHECK(cvy_sql_moment_format(-1, text));
    CHECK_STR(text, "1969-12-31 23:59:59.999999");
    CHECK(cvy_sql_moment_format(11016 * DAY, text));
    CHECK_STR(text, "2000-02-29 00:00:00");
    CHECK(cvy_sql_moment_format(INT64_C(253402300799999999), text));
    CHECK_STR(text, "9999-12-31 23:59:59.999999");
    CHECK(!cvy_sql_moment_format(INT64_C(253402300800000000), text));
    CHECK(!cvy_sql_moment_format(INT64_MIN, text));
    CHECK(!cvy_sql_moment_format(INT64_MAX, text));
}

TEST(every_form_of_a_time_is_read)
{
    const struct {
        const char *text;
        int64_t us;
    } cases[] = {
        {"1970-01-02", DAY},
        {"1970-01-01 00:01", 60000000},
        {"1970-01-01T00:00:01Z", 1000000},
        {"1970-01-01 00:00:00.5", 500000},
        {"1970-01-01 00:00:00.1234567", 123456},
        {"1970-01-01 02:00:00+02", 0},
        {"1969-12-31 18:30:00-05:30", 0},
        {"1970-01-01 00:00:01+00:00:01", 0},
        {"2000-02-29 00:00:00", 11016 * DAY},
        {"0001-01-01", INT64_C(-62135596800000000)},
        {"0001-12-31 BC", INT64_C(-62135596800000000) - DAY},
        {"infinity", INT64_MAX},
        {"-infinity", INT64_MIN},
    };
    int64_t us;

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK(cvy_sql_moment_parse(cases[i].text, &us));
        CHECK_EQ(us, cases[i].us);
    }
}

TEST(what_is_no_time_is_not_read)
{
    const char *const texts[] = {"",
                                 "x",
                                 "1970",
                                 "1970-1-1",
                                 "1970-13-01",
                                 "1970-00-01",
                                 "1970-01-32",
                                 "1999-02-29",
                                 "1900-02-29",
                                 "1970-01-01 ",
                                 "1970-01-01 1",
                                 "1970-01-01 25:00",
                                 "1970-01-01 00:60",
                                 "1970-01-01 00:00:00.",
                                 "1970-01-01 00:00:00x",
                                 "1970-01-01 00:00:00+",
                                 "999999-01-01",
                                 "12",
                                 " 1970-01-01"};
    int64_t us;

    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (cvy_sql_moment_parse(texts[i], &us)) {
            harness_check_str(__FILE__, __LINE__, "read", texts[i], "nothing");
        }
    }
}

TEST(each_day_of_eight_hundred_years_comes_back)
{
    char text[CVY_SQL_MOMENT_LEN];
    int64_t us;

    for (int64_t day = -146097; day < 146097; day++) {
        CHECK(cvy_sql_moment_format(day * DAY + 1, text));
        CHECK(cvy_sql_moment_parse(text, &us));
        CHECK_EQ(us, day * DAY + 1);
    }
}
