/* SPDX-License-Identifier: MIT
 * dial_race.c - races the addresses of a name (dial.h), as RFC 8305 says.
 *
 * One task runs all attempts: it waits in the queues of all of them and for the time to start the
 * next, under its one claim. */
#include "io/dial.h"

#include "base/alloc.h"
#include "io/addr.h"
#include "io/conn.h"
#include "io/conn_options.h"
#include "io/io.h"

#include <covey/error.h>
#include <covey/net.h>

#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#undef errno

#define INDEX_TIMER CVY_DIAL_ADDRS_MAX

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

int cvy_dial_start(struct covey_conn **c, const struct cvy_sockaddr *to,
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
    int code = cvy_dial_start(&a->conn, &to, r->plan);
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
