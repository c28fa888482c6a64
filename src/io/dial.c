/* SPDX-License-Identifier: MIT
 * dial.c - covey_dial (covey/net.h): resolves a name and races its addresses, as RFC 8305 says.
 *
 * One task runs all attempts: it waits in the queues of all of them and for the time to start the
 * next, under its one claim. */
#include "io/dial.h"

#include "base/alloc.h"
#include "io/addr.h"
#include "io/conn.h"
#include "io/conn_options.h"
#include "io/io.h"
#include "io/resolve.h"

#include <covey/error.h>
#include <covey/net.h>
#include <covey/time.h>

#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef errno

#define STAGGER_NS (250 * COVEY_MS)
#define PORT_TEXT_SIZE 6

/* A Unix listener whose backlog is full gives no event when it has room again. */
#define UNIX_RETRY_NS (1 * COVEY_MS)
#define UNIX_RETRY_NS_MAX (50 * COVEY_MS)

#define INDEX_TIMER CVY_DIAL_ADDRS_MAX

const struct cvy_dial_plan cvy_dial_default = {.stagger_ns = STAGGER_NS};

struct attempt {
    struct covey_conn *conn; /* NULL: not started, failed, or given away as the winner */
    struct cvy_waiter waiter;
};

struct race {
    const struct cvy_dial_plan *plan;
    struct sockaddr_storage addrs[CVY_DIAL_ADDRS_MAX];
    struct attempt attempts[CVY_DIAL_ADDRS_MAX];
    int count, next; /* addresses; the first not tried */
    int open;        /* attempts not decided */
    int64_t next_at; /* when to start the next even if none fails */
    int first_error;
    struct covey_conn *winner;
};

/* ---- attempts
 * ------------------------------------------------------------------------------------ */

static int socket_prepare(int fd, int family, const struct cvy_dial_plan *plan)
{
    const struct cvy_sockaddr *local = &plan->local;
    int code = family == AF_UNIX ? 0 : cvy_net_set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);

    if (code == 0 && plan->has_conn) {
        code = cvy_conn_options_set(fd, family != AF_UNIX, &plan->conn);
    }
    if (code < 0 || local->len == 0) {
        return code;
    }
    if (local->storage.ss_family != family) {
        return -EAFNOSUPPORT;
    }
    /* The port, if it is the kernel's to choose, is chosen for the pair of ends. */
    (void)cvy_net_set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    return cvy_net_bind(fd, local);
}

/* A socket that is connecting, or connected: *ready then has its first ready bits. */
static int socket_connect(const struct cvy_sockaddr *to, const struct cvy_dial_plan *plan,
                          uint32_t *ready)
{
    int fd = cvy_net_socket(to->storage.ss_family, SOCK_STREAM);

    if (fd < 0) {
        return fd;
    }
    int code = socket_prepare(fd, to->storage.ss_family, plan);
    if (code == 0) {
        code = cvy_net_connect(fd, to);
    }
    *ready = code == 0 ? CVY_POLL_IN | CVY_POLL_OUT : 0;
    if (code < 0 && code != -EINPROGRESS) {
        cvy_net_close(fd);
        return code;
    }
    return fd;
}

/* Starts connecting: 0 or -EINPROGRESS, and *c, which is then registered; or why not. */
static int conn_start(struct covey_conn **c, const struct cvy_sockaddr *to,
                      const struct cvy_dial_plan *plan)
{
    uint32_t ready;

    int fd = socket_connect(to, plan, &ready);
    if (fd < 0) {
        return fd;
    }
    struct covey_conn *made = cvy_conn_new(fd, ready, to);
    if (!made) {
        cvy_net_close(fd);
        return -ENOMEM;
    }
    *c = made;
    return ready ? 0 : -EINPROGRESS;
}

