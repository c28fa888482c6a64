/* SPDX-License-Identifier: MIT
 * pass_test.c - descriptors over Unix connections. */
#include "harness.h"
#include "support.h"

#include <covey/net.h>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Two ends of a Unix connection. */
static void unix_pair(covey_conn **a, covey_conn **b)
{
    int pair[2];

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    CHECK_EQ(covey_conn_from_fd(a, pair[0]), 0);
    CHECK_EQ(covey_conn_from_fd(b, pair[1]), 0);
}

static void close_all(const int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        CHECK_EQ(close(fds[i]), 0);
    }
}

TASK_TEST(a_descriptor_arrives_as_another_of_the_same_file)
{
    covey_conn *a, *b;
    int ends[2], got[4] = {-1, -1, -1, -1};
    char buf[8] = "";
    size_t n = 4;

    CHECK_EQ(pipe(ends), 0);
    unix_pair(&a, &b);
    CHECK_EQ(covey_send_fds(ctx, a, "take", 4, ends, 2), 4);
    CHECK_EQ(covey_recv_fds(ctx, b, buf, sizeof(buf), got, &n), 4);
    CHECK_EQ(n, 2);
    CHECK(memcmp(buf, "take", 4) == 0 && got[0] != ends[0] && got[2] == -1);
    CHECK(fcntl(got[0], F_GETFD) & FD_CLOEXEC);
    CHECK_EQ(write(got[1], "x", 1), 1); /* what was passed works, and the sender's still do */
    CHECK_EQ(read(ends[0], buf, 1), 1);
    close_all(ends, 2);
    close_all(got, 2);
    covey_close(a);
    covey_close(b);
}

TASK_TEST(bytes_without_descriptors_come_with_none)
{
    covey_conn *a, *b;
    char buf[8];
    int got[2], null = open("/dev/null", O_RDONLY);
    size_t n = 2;

    unix_pair(&a, &b);
    CHECK_EQ(covey_write(ctx, a, "ab", 2), 2);
    CHECK_EQ(covey_recv_fds(ctx, b, buf, 1, got, &n), 1);
    CHECK_EQ(n, 0);
    CHECK_EQ(covey_send_fds(ctx, a, "c", 1, &null, 1), 1);
    CHECK_EQ(covey_write(ctx, a, "later", 5), 5);
    n = 2;
    ssize_t len = covey_recv_fds(ctx, b, buf, sizeof(buf), got, &n);
    CHECK(len == 2 && memcmp(buf, "bc", 2) == 0 && n == 1); /* not what came later */
    close_all(got, 1);
    n = 0;
    CHECK_EQ(covey_recv_fds(ctx, b, buf, sizeof(buf), NULL, &n), 5);
    covey_close(a);
    n = 2;
    CHECK_EQ(covey_recv_fds(ctx, b, buf, sizeof(buf), got, &n), 0); /* the end */
    CHECK_EQ(n, 0);
    covey_close(b);
    close_all(&null, 1);
}

TASK_TEST(as_many_as_may_be_at_once)
{
    covey_conn *a, *b;
    int many[COVEY_FDS_MAX + 1], got[COVEY_FDS_MAX];
    size_t n = COVEY_FDS_MAX;
    char byte;

    unix_pair(&a, &b);
    for (size_t i = 0; i <= COVEY_FDS_MAX; i++) {
        many[i] = 0;
    }
    CHECK_EQ(covey_send_fds(ctx, a, "x", 1, many, COVEY_FDS_MAX + 1), -EINVAL);
    CHECK_EQ(covey_send_fds(ctx, a, "x", 0, many, 1), -EINVAL);
    CHECK_EQ(covey_send_fds(ctx, a, "x", 1, many, COVEY_FDS_MAX), 1);
    CHECK_EQ(covey_recv_fds(ctx, b, &byte, 1, got, &n), 1);
    CHECK_EQ(n, COVEY_FDS_MAX);
    close_all(got, n);
    covey_close(a);
    covey_close(b);
}

static int open_count(void)
{
    int n = 0;

    for (int fd = 0; fd < 256; fd++) {
        n += fcntl(fd, F_GETFD) >= 0;
    }
    return n;
}

