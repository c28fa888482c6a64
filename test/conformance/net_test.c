/* SPDX-License-Identifier: MIT
 * net_test.c - TCP and Unix connections and foreign descriptors: what is read and written, ends of
 * streams, closing and cancelling under those who wait. Situations from Go's net tests. */
#include "support.h"

#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const int64_t hour = 3600 * COVEY_SEC;

/* Listening and connecting. */

static covey_listener *listen_tcp(void)
{
    covey_listener *l = NULL;

    CHECK_EQ(covey_listen(&l, "tcp://127.0.0.1:0", NULL), 0);
    CHECK(l);
    return l;
}

struct accepting {
    covey_ctx *ctx;
    covey_listener *listener;
    covey_conn *conn;
    int result;
    atomic_int ended;
};

static int accept_task(covey_ctx *ctx, void *arg)
{
    struct accepting *a = arg;

    (void)ctx;
    a->result = covey_accept(a->ctx, a->listener, &a->conn);
    atomic_store(&a->ended, 1);
    return 0;
}

/* Two ends of one connection through l. */
static void connect_pair(covey_listener *l, covey_conn **near, covey_conn **far)
{
    struct accepting a = {.listener = l, .result = 1};
    covey_group *g = covey_group_new(NULL);

    GO(g, accept_task, &a);
    CHECK_EQ(covey_dial(NULL, near, covey_listener_addr(l)), 0);
    JOIN(g);
    CHECK_EQ(a.result, 0);
    *far = a.conn;
}

static void tcp_pair(covey_conn **near, covey_conn **far)
{
    covey_listener *l = listen_tcp();

    connect_pair(l, near, far);
    covey_listener_close(l);
}

static void check_echo(covey_conn *a, covey_conn *b)
{
    char text[16] = {0};

    CHECK_EQ(covey_write(NULL, a, "hello", 5), 5);
    CHECK_EQ(covey_read_full(NULL, b, text, 5), 5);
    CHECK_STR(text, "hello");
    CHECK_EQ(covey_write(NULL, b, "world!", 6), 6);
    CHECK_EQ(covey_read_full(NULL, a, text, 6), 6);
    CHECK_STR(text, "world!");
}

TASK_TEST(a_port_is_chosen_and_told)
{
    covey_listener *l = listen_tcp();
    struct sockaddr_in sa;
    socklen_t len = sizeof(sa);
    char expected[64];

    CHECK_EQ(getsockname(covey_listener_fd(l), (struct sockaddr *)&sa, &len), 0);
    CHECK(ntohs(sa.sin_port) != 0);
    (void)snprintf(expected, sizeof(expected), "tcp://127.0.0.1:%d", ntohs(sa.sin_port));
    CHECK_STR(covey_listener_addr(l), expected);
    covey_listener_close(l);
    covey_listener_close(NULL);
}

TASK_TEST(both_ends_of_a_tcp_connection_talk)
{
    covey_listener *l = listen_tcp();
    covey_conn *a, *b;

    connect_pair(l, &a, &b);
    check_echo(a, b);
    check_echo(b, a);
    CHECK(covey_conn_fd(a) >= 0 && covey_conn_fd(b) >= 0);
    CHECK_STR(covey_conn_peer(a), covey_listener_addr(l));
    CHECK(strncmp(covey_conn_peer(b), "tcp://127.0.0.1:", 16) == 0);
    covey_close(a);
    covey_close(b);
    covey_close(NULL);
    covey_listener_close(l);
}

TASK_TEST(both_ends_of_a_tcp6_connection_talk)
{
    covey_listener *l = NULL;
    covey_conn *a, *b;
    int rc = covey_listen(&l, "tcp://[::1]:0", NULL);

    if (rc == -EADDRNOTAVAIL || rc == -EAFNOSUPPORT) {
        SKIP("no IPv6 here");
    }
    CHECK_EQ(rc, 0);
    CHECK(strncmp(covey_listener_addr(l), "tcp://[::1]:", 12) == 0);
    connect_pair(l, &a, &b);
    check_echo(a, b);
    covey_close(a);
    covey_close(b);
    covey_listener_close(l);
}

TASK_TEST(localhost_is_resolved)
{
    covey_listener *l = listen_tcp();
    struct accepting a = {.listener = l, .result = 1};
    covey_group *g = covey_group_new(NULL);
    char addr[64];
    covey_conn *c;

    (void)snprintf(addr, sizeof(addr), "tcp://localhost%s", strrchr(covey_listener_addr(l), ':'));
    GO(g, accept_task, &a);
    CHECK_EQ(covey_dial(ctx, &c, addr), 0);
    JOIN(g);
    check_echo(c, a.conn);
    covey_close(c);
    covey_close(a.conn);
    covey_listener_close(l);
}

static void unix_addr(char *addr, size_t len, const char *name)
{
    (void)snprintf(addr, len, "unix:///tmp/covey-%s-%d.sock", name, (int)getpid());
    (void)unlink(addr + strlen("unix://"));
}

TASK_TEST(both_ends_of_a_unix_connection_talk)
{
    char addr[100], abstract[100];
    const char *const addrs[] = {addr, abstract};
    covey_conn *a, *b;

    unix_addr(addr, sizeof(addr), "talk");
    (void)snprintf(abstract, sizeof(abstract), "unix://@covey-talk-%d", (int)getpid());
    for (int i = 0; i < 2; i++) {
        covey_listener *l = NULL;

        CHECK_EQ(covey_listen(&l, addrs[i], NULL), 0);
        CHECK_STR(covey_listener_addr(l), addrs[i]);
        connect_pair(l, &a, &b);
        check_echo(a, b);
        covey_close(a);
        covey_close(b);
        covey_listener_close(l);
    }
    (void)unlink(addr + strlen("unix://"));
}

TASK_TEST(the_mode_of_a_unix_socket_is_chosen)
{
    covey_listen_options opts = {.unix_mode = 0660};
    covey_listener *l = NULL;
    struct stat st;
    char addr[100];
    const char *path = addr + strlen("unix://");

    unix_addr(addr, sizeof(addr), "mode");
    CHECK_EQ(covey_listen(&l, addr, NULL), 0);
    CHECK_EQ(stat(path, &st), 0);
    CHECK_EQ(st.st_mode & 0777, 0600);
    covey_listener_close(l);
    (void)unlink(path);
    CHECK_EQ(covey_listen(&l, addr, &opts), 0);
    CHECK_EQ(stat(path, &st), 0);
    CHECK_EQ(st.st_mode & 0777, 0660);
    covey_listener_close(l);
    (void)unlink(path);
}

