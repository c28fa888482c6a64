/* SPDX-License-Identifier: MIT
 * udp_test.c - datagrams, of UDP and of Unix sockets. */
#include "support.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static covey_udp *open_at(const char *addr)
{
    covey_udp *u = NULL;

    CHECK_EQ(covey_udp_open(&u, addr, NULL), 0);
    return u;
}

static void check_exchange(covey_ctx *ctx, const char *addr)
{
    covey_udp *server = open_at(addr), *client;
    char buf[64], from[COVEY_ADDR_SIZE];

    CHECK_EQ(covey_udp_dial(ctx, &client, covey_udp_addr(server), NULL), 0);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(covey_sendto(ctx, client, "ping", 4, NULL), 4);
        CHECK_EQ(covey_recvfrom(ctx, server, buf, sizeof(buf), from, sizeof(from)), 4);
        CHECK(memcmp(buf, "ping", 4) == 0);
        CHECK_STR(from, covey_udp_addr(client));
        CHECK_EQ(covey_sendto(ctx, server, "pong!", 5, from), 5);
        CHECK_EQ(covey_recvfrom(ctx, client, buf, sizeof(buf), from, sizeof(from)), 5);
        CHECK(memcmp(buf, "pong!", 5) == 0);
        CHECK_STR(from, covey_udp_addr(server));
    }
    covey_udp_close(client);
    covey_udp_close(server);
}

TASK_TEST(datagrams_go_there_and_back)
{
    check_exchange(ctx, "udp://127.0.0.1:0");
}

TASK_TEST(datagrams_go_there_and_back_over_v6)
{
    covey_udp *u;

    if (covey_udp_open(&u, "udp://[::1]:0", NULL) < 0) {
        SKIP("no IPv6");
    }
    covey_udp_close(u);
    check_exchange(ctx, "udp://[::1]:0");
}

TASK_TEST(datagrams_go_there_and_back_over_unix_sockets)
{
    char addr[64];

    (void)snprintf(addr, sizeof(addr), "unixgram:///tmp/covey-udp-test-%d.sock", (int)getpid());
    check_exchange(ctx, addr);
    CHECK(access(addr + strlen("unixgram://"), F_OK) != 0);
    (void)snprintf(addr, sizeof(addr), "unixgram://@covey-udp-test-%d", (int)getpid());
    check_exchange(ctx, addr);
}

TASK_TEST(a_name_is_looked_up_by_dial_only)
{
    covey_udp *server = open_at("udp://127.0.0.1:0"), *client;
    char addr[64], buf[8];

    (void)snprintf(addr, sizeof(addr), "udp://localhost%s", strrchr(covey_udp_addr(server), ':'));
    int code = covey_udp_dial(ctx, &client, addr, NULL);
    if (code == COVEY_EDNS) {
        SKIP("localhost is unknown");
    }
    CHECK_EQ(code, 0);
    /* localhost may be ::1 first, where nobody listens. */
    if (strstr(covey_udp_addr(client), "127.0.0.1")) {
        CHECK_EQ(covey_sendto(ctx, client, "x", 1, NULL), 1);
        CHECK_EQ(covey_recvfrom(ctx, server, buf, sizeof(buf), NULL, 0), 1);
    }
    covey_udp_close(client);
    CHECK_EQ(covey_sendto(ctx, server, "x", 1, addr), -EINVAL);
    CHECK_EQ(covey_udp_open(&client, addr, NULL), -EINVAL);
    covey_udp_close(server);
}

TASK_TEST(what_is_no_address_is_einval)
{
    static const char *const bad[] = {
        "tcp://127.0.0.1:1",    "udp://127.0.0.1", "udp://:1", "unix:///x", "unixgram://x", "",
        "udp://127.0.0.1:99999"};
    covey_udp *u = open_at("udp://127.0.0.1:0"), *other;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK_EQ(covey_udp_open(&other, bad[i], NULL), -EINVAL);
        CHECK_EQ(covey_udp_dial(ctx, &other, bad[i], NULL), -EINVAL);
        CHECK_EQ(covey_sendto(ctx, u, "x", 1, bad[i]), -EINVAL);
    }
    CHECK_EQ(covey_udp_open(&other, NULL, NULL), -EINVAL);
    covey_udp_close(u);
}

/* ---- sizes
 * --------------------------------------------------------------------------------------- */

TASK_TEST(an_empty_datagram_is_one)
{
    covey_udp *server = open_at("udp://127.0.0.1:0"), *client = open_at("udp://127.0.0.1:0");
    char buf[8], from[COVEY_ADDR_SIZE];

    CHECK_EQ(covey_sendto(ctx, client, "", 0, covey_udp_addr(server)), 0);
    CHECK_EQ(covey_sendto(ctx, client, "x", 1, covey_udp_addr(server)), 1);
    CHECK_EQ(covey_recvfrom(ctx, server, buf, sizeof(buf), from, sizeof(from)), 0);
    CHECK_STR(from, covey_udp_addr(client));
    CHECK_EQ(covey_recvfrom(ctx, server, buf, sizeof(buf), NULL, 0), 1);
    covey_udp_close(client);
    covey_udp_close(server);
}

