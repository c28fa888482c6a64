/* SPDX-License-Identifier: MIT */
#include "http/date.h"

#include "harness.h"

#include <locale.h>

TEST(a_date_is_written_in_english)
{
    static const struct {
        time_t at;
        const char *text;
    } dates[] = {
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {951782399, "Mon, 28 Feb 2000 23:59:59 GMT"},
        {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
        {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"},
        {253402300799, "Fri, 31 Dec 9999 23:59:59 GMT"},
    };
    char text[CVY_HTTP_DATE_SIZE];

    (void)setlocale(LC_ALL, "de_DE.UTF-8"); /* where it is installed */
    for (size_t i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
        cvy_http_date_write(text, dates[i].at);
        CHECK_STR(text, dates[i].text);
    }
}

TEST(all_three_forms_are_read)
{
    static const char *const texts[] = {
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    };
    time_t at;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        CHECK(cvy_http_date_read(texts[i], &at));
        CHECK_EQ(at, 784111777);
    }
    CHECK(!cvy_http_date_read("", &at));
    CHECK(!cvy_http_date_read("yesterday", &at));
    CHECK(!cvy_http_date_read("Sun, 66 Nov 1994 08:49:37 GMT", &at));
}

TEST(what_was_written_is_read_as_the_same)
{
    char text[CVY_HTTP_DATE_SIZE];
    time_t back;

    for (time_t at = 1; at < 4000000000; at += 12345678) {
        cvy_http_date_write(text, at);
        CHECK(cvy_http_date_read(text, &back));
        CHECK_EQ(back, at);
    }
}