TASK_TEST(a_stale_unix_socket_is_replaced_a_live_one_and_a_file_are_not)
{
    covey_listener *l = NULL, *second = NULL;
    covey_conn *a, *b;
    char addr[100];
    const char *path = addr + strlen("unix://");
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct stat st;
    int fd;

    unix_addr(addr, sizeof(addr), "stale");
    (void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    CHECK_EQ(close(fd), 0); /* as a server that crashed leaves it */
    CHECK_EQ(covey_listen(&l, addr, NULL), 0);
    connect_pair(l, &a, &b);
    check_echo(a, b);
    covey_close(a);
    covey_close(b);
    CHECK_EQ(covey_listen(&second, addr, NULL), -EADDRINUSE);
    CHECK_EQ(covey_dial(ctx, &a, addr), 0); /* the first still stands there */
    covey_close(a);
    covey_listener_close(l);
    (void)unlink(path);
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    CHECK_EQ(close(fd), 0);
    CHECK(covey_listen(&l, addr, NULL) < 0);
    CHECK_EQ(stat(path, &st), 0);
    CHECK(S_ISREG(st.st_mode));
    (void)unlink(path);
}

TASK_TEST(an_address_in_use_is_told)
{
    covey_listener *l = listen_tcp(), *second = NULL;

    CHECK_EQ(covey_listen(&second, covey_listener_addr(l), NULL), -EADDRINUSE);
    CHECK(strstr(covey_errmsg(), covey_listener_addr(l)));
    covey_listener_close(l);
}

TASK_TEST(a_port_may_be_shared_if_both_say_so)
{
    covey_listen_options opts = {.reuse_port = true};
    covey_listener *l = NULL, *second = NULL;

    CHECK_EQ(covey_listen(&l, "tcp://127.0.0.1:0", &opts), 0);
    CHECK_EQ(covey_listen(&second, covey_listener_addr(l), &opts), 0);
    covey_listener_close(l);
    covey_listener_close(second);
}

TASK_TEST(what_is_no_address_is_einval)
{
    static const char *const bad[] = {"",
                                      "nonsense",
                                      "tcp://",
                                      "tcp://127.0.0.1",
                                      "http://127.0.0.1:80",
                                      "tcp://127.0.0.1:99999",
                                      "unix://",
                                      "tcp://[::1:80",
                                      "tcp://127.0.0.1:http:80"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        covey_listener *l = NULL;
        covey_conn *c = NULL;

        CHECK_EQ(covey_listen(&l, bad[i], NULL), -EINVAL);
        CHECK_EQ(covey_dial(ctx, &c, bad[i]), -EINVAL);
        CHECK(!l && !c);
    }
}

TASK_TEST(a_refused_connection_names_the_address)
{
    covey_listener *l = listen_tcp();
    covey_conn *c = NULL;
    char addr[64];

    (void)snprintf(addr, sizeof(addr), "%s", covey_listener_addr(l));
    covey_listener_close(l);
    CHECK_EQ(covey_dial(ctx, &c, addr), -ECONNREFUSED);
    CHECK(c == NULL);
    CHECK_EQ(covey_errcode(), -ECONNREFUSED);
    CHECK(strstr(covey_errmsg(), "127.0.0.1"));
    CHECK(strstr(covey_errmsg(), "connection refused"));
    CHECK_EQ(covey_dial(ctx, &c, "unix:///nowhere/at/all.sock"), -ENOENT);
}

TASK_TEST(a_name_that_does_not_resolve_is_edns)
{
    covey_conn *c = NULL;

    CHECK_EQ(covey_dial(ctx, &c, "tcp://no-such-host.invalid:80"), COVEY_EDNS);
    CHECK(strstr(covey_errmsg(), "no-such-host.invalid"));
}

TASK_TEST(resolve_gives_the_addresses_of_a_host)
{
    struct sockaddr_storage addrs[4];

    CHECK_EQ(covey_resolve(ctx, "127.0.0.1", "80", addrs, 4), 1);
    CHECK_EQ(addrs[0].ss_family, AF_INET);
    CHECK_EQ(ntohs(((struct sockaddr_in *)&addrs[0])->sin_port), 80);
    CHECK_EQ(covey_resolve(ctx, "::1", "80", addrs, 4), 1);
    CHECK_EQ(addrs[0].ss_family, AF_INET6);
    CHECK(covey_resolve(ctx, "localhost", "80", addrs, 4) >= 1);
    CHECK_EQ(covey_resolve(ctx, "no-such-host.invalid", "80", addrs, 4), COVEY_EDNS);
}

TASK_TEST(accept_waits_for_a_connection)
{
    covey_listener *l = listen_tcp();
    struct accepting a = {.listener = l, .result = 1};
    covey_group *g = covey_group_new(ctx);
    covey_conn *c;

    go_waiting(g, "acceptor", accept_task, &a);
    CHECK(dump_says("\"acceptor\" waiting in accept"));
    CHECK_EQ(atomic_load(&a.ended), 0);
    CHECK_EQ(covey_dial(ctx, &c, covey_listener_addr(l)), 0);
    JOIN(g);
    CHECK_EQ(a.result, 0);
    covey_close(c);
    covey_close(a.conn);
    covey_listener_close(l);
}

TASK_TEST(cancelling_and_deadlines_end_an_accept)
{
    covey_listener *l = listen_tcp();
    covey_ctx *c = covey_ctx_with_cancel(ctx), *late = covey_ctx_with_timeout(ctx, COVEY_MS);
    struct accepting a = {.listener = l, .ctx = c};
    covey_group *g = covey_group_new(NULL);
    covey_conn *conn = NULL;

    CHECK_EQ(covey_accept(late, l, &conn), COVEY_EDEADLINE);
    go_waiting(g, "accepting", accept_task, &a);
    covey_ctx_cancel(c);
    JOIN(g);
    CHECK_EQ(a.result, COVEY_ECANCELED);
    CHECK(!a.conn && !conn);
    covey_listener_close(l);
    covey_ctx_unref(c);
    covey_ctx_unref(late);
}

TASK_TEST(a_done_context_accepts_nothing_and_loses_nothing)
{
    covey_listener *l = listen_tcp();
    covey_ctx *done = done_ctx(COVEY_ECANCELED);
    covey_conn *a, *b = NULL;

    CHECK_EQ(covey_dial(ctx, &a, covey_listener_addr(l)), 0); /* it stands in the backlog */
    CHECK_EQ(covey_accept(done, l, &b), COVEY_ECANCELED);
    CHECK(!b);
    CHECK_EQ(covey_accept(ctx, l, &b), 0);
    check_echo(a, b);
    CHECK_EQ(covey_dial(done, &a, covey_listener_addr(l)), COVEY_ECANCELED);
    covey_close(a);
    covey_close(b);
    covey_listener_close(l);
    covey_ctx_unref(done);
}

TASK_TEST(closing_a_listener_wakes_every_accept)
{
    enum { N = 5 };
    covey_listener *l = listen_tcp();
    struct accepting a[N];
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < N; i++) {
        a[i] = (struct accepting){.listener = l};
        go_waiting_nth(g, "accepting", i, accept_task, &a[i]);
    }
    covey_listener_close(l);
    JOIN(g);
    for (int i = 0; i < N; i++) {
        CHECK_EQ(a[i].result, COVEY_ECLOSED);
    }
}

