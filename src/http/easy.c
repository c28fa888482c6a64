/* SPDX-License-Identifier: MIT
 * easy.c - what libcurl calls, and what it measured (easy.h). The callbacks run inside libcurl:
 * they make no covey call (transfer.h). */
#define _GNU_SOURCE
#include "http/easy.h"

#include "http/client.h"
#include "http/driver.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SET(option, value) CVY_HTTP_EASY_SET(e, worst, option, value)

/* ---- callbacks ---- */

static size_t take_header(char *line, size_t one, size_t len, void *arg)
{
    struct cvy_http_easy *e = arg;
    struct cvy_http_transfer *t = e->transfer;

    t->is_asked = false;
    t->own_code = cvy_http_head_add(&t->head, line, one * len);
    /* To libcurl a method that it was given stands for every request that follows. */
    if (t->head.status == 303) {
        (void)curl_easy_setopt(e->curl, CURLOPT_CUSTOMREQUEST, NULL);
    }
    if (t->host && !t->has_address) { /* on a connection that was there already */
        t->has_address = true;
        cvy_http_driver_note(e->driver, t);
    }
    return t->own_code < 0 ? 0 : one * len;
}

#if LIBCURL_VERSION_NUM >= 0x075000
/* Where a connection that was kept turns out to be closed, libcurl asks again on another. The
 * server may have got the request all the same. */
static int take_leave(void *arg, char *to, char *from, int to_port, int from_port)
{
    struct cvy_http_easy *e = arg;
    struct cvy_http_transfer *t = e->transfer;
    bool is_again = t->is_asked;

    (void)to;
    (void)from;
    (void)to_port;
    (void)from_port;
    t->is_asked = true;
    if (is_again && !t->may_repeat) {
        t->own_code = -ECONNRESET;
        return CURL_PREREQFUNC_ABORT;
    }
    return CURL_PREREQFUNC_OK;
}
#endif

/* Before the first piece of the body. True: hold it back until the task has seen the head. */
static bool is_head_first(struct cvy_http_easy *e, struct cvy_http_transfer *t)
{
    if (t->head.is_closed) {
        return false;
    }
    t->head.is_closed = true;
    if (!t->req->on_headers) {
        return false;
    }
    cvy_http_easy_measure(e);
    t->at_head = t->figures;
    t->is_head_due =
        t->keep != CVY_HTTP_STREAM; /* a stream's pieces wait for their reader anyway */
    return t->is_head_due;
}

static int keep_piece(struct cvy_http_easy *e, struct cvy_http_transfer *t, const char *data,
                      size_t len)
{
    curl_off_t announced = -1;

    if (t->fill.len == 0) {
        (void)curl_easy_getinfo(e->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
    }
    if (announced > 0) {
        if ((uint64_t)announced > t->body_max) {
            return COVEY_ETOOLARGE;
        }
        int code = cvy_http_buffer_reserve(&t->fill, (size_t)announced);
        if (code < 0) {
            return code;
        }
    }
    return cvy_http_buffer_append(&t->fill, data, len, t->body_max);
}

static size_t take_body(char *data, size_t one, size_t len, void *arg)
{
    struct cvy_http_easy *e = arg;
    struct cvy_http_transfer *t = e->transfer;
    size_t n = one * len;
    bool is_full =
        t->keep == CVY_HTTP_STREAM && t->fill.len > 0 && t->fill.len + n > CVY_HTTP_PIECE_MAX;

    if (is_head_first(e, t) || is_full) {
        t->is_paused = true;
        cvy_http_driver_note(e->driver, t);
        return CURL_WRITEFUNC_PAUSE;
    }
    if (t->keep == CVY_HTTP_KEEP) {
        t->own_code = keep_piece(e, t, data, n);
    } else if (t->keep == CVY_HTTP_STREAM) {
        t->own_code = cvy_http_buffer_append(&t->fill, data, n, SIZE_MAX / 2);
        cvy_http_driver_note(e->driver, t);
    }
    if (t->own_code < 0) {
        return n == 0 ? 1 : 0; /* anything but n */
    }
    t->received += n;
    return n;
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct cvy_http_easy *e = arg;
    (void)purpose;

    /* libcurl has an address: others may use what its cache holds now. */
    if (e->transfer->host && !e->transfer->has_address) {
        e->transfer->has_address = true;
        cvy_http_driver_note(e->driver, e->transfer);
    }
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                    address->protocol);
    if (fd < 0) {
        e->socket_code = -errno;
        return CURL_SOCKET_BAD;
    }
    cvy_http_sockets_made(&e->driver->sockets, fd);
    return fd;
}

static int close_socket(void *arg, curl_socket_t fd)
{
    struct cvy_http_driver *d = arg;

    cvy_http_sockets_forget(&d->sockets, fd);
    return close(fd);
}

CURLcode cvy_http_easy_set_callbacks(struct cvy_http_easy *e)
{
    CURLcode worst = CURLE_OK;

    SET(CURLOPT_PRIVATE, e);
    SET(CURLOPT_ERRORBUFFER, e->words);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, e);
    SET(CURLOPT_HEADERFUNCTION, take_header);
    SET(CURLOPT_HEADERDATA, e);
#if LIBCURL_VERSION_NUM >= 0x075000
    SET(CURLOPT_PREREQFUNCTION, take_leave);
    SET(CURLOPT_PREREQDATA, e);
#endif
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    SET(CURLOPT_OPENSOCKETDATA, e);
    SET(CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    SET(CURLOPT_CLOSESOCKETDATA, e->driver); /* stays with the connection */
    return worst;
}

/* ---- figures ---- */

static int version_of(long version)
{
    switch (version) {
    case CURL_HTTP_VERSION_1_0:
        return 10;
    case CURL_HTTP_VERSION_1_1:
        return 11;
    case CURL_HTTP_VERSION_2_0:
        return 20;
    case CURL_HTTP_VERSION_3:
        return 30;
    default:
        return 0;
    }
}

static void note_url(struct cvy_http_easy *e, struct cvy_http_transfer *t)
{
    char *url = NULL;

    if (!t->is_url_known) {
        t->is_url_known = true;
        (void)curl_easy_getinfo(e->curl, CURLINFO_EFFECTIVE_URL, &url);
        if (url && strcmp(url, t->req->url) != 0) {
            t->url_reached = strdup(url);
        }
    }
}

void cvy_http_easy_measure(struct cvy_http_easy *e)
{
    struct cvy_http_transfer *t = e->transfer;
    covey_http_response *r = &t->figures;
    curl_off_t length = -1, first_us = 0, total_us = 0;
    long version = 0, connections = 0;

    (void)curl_easy_getinfo(e->curl, CURLINFO_HTTP_VERSION, &version);
    (void)curl_easy_getinfo(e->curl, CURLINFO_NUM_CONNECTS, &connections);
    (void)curl_easy_getinfo(e->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    (void)curl_easy_getinfo(e->curl, CURLINFO_STARTTRANSFER_TIME_T, &first_us);
    (void)curl_easy_getinfo(e->curl, CURLINFO_TOTAL_TIME_T, &total_us);
    note_url(e, t);
    r->http_version = version_of(version);
    r->connection_reused = r->http_version != 0 && connections == 0;
    r->content_length = length;
    r->ttfb_ns = first_us * COVEY_US;
    r->total_ns = total_us * COVEY_US;
    t->connections = (unsigned)connections;
}