/* A connect to a free port of this host may be given that very port, and meet itself. */
static bool is_self_connected(const struct covey_conn *c)
{
    struct cvy_sockaddr local;
    struct cvy_sockaddr peer;

    return cvy_net_name(c->fd.fd, &local) == 0 && cvy_net_peer(c->fd.fd, &peer) == 0 &&
           local.len == peer.len && memcmp(&local.storage, &peer.storage, local.len) == 0;
}

static void note_error(struct race *r, int code)
{
    if (r->first_error == 0) {
        r->first_error = code;
    }
    r->next_at = 0;
}

/* The attempt has come to code: 0, or why it failed. */
static void decide(struct race *r, struct cvy_thread *th, struct attempt *a, int code)
{
    struct covey_conn *c = a->conn;

    a->conn = NULL;
    r->open--;
    if (code == 0 && is_self_connected(c)) {
        code = -ECONNREFUSED;
    }
    if (code == 0 && !r->winner) {
        r->winner = c;
        return;
    }
    cvy_fd_close(th, &c->fd);
    if (code < 0) {
        note_error(r, code);
    }
}

static void start_next(struct race *r, struct cvy_thread *th)
{
    struct attempt *a = &r->attempts[r->next];
    struct cvy_sockaddr to = {.storage = r->addrs[r->next],
                              .len = cvy_addr_len(&r->addrs[r->next])};

    r->next++;
    r->next_at = cvy_clock_now() + r->plan->stagger_ns;
    int code = conn_start(&a->conn, &to, r->plan);
    if (code < 0 && code != -EINPROGRESS) {
        note_error(r, code);
        return;
    }
    r->open++;
    if (code == -EINPROGRESS) {
        code = cvy_fd_register(&a->conn->fd);
        if (code == 0) {
            return;
        }
    }
    decide(r, th, a, code);
}

/* Looks at the attempts whose bit is set. A bit may be a late event's of another descriptor. */
static void look_at_all(struct race *r, struct cvy_thread *th)
{
    for (int i = 0; i < r->next; i++) {
        struct attempt *a = &r->attempts[i];
        if (!a->conn) {
            continue;
        }
        uint64_t seen = cvy_load_relaxed(&a->conn->fd.ready);
        if (!(seen & CVY_POLL_OUT)) {
            continue;
        }
        int code = cvy_net_connect_result(a->conn->fd.fd);
        if (code == -EINPROGRESS) {
            cvy_fd_clear(&a->conn->fd, seen, CVY_POLL_OUT | CVY_POLL_HUP);
        } else {
            decide(r, th, a, code);
        }
    }
}

/* ---- waiting for any of them
 * --------------------------------------------------------------------- */

/* Enters the queues of all open attempts. False: one has its bit set, and is to be looked at. */
static bool enter_queues(struct race *r, struct cvy_task *t)
{
    for (int i = 0; i < r->next; i++) {
        struct attempt *a = &r->attempts[i];
        if (!a->conn) {
            continue;
        }
        struct cvy_fd *f = &a->conn->fd;
        a->waiter = (struct cvy_waiter){.task = t, .index = i};
        cvy_lock(&f->lock);
        bool is_ready = cvy_load_relaxed(&f->ready) & CVY_POLL_OUT;
        if (!is_ready) {
            cvy_list_push_tail(&f->waiters[CVY_WAY_OUT], &a->waiter.node);
        }
        cvy_unlock(&f->lock);
        if (is_ready) {
            return false;
        }
    }
    return true;
}

static void leave_queues(struct race *r)
{
    for (int i = 0; i < r->next; i++) {
        struct attempt *a = &r->attempts[i];
        if (a->conn) {
            cvy_lock(&a->conn->fd.lock);
            cvy_waitq_remove(&a->waiter);
            cvy_unlock(&a->conn->fd.lock);
            a->waiter.node = (struct cvy_node){0};
        }
    }
}

