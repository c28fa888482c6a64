/* SPDX-License-Identifier: MIT
 * listen.c - listeners (covey/net.h). Any number of tasks may accept from one: they take no turns,
 * since the kernel gives each connection to one of them. */
#include "base/alloc.h"
#include "io/addr.h"
#include "io/conn.h"
#include "io/conn_options.h"
#include "io/unix_file.h"

#include <covey/error.h>
#include <covey/net.h>
#include <covey/time.h>

#include <assert.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef errno

#define BACKLOG_DEFAULT 4096
#define STREAK_MAX 64
#define PORT_TEXT_SIZE 6

/* Out of descriptors: others may close some. */
#define FULL_WAIT_NS (10 * COVEY_MS)
#define FULL_TRIES_MAX 100

struct covey_listener {
    struct cvy_fd fd; /* first */

    /* Immutable. */
    char *addr; /* owned */
    bool is_tcp;
    bool has_path; /* addr names a file, which was this one when it was bound */
    struct cvy_file_id file;

    _Atomic uint32_t streak; /* accepts since one last waited or yielded; relaxed, roughly */
};

static_assert(sizeof(struct covey_listener) <= CVY_FD_RECORD_SIZE, "grow the record");

static const char *path_of(const char *addr)
{
    return addr + strlen("unix://");
}

static void listener_free(struct cvy_fd *f)
{
    free(CVY_CONTAINER_OF(f, struct covey_listener, fd)->addr);
}

/* ---- opening: each gives a descriptor that is bound, or a negative code
 * -------------------------- */

static int set_tcp_options(int fd, int family, const covey_listen_options *opts)
{
    int code = cvy_net_set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);

    if (code == 0 && opts->reuse_port) {
        code = cvy_net_set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    }
    if (code == 0 && family == AF_INET6) {
        code = cvy_net_set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, opts->v6_only);
    }
    return code;
}

static int bind_tcp(const struct cvy_sockaddr *at, const covey_listen_options *opts)
{
    int fd = cvy_net_socket(at->storage.ss_family, SOCK_STREAM);

    if (fd < 0) {
        return fd;
    }
    int code = set_tcp_options(fd, at->storage.ss_family, opts);
    if (code == 0) {
        code = cvy_net_bind(fd, at);
    }
    if (code < 0) {
        cvy_net_close(fd);
        return code;
    }
    return fd;
}

/* The first address of a name that can be bound. Looks the name up at once. */
static int bind_name(const struct cvy_addr *a, const covey_listen_options *opts)
{
    struct addrinfo *found;
    char port[PORT_TEXT_SIZE];
    int code;

    char *host = cvy_strndup(a->name, a->name_len);
    if (!host) {
        return -ENOMEM;
    }
    (void)snprintf(port, sizeof(port), "%u", (unsigned)a->port);
    int gai = cvy_net_lookup(host, port, true, &found, &code);
    free(host);
    if (gai != 0) {
        return code < 0 ? code : COVEY_EDNS;
    }
    int fd = COVEY_EDNS;
    for (const struct addrinfo *i = found; i && fd < 0; i = i->ai_next) {
        struct cvy_sockaddr at = {.len = i->ai_addrlen};
        memcpy(&at.storage, i->ai_addr, i->ai_addrlen);
        fd = bind_tcp(&at, opts);
    }
    freeaddrinfo(found);
    return fd;
}

static int bind_any(const struct cvy_addr *a, const covey_listen_options *opts)
{
    struct cvy_sockaddr at;

    if (a->is_unix) {
        return cvy_unix_bind(SOCK_STREAM, a, opts->unix_mode);
    }
    if (cvy_addr_numeric(a->name, a->name_len, a->port, &at)) {
        return bind_tcp(&at, opts);
    }
    return bind_name(a, opts);
}

/* The text of what was bound; owned by the caller. */
static char *bound_text(int fd, const struct cvy_addr *a, const char *addr)
{
    struct cvy_sockaddr name;
    char text[CVY_ADDR_TEXT_SIZE];

    if (a->is_unix || cvy_net_name(fd, &name) < 0) {
        return cvy_strdup(addr);
    }
    cvy_addr_format(&name, text, sizeof(text));
    return cvy_strdup(text);
}

/* Makes a listener of fd, which is closed if that fails. */
static int listener_new(covey_listener **l, int fd, const struct cvy_addr *a, const char *addr)
{
    char *text = bound_text(fd, a, addr);
    struct cvy_fd *f = text ? cvy_fd_new(fd, CVY_POLL_IN, listener_free) : NULL;

    if (!f) {
        free(text);
        cvy_net_close(fd);
        return -ENOMEM;
    }
    struct covey_listener *made = CVY_CONTAINER_OF(f, struct covey_listener, fd);
    made->addr = text;
    f->reasons[CVY_WAY_IN] = CVY_WAIT_ACCEPT;
    made->is_tcp = !a->is_unix;
    made->has_path = cvy_unix_file(a, &made->file);
    *l = made;
    return 0;
}

