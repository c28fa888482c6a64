/* SPDX-License-Identifier: MIT
 * dial_test.c - connecting: several addresses, peers that do not answer. */
#define _GNU_SOURCE
#include "io/dial.h"

#include "io/addr.h"
#include "harness.h"
#include "view.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- names
 * --------------------------------------------------------------------------------------- */

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

/* ---- peers that do not answer
 * -------------------------------------------------------------------- */

/* A listener that lets nobody in: its queue is full, and the kernel drops what else comes. */
struct black_hole {
    int listener, clients[4];
    int port;
};

static void black_hole_open(struct black_hole *h, int family, int port)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
                               .sin6_port = htons((uint16_t)port),
                               .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
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
    CHECK(strstr(covey_errmsg(), ": deadline exceeded (20 ms, set at dial_test.c:") != NULL);
    CHECK_EQ(count_fds(), fds);
    covey_ctx_unref(soon);
    black_hole_close(&hole);
}

/* ---- several addresses
 * --------------------------------------------------------------------------- */

static struct sockaddr_storage loopback(int family, int port)
{
    const char *host = family == AF_INET ? "127.0.0.1" : "::1";
    struct cvy_sockaddr s;

    CHECK(cvy_addr_numeric(host, strlen(host), (uint16_t)port, &s));
    return s.storage;
}

static int dial_planned(covey_ctx *ctx, const struct cvy_dial_plan *plan,
                        const struct sockaddr_storage *addrs, size_t n, covey_conn **c)
{
    struct cvy_thread *th = cvy_enter();
    int code = cvy_dial_any(&th, ctx, plan, addrs, n, c);
    cvy_leave(th);
    return code;
}

static int dial_any(covey_ctx *ctx, const struct sockaddr_storage *addrs, size_t n, covey_conn **c)
{
    return dial_planned(ctx, &cvy_dial_default, addrs, n, c);
}

/* A listener on loopback; its port. */
static int listen_on(covey_listener **l, int family)
{
    if (covey_listen(l, family == AF_INET ? "tcp://127.0.0.1:0" : "tcp://[::1]:0", NULL) < 0) {
        SKIP("no IPv6");
    }
    return atoi(strrchr(covey_listener_addr(*l), ':') + 1);
}

/* A port that nobody listens on. */
static int free_port(int family)
{
    covey_listener *l;
    int port = listen_on(&l, family);

    covey_listener_close(l);
    return port;
}

TASK_TEST(the_next_address_is_tried_when_the_first_takes_long)
{
    struct sockaddr_storage addrs[3];
    struct black_hole hole;
    covey_listener *l;
    covey_conn *a, *b;

    int port = listen_on(&l, AF_INET6);
    black_hole_open(&hole, AF_INET, 0);
    addrs[0] = loopback(AF_INET, hole.port);
    addrs[1] = loopback(AF_INET6, port);
    addrs[2] = loopback(AF_INET, hole.port);
    int fds = count_fds();
    int64_t start = covey_now();
    CHECK_EQ(dial_any(ctx, addrs, 3, &a), 0);
    CHECK(covey_now() - start >= 250 * COVEY_MS);
    CHECK_EQ(covey_accept(ctx, l, &b), 0);
    CHECK_STR(covey_conn_peer(a), covey_listener_addr(l));
    /* The attempt that lost is closed. */
    CHECK_EQ(count_fds(), fds + 2);
    CHECK_EQ(covey_write(ctx, b, "x", 1), 1);
    char c;
    CHECK_EQ(covey_read(ctx, a, &c, 1), 1);
    covey_close(a);
    covey_close(b);
    covey_listener_close(l);
    black_hole_close(&hole);
}

TASK_TEST(how_long_an_address_has_for_itself_can_be_chosen)
{
    struct sockaddr_storage addrs[2];
    struct cvy_dial_plan plan = {.stagger_ns = 3600 * COVEY_SEC};
    struct black_hole hole;
    covey_listener *l;
    covey_conn *c;

    black_hole_open(&hole, AF_INET, 0);
    addrs[0] = loopback(AF_INET, hole.port);
    addrs[1] = loopback(AF_INET, listen_on(&l, AF_INET));
    covey_ctx *soon = covey_ctx_with_timeout(ctx, 300 * COVEY_MS);
    CHECK_EQ(dial_planned(soon, &plan, addrs, 2, &c), COVEY_EDEADLINE);
    plan.stagger_ns = 1;
    CHECK_EQ(dial_planned(ctx, &plan, addrs, 2, &c), 0);
    covey_close(c);
    covey_ctx_unref(soon);
    covey_listener_close(l);
    black_hole_close(&hole);
}

