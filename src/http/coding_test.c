/* SPDX-License-Identifier: MIT
 * Who takes gzip, and what gains by it. */
#include "http/coding.h"

#include "harness.h"

#include <string.h>

static bool accepts(const char *one, const char *two)
{
    const covey_http_header headers[] = {
        {"accept", "gzip"}, {"accept-encoding", one}, {"Accept-Encoding", two ? two : "br"}};
    const covey_http_server_request req = {.headers = headers, .header_count = 3};

    return cvy_http_accepts_gzip(&req);
}

TEST(gzip_is_taken_by_who_says_so_and_rather_has_it)
{
    static const char *const yes[] = {
        "gzip",
        "GZIP",
        "x-gzip",
        "gzip, deflate, br",
        "deflate,gzip;q=0.5",
        "gzip ; q=0.001",
        "*",
        "identity;q=0.5, *;q=0.7",
        "identity;q=0, gzip;q=0.1",
        "gzip;q=1.000,identity;q=1",
        " , ,gzip",
    };
    static const char *const no[] = {
        "",         "identity", "gzip;q=0",  "gzip;q=0.0",   "gzip;q=0.000",
        "*;q=0",    "deflate",  "gzipped",   "gzip;q=0, *",  "gzip;q=0.4, identity;q=0.5",
        "gzip;q=2", "gzip;q=",  "gzip;q=-1", "gzip;level=9", "gzip;q=0.1234x",
        "gzip x",
    };

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        CHECK_STR(accepts(yes[i], NULL) ? yes[i] : "", yes[i]);
    }
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        CHECK_STR(accepts(no[i], NULL) ? "" : no[i], no[i]);
    }
    CHECK(accepts("deflate", "gzip"));
    CHECK(!accepts("gzip", "gzip;q=0"));
}

TEST(text_gains_and_what_is_compressed_does_not)
{
    static const char *const yes[] = {"text/plain",    "Text/HTML",           "application/json",
                                      "image/svg+xml", "application/ld+json", "application/wasm ",
                                      "text/x"};
    static const char *const no[] = {
        "image/png",         "application/gzip",        "text", "text/", "",
        "application/jsonx", "application/octet-stream"};

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        CHECK_STR(cvy_http_is_compressible(yes[i], strlen(yes[i])) ? yes[i] : "", yes[i]);
    }
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        CHECK(!cvy_http_is_compressible(no[i], strlen(no[i])));
    }
}
