/* SPDX-License-Identifier: MIT
 * listen_test.c - listeners: accepting, addresses, socket files. */
#define _GNU_SOURCE
#include "harness.h"
#include "view.h"

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int accept_expecting(covey_ctx *ctx, void *arg)
{
    void **args = arg;
    covey_conn *c;

    (void)ctx;
    CHECK_EQ(covey_accept(args[0], args[1], &c), *(int *)args[2]);
    return 0;
}

TASK_TEST(closing_a_listener_wakes_every_accept)
{
    covey_group *g = covey_group_new(ctx);
    covey_listener *l;
    int expected = COVEY_ECLOSED;

    CHECK_EQ(covey_listen(&l, "tcp://127.0.0.1:0", NULL), 0);
    void *args[] = {ctx, l, &expected};
    go_waiting(g, "accept 1", accept_expecting, args);
    go_waiting(g, "accept 2", accept_expecting, args);
    go_waiting(g, "accept 3", accept_expecting, args);
    covey_listener_close(l);
    JOIN(g);
}

TASK_TEST(an_accept_ends_with_its_context)
{
    covey_group *g = covey_group_new(ctx);
    covey_ctx *mine = covey_ctx_with_cancel(ctx);
    covey_listener *l;
    covey_conn *c;
    int expected = COVEY_ECANCELED;

    CHECK_EQ(covey_listen(&l, "tcp://127.0.0.1:0", NULL), 0);
    void *args[] = {mine, l, &expected};
    go_waiting(g, "accept", accept_expecting, args);
    covey_ctx_cancel(mine);
    JOIN(g);
    CHECK_EQ(covey_accept(mine, l, &c), COVEY_ECANCELED);
    covey_ctx_unref(mine);
    covey_listener_close(l);
}

static int accept_many(covey_ctx *ctx, void *arg)
{
    covey_conn *c;
    int code;

    while ((code = covey_accept(ctx, arg, &c)) == 0) {
        covey_close(c);
    }
    CHECK_EQ(code, COVEY_ECLOSED);
    return 0;
}

static int dial_many(covey_ctx *ctx, void *arg)
{
    for (int i = 0; i < 100; i++) {
        covey_conn *c;
        char b;
        CHECK_EQ(covey_dial(ctx, &c, covey_listener_addr(arg)), 0);
        ssize_t n = covey_read(ctx, c, &b, 1);
        CHECK(n == 0 || n == -ECONNRESET);
        covey_close(c);
    }
    return 0;
}

TASK_TEST(several_tasks_accept_from_one_listener)
{
    covey_group *servers = covey_group_new(ctx);
    covey_group *clients = covey_group_new(ctx);
    covey_listener *l;

    CHECK_EQ(covey_listen(&l, "tcp://127.0.0.1:0", NULL), 0);
    for (int i = 0; i < 4; i++) {
        GO(servers, accept_many, l);
        GO(clients, dial_many, l);
    }
    JOIN(clients);
    covey_listener_close(l);
    JOIN(servers);
}

TASK_TEST(bad_addresses_are_refused_with_words)
{
    covey_listener *l = NULL;
    covey_conn *c = NULL;

    CHECK_EQ(covey_listen(&l, "127.0.0.1:80", NULL), -EINVAL);
    CHECK_STR(covey_errmsg(), "listen 127.0.0.1:80: not an address");
    CHECK_EQ(covey_listen(&l, NULL, NULL), -EINVAL);
    CHECK_EQ(covey_dial(ctx, &c, "tcp://host"), -EINVAL);
    CHECK_STR(covey_errmsg(), "dial tcp://host: not an address");
    CHECK_EQ(covey_dial(ctx, &c, NULL), -EINVAL);
    CHECK(l == NULL && c == NULL);
}

TASK_TEST(an_address_in_use_is_refused)
{
    covey_listener *l, *m = NULL;
    char text[128];

    CHECK_EQ(covey_listen(&l, "tcp://127.0.0.1:0", NULL), 0);
    CHECK_EQ(covey_listen(&m, covey_listener_addr(l), NULL), -EADDRINUSE);
    (void)snprintf(text, sizeof(text), "listen %s: address already in use", covey_listener_addr(l));
    CHECK_STR(covey_errmsg(), text);
    covey_listener_close(l);

    covey_listen_options shared = {.reuse_port = true};
    CHECK_EQ(covey_listen(&l, "tcp://127.0.0.1:0", &shared), 0);
    CHECK_EQ(covey_listen(&m, covey_listener_addr(l), &shared), 0);
    covey_listener_close(l);
    covey_listener_close(m);
}

/* ---- Unix sockets
 * -------------------------------------------------------------------------------- */

static void unix_addr(char out[64], const char *name)
{
    (void)snprintf(out, 64, "unix:///tmp/covey-%s-%d.sock", name, (int)getpid());
}

