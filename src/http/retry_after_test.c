/* SPDX-License-Identifier: MIT */
#include "http/retry_after.h"

#include "harness.h"

#include <covey/http.h>

#include <locale.h>

/* date -ud 'Sun, 06 Nov 1994 08:49:37 GMT' +%s */
#define DATE_S INT64_C(784111777)

TEST(seconds_are_taken_as_they_are)
{
    CHECK_EQ(cvy_http_retry_after_ns("120", 0), 120 * COVEY_SEC);
    CHECK_EQ(cvy_http_retry_after_ns("0", 0), 0);
}

TEST(each_of_the_three_date_formats_counts_from_now)
{
    static const char *const dates[] = {
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    };

    (void)setlocale(LC_ALL, ""); /* whatever it is, days and months stay English */
    for (size_t i = 0; i < sizeof(dates) / sizeof(*dates); i++) {
        CHECK_EQ(cvy_http_retry_after_ns(dates[i], DATE_S - 7), 7 * COVEY_SEC);
        CHECK_EQ(cvy_http_retry_after_ns(dates[i], DATE_S), 0);
        CHECK_EQ(cvy_http_retry_after_ns(dates[i], DATE_S + 3), 0);
    }
}

TEST(what_is_neither_is_no_wish)
{
    static const char *const words[] = {"", "soon", "-5", "5 minutes", "1.5", "Sun", "\xff"};

    CHECK_EQ(cvy_http_retry_after_ns(NULL, 0), 0);
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        CHECK_EQ(cvy_http_retry_after_ns(words[i], 0), 0);
    }
}

TEST(a_wish_is_bounded_by_a_year)
{
    const int64_t year = INT64_C(366) * 24 * 3600 * COVEY_SEC;

    CHECK_EQ(cvy_http_retry_after_ns("99999999999999999999", 0), year);
    CHECK_EQ(cvy_http_retry_after_ns("31622401", 0), year);
    CHECK_EQ(cvy_http_retry_after_ns("Sun, 06 Nov 2094 08:49:37 GMT", 0), year);
}

TEST(a_response_tells_its_wish_under_any_spelling_of_the_header)
{
    covey_http_header header = {"retry-after", "3"};
    covey_http_response resp = {.status = 503, .headers = &header, .header_count = 1};

    CHECK_EQ(covey_http_retry_after(&resp), 3 * COVEY_SEC);
    resp.header_count = 0;
    CHECK_EQ(covey_http_retry_after(&resp), 0);
}
