/* SPDX-License-Identifier: MIT
 * tls_stream_test.c - bytes over TLS: all of them, both ways at once, and the ends that a stream
 * can come to. */
#include "tls_pair.h"

#include <covey/tls.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MEGABYTE = 1 << 20 };

/* ---- bytes
 * --------------------------------------------------------------------------------------- */

struct stream {
    covey_conn *c;
    uint32_t seed;
    size_t len;
    size_t piece; /* bytes of one call */
    int code;
};

static unsigned char next_byte(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (unsigned char)(*seed >> 24);
}

static int write_stream(covey_ctx *ctx, void *arg)
{
    struct stream *s = arg;
    unsigned char *buf = malloc(s->piece);
    uint32_t seed = s->seed;

    CHECK(buf);
    for (size_t done = 0; done < s->len;) {
        size_t n = s->len - done < s->piece ? s->len - done : s->piece;
        for (size_t i = 0; i < n; i++) {
            buf[i] = next_byte(&seed);
        }
        CHECK_EQ(covey_write(ctx, s->c, buf, n), (ssize_t)n);
        done += n;
    }
    CHECK_EQ(covey_tls_shutdown(ctx, s->c), 0);
    free(buf);
    return 0;
}

static int read_stream(covey_ctx *ctx, void *arg)
{
    struct stream *s = arg;
    unsigned char *buf = malloc(s->piece);
    uint32_t seed = s->seed;
    size_t done = 0;
    ssize_t n;

    CHECK(buf);
    while ((n = covey_read(ctx, s->c, buf, s->piece)) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            CHECK_EQ(buf[i], next_byte(&seed));
        }
        done += (size_t)n;
    }
    CHECK_EQ(n, 0);
    CHECK_EQ(done, s->len);
    free(buf);
    return 0;
}

static void check_both_ways(covey_ctx *ctx, struct pair *p, size_t len, size_t piece)
{
    covey_group *g = covey_group_new(ctx);
    struct stream there = {.c = p->client, .seed = 1, .len = len, .piece = piece};
    struct stream read_there = there, back = there, read_back;

    read_there.c = back.c = p->server;
    back.seed = 2;
    read_back = back;
    read_back.c = p->client;
    GO(g, write_stream, &there);
    GO(g, read_stream, &read_there);
    GO(g, write_stream, &back);
    GO(g, read_stream, &read_back);
    JOIN(g);
}

TLS_TEST(both_directions_at_once_carry_a_megabyte)
{
    static const size_t pieces[] = {1000, 16384, 100000, MEGABYTE};

    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        struct pair p = {0};
        shake_well(ctx, &p);
        check_both_ways(ctx, &p, MEGABYTE, pieces[i]);
        pair_close(&p);
    }
}

TLS_TEST(tls_runs_over_tls)
{
    struct pair outer = {0};

    shake_well(ctx, &outer);
    struct pair inner = {.client = outer.client, .server = outer.server};
    shake_over(ctx, &inner);
    CHECK_EQ(inner.client_code, 0);
    CHECK_EQ(inner.server_code, 0);
    check_both_ways(ctx, &inner, MEGABYTE / 4, 5000);
    pair_close(&inner);
}

TLS_TEST(a_goodbye_that_finds_no_room_goes_by_itself)
{
    struct pair outer = {0};
    char b;

    /* A connection that is no socket never takes anything at once. */
    shake_well(ctx, &outer);
    struct pair inner = {.client = outer.client, .server = outer.server};
    shake_over(ctx, &inner);
    CHECK_EQ(inner.client_code, 0);
    covey_close(inner.client);
    CHECK_EQ(covey_read(ctx, inner.server, &b, 1), 0);
    covey_close(inner.server);
}

struct visit {
    covey_listener *l;
    atomic_int done;
};

static int serve_one(covey_ctx *ctx, void *arg)
{
    struct visit *v = arg;
    covey_conn *c;
    char buf[64];
    ssize_t n;

    CHECK_EQ(covey_accept(ctx, v->l, &c), 0);
    CHECK_EQ(covey_tls_server(ctx, &c, world.server), 0);
    while ((n = covey_read(ctx, c, buf, sizeof(buf))) > 0) {
        CHECK_EQ(covey_write(ctx, c, buf, (size_t)n), n);
    }
    CHECK_EQ(n, 0);
    covey_close(c);
    return 0;
}

