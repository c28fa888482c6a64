/* SPDX-License-Identifier: MIT
 * serve_request_test.c - which request heads are taken, and what is in them. */
#include "debug/serve_request.h"

#include "harness.h"

#include <string.h>

static char head[CVY_REQUEST_HEAD_MAX + 1];
static struct cvy_request r;

static int parse(const char *text)
{
    size_t len = strlen(text);

    memcpy(head, text, len);
    CHECK_EQ(cvy_request_head_len(head, len), len);
    return cvy_request_parse(head, len, &r);
}

TEST(path_parameters_and_host_are_read)
{
    CHECK_EQ(parse("GET /a%20b?x=1&y=%41+%2b&z&x=2 HTTP/1.1\r\nhost:\t me \r\nAccept: */*\r\n\r\n"),
             0);
    CHECK(!r.is_head);
    CHECK_STR(r.path, "/a b");
    CHECK_STR(r.host, "me");
    CHECK_EQ(r.parameter_count, 4);
    CHECK_STR(cvy_request_get(&r, "x", NULL), "1");
    CHECK_STR(cvy_request_get(&r, "y", NULL), "A +");
    CHECK_STR(cvy_request_get(&r, "z", NULL), "");
    CHECK_STR(cvy_request_get(&r, "w", "none"), "none");
    CHECK_EQ(parse("HEAD / HTTP/1.0\r\n\r\n"), 0);
    CHECK(r.is_head && !r.host);
}

TEST(numbers_have_a_bound)
{
    CHECK_EQ(parse("GET /?a=600&b=601&c=&d=-1&e=99999999999999999999&f=1x HTTP/1.0\r\n\r\n"), 0);
    CHECK_EQ(cvy_request_number(&r, "a", 600), 600);
    CHECK_EQ(cvy_request_number(&r, "b", 600), -1);
    CHECK_EQ(cvy_request_number(&r, "c", 600), -1);
    CHECK_EQ(cvy_request_number(&r, "d", 600), -1);
    CHECK_EQ(cvy_request_number(&r, "e", INT64_MAX), -1);
    CHECK_EQ(cvy_request_number(&r, "f", 600), -1);
    CHECK_EQ(cvy_request_number(&r, "none", 600), 0);
}

TEST(a_head_ends_with_its_empty_line)
{
    CHECK_EQ(cvy_request_head_len("GET / HTTP/1.0\r\n\r", 17), 0);
    CHECK_EQ(cvy_request_head_len("", 0), 0);
    CHECK_EQ(cvy_request_head_len("a\r\n\r\nbody", 9), 5);
}

TEST(what_is_no_strict_request_is_refused)
{
    static const struct {
        int status;
        const char *text;
    } cases[] = {
        {400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
        {400, "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"},
        {400, "GET /#x HTTP/1.1\r\nHost: a\r\n\r\n"},
        {400, "GET /%0 HTTP/1.0\r\n\r\n"},
        {400, "GET /%00 HTTP/1.0\r\n\r\n"},
        {400, "GET /?a=%zz HTTP/1.0\r\n\r\n"},
        {400, "GET / HTTP/1.0\r\nno colon\r\n\r\n"},
        {400, "GET / HTTP/1.0\r\nbad name: a\r\n\r\n"},
        {400, "GET / HTTP/1.0\r\na: b\r\n folded\r\n\r\n"},
        {400, "GET / HTTP/1.0\r\na: b\nc: d\r\n\r\n"},
        {400, "GET / HTTP/1.0\r\nContent-Length: 1\r\n\r\n"},
        {400, "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
        {400, "GET /\r\n\r\n"},
        {400, "G(T / HTTP/1.0\r\n\r\n"},
        {405, "POST / HTTP/1.0\r\n\r\n"},
        {505, "GET / HTTP/3.0\r\n\r\n"},
        {0, "GET / HTTP/1.0\r\nContent-Length: 0\r\n\r\n"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK_EQ(parse(cases[i].text), cases[i].status);
    }
}