TASK_TEST(several_accept_from_one_listener)
{
    enum { N = 20 };
    covey_listener *l = listen_tcp();
    struct accepting a[N];
    covey_conn *c[N];
    covey_group *g = covey_group_new(ctx);

    for (int i = 0; i < N; i++) {
        a[i] = (struct accepting){.listener = l};
        GO(g, accept_task, &a[i]);
    }
    for (int i = 0; i < N; i++) {
        CHECK_EQ(covey_dial(ctx, &c[i], covey_listener_addr(l)), 0);
    }
    JOIN(g);
    for (int i = 0; i < N; i++) {
        CHECK_EQ(a[i].result, 0);
        covey_close(c[i]);
        covey_close(a[i].conn);
    }
    covey_listener_close(l);
}

/* Reading. */

struct transfer {
    covey_ctx *ctx;
    covey_conn *conn;
    char *bytes;
    size_t len;
    ssize_t result;
    bool full;
    atomic_int ended;
};

static int read_task(covey_ctx *ctx, void *arg)
{
    struct transfer *t = arg;

    (void)ctx;
    t->result = t->full ? covey_read_full(t->ctx, t->conn, t->bytes, t->len)
                        : covey_read(t->ctx, t->conn, t->bytes, t->len);
    atomic_store(&t->ended, 1);
    return 0;
}

static int write_task(covey_ctx *ctx, void *arg)
{
    struct transfer *t = arg;

    (void)ctx;
    t->result = covey_write(t->ctx, t->conn, t->bytes, t->len);
    atomic_store(&t->ended, 1);
    return 0;
}

TASK_TEST(read_gives_what_has_come)
{
    covey_conn *a, *b;
    char text[100] = {0};

    tcp_pair(&a, &b);
    CHECK_EQ(covey_read(ctx, b, text, 0), 0);
    CHECK_EQ(covey_write(ctx, a, "abcdef", 6), 6);
    CHECK_EQ(covey_wait_fd(ctx, covey_conn_fd(b), COVEY_FD_READ), COVEY_FD_READ);
    CHECK_EQ(covey_read(ctx, b, text, 2), 2);
    CHECK_EQ(covey_read(ctx, b, text + 2, 50), 4);
    CHECK_STR(text, "abcdef");
    covey_close(a);
    covey_close(b);
}

TASK_TEST(read_waits_for_the_first_byte)
{
    covey_conn *a, *b;
    char byte = 0;
    struct transfer t = {.bytes = &byte, .len = 1};
    covey_group *g = covey_group_new(ctx);

    tcp_pair(&a, &b);
    t.conn = b;
    GO(g, read_task, &t);
    settle();
    CHECK_EQ(atomic_load(&t.ended), 0);
    CHECK_EQ(covey_write(ctx, a, "x", 1), 1);
    JOIN(g);
    CHECK_EQ(t.result, 1);
    CHECK_EQ(byte, 'x');
    covey_close(a);
    covey_close(b);
}

TASK_TEST(after_a_short_read_comes_the_end_of_the_stream)
{
    covey_conn *a, *b;
    char text[100];

    tcp_pair(&a, &b);
    CHECK_EQ(covey_write(ctx, a, "hello", 5), 5);
    covey_close(a);
    CHECK_EQ(covey_read(ctx, b, text, sizeof(text)), 5);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(covey_read(ctx, b, text, sizeof(text)), 0);
        CHECK_EQ(covey_read_full(ctx, b, text, sizeof(text)), 0);
    }
    covey_close(b);
}

TASK_TEST(data_and_end_that_came_together_are_both_read)
{
    for (int i = 0; i < 50; i++) {
        covey_conn *a, *b;
        char text[100];
        ssize_t n, total = 0;

        tcp_pair(&a, &b);
        CHECK_EQ(covey_write(ctx, a, "hello", 5), 5);
        CHECK_EQ(covey_shutdown_write(a), 0);
        while ((n = covey_read(ctx, b, text, (size_t)(1 + i % 7))) > 0) {
            total += n;
        }
        CHECK_EQ(n, 0);
        CHECK_EQ(total, 5);
        covey_close(a);
        covey_close(b);
    }
}

TASK_TEST(a_waiting_reader_sees_the_end_of_the_stream)
{
    covey_conn *a, *b;
    char text[10];
    struct transfer t = {.bytes = text, .len = 10, .result = 1};
    covey_group *g = covey_group_new(ctx);

    tcp_pair(&a, &b);
    t.conn = b;
    go_waiting(g, "reader", read_task, &t);
    covey_close(a);
    JOIN(g);
    CHECK_EQ(t.result, 0);
    covey_close(b);
}