/* Until an attempt may be decided, or the next is due. 0 or the context's error. */
static int wait_for_any(struct race *r, struct cvy_thread **thp, covey_ctx *ctx)
{
    struct cvy_task *t = (*thp)->task;
    int32_t index;

    /* Open before the first queue: nobody but the context can know of it yet. */
    int code = cvy_wait_open(t, ctx);
    if (code < 0) {
        return code;
    }
    if (!enter_queues(r, t) && cvy_claim(t, 0)) {
        /* Woken by ourselves: there is nothing to park for. */
        cvy_store_relaxed(&t->claim, CVY_CLAIM_CLOSED);
        leave_queues(r);
        return 0;
    }
    if (r->next < r->count) {
        index = cvy_wait_park_until(thp, ctx, CVY_WAIT_DIAL, r, r->next_at, INDEX_TIMER);
    } else {
        index = cvy_wait_park(thp, ctx, CVY_WAIT_DIAL, r);
    }
    leave_queues(r);
    return cvy_wait_error(t, ctx, index);
}

static int race_step(struct race *r, struct cvy_thread **thp, covey_ctx *ctx)
{
    struct cvy_task *t = (*thp)->task;
    struct cvy_runtime *rt = cvy_runtime_open();

    if (!rt) {
        return cvy_fail(t, COVEY_ECLOSED);
    }
    if (r->next < r->count && (r->open == 0 || cvy_clock_now() >= r->next_at)) {
        start_next(r, *thp);
        return 0;
    }
    cvy_io_wait_begin(t, rt);
    int code = wait_for_any(r, thp, ctx);
    cvy_io_wait_end(t, rt);
    look_at_all(r, *thp);
    return code;
}

/* Closes those that lost. */
static void race_end(struct race *r, struct cvy_thread *th)
{
    for (int i = 0; i < r->next; i++) {
        if (r->attempts[i].conn) {
            cvy_fd_close(th, &r->attempts[i].conn->fd);
        }
    }
}

static int race_run(struct race *r, struct cvy_thread **thp, covey_ctx *ctx)
{
    int code = 0;

    while (!r->winner && code == 0 && (r->open > 0 || r->next < r->count)) {
        code = race_step(r, thp, ctx);
    }
    race_end(r, *thp);
    if (r->winner) {
        return 0;
    }
    return code < 0 ? code : cvy_fail((*thp)->task, r->first_error);
}

int cvy_dial_any(struct cvy_thread **thp, covey_ctx *ctx, const struct cvy_dial_plan *plan,
                 const struct sockaddr_storage *addrs, size_t n, covey_conn **c)
{
    struct race *r = cvy_alloc_zeroed(sizeof(*r));

    if (!r) {
        return cvy_fail((*thp)->task, -ENOMEM);
    }
    r->plan = plan;
    r->count = (int)(n < CVY_DIAL_ADDRS_MAX ? n : CVY_DIAL_ADDRS_MAX);
    memcpy(r->addrs, addrs, (size_t)r->count * sizeof(addrs[0]));
    r->first_error = r->count == 0 ? COVEY_EDNS : 0;
    int code = race_run(r, thp, ctx);
    if (code == 0) {
        *c = r->winner;
    }
    free(r);
    return code;
}

/* ---- dialling
 * ------------------------------------------------------------------------------------ */

static int dial_name(struct cvy_thread **thp, covey_ctx *ctx, const struct cvy_dial_plan *plan,
                     covey_conn **c, const struct cvy_addr *a)
{
    struct sockaddr_storage *addrs = cvy_alloc_zeroed(CVY_DIAL_ADDRS_MAX * sizeof(*addrs));
    char *host = cvy_strndup(a->name, a->name_len);
    char port[PORT_TEXT_SIZE];
    int code = -ENOMEM;

    if (!addrs || !host) {
        (void)cvy_fail((*thp)->task, code);
        goto out;
    }
    (void)snprintf(port, sizeof(port), "%u", (unsigned)a->port);
    code = cvy_resolve(thp, ctx, host, port, addrs, CVY_DIAL_ADDRS_MAX);
    if (code >= 0) {
        code = cvy_dial_any(thp, ctx, plan, addrs, (size_t)code, c);
    }
out:
    free(host);
    free(addrs);
    return code;
}

