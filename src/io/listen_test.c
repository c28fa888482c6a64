/* SPDX-License-Identifier: MIT
 * listen_test.c - listeners, and dialling them. */
#define _GNU_SOURCE
#include "io/fixture.h"

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
    (void)snprintf(text, sizeof(text), "listen %s: address already in use",
                   covey_listener_addr(l));
    CHECK_STR(covey_errmsg(), text);
    covey_listener_close(l);

    covey_listen_options shared = {.reuse_port = true};
    CHECK_EQ(covey_listen(&l, "tcp://127.0.0.1:0", &shared), 0);
    CHECK_EQ(covey_listen(&m, covey_listener_addr(l), &shared), 0);
    covey_listener_close(l);
    covey_listener_close(m);
}

TASK_TEST(nobody_listening_is_connection_refused)
{
    covey_listener *l;
    covey_conn *c = NULL;
    char addr[64], text[128];

    CHECK_EQ(covey_listen(&l, "tcp://127.0.0.1:0", NULL), 0);
    (void)snprintf(addr, sizeof(addr), "%s", covey_listener_addr(l));
    covey_listener_close(l);
    CHECK_EQ(covey_dial(ctx, &c, addr), -ECONNREFUSED);
    (void)snprintf(text, sizeof(text), "dial %s: connection refused", addr);
    CHECK_STR(covey_errmsg(), text);
    CHECK_EQ(covey_dial(ctx, &c, "unix:///no/such/socket"), -ENOENT);
    CHECK_EQ(covey_dial(ctx, &c, "unix://@covey-nobody-listens-here"), -ECONNREFUSED);
    CHECK(c == NULL);
}

TASK_TEST(a_name_is_dialled_and_listened_on)
{
    covey_listener *l;
    covey_conn *a, *b;
    char addr[64];

    CHECK_EQ(covey_listen(&l, "tcp://127.0.0.1:0", NULL), 0);
    const char *port = strrchr(covey_listener_addr(l), ':');
    (void)snprintf(addr, sizeof(addr), "tcp://localhost%s", port);
    CHECK_EQ(covey_dial(ctx, &a, addr), 0);
    CHECK_EQ(covey_accept(ctx, l, &b), 0);
    CHECK_STR(covey_conn_peer(a), covey_listener_addr(l));
    covey_close(a);
    covey_close(b);
    covey_listener_close(l);
    CHECK_EQ(covey_listen(&l, "tcp://localhost:0", NULL), 0);
    CHECK(strstr(covey_listener_addr(l), "localhost") == NULL);
    covey_listener_close(l);
}

TASK_TEST(a_name_that_does_not_exist_is_told_as_such)
{
    covey_conn *c = NULL;
    struct sockaddr_storage s[2];
    covey_ctx *done = covey_ctx_with_cancel(NULL);

    CHECK_EQ(covey_dial(ctx, &c, "tcp://no-such-host.invalid:80"), COVEY_EDNS);
    CHECK(strstr(covey_errmsg(), "dial tcp://no-such-host.invalid:80: resolve ") != NULL);
    CHECK_EQ(covey_resolve(ctx, "no-such-host.invalid", "80", s, 2), COVEY_EDNS);
    covey_ctx_cancel(done);
    CHECK_EQ(covey_resolve(done, "localhost", "80", s, 2), COVEY_ECANCELED);
    CHECK_EQ(covey_dial(done, &c, "tcp://127.0.0.1:80"), COVEY_ECANCELED);
    CHECK_STR(covey_errmsg(), "dial tcp://127.0.0.1:80: canceled");
    covey_ctx_unref(done);
}

TASK_TEST(numbers_resolve_at_once)
{
    struct sockaddr_storage s[4];

    CHECK_EQ(covey_resolve(ctx, "127.0.0.1", "80", s, 4), 1);
    CHECK_EQ(s[0].ss_family, AF_INET);
    CHECK_EQ(((struct sockaddr_in *)&s[0])->sin_port, htons(80));
    CHECK_EQ(covey_resolve(ctx, "::1", NULL, s, 4), 1);
    CHECK_EQ(s[0].ss_family, AF_INET6);
    CHECK(covey_resolve(ctx, "localhost", "http", s, 4) >= 1);
    CHECK_EQ(covey_resolve(ctx, "localhost", "443", s, 1), 1);
    CHECK_EQ(covey_resolve(ctx, "", "443", s, 1), -EINVAL);
    CHECK_EQ(covey_resolve(ctx, NULL, "443", s, 1), -EINVAL);
    CHECK_EQ(covey_resolve(ctx, "127.0.0.1", "443", s, 0), -EINVAL);
    CHECK_EQ(covey_resolve(ctx, "127.0.0.1", "70000", s, 1), -EINVAL);
    CHECK_EQ(covey_resolve(ctx, "localhost", "99999999999999999999", s, 1), -EINVAL);
}

static int resolve_some(covey_ctx *ctx, void *arg)
{
    struct sockaddr_storage s[2];
    covey_ctx *soon = covey_ctx_with_timeout(ctx, (int64_t)(intptr_t)arg);
    int code = covey_resolve(soon, "localhost", "80", s, 2);

    CHECK(code > 0 || code == COVEY_EDEADLINE);
    covey_ctx_unref(soon);
    return 0;
}

