/* SPDX-License-Identifier: MIT
 * dial_with_test.c - dialling with options: what the sockets then say of themselves. */
#include "harness.h"
#include "support.h"

#include <covey/net.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int option_of(covey_conn *c, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof(value);

    CHECK_EQ(getsockopt(covey_conn_fd(c), level, name, &value, &len), 0);
    return value;
}

static covey_listener *listen_at(const char *addr)
{
    covey_listener *l;

    CHECK_EQ(covey_listen(&l, addr, NULL), 0);
    return l;
}

TASK_TEST(the_connection_has_what_was_asked_for)
{
    covey_listener *l = listen_at("tcp://127.0.0.1:0");
    covey_dial_options opts = {
        .conn = {.keepalive_ns = 30 * COVEY_SEC, .send_buffer = 40000, .delay = true}};
    covey_conn *c;

    CHECK_EQ(covey_dial_with(ctx, &c, covey_listener_addr(l), &opts), 0);
    CHECK_EQ(option_of(c, SOL_SOCKET, SO_KEEPALIVE), 1);
    CHECK_EQ(option_of(c, IPPROTO_TCP, TCP_KEEPIDLE), 30);
    CHECK_EQ(option_of(c, IPPROTO_TCP, TCP_NODELAY), 0);
    CHECK_EQ(option_of(c, SOL_SOCKET, SO_SNDBUF), 80000); /* the kernel doubles it */
    covey_close(c);

    CHECK_EQ(covey_dial_with(ctx, &c, covey_listener_addr(l), NULL), 0);
    CHECK_EQ(option_of(c, SOL_SOCKET, SO_KEEPALIVE), 0);
    CHECK_EQ(option_of(c, IPPROTO_TCP, TCP_NODELAY), 1);
    covey_close(c);
    covey_listener_close(l);
}

TASK_TEST(it_comes_from_the_local_address)
{
    covey_listener *l = listen_at("tcp://127.0.0.1:0");
    covey_conn *c, *served, *again;
    char local[COVEY_ADDR_SIZE];

    CHECK_EQ(covey_dial_with(ctx, &c, covey_listener_addr(l),
                             &(covey_dial_options){.local = "tcp://127.0.0.9:0"}),
             0);
    CHECK_EQ(covey_accept(ctx, l, &served), 0);
    CHECK(strncmp(covey_conn_peer(served), "tcp://127.0.0.9:", 16) == 0);
    (void)covey_conn_local(c, local, sizeof(local));
    CHECK_STR(covey_conn_peer(served), local);
    /* The very same end to the same other end cannot be twice. */
    CHECK_EQ(
        covey_dial_with(ctx, &again, covey_listener_addr(l), &(covey_dial_options){.local = local}),
        -EADDRINUSE);
    covey_close(c);
    covey_close(served);
    covey_listener_close(l);
}

TASK_TEST(local_addresses_that_cannot_be_are_told)
{
    covey_listener *l = listen_at("tcp://127.0.0.1:0");
    const char *addr = covey_listener_addr(l);
    const struct {
        const char *local;
        int code;
    } bad[] = {
        {"tcp://192.0.2.1:0", -EADDRNOTAVAIL},
        {"tcp://[::1]:0", -EAFNOSUPPORT},
        {"tcp://localhost:0", -EINVAL},
        {"unix:///tmp/x", -EINVAL},
        {"nonsense", -EINVAL},
    };
    covey_conn *c;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        covey_dial_options opts = {.local = bad[i].local};
        CHECK_EQ(covey_dial_with(ctx, &c, addr, &opts), bad[i].code);
        CHECK(strncmp(covey_errmsg(), "dial tcp://127.0.0.1:", 21) == 0);
    }
    CHECK_EQ(covey_dial_with(ctx, &c, addr, &(covey_dial_options){.stagger_ns = -1}), -EINVAL);
    covey_listener_close(l);
}

TASK_TEST(a_unix_connection_has_buffers_and_no_local_address)
{
    char addr[64];
    covey_conn *c;

    snprintf(addr, sizeof(addr), "unix://@covey-dial-with-%d", (int)getpid());
    covey_listener *l = listen_at(addr);
    covey_dial_options opts = {.conn = {.send_buffer = 50000, .keepalive_ns = COVEY_SEC}};
    CHECK_EQ(covey_dial_with(ctx, &c, addr, &opts), 0);
    CHECK_EQ(option_of(c, SOL_SOCKET, SO_SNDBUF), 100000);
    covey_close(c);
    opts.local = "tcp://127.0.0.1:0";
    CHECK_EQ(covey_dial_with(ctx, &c, addr, &opts), -EINVAL);
    covey_listener_close(l);
}