TASK_TEST(a_datagram_that_does_not_fit_is_told_and_gone)
{
    covey_udp *server = open_at("udp://127.0.0.1:0"), *client;
    static char huge[70000];
    char buf[8] = {0}, from[COVEY_ADDR_SIZE];

    CHECK_EQ(covey_udp_dial(ctx, &client, covey_udp_addr(server), NULL), 0);
    CHECK_EQ(covey_sendto(ctx, client, "0123456789", 10, NULL), 10);
    CHECK_EQ(covey_sendto(ctx, client, "01234567", 8, NULL), 8);
    CHECK_EQ(covey_recvfrom(ctx, server, buf, sizeof(buf), from, sizeof(from)), COVEY_ETOOLARGE);
    CHECK(memcmp(buf, "01234567", 8) == 0);
    CHECK_STR(from, covey_udp_addr(client));
    CHECK_EQ(covey_recvfrom(ctx, server, buf, sizeof(buf), NULL, 0), 8);
    CHECK_EQ(covey_sendto(ctx, client, huge, sizeof(huge), NULL), -EMSGSIZE);
    covey_udp_close(client);
    covey_udp_close(server);
}

/* ---- waiting
 * ------------------------------------------------------------------------------------- */

struct wait {
    covey_ctx *ctx; /* NULL: the group's */
    covey_udp *u;
    int expected;
};

static int receive_expecting(covey_ctx *ctx, void *arg)
{
    struct wait *w = arg;
    char buf[8];

    CHECK_EQ(covey_recvfrom(w->ctx ? w->ctx : ctx, w->u, buf, sizeof(buf), NULL, 0), w->expected);
    return 0;
}

TASK_TEST(a_receive_waits_for_a_datagram)
{
    covey_group *g = covey_group_new(ctx);
    covey_udp *u = open_at("udp://127.0.0.1:0");
    struct wait w = {.u = u, .expected = 5};

    for (int i = 0; i < 3; i++) {
        go_waiting_nth(g, "receiver", i, receive_expecting, &w);
    }
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(covey_sendto(ctx, u, "hello", 5, covey_udp_addr(u)), 5);
    }
    JOIN(g);
    covey_udp_close(u);
}

TASK_TEST(a_receive_ends_with_its_context_and_loses_nothing)
{
    covey_ctx *under = covey_ctx_with_cancel(ctx), *soon = covey_ctx_with_timeout(ctx, COVEY_MS);
    covey_group *g = covey_group_new(ctx);
    covey_udp *u = open_at("udp://127.0.0.1:0");
    struct wait w = {.ctx = under, .u = u, .expected = COVEY_ECANCELED};
    char buf[8];

    go_waiting(g, "receiver", receive_expecting, &w);
    covey_ctx_cancel(under);
    JOIN(g);
    CHECK_EQ(covey_recvfrom(soon, u, buf, sizeof(buf), NULL, 0), COVEY_EDEADLINE);
    CHECK_EQ(covey_sendto(ctx, u, "x", 1, covey_udp_addr(u)), 1);
    CHECK_EQ(covey_recvfrom(under, u, buf, sizeof(buf), NULL, 0), COVEY_ECANCELED);
    CHECK_EQ(covey_sendto(under, u, "y", 1, covey_udp_addr(u)), COVEY_ECANCELED);
    CHECK_EQ(covey_recvfrom(ctx, u, buf, sizeof(buf), NULL, 0), 1);
    CHECK_EQ(buf[0], 'x');
    covey_udp_close(u);
    covey_ctx_unref(under);
    covey_ctx_unref(soon);
}

TASK_TEST(closing_wakes_all_who_receive)
{
    covey_group *g = covey_group_new(ctx);
    struct wait w = {.u = open_at("udp://127.0.0.1:0"), .expected = COVEY_ECLOSED};
    int fds = count_fds();

    for (int i = 0; i < 3; i++) {
        go_waiting_nth(g, "receiver", i, receive_expecting, &w);
    }
    covey_udp_close(w.u);
    JOIN(g);
    CHECK_EQ(count_fds(), fds - 1);
}

static int send_many(covey_ctx *ctx, void *arg)
{
    for (int i = 0; i < 2000; i++) {
        CHECK_EQ(covey_sendto(ctx, arg, &i, sizeof(i), NULL), sizeof(i));
    }
    return 0;
}

static int send_many_to(covey_ctx *ctx, void *arg)
{
    char own[64];

    (void)snprintf(own, sizeof(own), "unixgram://@covey-udp-sender-%d", (int)getpid());
    covey_udp *u = open_at(own);
    for (int i = 0; i < 200; i++) {
        CHECK_EQ(covey_sendto(ctx, u, &i, sizeof(i), arg), sizeof(i));
    }
    covey_udp_close(u);
    return 0;
}