int covey_listen(covey_listener **l, const char *addr, const covey_listen_options *opts)
{
    struct cvy_addr a;
    covey_listen_options defaults = {0};

    opts = opts ? opts : &defaults;
    int code = cvy_addr_parse(&a, addr);
    if (code < 0) {
        return covey_errorf(code, "listen %s: not an address", addr ? addr : "(null)");
    }
    int fd = bind_any(&a, opts);
    code = fd;
    if (fd >= 0) {
        /* On Linux what is accepted inherits them. */
        code = cvy_conn_options_set(fd, !a.is_unix, &opts->conn);
        if (code == 0) {
            code = cvy_net_listen(fd, opts->backlog > 0 ? opts->backlog : BACKLOG_DEFAULT);
        }
        if (code < 0) {
            cvy_net_close(fd);
        } else {
            code = listener_new(l, fd, &a, addr);
        }
    }
    return code < 0 ? covey_errorf(code, "listen %s: %s", addr, covey_strerror(code)) : 0;
}

const char *covey_listener_addr(const covey_listener *l)
{
    return l->addr;
}

int covey_listener_fd(const covey_listener *l)
{
    return l->fd.fd;
}

void covey_listener_close(covey_listener *l)
{
    if (l) {
        struct cvy_thread *th = cvy_enter();
        if (l->has_path) {
            cvy_unix_remove(path_of(l->addr), &l->file);
        }
        cvy_fd_close(th, &l->fd);
        cvy_leave(th);
    }
}

/* ---- accepting
 * ----------------------------------------------------------------------------------- */

/* Failures of one connection, or of the network it came from, that are not the listener's. */
static bool is_connections_own(int code)
{
    switch (code) {
    case -ECONNABORTED:
    case -EPROTO:
    case -ENOPROTOOPT:
    case -ENETDOWN:
    case -EHOSTDOWN:
    case -ENONET:
    case -EHOSTUNREACH:
    case -ENETUNREACH:
        return true;
    default:
        return false;
    }
}

/* Out of descriptors; without a runtime nobody can sleep until there are some. */
static bool is_full(int code)
{
    return (code == -EMFILE || code == -ENFILE) && cvy_runtime_get();
}

/* Whether to try again, after a while: 0 or the context's error. */
static int wait_for_room(struct cvy_thread **thp, struct covey_listener *l, covey_ctx *ctx)
{
    cvy_leave(*thp);
    int code = covey_sleep(ctx, FULL_WAIT_NS);
    *thp = cvy_enter();
    if (code == 0 && cvy_fd_is_closed(&l->fd)) {
        code = cvy_fail((*thp)->task, COVEY_ECLOSED);
    }
    return code;
}

static int fail(const struct covey_listener *l, int code)
{
    return covey_errorf(code, "accept %s: %s", l->addr, covey_strerror(code));
}

/* One that came, or -EAGAIN. */
static int try_accept(struct covey_listener *l, struct cvy_sockaddr *peer)
{
    uint64_t seen = cvy_load_relaxed(&l->fd.ready);

    if (!(seen & CVY_POLL_IN)) {
        return -EAGAIN;
    }
    for (;;) {
        int fd = cvy_net_accept(l->fd.fd, peer);
        if (fd == -EAGAIN) {
            cvy_fd_clear(&l->fd, seen, CVY_POLL_IN | CVY_POLL_HUP);
        }
        if (!is_connections_own(fd)) {
            return fd;
        }
    }
}

static int accept_fd(struct cvy_thread **thp, struct covey_listener *l, covey_ctx *ctx,
                     struct cvy_sockaddr *peer)
{
    int tries = 0;
    int code;

    for (;;) {
        int fd = try_accept(l, peer);
        if (fd == -EAGAIN) {
            cvy_store_relaxed(&l->streak, 0);
            code = cvy_fd_wait(thp, &l->fd, CVY_WAY_IN, ctx);
        } else if (is_full(fd) && tries++ < FULL_TRIES_MAX) {
            code = wait_for_room(thp, l, ctx);
        } else {
            return fd < 0 ? fail(l, fd) : fd;
        }
        if (code < 0) {
            return code;
        }
    }
}

static int accept_conn(struct cvy_thread **thp, struct covey_listener *l, covey_ctx *ctx,
                       covey_conn **c)
{
    struct cvy_sockaddr peer = {0};

    int fd = accept_fd(thp, l, ctx, &peer);
    if (fd < 0) {
        return fd;
    }
    struct covey_conn *made = cvy_conn_new(fd, CVY_POLL_IN | CVY_POLL_OUT, &peer);
    if (!made) {
        cvy_net_close(fd);
        return fail(l, -ENOMEM);
    }
    *c = made;
    return 0;
}

/* A flood of connections lets those already there be served. */
static struct cvy_thread *yield_sometimes(struct cvy_thread *th, struct covey_listener *l)
{
    if (atomic_fetch_add_explicit(&l->streak, 1, memory_order_relaxed) < STREAK_MAX ||
        th->task->is_foreign) {
        return th;
    }
    cvy_store_relaxed(&l->streak, 0);
    return cvy_yield(th);
}

int covey_accept(covey_ctx *ctx, covey_listener *l, covey_conn **c)
{
    struct cvy_thread *th = cvy_enter();

    int code = cvy_ctx_check(th->task, ctx);
    if (code < 0) {
        goto out;
    }
    code = cvy_fd_enter(&l->fd);
    if (code < 0) {
        (void)cvy_fail(th->task, code);
        goto out;
    }
    th = yield_sometimes(th, l);
    code = accept_conn(&th, l, ctx, c);
    (void)cvy_fd_leave(&l->fd);
out:
    cvy_leave(th);
    return code;
}
