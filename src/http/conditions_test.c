/* SPDX-License-Identifier: MIT */
#include "http/conditions.h"

#include "harness.h"

#define ETAG "\"a1-b2\""
#define DATE "Sun, 06 Nov 1994 08:49:37 GMT"
#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define AFTER "Sun, 06 Nov 1994 08:49:38 GMT"

static const struct cvy_http_state state = {
    .etag = ETAG, .date = DATE, .modified = 784111777, .size = 1000};

/* Of a GET with these headers; "" is none. */
static int check(const char *name, const char *value, const char *name2, const char *value2)
{
    const covey_http_header headers[] = {{name, value}, {name2, value2}};
    const covey_http_server_request req = {
        .method = "GET", .headers = headers, .header_count = *name2 ? 2 : 1};

    return cvy_http_conditions_check(&req, &state);
}

TEST(conditions_are_checked_in_their_order)
{
    CHECK_EQ(check("X", "y", "", ""), 0);
    CHECK_EQ(check("If-None-Match", ETAG, "", ""), 304);
    CHECK_EQ(check("If-None-Match", "W/" ETAG, "", ""), 304);
    CHECK_EQ(check("If-None-Match", "\"other\" , " ETAG, "", ""), 304);
    CHECK_EQ(check("If-None-Match", "\"a1-b\"", "", ""), 0);
    CHECK_EQ(check("If-None-Match", "*", "", ""), 304);
    CHECK_EQ(check("If-None-Match", "\"other\"", "If-Modified-Since", AFTER), 0);
    CHECK_EQ(check("If-Modified-Since", DATE, "", ""), 304);
    CHECK_EQ(check("If-Modified-Since", BEFORE, "", ""), 0);
    CHECK_EQ(check("If-Modified-Since", "nonsense", "", ""), 0);
    CHECK_EQ(check("If-Match", ETAG, "", ""), 0);
    CHECK_EQ(check("If-Match", "*", "", ""), 0);
    CHECK_EQ(check("If-Match", "W/" ETAG, "", ""), 412); /* a weak one is no match here */
    CHECK_EQ(check("If-Match", "\"other\"", "", ""), 412);
    CHECK_EQ(check("If-Match", ETAG, "If-Unmodified-Since", BEFORE), 0);
    CHECK_EQ(check("If-Match", ETAG, "If-None-Match", ETAG), 304);
    CHECK_EQ(check("If-Unmodified-Since", DATE, "", ""), 0);
    CHECK_EQ(check("If-Unmodified-Since", BEFORE, "", ""), 412);
    CHECK_EQ(check("If-Unmodified-Since", "nonsense", "", ""), 0);
}

TEST(a_range_is_one_of_what_is_there)
{
    static const struct {
        const char *range;
        int status;
        int64_t from, to;
    } cases[] = {
        {"bytes=0-4", 206, 0, 5},
        {"BYTES=0-0", 206, 0, 1},
        {"bytes=999-", 206, 999, 1000},
        {"bytes=10-5000", 206, 10, 1000},
        {"bytes=10-99999999999999999999", 206, 10, 1000},
        {"bytes=-1", 206, 999, 1000},
        {"bytes=-5000", 206, 0, 1000},
        {"bytes=-99999999999999999999", 206, 0, 1000},
        {"bytes=-0", 416, 0, 1000},
        {"bytes=1000-", 416, 0, 1000},
        {"bytes=99999999999999999999-", 416, 0, 1000},
        {"bytes=5-4", 200, 0, 1000},
        {"bytes=0-1,3-4", 200, 0, 1000},
        {"bytes=0-1 ", 200, 0, 1000},
        {"bytes=+0-1", 200, 0, 1000},
        {"bytes=", 200, 0, 1000},
        {"bytes=-", 200, 0, 1000},
        {"lines=1-2", 200, 0, 1000},
        {"", 200, 0, 1000},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const covey_http_header header = {"Range", cases[i].range};
        const covey_http_server_request req = {
            .method = "GET", .headers = &header, .header_count = 1};
        int64_t from, to;
        CHECK_EQ(cvy_http_range_of(&req, &state, &from, &to), cases[i].status);
        CHECK_EQ(from, cases[i].from);
        CHECK_EQ(to, cases[i].to);
    }
}

TEST(nothing_of_what_is_empty_can_be_had)
{
    static const struct cvy_http_state empty = {.etag = ETAG, .date = DATE};
    static const char *const ranges[] = {"bytes=0-", "bytes=0-0", "bytes=-1"};

    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        const covey_http_header header = {"Range", ranges[i]};
        const covey_http_server_request req = {
            .method = "GET", .headers = &header, .header_count = 1};
        int64_t from, to;
        CHECK_EQ(cvy_http_range_of(&req, &empty, &from, &to), 416);
    }
}

TEST(a_range_of_something_else_is_all_of_it)
{
    static const struct {
        const char *if_range;
        int status;
    } cases[] = {{ETAG, 206}, {DATE, 206}, {"\"other\"", 200}, {"W/" ETAG, 200}, {AFTER, 200}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const covey_http_header headers[] = {{"Range", "bytes=0-4"},
                                             {"If-Range", cases[i].if_range}};
        covey_http_server_request req = {.method = "GET", .headers = headers, .header_count = 2};
        int64_t from, to;
        CHECK_EQ(cvy_http_range_of(&req, &state, &from, &to), cases[i].status);
        req.method = "HEAD";
        CHECK_EQ(cvy_http_range_of(&req, &state, &from, &to), 200);
    }
}