TASK_TEST(read_full_gathers_pieces)
{
    covey_conn *a, *b;
    char text[13] = {0};
    struct transfer t = {.bytes = text, .len = 12, .full = true};
    covey_group *g = covey_group_new(ctx);

    tcp_pair(&a, &b);
    t.conn = b;
    GO(g, read_task, &t);
    for (int i = 0; i < 4; i++) {
        settle();
        CHECK_EQ(atomic_load(&t.ended), 0);
        CHECK_EQ(covey_write(ctx, a, "abc", 3), 3);
    }
    JOIN(g);
    CHECK_EQ(t.result, 12);
    CHECK_STR(text, "abcabcabcabc");
    CHECK_EQ(covey_write(ctx, a, "end", 3), 3);
    CHECK_EQ(covey_shutdown_write(a), 0);
    CHECK_EQ(covey_read_full(ctx, b, text, 12), 3);
    covey_close(a);
    covey_close(b);
}

TASK_TEST(cancelling_ends_a_read_and_the_connection_lives_on)
{
    covey_conn *a, *b;
    char text[16];
    covey_ctx *c = covey_ctx_with_cancel(ctx), *late = covey_ctx_with_timeout(ctx, COVEY_MS);
    struct transfer t = {.ctx = c, .bytes = text, .len = sizeof(text)};
    covey_group *g = covey_group_new(NULL);

    tcp_pair(&a, &b);
    t.conn = b;
    CHECK_EQ(covey_read(late, b, text, sizeof(text)), COVEY_EDEADLINE);
    go_waiting(g, "reader", read_task, &t);
    covey_ctx_cancel(c);
    JOIN(g);
    CHECK_EQ(t.result, COVEY_ECANCELED);
    check_echo(a, b);
    CHECK_EQ(covey_write(ctx, a, "kept", 4), 4);
    CHECK_EQ(covey_read(c, b, text, sizeof(text)), COVEY_ECANCELED); /* done first */
    CHECK_EQ(covey_write(c, b, "x", 1), COVEY_ECANCELED);
    CHECK_EQ(covey_read_full(NULL, b, text, 4), 4);
    CHECK(memcmp(text, "kept", 4) == 0);
    covey_close(a);
    covey_close(b);
    covey_ctx_unref(c);
    covey_ctx_unref(late);
}

TASK_TEST(a_read_again_and_again_under_short_deadlines_loses_no_byte)
{
    enum { N = 300 };
    covey_conn *a, *b;
    unsigned char bytes[N], *next = bytes;
    int sent = 0;

    tcp_pair(&a, &b);
    while (next < bytes + N) {
        covey_ctx *c = covey_ctx_with_timeout(ctx, 30 * COVEY_US);
        ssize_t n;

        if (sent < N) {
            unsigned char byte = (unsigned char)sent++;

            CHECK_EQ(covey_write(ctx, a, &byte, 1), 1);
        }
        n = covey_read(c, b, next, (size_t)(bytes + N - next));
        CHECK(n > 0 || n == COVEY_EDEADLINE);
        next += n > 0 ? n : 0;
        covey_ctx_unref(c);
    }
    for (int i = 0; i < N; i++) {
        CHECK_EQ(bytes[i], (unsigned char)i);
    }
    covey_close(a);
    covey_close(b);
}

/* Writing. */

enum { BIG = 4 << 20 };

static int write_pattern(covey_ctx *ctx, void *arg)
{
    struct transfer *t = arg;
    char *bytes = malloc(BIG);

    CHECK(bytes);
    for (int i = 0; i < BIG; i++) {
        bytes[i] = (char)(i * 31 + i / 977);
    }
    CHECK_EQ(covey_write(ctx, t->conn, bytes, BIG), BIG);
    CHECK_EQ(covey_shutdown_write(t->conn), 0);
    free(bytes);
    return 0;
}

TASK_TEST(write_writes_all_of_it_against_a_slow_reader)
{
    covey_conn *a, *b;
    char text[3000];
    struct transfer t = {0};
    covey_group *g = covey_group_new(ctx);
    ssize_t n;
    int i = 0;

    tcp_pair(&a, &b);
    t.conn = a;
    GO(g, write_pattern, &t);
    while ((n = covey_read(ctx, b, text, sizeof(text))) > 0) {
        for (ssize_t j = 0; j < n; j++, i++) {
            CHECK_EQ(text[j], (char)(i * 31 + i / 977));
        }
        if (i % 5 == 0) {
            covey_yield();
        }
    }
    CHECK_EQ(n, 0);
    CHECK_EQ(i, BIG);
    JOIN(g);
    covey_close(a);
    covey_close(b);
}

TASK_TEST(both_directions_at_once_carry_megabytes)
{
    covey_conn *a, *b;
    char *got = malloc(BIG), *also = malloc(BIG);
    struct transfer ta = {0}, tb = {0}, ra = {0}, rb = {0};
    covey_group *g = covey_group_new(ctx);

    CHECK(got && also);
    tcp_pair(&a, &b);
    ta.conn = a;
    tb.conn = b;
    ra = (struct transfer){.conn = a, .bytes = got, .len = BIG, .full = true};
    rb = (struct transfer){.conn = b, .bytes = also, .len = BIG, .full = true};
    GO(g, write_pattern, &ta);
    GO(g, write_pattern, &tb);
    GO(g, read_task, &ra);
    GO(g, read_task, &rb);
    JOIN(g);
    CHECK_EQ(ra.result, BIG);
    CHECK_EQ(rb.result, BIG);
    CHECK(memcmp(got, also, BIG) == 0);
    free(got);
    free(also);
    covey_close(a);
    covey_close(b);
}

TASK_TEST(cancelling_ends_a_write_that_waits)
{
    covey_conn *a, *b;
    char *bytes = calloc(1, (size_t)64 << 20);
    covey_ctx *c = covey_ctx_with_cancel(ctx);
    struct transfer t = {.ctx = c, .bytes = bytes, .len = (size_t)64 << 20};
    covey_group *g = covey_group_new(NULL);

    CHECK(bytes);
    tcp_pair(&a, &b);
    t.conn = a;
    go_waiting(g, "writer", write_task, &t); /* nobody reads */
    covey_ctx_cancel(c);
    JOIN(g);
    CHECK_EQ(t.result, COVEY_ECANCELED);
    covey_close(a);
    covey_close(b);
    covey_ctx_unref(c);
    free(bytes);
}