static int visit_one(covey_ctx *ctx, void *arg)
{
    struct visit *v = arg;
    covey_conn *c;
    char buf[10];

    CHECK_EQ(covey_dial(ctx, &c, covey_listener_addr(v->l)), 0);
    CHECK_EQ(covey_tls_client(ctx, &c, world.client, "shop.test"), 0);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(covey_write(ctx, c, "0123456789", 10), 10);
        CHECK_EQ(covey_read_full(ctx, c, buf, 10), 10);
    }
    atomic_fetch_add(&v->done, 1);
    covey_close(c);
    return 0;
}

TLS_TEST(two_hundred_connections_at_once)
{
    covey_group *g = covey_group_new(ctx);
    struct visit v = {0};
    int fds = count_fds();

    CHECK_EQ(covey_listen(&v.l, "tcp://127.0.0.1:0", NULL), 0);
    for (int i = 0; i < 200; i++) {
        GO(g, serve_one, &v);
        GO(g, visit_one, &v);
    }
    JOIN(g);
    CHECK_EQ(v.done, 200);
    covey_listener_close(v.l);
    CHECK_EQ(count_fds(), fds);
}

TLS_TEST(pieces_of_a_writev_arrive_in_order)
{
    struct pair p = {0};
    static char big[40000];
    struct iovec iov[6] = {{"head:", 5},       {big, 0},     {big, 3},
                           {big, sizeof(big)}, {":tail", 5}, {big, 0}};
    char *got = malloc(sizeof(big) + 64);
    ssize_t total = 5 + 3 + (ssize_t)sizeof(big) + 5;

    CHECK(got);
    memset(big, 'x', sizeof(big));
    shake_well(ctx, &p);
    CHECK_EQ(covey_writev(ctx, p.client, iov, 6), total);
    CHECK_EQ(covey_read_full(ctx, p.server, got, (size_t)total), total);
    CHECK(memcmp(got, "head:xxx", 8) == 0);
    CHECK(memcmp(got + total - 6, "x:tail", 6) == 0);
    free(got);
    pair_close(&p);
}

/* ---- cancellation
 * -------------------------------------------------------------------------------- */

static int read_one(covey_ctx *ctx, void *arg)
{
    struct stream *s = arg;
    char b;

    s->code = (int)covey_read(ctx, s->c, &b, 1);
    return 0;
}

TLS_TEST(a_cancelled_read_loses_nothing)
{
    struct pair p = {0};

    shake_well(ctx, &p);
    for (int i = 0; i < 20; i++) {
        covey_ctx *under = covey_ctx_with_cancel(ctx);
        covey_group *g = covey_group_new(under);
        struct stream s = {.c = p.client};
        go_waiting(g, "reader", read_one, &s);
        covey_ctx_cancel(under);
        JOIN(g);
        CHECK_EQ(s.code, COVEY_ECANCELED);
        covey_ctx_unref(under);
        say(ctx, p.server, p.client, "and on");
        say(ctx, p.client, p.server, "and back");
    }
    pair_close(&p);
}

static int write_much(covey_ctx *ctx, void *arg)
{
    struct stream *s = arg;
    static char buf[16 * MEGABYTE];

    s->code = (int)covey_write(ctx, s->c, buf, sizeof(buf));
    return 0;
}

TLS_TEST(a_cancelled_write_ends_and_the_peer_sees_no_clean_end)
{
    covey_ctx *under = covey_ctx_with_cancel(ctx);
    covey_group *g = covey_group_new(under);
    struct pair p = {0};
    struct stream s = {0};
    char buf[4096];
    ssize_t n;

    shake_well(ctx, &p);
    s.c = p.client;
    go_waiting(g, "writer", write_much, &s);
    covey_ctx_cancel(under);
    JOIN(g);
    CHECK_EQ(s.code, COVEY_ECANCELED);
    /* Until there would be room for a goodbye. */
    covey_ctx *soon = covey_ctx_with_timeout(ctx, 100 * COVEY_MS);
    while ((n = covey_read(soon, p.server, buf, sizeof(buf))) > 0) {
    }
    CHECK_EQ(n, COVEY_EDEADLINE);
    covey_ctx_unref(soon);
    covey_close(p.client);
    while ((n = covey_read(ctx, p.server, buf, sizeof(buf))) > 0) {
    }
    CHECK(n == COVEY_EPROTO || n == -ECONNRESET);
    covey_close(p.server);
    covey_ctx_unref(under);
}