TASK_TEST(a_stale_socket_file_is_replaced_a_live_one_is_not)
{
    covey_listener *l, *m = NULL;
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    char addr[64];

    unix_addr(addr, "stale");
    (void)snprintf(un.sun_path, sizeof(un.sun_path), "%s", addr + 7);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_EQ(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
    (void)close(fd);
    CHECK_EQ(covey_listen(&l, addr, NULL), 0);
    CHECK_STR(covey_listener_addr(l), addr);
    CHECK_EQ(covey_listen(&m, addr, NULL), -EADDRINUSE);
    covey_listener_close(l);
    CHECK(access(addr + 7, F_OK) != 0);
}

TASK_TEST(what_is_no_socket_is_not_replaced)
{
    covey_listener *l = NULL;
    char addr[64];

    unix_addr(addr, "file");
    FILE *f = fopen(addr + 7, "w");
    CHECK(f);
    (void)fclose(f);
    CHECK_EQ(covey_listen(&l, addr, NULL), -EADDRINUSE);
    CHECK_EQ(access(addr + 7, F_OK), 0);
    CHECK_EQ(unlink(addr + 7), 0);
}

TASK_TEST(the_mode_of_a_socket_file_is_as_asked)
{
    covey_listen_options open = {.unix_mode = 0666};
    covey_listener *l;
    struct stat st;
    char addr[64];

    unix_addr(addr, "mode");
    CHECK_EQ(covey_listen(&l, addr, NULL), 0);
    CHECK_EQ(stat(addr + 7, &st), 0);
    CHECK_EQ(st.st_mode & 0777, 0600);
    covey_listener_close(l);
    CHECK_EQ(covey_listen(&l, addr, &open), 0);
    CHECK_EQ(stat(addr + 7, &st), 0);
    CHECK_EQ(st.st_mode & 0777, 0666);
    covey_listener_close(l);
}

TASK_TEST(a_listener_leaves_the_file_of_its_successor)
{
    covey_listener *l, *m;
    char addr[64];

    unix_addr(addr, "next");
    CHECK_EQ(covey_listen(&l, addr, NULL), 0);
    CHECK_EQ(unlink(addr + 7), 0);
    CHECK_EQ(covey_listen(&m, addr, NULL), 0);
    covey_listener_close(l);
    CHECK_EQ(access(addr + 7, F_OK), 0);
    covey_listener_close(m);
    CHECK(access(addr + 7, F_OK) != 0);
}

static int dial_one(covey_ctx *ctx, void *arg)
{
    covey_conn *c;

    CHECK_EQ(covey_dial(ctx, &c, covey_listener_addr(arg)), 0);
    covey_close(c);
    return 0;
}

TASK_TEST(dialling_a_full_unix_listener_waits_for_room)
{
    covey_group *g = covey_group_new(ctx);
    covey_listen_options small = {.backlog = 1};
    covey_listener *l;
    char addr[64];

    (void)snprintf(addr, sizeof(addr), "unix://@covey-full-%d", (int)getpid());
    CHECK_EQ(covey_listen(&l, addr, &small), 0);
    for (int i = 0; i < 8; i++) {
        GO(g, dial_one, l);
    }
    covey_ctx *soon = covey_ctx_with_timeout(ctx, 10 * COVEY_MS);
    covey_conn *c;
    /* One of the nine is in the way of another; this one may be let in or not. */
    int code = covey_dial(soon, &c, addr);
    CHECK(code == 0 || code == COVEY_EDEADLINE);
    int count = 8 + (code == 0);
    if (code == 0) {
        covey_close(c);
    }
    for (int i = 0; i < count; i++) {
        CHECK_EQ(covey_accept(ctx, l, &c), 0);
        covey_close(c);
    }
    JOIN(g);
    covey_ctx_unref(soon);
    covey_listener_close(l);
}

/* ---- running out
 * --------------------------------------------------------------------------------- */

struct scarce {
    covey_listener *listener;
    int *fds, count;
};

static int release(covey_ctx *ctx, void *arg)
{
    struct scarce *s = arg;

    CHECK_EQ(covey_sleep(ctx, 50 * COVEY_MS), 0); /* sleeps: accept has to fail first */
    for (int i = 0; i < s->count; i++) {
        (void)close(s->fds[i]);
    }
    return 0;
}

TASK_TEST(accept_waits_while_there_are_no_descriptors)
{
    covey_group *g = covey_group_new(ctx);
    struct rlimit limit;
    int fds[256];
    struct scarce s = {.fds = fds};
    covey_conn *a, *b;

    CHECK_EQ(covey_listen(&s.listener, "tcp://127.0.0.1:0", NULL), 0);
    CHECK_EQ(covey_dial(ctx, &a, covey_listener_addr(s.listener)), 0);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 64;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    while (s.count < 256 && (fds[s.count] = dup(0)) >= 0) {
        s.count++;
    }
    CHECK(s.count < 256);
    GO(g, release, &s);
    CHECK_EQ(covey_accept(ctx, s.listener, &b), 0);
    JOIN(g);
    covey_close(a);
    covey_close(b);
    covey_listener_close(s.listener);
}
