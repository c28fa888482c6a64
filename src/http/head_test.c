/* SPDX-License-Identifier: MIT */
#include "http/head.h"

#include "harness.h"

#include <covey/error.h>

#include <stdlib.h>
#include <string.h>

static int add(struct cvy_http_head *h, const char *line)
{
    return cvy_http_head_add(h, line, strlen(line));
}

static void fini(struct cvy_http_head *h, covey_http_response *resp)
{
    covey_http_response_free(resp);
    cvy_http_head_fini(h);
}

TEST(collects_status_and_headers)
{
    struct cvy_http_head h = {0};
    covey_http_response resp = {0};

    CHECK_EQ(add(&h, "HTTP/1.1 206 Partial Content\r\n"), 0);
    CHECK_EQ(add(&h, "Content-Type:  text/plain \r\n"), 0);
    CHECK_EQ(add(&h, "X-Empty:\r\n"), 0);
    CHECK_EQ(add(&h, "no colon\r\n"), 0);
    CHECK_EQ(add(&h, ": no name\r\n"), 0);
    CHECK_EQ(add(&h, "\r\n"), 0);
    CHECK_EQ(cvy_http_head_export(&h, "http://h/", &resp), 0);
    CHECK_EQ(resp.status, 206);
    CHECK_EQ(resp.header_count, 2);
    CHECK_STR(covey_http_response_header(&resp, "content-TYPE"), "text/plain");
    CHECK_STR(covey_http_response_header(&resp, "X-Empty"), "");
    CHECK(covey_http_response_header(&resp, "X") == NULL);
    CHECK_STR(resp.effective_url, "http://h/");
    fini(&h, &resp);
}

TEST(an_interim_response_is_forgotten)
{
    struct cvy_http_head h = {0};
    covey_http_response resp = {0};

    CHECK_EQ(add(&h, "HTTP/1.1 103 Early Hints\r\n"), 0);
    CHECK_EQ(add(&h, "Link: </a>\r\n"), 0);
    CHECK_EQ(add(&h, "\r\n"), 0);
    CHECK_EQ(add(&h, "HTTP/2 404\r\n"), 0);
    CHECK_EQ(add(&h, "A: b\r\n"), 0);
    CHECK_EQ(cvy_http_head_export(&h, NULL, &resp), 0);
    CHECK_EQ(resp.status, 404);
    CHECK_EQ(resp.header_count, 1);
    CHECK_STR(resp.effective_url, "");
    fini(&h, &resp);
}

TEST(a_folded_line_goes_on_with_the_value)
{
    struct cvy_http_head h = {0};
    covey_http_response resp = {0};

    CHECK_EQ(add(&h, "  folded before any\r\n"), 0);
    CHECK_EQ(add(&h, "A: one\r\n"), 0);
    CHECK_EQ(add(&h, "\t two\r\n"), 0);
    CHECK_EQ(cvy_http_head_export(&h, "", &resp), 0);
    CHECK_STR(covey_http_response_header(&resp, "a"), "one two");
    fini(&h, &resp);
}

TEST(what_comes_behind_the_head_is_kept_apart)
{
    struct cvy_http_head h = {0};
    covey_http_response resp = {0};

    CHECK_EQ(add(&h, "HTTP/1.1 200 OK\r\n"), 0);
    CHECK_EQ(add(&h, "A: one\r\n"), 0);
    CHECK_EQ(add(&h, "\r\n"), 0);
    CHECK_EQ(add(&h, " of no value\r\n"), 0);
    CHECK_EQ(add(&h, "B: two\r\n"), 0);
    h.is_closed = true;
    CHECK_EQ(add(&h, "HTTP/1.1 500: no status\r\n"), 0);
    CHECK_EQ(add(&h, "a: three\r\n"), 0);
    CHECK_EQ(add(&h, " and four\r\n"), 0);
    CHECK_EQ(add(&h, "Content-Length: none\r\n"), 0);
    CHECK_EQ(cvy_http_head_export(&h, "", &resp), 0);
    CHECK_EQ(cvy_http_head_export_trailers(&h, &resp), 0);
    CHECK_EQ(resp.status, 200);
    CHECK_EQ(resp.header_count, 1);
    CHECK_EQ(resp.trailer_count, 4);
    CHECK_STR(covey_http_response_header(&resp, "A"), "one");
    CHECK_STR(covey_http_response_trailer(&resp, "A"), "three and four");
    CHECK_STR(covey_http_response_trailer(&resp, "b"), "two");
    CHECK(covey_http_response_trailer(&resp, "C") == NULL);
    covey_http_response_free(&resp);
    CHECK(resp.trailers == NULL);

    cvy_http_head_reset(&h);
    CHECK_EQ(cvy_http_head_export_trailers(&h, &resp), 0);
    CHECK_EQ(resp.trailer_count, 0);
    fini(&h, &resp);
}