TASK_TEST(writev_writes_all_pieces)
{
    covey_conn *a, *b;
    struct iovec iov[4] = {{"one ", 4}, {NULL, 0}, {"two ", 4}, {"three", 5}}, before[4];
    char text[14] = {0};

    tcp_pair(&a, &b);
    memcpy(before, iov, sizeof(iov));
    CHECK_EQ(covey_writev(ctx, a, iov, 4), 13);
    CHECK(memcmp(before, iov, sizeof(iov)) == 0);
    CHECK_EQ(covey_read_full(ctx, b, text, 13), 13);
    CHECK_STR(text, "one two three");
    CHECK_EQ(covey_writev(ctx, a, iov, 0), 0);
    CHECK_EQ(covey_write(ctx, a, "", 0), 0);
    covey_close(a);
    covey_close(b);
}

TASK_TEST(writev_has_limits)
{
    covey_conn *a, *b;
    struct iovec iov[1025];
    char byte = 'x', text[1024];

    tcp_pair(&a, &b);
    for (int i = 0; i < 1025; i++) {
        iov[i] = (struct iovec){&byte, 1};
    }
    CHECK_EQ(covey_writev(ctx, a, iov, 1025), -EINVAL);
    CHECK_EQ(covey_writev(ctx, a, iov, 1024), 1024);
    CHECK_EQ(covey_read_full(ctx, b, text, 1024), 1024);
    iov[0].iov_len = (size_t)SSIZE_MAX;
    CHECK_EQ(covey_writev(ctx, a, iov, 2), -EINVAL);
    covey_close(a);
    covey_close(b);
}

static int writev_many(covey_ctx *ctx, void *arg)
{
    enum { PIECES = 100, PIECE = 40000 };
    struct transfer *t = arg;
    struct iovec iov[PIECES];
    char *bytes = malloc((size_t)PIECES * PIECE);

    CHECK(bytes);
    for (int i = 0; i < PIECES; i++) {
        memset(bytes + (size_t)i * PIECE, 'a' + i % 26, PIECE);
        iov[i] = (struct iovec){bytes + (size_t)i * PIECE, PIECE};
    }
    CHECK_EQ(covey_writev(ctx, t->conn, iov, PIECES), PIECES * PIECE);
    free(bytes);
    return 0;
}

TASK_TEST(writev_goes_on_in_the_middle_of_a_piece)
{
    covey_conn *a, *b;
    struct transfer t = {0};
    covey_group *g = covey_group_new(ctx);
    char text[1000];

    tcp_pair(&a, &b);
    t.conn = a;
    GO(g, writev_many, &t);
    for (int i = 0; i < 100 * 40; i++) {
        CHECK_EQ(covey_read_full(ctx, b, text, sizeof(text)), sizeof(text));
        CHECK_EQ(text[0], 'a' + i / 40 % 26);
        CHECK(memcmp(text, text + 1, sizeof(text) - 1) == 0);
    }
    JOIN(g);
    covey_close(a);
    covey_close(b);
}

TASK_TEST(writing_to_a_peer_that_went_away_fails_without_a_signal)
{
    covey_conn *a, *b;
    char bytes[1000] = {0};
    ssize_t n = 0;

    CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR); /* it would kill */
    tcp_pair(&a, &b);
    covey_close(b);
    for (int i = 0; i < 10000 && n >= 0; i++) {
        n = covey_write(ctx, a, bytes, sizeof(bytes));
        covey_yield();
    }
    CHECK(n == -EPIPE || n == -ECONNRESET);
    covey_close(a);
}