TASK_TEST(a_refusal_does_not_wait_for_its_time)
{
    const struct cvy_dial_plan patient = {.stagger_ns = 3600 * COVEY_SEC};
    struct sockaddr_storage addrs[4];
    covey_listener *l;
    covey_conn *a;

    int port = listen_on(&l, AF_INET);
    addrs[0] = loopback(AF_INET6, free_port(AF_INET6));
    addrs[1] = loopback(AF_INET, free_port(AF_INET));
    addrs[2] = loopback(AF_INET6, free_port(AF_INET6));
    addrs[3] = loopback(AF_INET, port);
    CHECK_EQ(dial_planned(ctx, &patient, addrs, 4, &a), 0);
    CHECK_STR(covey_conn_peer(a), covey_listener_addr(l));
    covey_close(a);
    covey_listener_close(l);
}

TASK_TEST(a_slow_address_is_waited_for_when_the_others_failed)
{
    struct sockaddr_storage addrs[2];
    struct black_hole hole;
    covey_conn *a;

    black_hole_open(&hole, AF_INET, 0);
    addrs[0] = loopback(AF_INET, hole.port);
    addrs[1] = loopback(AF_INET6, free_port(AF_INET6));
    covey_ctx *late = covey_ctx_with_timeout(ctx, 400 * COVEY_MS);
    /* The second is refused, the first goes on. */
    CHECK_EQ(dial_any(late, addrs, 2, &a), COVEY_EDEADLINE);
    covey_ctx_unref(late);
    black_hole_close(&hole);
}

TASK_TEST(if_none_connects_the_first_failure_is_told)
{
    struct sockaddr_storage addrs[2];
    covey_conn *a = NULL;
    int fds = count_fds();

    addrs[0] = loopback(AF_INET, free_port(AF_INET));
    addrs[1] = loopback(AF_INET6, free_port(AF_INET6));
    CHECK_EQ(dial_any(ctx, addrs, 2, &a), -ECONNREFUSED);
    CHECK_EQ(dial_any(ctx, addrs, 0, &a), COVEY_EDNS);
    addrs[0].ss_family = AF_APPLETALK;
    CHECK(dial_any(ctx, addrs, 1, &a) < 0);
    CHECK(a == NULL);
    CHECK_EQ(count_fds(), fds);
}

static int dial_and_drop(covey_ctx *ctx, void *arg)
{
    covey_ctx *soon = covey_ctx_with_timeout(ctx, (int64_t)(covey_task_id() % 50) * 10 * COVEY_US);
    covey_conn *c;
    int code = covey_dial(soon, &c, arg);

    CHECK(code == 0 || code == COVEY_EDEADLINE);
    if (code == 0) {
        covey_close(c);
    }
    covey_ctx_unref(soon);
    return 0;
}

static int accept_and_drop(covey_ctx *ctx, void *arg)
{
    covey_conn *c;

    while (covey_accept(ctx, arg, &c) == 0) {
        covey_close(c);
    }
    return 0;
}

TASK_TEST(deadlines_race_with_connections)
{
    covey_group *server = covey_group_new(ctx);
    covey_listener *l;

    (void)listen_on(&l, AF_INET);
    int fds = count_fds();
    GO(server, accept_and_drop, l);
    for (int i = 0; i < 10; i++) {
        covey_group *g = covey_group_new(ctx);
        for (int k = 0; k < 50; k++) {
            GO(g, dial_and_drop, (void *)(uintptr_t)covey_listener_addr(l));
        }
        JOIN(g);
    }
    covey_group_cancel(server, 0);
    JOIN(server);
    CHECK_EQ(count_fds(), fds);
    covey_listener_close(l);
}