/* Those of an answer before a redirect are not those of the next. */
TEST(a_status_line_forgets_the_trailers)
{
    struct cvy_http_head h = {0};
    covey_http_response resp = {0};

    CHECK_EQ(add(&h, "HTTP/1.1 302 Found\r\n"), 0);
    CHECK_EQ(add(&h, "\r\n"), 0);
    CHECK_EQ(add(&h, "A: one\r\n"), 0);
    CHECK_EQ(add(&h, "HTTP/1.1 200 OK\r\n"), 0);
    CHECK_EQ(add(&h, "B: two\r\n"), 0);
    CHECK_EQ(h.headers.count, 1);
    CHECK_EQ(h.trailers.count, 0);
    fini(&h, &resp);
}

TEST(interim_responses_without_end_are_refused)
{
    struct cvy_http_head h = {0};
    covey_http_response resp = {0};
    int code = 0, n = 0;

    for (; code == 0 && n < 100000; n++) {
        code = add(&h, "HTTP/1.1 100 Continue\r\n");
        code = code < 0 ? code : add(&h, "\r\n");
    }
    CHECK_EQ(code, COVEY_ETOOLARGE);
    CHECK(n > 1000);
    fini(&h, &resp);
}

TEST(a_head_without_end_is_refused)
{
    struct cvy_http_head h = {0};
    static char line[65536];
    int code = 0;

    memset(line, 'a', sizeof(line) - 1);
    line[1] = ':';
    for (int i = 0; i < 8 && code == 0; i++) {
        code = add(&h, line);
    }
    CHECK_EQ(code, COVEY_ETOOLARGE);
    CHECK(h.headers.text.len <= CVY_HTTP_HEAD_MAX);
    cvy_http_head_fini(&h);
}

TEST(a_line_that_does_not_fit_leaves_no_part_of_it)
{
    static char long_line[CVY_HTTP_HEAD_MAX];
    struct cvy_http_head h = {0};
    covey_http_response r = {0};

    memset(long_line, 'x', sizeof(long_line));
    long_line[0] = ' ';
    CHECK_EQ(cvy_http_head_add(&h, "A: b\r\n", 6), 0);
    CHECK_EQ(cvy_http_head_add(&h, long_line, sizeof(long_line)), COVEY_ETOOLARGE);
    CHECK_EQ(cvy_http_head_add(&h, "C: d\r\n", 6), COVEY_ETOOLARGE); /* it stays so */
    CHECK_EQ(cvy_http_head_export(&h, "http://x/", &r), 0);
    CHECK_EQ(r.header_count, 1);
    CHECK_STR(covey_http_response_header(&r, "A"), "b");
    fini(&h, &r);
}

TEST(odd_lines_do_no_harm)
{
    struct cvy_http_head h = {0};
    covey_http_response resp = {0};
    static const char with_nul[] = "A: b\0c\r\n";

    CHECK_EQ(cvy_http_head_add(&h, with_nul, sizeof(with_nul) - 1), 0);
    CHECK_EQ(h.headers.count, 0);
    CHECK_EQ(add(&h, "HTTP/"), 0);
    CHECK_EQ(add(&h, "HTTP/1.1"), 0);
    CHECK_EQ(add(&h, "HTTP/1.1 "), 0);
    CHECK_EQ(add(&h, "HTTP/1.1 abc"), 0);
    CHECK_EQ(h.status, 0);
    CHECK_EQ(cvy_http_head_export(&h, "u", &resp), 0);
    CHECK_EQ(resp.header_count, 0);
    fini(&h, &resp);
}

/* The code of the first line that is refused. */
static int add_lines(const char *const *lines, size_t n)
{
    struct cvy_http_head h = {0};
    int code = 0;

    for (size_t i = 0; i < n && code == 0; i++) {
        code = cvy_http_head_add(&h, lines[i], strlen(lines[i]));
    }
    cvy_http_head_fini(&h);
    return code;
}

#define ADD(...)                                                                                   \
    add_lines((const char *const[]){__VA_ARGS__},                                                  \
              sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

TEST(a_body_ends_in_one_place)
{
    CHECK_EQ(
        ADD("HTTP/1.1 200 OK\r\n", "Content-Length: 5\r\n", "X: y\r\n", "content-length:5\r\n"), 0);
    CHECK_EQ(ADD("HTTP/1.1 200 OK\r\n", "Content-Length: 5\r\n", "Content-Length: 7\r\n"),
             COVEY_EPROTO);
    CHECK_EQ(ADD("HTTP/1.1 200 OK\r\n", "Content-Length: 5\r\n", "CONTENT-LENGTH: 55\r\n"),
             COVEY_EPROTO);
    CHECK_EQ(ADD("Content-Length: 5, 7\r\n"), COVEY_EPROTO);
    CHECK_EQ(ADD("Content-Length: 5x\r\n"), COVEY_EPROTO);
    CHECK_EQ(ADD("Content-Length: +5\r\n"), COVEY_EPROTO);
    /* Another answer has another length. */
    CHECK_EQ(ADD("HTTP/1.1 301 Gone\r\n", "Content-Length: 5\r\n", "HTTP/1.1 200 OK\r\n",
                 "Content-Length: 7\r\n"),
             0);
}