TLS_TEST(a_reader_that_waits_keeps_nobody_from_writing)
{
    covey_group *g = covey_group_new(ctx);
    struct pair p = {0};
    struct stream s = {0};
    char buf[8];

    shake_well(ctx, &p);
    s.c = p.client;
    go_waiting(g, "reader", read_one, &s);
    for (int i = 0; i < 100; i++) {
        say(ctx, p.client, p.server, "no answer");
    }
    CHECK(is_waiting("reader"));
    CHECK_EQ(covey_write(ctx, p.server, "x", 1), 1);
    JOIN(g);
    CHECK_EQ(s.code, 1);
    /* And a writer that waits keeps nobody from reading. */
    covey_ctx *under = covey_ctx_with_cancel(ctx);
    g = covey_group_new(under);
    go_waiting(g, "writer", write_much, &s);
    for (int i = 0; i < 100; i++) {
        say(ctx, p.server, p.client, "do you hear");
    }
    CHECK(is_waiting("writer"));
    covey_ctx_cancel(under);
    JOIN(g);
    CHECK_EQ(covey_read(ctx, p.server, buf, 8), 8);
    pair_close(&p);
    covey_ctx_unref(under);
}

/* ---- ends
 * ---------------------------------------------------------------------------------------- */

TLS_TEST(a_close_is_a_clean_end)
{
    struct pair p = {0};
    char b;

    shake_well(ctx, &p);
    CHECK_EQ(covey_write(ctx, p.client, "x", 1), 1);
    covey_close(p.client);
    CHECK_EQ(covey_conn_wait_hangup(ctx, p.server), 0);
    CHECK_EQ(covey_read(ctx, p.server, &b, 1), 1);
    CHECK_EQ(covey_read(ctx, p.server, &b, 1), 0);
    CHECK_EQ(covey_read(ctx, p.server, &b, 1), 0);
    covey_close(p.server);
}

TLS_TEST(a_stream_that_is_cut_off_is_no_clean_end)
{
    struct pair p = {0};
    char b;

    shake_well(ctx, &p);
    CHECK_EQ(covey_write(ctx, p.client, "x", 1), 1);
    CHECK_EQ(shutdown(covey_conn_fd(p.client), SHUT_WR), 0);
    CHECK_EQ(covey_read(ctx, p.server, &b, 1), 1);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(covey_read(ctx, p.server, &b, 1), COVEY_EPROTO);
        CHECK_SAYS(covey_errmsg(), "without a goodbye");
    }
    pair_close(&p);
}

TLS_TEST(a_record_that_is_cut_off_is_no_clean_end)
{
    static const char begin[] = "\x17\x03\x03\x01\x00some";

    for (size_t len = 1; len < sizeof(begin); len++) {
        struct pair p = {0};
        char b;
        shake_well(ctx, &p);
        CHECK_EQ(send(covey_conn_fd(p.client), begin, len, 0), (ssize_t)len);
        CHECK_EQ(shutdown(covey_conn_fd(p.client), SHUT_WR), 0);
        CHECK_EQ(covey_read(ctx, p.server, &b, 1), COVEY_EPROTO);
        CHECK_SAYS(covey_errmsg(), "without a goodbye");
        pair_close(&p);
    }
}

TLS_TEST(a_record_that_is_too_long_or_none_is_refused)
{
    static const char *const begins[] = {"\x17\x03\x03\x7f\xff", "\x63\x03\x03\x01\x10",
                                         "GET / HTTP/1.1\r\n\r\n"};

    for (size_t i = 0; i < 3; i++) {
        struct pair p = {0};
        char b;
        shake_well(ctx, &p);
        CHECK(send(covey_conn_fd(p.client), begins[i], 5, 0) == 5);
        CHECK_EQ(covey_read(ctx, p.server, &b, 1), COVEY_ETLS);
        pair_close(&p);
    }
}

TLS_TEST(a_record_that_was_tampered_with_is_refused)
{
    static const unsigned char forged[] = {23, 3,  3,  0,  20, 1,  2,  3,  4,  5,  6,  7, 8,
                                           9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20};
    struct pair p = {0};
    char b;

    shake_well(ctx, &p);
    CHECK_EQ(send(covey_conn_fd(p.client), forged, sizeof(forged), 0), sizeof(forged));
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(covey_read(ctx, p.server, &b, 1), COVEY_ETLS);
        CHECK_SAYS(covey_errmsg(), "bad record mac");
    }
    CHECK_EQ(covey_read(ctx, p.client, &b, 1), COVEY_ETLS); /* it was told */
    CHECK_SAYS(covey_errmsg(), "the peer refuses: bad record mac");
    CHECK_EQ(covey_write(ctx, p.server, "x", 1), COVEY_ETLS);
    CHECK_EQ(covey_shutdown_write(p.server), COVEY_ETLS);
    pair_close(&p);
}

