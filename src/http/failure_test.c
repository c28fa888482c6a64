/* SPDX-License-Identifier: MIT */
#include "http/failure.h"

#include "harness.h"

#include <covey/error.h>

static char words[256];

static int code_of(CURLcode result, int os_error, const char *text)
{
    struct cvy_http_failure f = {result, os_error, text, "example.org/x", 11, false};

    return cvy_http_failure_code(&f, words, sizeof(words));
}

TEST(the_networks_own_error_is_kept)
{
    CHECK_EQ(code_of(CURLE_COULDNT_CONNECT, ECONNREFUSED, "Failed to connect"), -ECONNREFUSED);
    CHECK_STR(words, covey_strerror(-ECONNREFUSED));
    CHECK_EQ(code_of(CURLE_COULDNT_CONNECT, EHOSTUNREACH, ""), -EHOSTUNREACH);
    CHECK_EQ(code_of(CURLE_SEND_ERROR, EPIPE, ""), -ECONNRESET);
    CHECK_EQ(code_of(CURLE_RECV_ERROR, 0, "Recv failure"), -ECONNRESET);
    CHECK_STR(words, "Recv failure");
}

TEST(codes_tell_the_kinds_apart)
{
    CHECK_EQ(code_of(CURLE_COULDNT_RESOLVE_HOST, 0, "Could not resolve"), COVEY_EDNS);
    CHECK_STR(words, "cannot resolve host example.org");
    CHECK_EQ(code_of(CURLE_PEER_FAILED_VERIFICATION, 0, "self-signed certificate"), COVEY_ETLS);
    CHECK_STR(words, "self-signed certificate");
    CHECK_EQ(code_of(CURLE_OPERATION_TIMEDOUT, 0, "x"), -ETIMEDOUT);
    CHECK_EQ(code_of(CURLE_PARTIAL_FILE, 0, "x"), -ECONNRESET);
    CHECK_EQ(code_of(CURLE_GOT_NOTHING, 0, "x"), -ECONNRESET);
    CHECK_EQ(code_of(CURLE_URL_MALFORMAT, 0, ""), -EINVAL);
    CHECK_EQ(code_of(CURLE_UNSUPPORTED_PROTOCOL, 0, ""), -EINVAL);
    CHECK_EQ(code_of(CURLE_UNSUPPORTED_PROTOCOL, 0, "Received HTTP/0.9 when not allowed"),
             COVEY_EPROTO);
    CHECK_STR(words, "the answer is not HTTP");
    CHECK_EQ(code_of(CURLE_TOO_MANY_REDIRECTS, 0, ""), COVEY_EPROTO);
    CHECK_EQ(code_of(CURLE_OUT_OF_MEMORY, 0, ""), -ENOMEM);
    struct cvy_http_failure in_head = {
        .result = CURLE_OUT_OF_MEMORY, .words = "", .is_in_head = true};
    CHECK_EQ(cvy_http_failure_code(&in_head, words, sizeof(words)), COVEY_ETOOLARGE);
    CHECK_EQ(code_of(CURLE_CHUNK_FAILED, 0, ""), -EIO);
    CHECK(words[0] != '\0');
}

TEST(what_the_server_sends_wrong_is_told_from_a_connection_that_broke)
{
    CHECK_EQ(code_of(CURLE_RECV_ERROR, 0, "Malformed encoding found in chunked-encoding"),
             COVEY_EPROTO);
    CHECK_STR(words, "bad answer: Malformed encoding found in chunked-encoding");
    CHECK_EQ(code_of(CURLE_RECV_ERROR, 0, "Out of memory in chunked-encoding"), COVEY_ETOOLARGE);
    CHECK_EQ(code_of(CURLE_RECV_ERROR, 0, "nghttp2 recv error -505: x"), COVEY_EPROTO);
    CHECK_EQ(code_of(CURLE_WEIRD_SERVER_REPLY, 0, "Nul byte in header"), COVEY_EPROTO);
    CHECK_EQ(code_of(CURLE_HTTP2_STREAM, 0, "HTTP/2 stream 1 was not closed cleanly: x (err 1)"),
             COVEY_EPROTO);
    CHECK_EQ(code_of(CURLE_HTTP2_STREAM, 0,
                     "HTTP/2 stream 1 was not closed cleanly before end of the underlying stream"),
             -ECONNRESET);
}