TASK_TEST(what_there_is_no_room_for_is_closed)
{
    covey_conn *a, *b;
    int three[3] = {0, 1, 2}, got[2];
    size_t n = 2;
    char byte;
    struct rlimit files;

    unix_pair(&a, &b);
    CHECK_EQ(covey_read(ctx, b, &byte, 0), 0);
    CHECK_EQ(covey_send_fds(ctx, a, "x", 1, three, 3), 1);
    int before = open_count();
    CHECK_EQ(covey_recv_fds(ctx, b, &byte, 1, got, &n), -EMSGSIZE);
    CHECK_STR(covey_errmsg(), "receive descriptors: Message too long");
    /* Nor for what this process may not open. */
    CHECK_EQ(covey_send_fds(ctx, a, "x", 1, three, 3), 1);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
    int next = dup(0);
    CHECK_EQ(close(next), 0);
    rlim_t allowed = files.rlim_cur;
    files.rlim_cur = (rlim_t)next + 1;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
    int more[3];
    n = 3;
    CHECK_EQ(covey_recv_fds(ctx, b, &byte, 1, more, &n), -EMSGSIZE);
    files.rlim_cur = allowed;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
    CHECK_EQ(open_count(), before);
    CHECK_EQ(covey_write(ctx, a, "y", 1), 1); /* the connection goes on */
    CHECK_EQ(covey_read(ctx, b, &byte, 1), 1);
    CHECK_EQ(byte, 'y');
    covey_close(a);
    covey_close(b);
}

TASK_TEST(only_unix_connections_carry_descriptors)
{
    covey_listener *l;
    covey_conn *c, *served;
    int fd = 0;
    size_t n = 1;
    char byte;

    CHECK_EQ(covey_listen(&l, "tcp://127.0.0.1:0", NULL), 0);
    CHECK_EQ(covey_dial(ctx, &c, covey_listener_addr(l)), 0);
    CHECK_EQ(covey_accept(ctx, l, &served), 0);
    CHECK_EQ(covey_send_fds(ctx, c, "x", 1, &fd, 1), -EOPNOTSUPP);
    CHECK_EQ(covey_recv_fds(ctx, c, &byte, 1, &fd, &n), -EOPNOTSUPP);
    covey_close(c);
    covey_close(served);
    covey_listener_close(l);

    covey_conn *a, *b;
    int bad = 9999;
    unix_pair(&a, &b);
    CHECK_EQ(covey_send_fds(ctx, a, "x", 1, &bad, 1), -EBADF);
    covey_close(b);
    CHECK_EQ(covey_send_fds(ctx, a, "x", 1, &fd, 1), -EPIPE);
    covey_close(a);
}

struct receiving {
    covey_conn *conn;
    int fd, code;
};

static int receive(covey_ctx *ctx, void *arg)
{
    struct receiving *r = arg;
    char byte;
    size_t n = 1;

    r->code = (int)covey_recv_fds(ctx, r->conn, &byte, 1, &r->fd, &n);
    return 0;
}

TASK_TEST(a_receiver_waits_and_can_be_cancelled_or_closed)
{
    covey_conn *a, *b;
    struct receiving r = {.fd = -1};
    int fd = 0;

    unix_pair(&a, &b);
    r.conn = b;
    covey_group *g = covey_group_new(ctx);
    go_waiting(g, "receiver", receive, &r);
    CHECK_EQ(covey_send_fds(ctx, a, "x", 1, &fd, 1), 1);
    JOIN(g);
    CHECK_EQ(r.code, 1);
    close_all(&r.fd, 1);

    covey_ctx *mine = covey_ctx_with_cancel(ctx);
    g = covey_group_new(mine);
    go_waiting(g, "receiver", receive, &r);
    covey_ctx_cancel(mine);
    (void)covey_group_wait(g);
    CHECK_EQ(r.code, COVEY_ECANCELED);
    covey_ctx_unref(mine);

    g = covey_group_new(ctx);
    go_waiting(g, "receiver", receive, &r);
    covey_close(b);
    JOIN(g);
    CHECK_EQ(r.code, COVEY_ECLOSED);
    covey_close(a);
}