TLS_TEST(a_reset_has_the_networks_code)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    struct pair p = {0};
    char b;

    shake_well(ctx, &p);
    CHECK_EQ(setsockopt(covey_conn_fd(p.client), SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    CHECK_EQ(shutdown(covey_conn_fd(p.server), SHUT_WR), 0); /* its goodbye has no way */
    covey_close(p.client);
    CHECK(covey_read(ctx, p.server, &b, 1) <= 0);
    CHECK(covey_write(ctx, p.server, &b, 1) < 0);
    covey_close(p.server);
}

TLS_TEST(after_a_half_close_the_other_way_goes_on)
{
    struct pair p = {0};
    char b;

    shake_well(ctx, &p);
    CHECK_EQ(covey_write(ctx, p.client, "x", 1), 1);
    CHECK_EQ(covey_shutdown_write(p.client), 0);
    CHECK_EQ(covey_tls_shutdown(ctx, p.client), 0);
    CHECK_EQ(covey_write(ctx, p.client, "x", 1), COVEY_ECLOSED);
    CHECK_SAYS(covey_errmsg(), "after the goodbye");
    CHECK_EQ(covey_read(ctx, p.server, &b, 1), 1);
    CHECK_EQ(covey_read(ctx, p.server, &b, 1), 0);
    say(ctx, p.server, p.client, "thanks");
    covey_close(p.server);
    CHECK_EQ(covey_read(ctx, p.client, &b, 1), 0);
    covey_close(p.client);
}

static int shut_down(covey_ctx *ctx, void *arg)
{
    struct stream *s = arg;

    s->code = covey_tls_shutdown(ctx, s->c);
    return 0;
}

TLS_TEST(closing_wakes_readers_writers_and_who_waits_for_a_hang_up)
{
    for (int round = 0; round < 10; round++) {
        covey_group *g = covey_group_new(ctx);
        struct pair p = {0};
        struct stream reads = {0}, writes = {0}, shuts = {0};
        shake_well(ctx, &p);
        reads.c = writes.c = shuts.c = p.client;
        go_waiting(g, "reader", read_one, &reads);
        go_waiting(g, "writer", write_much, &writes);
        go_waiting(g, "shutdown", shut_down, &shuts);
        covey_close(p.client);
        JOIN(g);
        CHECK_EQ(shuts.code, COVEY_ECLOSED);
        CHECK_EQ(reads.code, COVEY_ECLOSED);
        CHECK_EQ(writes.code, COVEY_ECLOSED);
        covey_close(p.server);
    }
}

TLS_TEST(a_close_beside_a_reader_still_says_goodbye)
{
    covey_group *g = covey_group_new(ctx);
    struct pair p = {0};
    struct stream s = {0};
    char b;

    shake_well(ctx, &p);
    s.c = p.client;
    go_waiting(g, "reader", read_one, &s);
    covey_close(p.client);
    JOIN(g);
    CHECK_EQ(s.code, COVEY_ECLOSED);
    CHECK_EQ(covey_read(ctx, p.server, &b, 1), 0);
    covey_close(p.server);
}

TLS_TEST(a_goodbye_reaches_a_slow_reader_after_the_close)
{
    static char buf[256];
    covey_tls_identity id = identity_of(&world.shop);
    covey_tls_options opts = {.identities = &id, .identity_count = 1, .no_resumption = true};
    struct pair p = {.server_config = config_make(&opts)};
    covey_ctx *soon;
    size_t sent = 0, got = 0;
    ssize_t n;

    shake_well(ctx, &p);
    /* As much as goes: what poll calls writable has room for more than one of these. */
    int small = 4096;
    CHECK_EQ(setsockopt(covey_conn_fd(p.client), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    do {
        CHECK_EQ(covey_write(ctx, p.client, buf, sizeof(buf)), (ssize_t)sizeof(buf));
        sent += sizeof(buf);
        soon = covey_ctx_with_timeout(ctx, 10 * COVEY_MS);
        n = covey_wait_fd(soon, covey_conn_fd(p.client), COVEY_FD_WRITE);
        covey_ctx_unref(soon);
    } while (n > 0 && sent < 8 * MEGABYTE);
    covey_close(p.client);
    while ((n = covey_read(ctx, p.server, buf, sizeof(buf))) > 0) {
        got += (size_t)n;
    }
    CHECK_EQ(n, 0);
    CHECK_EQ(got, sent);
    covey_close(p.server);
    covey_tls_config_unref(p.server_config);
}