TASK_TEST(of_unix_sockets_a_sender_waits_for_a_slow_receiver)
{
    covey_group *g = covey_group_new(ctx);
    covey_udp *server, *client;
    char addr[64];
    int n;

    (void)snprintf(addr, sizeof(addr), "unixgram://@covey-udp-slow-%d", (int)getpid());
    server = open_at(addr);
    CHECK_EQ(covey_udp_dial(ctx, &client, addr, NULL), 0);
    covey_task_options opts = {.name = "sender"};
    CHECK_EQ(covey_group_go_with(g, &opts, send_many, client), 0);
    await_waiting("sender");
    for (int i = 0; i < 2000; i++) {
        CHECK_EQ(covey_recvfrom(ctx, server, &n, sizeof(n), NULL, 0), sizeof(n));
        CHECK_EQ(n, i);
    }
    JOIN(g);
    g = covey_group_new(ctx);
    CHECK_EQ(covey_group_go_with(g, &opts, send_many_to, addr), 0);
    await_waiting("sender");
    for (int i = 0; i < 200; i++) {
        CHECK_EQ(covey_recvfrom(ctx, server, &n, sizeof(n), NULL, 0), sizeof(n));
        CHECK_EQ(n, i);
    }
    JOIN(g);
    covey_udp_close(client);
    covey_udp_close(server);
}

/* ---- failures and options
 * ------------------------------------------------------------------------ */

TASK_TEST(nobody_at_an_address_is_told)
{
    covey_udp *u = open_at("udp://127.0.0.1:0"), *client;
    char addr[COVEY_ADDR_SIZE], buf[8];

    (void)snprintf(addr, sizeof(addr), "%s", covey_udp_addr(u));
    covey_udp_close(u);
    CHECK_EQ(covey_udp_dial(ctx, &client, addr, NULL), 0);
    CHECK_EQ(covey_sendto(ctx, client, "x", 1, NULL), 1);
    CHECK_EQ(covey_recvfrom(ctx, client, buf, sizeof(buf), NULL, 0), -ECONNREFUSED);
    covey_udp_close(client);
    CHECK_EQ(covey_udp_dial(ctx, &client, "unixgram:///no/such/socket", NULL), -ENOENT);
    CHECK(strstr(covey_errmsg(), "unixgram:///no/such/socket"));
    u = open_at("udp://127.0.0.1:0");
    CHECK_EQ(covey_sendto(ctx, u, "x", 1, NULL), -EDESTADDRREQ);
    covey_udp_close(u);
}

TASK_TEST(an_address_in_use_is_told_unless_both_share_it)
{
    covey_udp_options share = {.reuse_port = true};
    covey_udp *a = open_at("udp://127.0.0.1:0"), *b, *c;

    CHECK_EQ(covey_udp_open(&b, covey_udp_addr(a), NULL), -EADDRINUSE);
    CHECK(strstr(covey_errmsg(), covey_udp_addr(a)));
    CHECK_EQ(covey_udp_open(&b, "udp://127.0.0.1:0", &share), 0);
    CHECK_EQ(covey_udp_open(&c, covey_udp_addr(b), &share), 0);
    CHECK_STR(covey_udp_addr(b), covey_udp_addr(c));
    covey_udp_close(a);
    covey_udp_close(b);
    covey_udp_close(c);
}

TASK_TEST(options_reach_the_kernel)
{
    covey_udp_options opts = {.send_buffer = 50000, .receive_buffer = 60000, .broadcast = true};
    covey_udp *u;
    int value;
    socklen_t len = sizeof(value);

    CHECK_EQ(covey_udp_open(&u, "udp://127.0.0.1:0", &opts), 0);
    CHECK_EQ(getsockopt(covey_udp_fd(u), SOL_SOCKET, SO_SNDBUF, &value, &len), 0);
    CHECK_EQ(value, 100000); /* the kernel doubles it */
    CHECK_EQ(getsockopt(covey_udp_fd(u), SOL_SOCKET, SO_RCVBUF, &value, &len), 0);
    CHECK_EQ(value, 120000);
    CHECK_EQ(getsockopt(covey_udp_fd(u), SOL_SOCKET, SO_BROADCAST, &value, &len), 0);
    CHECK_EQ(value, 1);
    covey_udp_close(u);
}

TASK_TEST(a_stale_file_is_replaced_a_live_one_is_not)
{
    char addr[64], kept[64];
    const char *path = addr + strlen("unixgram://");
    struct stat st;
    covey_udp *a, *b;

    (void)snprintf(addr, sizeof(addr), "unixgram:///tmp/covey-udp-stale-%d", (int)getpid());
    (void)snprintf(kept, sizeof(kept), "%s-kept", path);
    covey_udp_options opts = {.unix_mode = 0660};
    CHECK_EQ(covey_udp_open(&a, addr, &opts), 0);
    CHECK_EQ(stat(path, &st), 0);
    CHECK_EQ(st.st_mode & 0777, 0660);
    CHECK_EQ(covey_udp_open(&b, addr, NULL), -EADDRINUSE);
    CHECK_EQ(rename(path, kept), 0); /* so that the close leaves it */
    covey_udp_close(a);
    CHECK_EQ(rename(kept, path), 0);
    CHECK_EQ(covey_udp_open(&b, addr, NULL), 0);
    covey_udp_close(b);
    CHECK(access(path, F_OK) != 0);
}