static int dial_tcp(struct cvy_thread **thp, covey_ctx *ctx, const struct cvy_dial_plan *plan,
                    covey_conn **c, const struct cvy_addr *a)
{
    struct cvy_sockaddr numeric;

    if (!cvy_addr_numeric(a->name, a->name_len, a->port, &numeric)) {
        return dial_name(thp, ctx, plan, c, a);
    }
    return cvy_dial_any(thp, ctx, plan, &numeric.storage, 1, c);
}

/* Connects at once, or not at all. */
static int dial_unix(struct cvy_thread **thp, covey_ctx *ctx, const struct cvy_dial_plan *plan,
                     covey_conn **c, const struct cvy_addr *a)
{
    struct cvy_sockaddr to;
    int64_t pause = UNIX_RETRY_NS;
    int code;

    cvy_addr_unix(a, &to);
    while ((code = conn_start(c, &to, plan)) == -EAGAIN) {
        cvy_leave(*thp);
        code = covey_sleep(ctx, pause);
        *thp = cvy_enter();
        if (code < 0) {
            return code;
        }
        pause = pause * 2 < UNIX_RETRY_NS_MAX ? pause * 2 : UNIX_RETRY_NS_MAX;
    }
    return code < 0 ? cvy_fail((*thp)->task, code) : 0;
}

/* Only numeric: looking a name up might take long. */
static int read_local(const char *text, struct cvy_sockaddr *local)
{
    struct cvy_addr a;

    if (cvy_addr_parse(&a, text) < 0 || a.is_unix ||
        !cvy_addr_numeric(a.name, a.name_len, a.port, local)) {
        return covey_errorf(-EINVAL, "local: not a numeric TCP address");
    }
    return 0;
}

static int make_plan(struct cvy_dial_plan *plan, const covey_dial_options *opts, bool is_unix)
{
    *plan = cvy_dial_default;
    if (!opts) {
        return 0;
    }
    plan->has_conn = true;
    plan->conn = opts->conn;
    if (opts->stagger_ns < 0 || (opts->local && is_unix)) {
        return covey_errorf(-EINVAL, "an option is out of range");
    }
    plan->stagger_ns = opts->stagger_ns > 0 ? opts->stagger_ns : plan->stagger_ns;
    return opts->local ? read_local(opts->local, &plan->local) : 0;
}

static int dial(struct cvy_thread **thp, covey_ctx *ctx, covey_conn **c, const char *addr,
                const covey_dial_options *opts)
{
    struct cvy_dial_plan plan;
    struct cvy_addr a;

    int code = cvy_addr_parse(&a, addr);
    if (code < 0) {
        return covey_errorf(code, "not an address");
    }
    code = make_plan(&plan, opts, a.is_unix);
    if (code < 0) {
        return code;
    }
    if (!cvy_runtime_get()) {
        return cvy_fail((*thp)->task, COVEY_ECLOSED);
    }
    return a.is_unix ? dial_unix(thp, ctx, &plan, c, &a) : dial_tcp(thp, ctx, &plan, c, &a);
}

int covey_dial_with(covey_ctx *ctx, covey_conn **c, const char *addr,
                    const covey_dial_options *opts)
{
    struct cvy_thread *th = cvy_enter();

    int code = cvy_ctx_check(th->task, ctx);
    if (code == 0) {
        code = dial(&th, ctx, c, addr, opts);
    }
    if (code < 0) {
        code = covey_wrapf(code, "dial %s", addr ? addr : "(null)");
    }
    cvy_leave(th);
    return code;
}

int covey_dial(covey_ctx *ctx, covey_conn **c, const char *addr)
{
    return covey_dial_with(ctx, c, addr, NULL);
}
