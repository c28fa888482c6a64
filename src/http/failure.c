/* SPDX-License-Identifier: MIT
 * failure.c - see failure.h. The words are ours where ours are clearer than libcurl's. */
#include "http/failure.h"

#include <covey/error.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* A failure of the network that libcurl kept the errno of, or fallback. */
static int network_code(int os_error, int fallback)
{
    switch (os_error) {
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
    case EADDRNOTAVAIL:
    case EACCES:
    case EPERM:
    case ETIMEDOUT:
        return -os_error;
    case EPIPE: /* a reset seen by a send */
        return -ECONNRESET;
    default:
        return fallback;
    }
}

/* libcurl gives CURLE_RECV_ERROR for bad chunks and HTTP/2 frames too; only its words tell them
 * from a connection that broke. */
static bool is_malformed(const char *words)
{
    return strstr(words, "chunked-encoding") || strstr(words, "nghttp2 recv error");
}

static int code_of(CURLcode result, int os_error)
{
    switch (result) {
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_BAD_FUNCTION_ARGUMENT:
        return -EINVAL;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return COVEY_EDNS;
    case CURLE_COULDNT_CONNECT:
        return network_code(os_error, -ECONNREFUSED);
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
        return -ECONNRESET;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        return network_code(os_error, -ECONNRESET);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ENGINE_SETFAILED:
    case CURLE_SSL_ENGINE_INITFAILED:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_USE_SSL_FAILED:
    case CURLE_SSL_SHUTDOWN_FAILED:
        return COVEY_ETLS;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_RANGE_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_REMOTE_ACCESS_DENIED:
    case CURLE_AUTH_ERROR:
#if LIBCURL_VERSION_NUM >= 0x074900
    case CURLE_PROXY:
#endif
        return COVEY_EPROTO;
    case CURLE_OUT_OF_MEMORY:
        return -ENOMEM;
    default:
        return -EIO;
    }
}

int cvy_http_failure_code(const struct cvy_http_failure *f, char *buf, size_t size)
{
    int code = code_of(f->result, f->os_error);

    switch (f->result) {
    case CURLE_COULDNT_RESOLVE_HOST:
        (void)snprintf(buf, size, "cannot resolve host %.*s", (int)f->host_len, f->host);
        return code;
    case CURLE_PARTIAL_FILE:
        (void)snprintf(buf, size, "the connection was closed before the whole body came");
        return code;
    case CURLE_GOT_NOTHING:
        (void)snprintf(buf, size, "the connection was closed without an answer");
        return code;
    case CURLE_HTTP2_STREAM:
        if (strstr(f->words, "end of the underlying stream")) {
            (void)snprintf(buf, size, "the connection was closed before the whole answer came");
            return -ECONNRESET;
        }
        break;
    case CURLE_COULDNT_CONNECT:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        /* It keeps each trailer in so many bytes. */
        if (strstr(f->words, "Out of memory in chunked-encoding")) {
            (void)snprintf(buf, size, "a trailer of the response is too long");
            return COVEY_ETOOLARGE;
        }
        if (is_malformed(f->words)) {
            (void)snprintf(buf, size, "bad answer: %s", f->words);
            return COVEY_EPROTO;
        }
        /* libcurl's read "Failed to connect to h port 80 after 3 ms: Couldn't connect to server".
         */
        if (f->os_error != 0 || f->words[0] == '\0') {
            (void)snprintf(buf, size, "%s", covey_strerror(code));
            return code;
        }
        break;
    case CURLE_OPERATION_TIMEDOUT:
        (void)snprintf(buf, size, "connecting timed out");
        return code;
    case CURLE_OUT_OF_MEMORY:
        /* Also of a line that does not end, and without words. */
        if (f->is_in_head) {
            (void)snprintf(buf, size, "a line of the response's head is too long");
            return COVEY_ETOOLARGE;
        }
        break;
    case CURLE_UNSUPPORTED_PROTOCOL:
        /* The URL's scheme, or no status line: to libcurl that is HTTP/0.9. */
        if (strstr(f->words, "HTTP/0.9")) {
            (void)snprintf(buf, size, "the answer is not HTTP");
            return COVEY_EPROTO;
        }
        break;
    default:
        break;
    }
    (void)snprintf(buf, size, "%s", f->words[0] ? f->words : curl_easy_strerror(f->result));
    return code;
}