/* Whoever is last, the task or the lookup, frees the record. */
TASK_TEST(a_lookup_can_be_abandoned)
{
    covey_group *g = covey_group_new(ctx);

    for (intptr_t i = 0; i < 200; i++) {
        GO(g, resolve_some, (void *)(i * 20 * COVEY_US));
    }
    JOIN(g);
}

/* ---- Unix sockets -------------------------------------------------------------------------------- */

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

/* ---- running out --------------------------------------------------------------------------------- */

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

/* ---- peers that do not answer -------------------------------------------------------------------- */

/* A listener that lets nobody in: its queue is full, and the kernel drops what else comes. */
struct black_hole {
    int listener, clients[4];
    int port;
};

static void black_hole_open(struct black_hole *h, int family, int port)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port),
                               .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr *addr = family == AF_INET ? (struct sockaddr *)&in : (struct sockaddr *)&in6;
    socklen_t len = family == AF_INET ? sizeof(in) : sizeof(in6);

    h->listener = socket(family, SOCK_STREAM, 0);
    CHECK_EQ(bind(h->listener, addr, len), 0);
    CHECK_EQ(listen(h->listener, 0), 0);
    CHECK_EQ(getsockname(h->listener, addr, &len), 0);
    h->port = ntohs(family == AF_INET ? in.sin_port : in6.sin6_port);
    for (int i = 0; i < 4; i++) {
        h->clients[i] = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(h->clients[i], addr, len);
    }
}

static void black_hole_close(struct black_hole *h)
{
    for (int i = 0; i < 4; i++) {
        (void)close(h->clients[i]);
    }
    (void)close(h->listener);
}

TASK_TEST(dialling_ends_with_its_context)
{
    covey_ctx *soon = covey_ctx_with_timeout(ctx, 20 * COVEY_MS);
    struct black_hole hole;
    covey_conn *c;
    char addr[64];

    black_hole_open(&hole, AF_INET, 0);
    (void)snprintf(addr, sizeof(addr), "tcp://127.0.0.1:%d", hole.port);
    int fds = count_fds();
    CHECK_EQ(covey_dial(soon, &c, addr), COVEY_EDEADLINE);
    CHECK(strstr(covey_errmsg(), ": deadline exceeded (20 ms, set at listen_test.c:") != NULL);
    CHECK_EQ(count_fds(), fds);
    covey_ctx_unref(soon);
    black_hole_close(&hole);
}

/* Two families under one name, of which the first does not answer. */
TASK_TEST(the_other_family_is_tried_when_the_first_takes_long)
{
    struct sockaddr_storage s[2];
    struct black_hole hole;
    covey_listener *l;
    covey_conn *a, *b;
    char addr[64];

    if (covey_resolve(ctx, "localhost", "80", s, 2) != 2 || s[0].ss_family == s[1].ss_family) {
        SKIP("localhost has no two families");
    }
    black_hole_open(&hole, s[0].ss_family, 0);
    (void)snprintf(addr, sizeof(addr), s[1].ss_family == AF_INET ? "tcp://127.0.0.1:%d"
                                                                 : "tcp://[::1]:%d",
                   hole.port);
    covey_listen_options only = {.v6_only = true};
    CHECK_EQ(covey_listen(&l, addr, &only), 0);
    int fds = count_fds();
    (void)snprintf(addr, sizeof(addr), "tcp://localhost:%d", hole.port);
    int64_t start = covey_now();
    CHECK_EQ(covey_dial(ctx, &a, addr), 0);
    CHECK(covey_now() - start >= 240 * COVEY_MS);
    CHECK_EQ(covey_accept(ctx, l, &b), 0);
    CHECK_STR(covey_conn_peer(a), covey_listener_addr(l));
    /* The attempt that lost is closed. */
    CHECK_EQ(count_fds(), fds + 2);
    covey_close(a);
    covey_close(b);
    covey_listener_close(l);
    black_hole_close(&hole);
}

/* The first refuses: the second follows at once. */
TASK_TEST(a_refusal_does_not_wait_for_its_time)
{
    struct sockaddr_storage s[2];
    covey_listener *l;
    covey_conn *a;
    char addr[64];

    if (covey_resolve(ctx, "localhost", "80", s, 2) != 2 || s[0].ss_family == s[1].ss_family) {
        SKIP("localhost has no two families");
    }
    covey_listen_options only = {.v6_only = true};
    CHECK_EQ(covey_listen(&l, s[1].ss_family == AF_INET ? "tcp://127.0.0.1:0" : "tcp://[::1]:0",
                          &only),
             0);
    (void)snprintf(addr, sizeof(addr), "tcp://localhost%s", strrchr(covey_listener_addr(l), ':'));
    int64_t start = covey_now();
    CHECK_EQ(covey_dial(ctx, &a, addr), 0);
    CHECK(covey_now() - start < 240 * COVEY_MS);
    covey_close(a);
    covey_listener_close(l);
}
