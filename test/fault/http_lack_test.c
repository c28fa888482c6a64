/* SPDX-License-Identifier: MIT
 * http_lack_test.c - every allocation of the HTTP server, and of what is below it, fails once: a
 * client talks to it with the n-th one failing, for n = 1, 2, ... until none did. The client gets a
 * whole answer, one that says so, or none; the server goes on, and under ASan leaves no byte.
 * The client is a thread of its own with sockets of its own, and is spared. */
#include "../conformance/h2_client.h"
#include "lack.h"

#include <covey/http.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#define TRIES_MOST 2000

/* ---- the server ---- */

/* Reads the body, and answers with enough of text to be compressed, in pieces. */
static int handler(covey_ctx *ctx, covey_http_server_request *req, covey_http_writer *w, void *arg)
{
    char buf[1000];
    ssize_t n;

    (void)arg;
    while ((n = covey_http_body_read(ctx, req, buf, sizeof(buf))) > 0) {
    }
    if (n == 0) {
        n = covey_http_set_header(w, "Content-Type", "text/plain");
    }
    if (n == 0) {
        n = covey_http_set_trailer(w, "X-Sum", "0");
    }
    memset(buf, 'x', sizeof(buf));
    for (int i = 0; i < 8 && n >= 0; i++) {
        n = covey_http_write(ctx, w, buf, sizeof(buf));
    }
    return n < 0 ? (int)n : 0;
}

/* ---- the client ---- */

struct talk {
    const char *bytes; /* what it says */
    size_t len;
    uint16_t port;
    atomic_bool has_ended;
};

/* Whether all that it waits for has come: the last chunk, or the stream's end. */
static bool is_whole(const char *data, size_t len)
{
    if (len >= 5 && memcmp(data, "HTTP/", 5) == 0) {
        return memcmp(data + len - 5, "0\r\n\r\n", 5) == 0 || strstr(data, "Content-Length: ");
    }
    for (size_t at = 0; at + 9 <= len;) {
        size_t frame_len = word_at(data + at) >> 8;
        int type = data[at + 3], flags = data[at + 4];
        if (word_at(data + at + 5) == 1 && at + 9 + frame_len <= len &&
            (type == RST_STREAM || (flags & END_STREAM && (type == DATA || type == HEADERS)))) {
            return true;
        }
        at += 9 + frame_len;
    }
    return false;
}

static void *talk(void *arg)
{
    static char data[65536];
    struct talk *t = arg;
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(t->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    size_t len = 0;
    ssize_t n;

    is_spared = true;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK_EQ(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    n = send(fd, t->bytes, t->len, MSG_NOSIGNAL);
    while (n > 0 && !is_whole(data, len)) {
        n = recv(fd, data + len, sizeof(data) - 1 - len, 0);
        len += n > 0 ? (size_t)n : 0;
        data[len] = '\0';
    }
    CHECK_EQ(close(fd), 0);
    atomic_store(&t->has_ended, true);
    return NULL;
}

/* One talk with the nth allocation failing. False: none did. */
static bool try(struct site *s, struct talk *t, int nth)
{
    pthread_t thread;
    uint64_t accepted = site_stats(s).accepted + site_stats(s).accept_failures;

    atomic_store(&t->has_ended, false);
    atomic_store(&countdown, nth);
    CHECK_EQ(pthread_create(&thread, NULL, talk, t), 0);
    while (!atomic_load(&t->has_ended) || site_stats(s).open > 0 ||
           site_stats(s).accepted + site_stats(s).accept_failures == accepted) {
        covey_yield();
    }
    bool was_met = atomic_exchange(&countdown, 0) <= 0;
    CHECK_EQ(pthread_join(thread, NULL), 0);
    return was_met;
}

static void try_all(struct talk *t)
{
    struct site s = {.handler = handler, .opts = {.gzip = 1, .io_timeout_ns = 500 * COVEY_MS}};
    int n = 1;

    if (!WITH_WRAPPED_HEAP) {
        SKIP("the heap is the library's own");
    }
    site_open(&s);
    t->port = (uint16_t)atoi(strrchr(covey_listener_addr(s.listener), ':') + 1);
    (void)try(&s, t, 0); /* it has begun */
    while (try(&s, t, n)) {
        CHECK(++n < TRIES_MOST);
    }
    printf("# %d allocations\n", n - 1);
    CHECK(n > 5);
    CHECK_EQ(site_close(&s), 0);
}

TASK_TEST(http_1_goes_on_whatever_cannot_be_had)
{
    static const char request[] = "POST /a%20b?c=d HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n"
                                  "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"
                                  "X-Sum: 1\r\n\r\n";
    struct talk t = {.bytes = request, .len = sizeof(request) - 1};

    try_all(&t);
}

TASK_TEST(http_2_goes_on_whatever_cannot_be_had)
{
    char bytes[1024], block[512];
    struct talk t = {.bytes = bytes};

    memcpy(bytes, PREFACE, strlen(PREFACE));
    t.len = strlen(PREFACE);
    t.len += frame_write(bytes + t.len, SETTINGS, 0, 0, NULL, 0);
    size_t n = fields_write(block, ":method: POST\n:scheme: http\n:authority: x\n:path: /a%20b?c\n"
                                   "accept-encoding: gzip\ncookie: a\ncookie: b\n");
    t.len += frame_write(bytes + t.len, HEADERS, END_HEADERS, 1, block, n);
    t.len += frame_write(bytes + t.len, DATA, 0, 1, "abc", 3);
    n = fields_write(block, "x-sum: 1\n");
    t.len += frame_write(bytes + t.len, HEADERS, END_STREAM | END_HEADERS, 1, block, n);
    try_all(&t);
}