TASK_TEST(a_reset_by_the_peer_is_told)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    covey_conn *a, *b;
    char byte;

    tcp_pair(&a, &b);
    CHECK_EQ(setsockopt(covey_conn_fd(a), SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    covey_close(a);
    CHECK_EQ(covey_read(ctx, b, &byte, 1), -ECONNRESET);
    covey_close(b);
}

/* Half-close. */

TASK_TEST(a_half_closed_connection_still_reads)
{
    covey_conn *a, *b;
    char text[10] = {0};

    tcp_pair(&a, &b);
    CHECK_EQ(covey_write(ctx, a, "ask", 3), 3);
    CHECK_EQ(covey_shutdown_write(a), 0);
    CHECK_EQ(covey_read_full(ctx, b, text, sizeof(text)), 3); /* to the end */
    CHECK_EQ(covey_write(ctx, b, "answer", 6), 6);
    CHECK_EQ(covey_read_full(ctx, a, text, 6), 6);
    CHECK_STR(text, "answer");
    CHECK(covey_write(ctx, a, "x", 1) < 0);
    covey_close(b);
    CHECK_EQ(covey_read(ctx, a, text, 1), 0);
    covey_close(a);
}

/* Closing under those who wait. */

TASK_TEST(closing_wakes_readers_and_writers)
{
    covey_conn *a, *b;
    char *bytes = calloc(1, (size_t)64 << 20), byte;
    struct transfer r = {.bytes = &byte, .len = 1}, r2 = r;
    struct transfer w = {.bytes = bytes, .len = (size_t)64 << 20};
    covey_group *g = covey_group_new(ctx);

    CHECK(bytes);
    tcp_pair(&a, &b);
    r.conn = r2.conn = w.conn = a;
    go_waiting(g, "reader", read_task, &r);
    go_waiting(g, "reader-2", read_task, &r2);
    go_waiting(g, "writer", write_task, &w);
    covey_close(a);
    JOIN(g);
    CHECK_EQ(r.result, COVEY_ECLOSED);
    CHECK_EQ(r2.result, COVEY_ECLOSED);
    CHECK_EQ(w.result, COVEY_ECLOSED);
    covey_close(b);
    free(bytes);
}

TASK_TEST(closing_and_opening_in_turn_never_wakes_the_wrong_one)
{
    covey_listener *l = listen_tcp();

    for (int i = 0; i < 200; i++) { /* the descriptors' numbers come again */
        covey_conn *a, *b;
        char byte = 0;
        struct transfer t = {.bytes = &byte, .len = 1};
        covey_group *g = covey_group_new(ctx);

        connect_pair(l, &a, &b);
        t.conn = b;
        GO(g, read_task, &t);
        if (i % 3 == 0) {
            covey_yield();
        }
        if (i % 2) {
            CHECK_EQ(covey_write(ctx, a, "y", 1), 1);
            JOIN(g);
            CHECK_EQ(t.result, 1);
            CHECK_EQ(byte, 'y');
            covey_close(a);
        } else {
            covey_close(a);
            JOIN(g);
            CHECK_EQ(t.result, 0);
        }
        covey_close(b);
    }
    covey_listener_close(l);
}

/* Sharing. */

struct shared {
    covey_conn *conn;
    atomic_long sum, count;
};

static int read_records(covey_ctx *ctx, void *arg)
{
    struct shared *s = arg;
    int record;
    ssize_t n;

    while ((n = covey_read_full(ctx, s->conn, &record, sizeof(record))) == sizeof(record)) {
        atomic_fetch_add(&s->sum, record);
        atomic_fetch_add(&s->count, 1);
    }
    CHECK_EQ(n, 0);
    return 0;
}

static int write_records(covey_ctx *ctx, void *arg)
{
    struct shared *s = arg;

    for (int i = 1; i <= 500; i++) {
        CHECK_EQ(covey_write(ctx, s->conn, &i, sizeof(i)), sizeof(i));
    }
    return 0;
}

TASK_TEST(readers_and_writers_take_turns_call_by_call)
{
    covey_conn *a, *b;
    struct shared out = {0}, in = {0};
    covey_group *readers = covey_group_new(ctx), *writers = covey_group_new(ctx);

    tcp_pair(&a, &b);
    out.conn = a;
    in.conn = b;
    for (int i = 0; i < 4; i++) {
        GO(readers, read_records, &in);
        GO(writers, write_records, &out);
    }
    JOIN(writers);
    CHECK_EQ(covey_shutdown_write(a), 0);
    JOIN(readers);
    CHECK_EQ(atomic_load(&in.count), 4 * 500);
    CHECK_EQ(atomic_load(&in.sum), 4L * 500 * 501 / 2);
    covey_close(a);
    covey_close(b);
}

/* Many. */

static int net_round(covey_ctx *ctx, void *arg)
{
    covey_conn *a, *b;
    covey_listener *l = NULL;
    covey_ctx *c = covey_ctx_with_timeout(ctx, COVEY_MS);
    char byte;

    (void)arg;
    CHECK_EQ(covey_listen(&l, "tcp://127.0.0.1:0", NULL), 0);
    connect_pair(l, &a, &b);
    check_echo(a, b);
    CHECK_EQ(covey_read(c, a, &byte, 1), COVEY_EDEADLINE);
    covey_close(a);
    covey_close(b);
    covey_listener_close(l);
    covey_ctx_unref(c);
    return 0;
}

static int echo_conn(covey_ctx *ctx, void *arg)
{
    covey_conn *c = arg;
    char text[64];
    ssize_t n;

    while ((n = covey_read(ctx, c, text, sizeof(text))) > 0) {
        n = covey_write(ctx, c, text, (size_t)n);
        if (n < 0) {
            break;
        }
    }
    covey_close(c);
    return n < 0 ? (int)n : 0;
}

static int serve(covey_ctx *ctx, void *arg)
{
    covey_group *g = covey_group_new(ctx);
    covey_conn *c;
    int rc;

    while ((rc = covey_accept(ctx, arg, &c)) == 0) {
        GO(g, echo_conn, c);
    }
    JOIN(g);
    return rc == COVEY_ECLOSED ? 0 : rc;
}

struct client {
    const char *addr;
    covey_chan *all_connected;
    covey_waitgroup *connected;
    int number;
};

static int run_client(covey_ctx *ctx, void *arg)
{
    struct client *me = arg;
    covey_conn *c;

    CHECK_EQ(covey_dial(ctx, &c, me->addr), 0);
    covey_waitgroup_done(me->connected);
    CHECK_EQ(covey_chan_recv(ctx, me->all_connected, NULL), COVEY_ECLOSED);
    for (int i = 0; i < 5; i++) {
        int out = me->number * 10 + i, in = 0;

        CHECK_EQ(covey_write(ctx, c, &out, sizeof(out)), sizeof(out));
        CHECK_EQ(covey_read_full(ctx, c, &in, sizeof(in)), sizeof(in));
        CHECK_EQ(in, out);
    }
    covey_close(c);
    return 0;
}

TASK_TEST(a_thousand_connections_are_open_at_once)
{
    struct rlimit files;
    covey_listener *l = listen_tcp();
    covey_group *server = covey_group_new(ctx), *clients = covey_group_new(ctx);
    covey_waitgroup connected = {0};
    struct client me = {covey_listener_addr(l), covey_chan_new(0, 0), &connected, 0};
    int n = 1000, fds;

    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
    if (files.rlim_cur < 2200) {
        n = (int)(files.rlim_cur - 100) / 2;
    }
    CHECK_EQ(net_round(ctx, NULL), 0); /* the runtime's own descriptors are open now */
    fds = count_fds();
    GO(server, serve, l);
    covey_waitgroup_add(&connected, n);
    for (me.number = 0; me.number < n; me.number++) {
        CHECK_EQ(covey_group_go_copy(clients, run_client, &me, sizeof(me)), 0);
    }
    CHECK_EQ(covey_waitgroup_wait(ctx, &connected), 0);
    CHECK(count_fds() >= fds + n);
    CHECK_EQ(covey_chan_close(me.all_connected), 0);
    JOIN(clients);
    covey_listener_close(l);
    JOIN(server);
    CHECK_EQ(count_fds(), fds - 1);
    covey_chan_unref(me.all_connected);
}

TEST(no_descriptor_and_no_thread_is_left_after_networking)
{
    int threads = count_threads(), fds = count_fds();

    for (int i = 0; i < 10; i++) {
        CHECK_EQ(covey_run(net_round, NULL), 0);
        await_threads(threads);
        CHECK_EQ(count_fds(), fds);
    }
}

static int leave_reading(covey_ctx *ctx, void *arg)
{
    covey_conn *c = arg;
    char byte;
    int rc = (int)covey_read(ctx, c, &byte, 1);

    covey_close(c);
    return rc == COVEY_ECANCELED ? 0 : -EIO;
}

static int leave_readers(covey_ctx *ctx, void *arg)
{
    covey_conn *a, *b;

    (void)ctx;
    (void)arg;
    tcp_pair(&a, &b);
    CHECK_EQ(covey_go(leave_reading, a), 0);
    CHECK_EQ(covey_go(leave_reading, b), 0);
    covey_yield();
    return 0;
}

TEST(tasks_that_read_end_with_the_runtime)
{
    int fds = count_fds();

    for (int i = 0; i < 5; i++) {
        CHECK_EQ(covey_run(leave_readers, NULL), 0);
        CHECK_EQ(count_fds(), fds);
    }
}

TASK_TEST(accept_waits_out_a_lack_of_descriptors)
{
    struct rlimit files;
    covey_listener *l = listen_tcp();
    struct accepting a = {.listener = l, .result = 1};
    covey_group *g = covey_group_new(ctx);
    int hogs[64], n = 0, fd;
    covey_conn *c;

    CHECK_EQ(covey_dial(ctx, &c, covey_listener_addr(l)), 0);
    fd = dup(0);
    CHECK(fd >= 0);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = (rlim_t)fd + 10;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
    hogs[n++] = fd;
    while ((fd = dup(0)) >= 0) {
        hogs[n++] = fd;
        CHECK(n < 64);
    }
    GO(g, accept_task, &a);
    settle();
    CHECK_EQ(atomic_load(&a.ended), 0);
    while (n > 0) {
        CHECK_EQ(close(hogs[--n]), 0);
    }
    JOIN(g);
    CHECK_EQ(a.result, 0);
    check_echo(c, a.conn);
    covey_close(c);
    covey_close(a.conn);
    covey_listener_close(l);
}

/* Existing sockets. */

TASK_TEST(a_connection_can_be_made_of_a_socket)
{
    int pair[2];
    covey_conn *a, *b;

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    CHECK_EQ(covey_conn_from_fd(&a, pair[0]), 0);
    CHECK_EQ(covey_conn_from_fd(&b, pair[1]), 0);
    CHECK_EQ(covey_conn_fd(a), pair[0]);
    CHECK(fcntl(pair[0], F_GETFL) & O_NONBLOCK);
    check_echo(a, b);
    CHECK(covey_conn_peer(a) != NULL);
    covey_close(a);
    CHECK_EQ(fcntl(pair[0], F_GETFL), -1); /* it was taken */
    covey_close(b);
    CHECK_EQ(covey_conn_from_fd(&a, -1), -EBADF);
}

/* Foreign descriptors. */

struct fd_wait {
    covey_ctx *ctx;
    int fd, result;
    unsigned events;
    atomic_int ended;
};

static int wait_task(covey_ctx *ctx, void *arg)
{
    struct fd_wait *w = arg;

    (void)ctx;
    w->result = covey_wait_fd(w->ctx, w->fd, w->events);
    atomic_store(&w->ended, 1);
    return 0;
}

TASK_TEST(waiting_for_a_pipe_to_become_readable)
{
    covey_group *g = covey_group_new(ctx);
    struct fd_wait w = {.events = COVEY_FD_READ};
    int p[2];

    CHECK_EQ(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
    w.fd = p[0];
    GO(g, wait_task, &w);
    settle();
    CHECK_EQ(atomic_load(&w.ended), 0);
    CHECK_EQ(write(p[1], "x", 1), 1);
    JOIN(g);
    CHECK_EQ(w.result, COVEY_FD_READ);
    for (int i = 0; i < 5; i++) { /* level-triggered */
        CHECK_EQ(covey_wait_fd(ctx, p[0], COVEY_FD_READ), COVEY_FD_READ);
    }
    CHECK_EQ(close(p[0]), 0);
    CHECK_EQ(close(p[1]), 0);
}

TASK_TEST(waiting_for_a_pipe_to_become_writable)
{
    covey_group *g = covey_group_new(ctx);
    struct fd_wait w = {.events = COVEY_FD_WRITE};
    char bytes[4096] = {0};
    int p[2];

    CHECK_EQ(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
    CHECK_EQ(covey_wait_fd(ctx, p[1], COVEY_FD_WRITE), COVEY_FD_WRITE);
    while (write(p[1], bytes, sizeof(bytes)) > 0) {
    }
    w.fd = p[1];
    GO(g, wait_task, &w);
    settle();
    CHECK_EQ(atomic_load(&w.ended), 0);
    while (read(p[0], bytes, sizeof(bytes)) > 0) {
    }
    JOIN(g);
    CHECK_EQ(w.result, COVEY_FD_WRITE);
    CHECK_EQ(close(p[0]), 0);
    CHECK_EQ(close(p[1]), 0);
}

TASK_TEST(the_result_has_the_bits_that_are_ready)
{
    int pair[2];

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    CHECK_EQ(covey_wait_fd(ctx, pair[0], COVEY_FD_READ | COVEY_FD_WRITE), COVEY_FD_WRITE);
    CHECK_EQ(write(pair[1], "x", 1), 1);
    CHECK_EQ(covey_wait_fd(ctx, pair[0], COVEY_FD_READ | COVEY_FD_WRITE),
             COVEY_FD_READ | COVEY_FD_WRITE);
    CHECK_EQ(covey_wait_fd(ctx, pair[0], COVEY_FD_READ), COVEY_FD_READ);
    CHECK_EQ(close(pair[0]), 0);
    CHECK_EQ(close(pair[1]), 0);
}

TASK_TEST(a_hang_up_counts_as_ready)
{
    covey_group *g = covey_group_new(ctx);
    struct fd_wait w = {.events = COVEY_FD_READ};
    int p[2];

    CHECK_EQ(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
    w.fd = p[0];
    go_waiting(g, "waiter", wait_task, &w);
    CHECK_EQ(close(p[1]), 0);
    JOIN(g);
    CHECK(w.result & (int)COVEY_FD_READ);
    CHECK_EQ(close(p[0]), 0);
    CHECK_EQ(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
    CHECK_EQ(close(p[0]), 0);
    CHECK(covey_wait_fd(ctx, p[1], COVEY_FD_WRITE) & (int)COVEY_FD_WRITE);
    CHECK_EQ(close(p[1]), 0);
}

TASK_TEST(cancelling_and_deadlines_end_the_wait_for_a_descriptor)
{
    covey_ctx *c = covey_ctx_with_cancel(ctx), *late = covey_ctx_with_timeout(ctx, COVEY_MS);
    covey_group *g = covey_group_new(NULL);
    struct fd_wait w = {.ctx = c, .events = COVEY_FD_READ};
    uint64_t one = 1;

    w.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK_EQ(covey_wait_fd(late, w.fd, COVEY_FD_READ), COVEY_EDEADLINE);
    go_waiting(g, "waiter", wait_task, &w);
    covey_ctx_cancel(c);
    JOIN(g);
    CHECK_EQ(w.result, COVEY_ECANCELED);
    CHECK_EQ(write(w.fd, &one, sizeof(one)), sizeof(one));
    CHECK_EQ(covey_wait_fd(c, w.fd, COVEY_FD_READ), COVEY_ECANCELED); /* done first */
    CHECK_EQ(covey_wait_fd(NULL, w.fd, COVEY_FD_READ), COVEY_FD_READ);
    CHECK_EQ(close(w.fd), 0);
    covey_ctx_unref(c);
    covey_ctx_unref(late);
}

TASK_TEST(several_wait_for_one_descriptor)
{
    enum { N = 6 };
    covey_group *g = covey_group_new(ctx), *writer = covey_group_new(ctx);
    struct fd_wait w[N], out = {.events = COVEY_FD_WRITE};
    char bytes[4096] = {0};
    int pair[2];

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    while (write(pair[0], bytes, sizeof(bytes)) > 0) {
    }
    out.fd = pair[0];
    GO(writer, wait_task, &out);
    for (int i = 0; i < N; i++) {
        w[i] = (struct fd_wait){.fd = pair[0], .events = COVEY_FD_READ};
        GO(g, wait_task, &w[i]);
    }
    settle();
    CHECK_EQ(write(pair[1], "x", 1), 1);
    JOIN(g);
    for (int i = 0; i < N; i++) {
        CHECK_EQ(w[i].result, COVEY_FD_READ);
    }
    CHECK_EQ(atomic_load(&out.ended), 0);
    while (read(pair[1], bytes, sizeof(bytes)) > 0) {
    }
    JOIN(writer);
    CHECK_EQ(out.result, COVEY_FD_WRITE);
    CHECK_EQ(close(pair[0]), 0);
    CHECK_EQ(close(pair[1]), 0);
}

TASK_TEST(a_number_that_comes_again_is_another_descriptor)
{
    for (int i = 0; i < 100; i++) {
        int p[2];

        CHECK_EQ(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
        CHECK_EQ(covey_select(ctx, COVEY_READABLE(p[0]), COVEY_AFTER(0)), 1);
        CHECK_EQ(write(p[1], "x", 1), 1);
        CHECK_EQ(covey_wait_fd(ctx, p[0], COVEY_FD_READ), COVEY_FD_READ);
        CHECK_EQ(close(p[0]), 0); /* nothing is kept between calls */
        CHECK_EQ(close(p[1]), 0);
    }
}

TASK_TEST(what_cannot_be_waited_for_is_told)
{
    int regular = open("/etc/passwd", O_RDONLY | O_CLOEXEC), closed = dup(0);

    CHECK_EQ(close(closed), 0);
    CHECK_EQ(covey_wait_fd(ctx, -1, COVEY_FD_READ), -EBADF);
    CHECK_EQ(covey_wait_fd(ctx, closed, COVEY_FD_READ), -EBADF);
    CHECK_EQ(covey_wait_fd(ctx, regular, COVEY_FD_READ), -EPERM);
    CHECK_EQ(close(regular), 0);
}

TASK_TEST(a_dial_may_wait_long_and_be_cancelled)
{
    /* A listener whose backlog is full leaves a Unix dial waiting. */
    covey_listen_options opts = {.backlog = 1};
    covey_listener *l = NULL;
    covey_ctx *c = covey_ctx_with_timeout(ctx, 500 * COVEY_MS);
    covey_conn *held[16];
    char addr[100];
    int n = 0, rc = 0;

    unix_addr(addr, sizeof(addr), "full");
    CHECK_EQ(covey_listen(&l, addr, &opts), 0);
    while (n < 16 && (rc = covey_dial(c, &held[n], addr)) == 0) {
        n++;
    }
    CHECK(n > 0 && n < 16);
    CHECK(rc == COVEY_EDEADLINE || rc == COVEY_EAGAIN); /* the kernel gives EAGAIN for these */
    while (n > 0) {
        covey_close(held[--n]);
    }
    covey_listener_close(l);
    (void)unlink(addr + strlen("unix://"));
    CHECK_EQ(covey_sleep(c, hour), COVEY_EDEADLINE);
    covey_ctx_unref(c);
}

static int dial_and_hold(covey_ctx *ctx, void *arg)
{
    covey_conn *c = NULL;
    int rc = covey_dial(ctx, &c, covey_listener_addr(arg));

    if (rc == 0) {
        rc = covey_sleep(ctx, hour);
        covey_close(c);
    }
    CHECK_EQ(rc, COVEY_ECANCELED);
    return 0;
}

TASK_TEST(a_dump_says_who_dials)
{
    covey_listen_options opts = {.backlog = 1};
    covey_listener *l = NULL;
    covey_group *g = covey_group_new(ctx);

    CHECK_EQ(covey_listen(&l, "tcp://127.0.0.1:0", &opts), 0);
    for (int i = 0; i < 8; i++) { /* more than a backlog of 1 takes in */
        GO(g, dial_and_hold, l);
    }
    while (!dump_says("\"dial_and_hold\" waiting in dial (to tcp://127.0.0.1:")) {
        covey_yield();
    }
    covey_group_cancel(g, 0);
    JOIN(g);
    covey_listener_close(l);
}

static int select_on_connection(covey_ctx *ctx, void *arg)
{
    return covey_select(ctx, COVEY_READABLE(covey_conn_fd(arg)), COVEY_AFTER(hour));
}

TASK_TEST(a_dump_says_what_a_select_would_read_from)
{
    covey_conn *a, *b;
    covey_group *g = covey_group_new(ctx);
    char words[96];

    tcp_pair(&a, &b);
    (void)snprintf(words, sizeof(words), "waiting in select (readable fd %d to %s, after",
                   covey_conn_fd(a), covey_conn_peer(a));
    go_waiting(g, "reader", select_on_connection, a);
    CHECK(dump_says(words));
    CHECK_EQ(covey_write(ctx, b, "x", 1), 1);
    JOIN(g);
    covey_close(a);
    covey_close(b);
}
