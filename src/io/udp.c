/* SPDX-License-Identifier: MIT
 * udp.c - datagrams (covey/udp.h). Calls take no turns: the kernel keeps each datagram whole. */
#include "base/alloc.h"
#include "io/fd.h"
#include "io/unix_file.h"

#include <covey/error.h>
#include <covey/net.h>
#include <covey/time.h>
#include <covey/udp.h>

#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef errno

/* A socket that is always ready lets others run after so many datagrams. */
#define STREAK_MAX 64
#define PORT_TEXT_SIZE 6
#define ADDRS_MAX 16

/* A full receiver of another Unix socket gives no event when it has room again. */
#define FULL_WAIT_NS (1 * COVEY_MS)
#define FULL_WAIT_NS_MAX (50 * COVEY_MS)

struct covey_udp {
    struct cvy_fd fd; /* first */

    /* Immutable. */
    char *addr; /* owned */
    bool is_unix, is_connected;
    bool has_path; /* addr names a file, which was this one when it was bound */
    struct cvy_file_id file;

    _Atomic uint32_t streak; /* datagrams since one last waited or yielded; relaxed, roughly */
};

static_assert(sizeof(struct covey_udp) <= CVY_FD_RECORD_SIZE, "grow the record");

static const char *path_of(const char *addr)
{
    return addr + strlen("unixgram://");
}

static void udp_free(struct cvy_fd *f)
{
    free(CVY_CONTAINER_OF(f, struct covey_udp, fd)->addr);
}

/* ---- opening: each gives a descriptor, or a negative code
 * ---------------------------------------- */

static int set_options(int fd, int family, const covey_udp_options *opts)
{
    int code = 0;

    if (opts->send_buffer > 0) {
        code = cvy_net_set_option(fd, SOL_SOCKET, SO_SNDBUF, opts->send_buffer);
    }
    if (code == 0 && opts->receive_buffer > 0) {
        code = cvy_net_set_option(fd, SOL_SOCKET, SO_RCVBUF, opts->receive_buffer);
    }
    if (code == 0 && opts->broadcast) {
        code = cvy_net_set_option(fd, SOL_SOCKET, SO_BROADCAST, 1);
    }
    if (code == 0 && opts->reuse_port) {
        code = cvy_net_set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    }
    if (code == 0 && family == AF_INET6) {
        code = cvy_net_set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, opts->v6_only);
    }
    return code;
}

/* Applies finish (cvy_net_bind or cvy_net_connect) to a new socket. */
static int socket_for(const struct cvy_sockaddr *at, const covey_udp_options *opts,
                      int (*finish)(int fd, const struct cvy_sockaddr *at))
{
    int fd = cvy_net_socket(at->storage.ss_family, SOCK_DGRAM);

    if (fd < 0) {
        return fd;
    }
    int code = set_options(fd, at->storage.ss_family, opts);
    if (code == 0) {
        code = finish(fd, at);
    }
    if (code < 0) {
        cvy_net_close(fd);
        return code;
    }
    return fd;
}

static int bind_any(const struct cvy_addr *a, const covey_udp_options *opts)
{
    struct cvy_sockaddr at;

    if (!a->is_unix) {
        return cvy_addr_numeric(a->name, a->name_len, a->port, &at)
                   ? socket_for(&at, opts, cvy_net_bind)
                   : -EINVAL;
    }
    int fd = cvy_unix_bind(SOCK_DGRAM, a, opts->unix_mode);
    if (fd < 0) {
        return fd;
    }
    int code = set_options(fd, AF_UNIX, opts);
    if (code < 0) {
        cvy_net_close(fd);
        return code;
    }
    return fd;
}

static int connect_unix(const struct cvy_addr *a, const covey_udp_options *opts)
{
    struct cvy_sockaddr to, unnamed = {.len = sizeof(sa_family_t)};

    /* The kernel chooses a name. */
    unnamed.storage.ss_family = AF_UNIX;
    cvy_addr_unix(a, &to);
    int fd = socket_for(&unnamed, opts, cvy_net_bind);
    int code = fd < 0 ? fd : cvy_net_connect(fd, &to);
    if (code < 0 && fd >= 0) {
        cvy_net_close(fd);
    }
    return code < 0 ? code : fd;
}

/* The first address of a name that can be connected to: that there is a way to. May switch. */
static int connect_name(covey_ctx *ctx, const struct cvy_addr *a, const covey_udp_options *opts)
{
    struct sockaddr_storage *addrs = cvy_alloc_zeroed(ADDRS_MAX * sizeof(*addrs));
    char *host = cvy_strndup(a->name, a->name_len);
    char port[PORT_TEXT_SIZE];
    int fd = -ENOMEM;

    if (addrs && host) {
        (void)snprintf(port, sizeof(port), "%u", (unsigned)a->port);
        int n = covey_resolve(ctx, host, port, addrs, ADDRS_MAX);
        fd = n < 0 ? n : COVEY_EDNS;
        for (int i = 0; i < n && i < ADDRS_MAX && fd < 0; i++) {
            struct cvy_sockaddr to = {.len = cvy_addr_len(&addrs[i]), .storage = addrs[i]};
            fd = socket_for(&to, opts, cvy_net_connect);
        }
    }
    free(host);
    free(addrs);
    return fd;
}

static int connect_any(covey_ctx *ctx, const struct cvy_addr *a, const covey_udp_options *opts)
{
    struct cvy_sockaddr to;

    if (a->is_unix) {
        return connect_unix(a, opts);
    }
    if (cvy_addr_numeric(a->name, a->name_len, a->port, &to)) {
        return socket_for(&to, opts, cvy_net_connect);
    }
    return connect_name(ctx, a, opts);
}

/* Makes a socket of fd, which is closed if that fails. */
static int udp_new(covey_udp **u, int fd, const struct cvy_addr *a, bool is_connected)
{
    struct cvy_sockaddr name = {0};
    char text[CVY_ADDR_TEXT_SIZE + 32];

    if (cvy_net_name(fd, &name) < 0) {
        name.len = 0;
    }
    cvy_addr_format_datagram(&name, text, sizeof(text));
    char *addr = cvy_strdup(text);
    struct cvy_fd *f = addr ? cvy_fd_new(fd, CVY_POLL_IN | CVY_POLL_OUT, udp_free) : NULL;
    if (!f) {
        free(addr);
        cvy_net_close(fd);
        return -ENOMEM;
    }
    struct covey_udp *made = CVY_CONTAINER_OF(f, struct covey_udp, fd);
    made->addr = addr;
    made->is_unix = a->is_unix;
    made->is_connected = is_connected;
    made->has_path = !is_connected && cvy_unix_file(a, &made->file);
    *u = made;
    return 0;
}

static const covey_udp_options defaults;

int covey_udp_open(covey_udp **u, const char *addr, const covey_udp_options *opts)
{
    struct cvy_addr a;

    if (cvy_addr_parse_datagram(&a, addr) < 0) {
        return covey_errorf(-EINVAL, "open %s: not an address", addr ? addr : "(null)");
    }
    int fd = bind_any(&a, opts ? opts : &defaults);
    int code = fd < 0 ? fd : udp_new(u, fd, &a, false);
    return code < 0 ? covey_errorf(code, "open %s: %s", addr, covey_strerror(code)) : 0;
}

int covey_udp_dial(covey_ctx *ctx, covey_udp **u, const char *addr, const covey_udp_options *opts)
{
    struct cvy_addr a;

    int code = cvy_ctx_check(cvy_task_self(), ctx);
    if (code < 0) {
        return code;
    }
    if (cvy_addr_parse_datagram(&a, addr) < 0) {
        return covey_errorf(-EINVAL, "dial %s: not an address", addr ? addr : "(null)");
    }
    int fd = connect_any(ctx, &a, opts ? opts : &defaults);
    code = fd < 0 ? fd : udp_new(u, fd, &a, true);
    return code < 0 ? covey_wrapf(code, "dial %s", addr) : 0;
}

const char *covey_udp_addr(const covey_udp *u)
{
    return u->addr;
}

int covey_udp_fd(const covey_udp *u)
{
    return u->fd.fd;
}

void covey_udp_close(covey_udp *u)
{
    if (u) {
        struct cvy_thread *th = cvy_enter();
        if (u->has_path) {
            cvy_unix_remove(path_of(u->addr), &u->file);
        }
        cvy_fd_close(th, &u->fd);
        cvy_leave(th);
    }
}

/* ---- datagrams
 * ----------------------------------------------------------------------------------- */

static int fail(const covey_udp *u, const char *verb, const char *addr, int code)
{
    return covey_errorf(code, "%s %s: %s", verb, addr ? addr : u->addr, covey_strerror(code));
}

/* Before each system call: whether to go on, and whose turn it is on this worker. */
static int step(struct cvy_thread **thp, struct covey_udp *u, covey_ctx *ctx)
{
    int code = cvy_ctx_check((*thp)->task, ctx);

    if (code < 0) {
        return code;
    }
    if (cvy_fd_is_closed(&u->fd)) {
        return cvy_fail((*thp)->task, COVEY_ECLOSED);
    }
    if (atomic_fetch_add_explicit(&u->streak, 1, memory_order_relaxed) >= STREAK_MAX) {
        cvy_store_relaxed(&u->streak, 0);
        if (!(*thp)->task->is_foreign) {
            *thp = cvy_yield(*thp);
        }
    }
    return 0;
}

static int wait_for(struct cvy_thread **thp, struct covey_udp *u, enum cvy_way way, covey_ctx *ctx)
{
    cvy_store_relaxed(&u->streak, 0);
    return cvy_fd_wait(thp, &u->fd, way, ctx);
}

static ssize_t receive(struct cvy_thread **thp, struct covey_udp *u, covey_ctx *ctx,
                       struct iovec *into, struct cvy_sockaddr *from)
{
    for (;;) {
        bool is_cut;
        int code = step(thp, u, ctx);
        if (code < 0) {
            return code;
        }
        uint64_t seen = cvy_load_relaxed(&u->fd.ready);
        if (seen & CVY_POLL_IN) {
            ssize_t n = cvy_net_recv_from(u->fd.fd, into, from, &is_cut);
            if (n != -EAGAIN) {
                n = n >= 0 && is_cut ? COVEY_ETOOLARGE : n;
                return n < 0 ? fail(u, "receive at", NULL, (int)n) : n;
            }
            cvy_fd_clear(&u->fd, seen, CVY_POLL_IN | CVY_POLL_HUP);
        }
        code = wait_for(thp, u, CVY_WAY_IN, ctx);
        if (code < 0) {
            return code;
        }
    }
}

ssize_t covey_recvfrom(covey_ctx *ctx, covey_udp *u, void *buf, size_t len, char *from,
                       size_t from_size)
{
    struct cvy_thread *th = cvy_enter();
    struct cvy_sockaddr sender = {0};
    struct iovec into = {.iov_base = buf, .iov_len = len};

    ssize_t n = cvy_fd_enter(&u->fd);
    if (n < 0) {
        (void)cvy_fail(th->task, (int)n);
    } else {
        n = receive(&th, u, ctx, &into, &sender);
        (void)cvy_fd_leave(&u->fd);
    }
    cvy_leave(th);
    if (from && from_size > 0 && (n >= 0 || n == COVEY_ETOOLARGE)) {
        cvy_addr_format_datagram(&sender, from, from_size);
    }
    return n;
}

/* There was no room. */
static int wait_for_room(struct cvy_thread **thp, struct covey_udp *u, covey_ctx *ctx,
                         uint64_t seen, int64_t *pause)
{
    if (!u->is_unix || u->is_connected) {
        cvy_fd_clear(&u->fd, seen, CVY_POLL_OUT);
        return wait_for(thp, u, CVY_WAY_OUT, ctx);
    }
    cvy_leave(*thp);
    int code = covey_sleep(ctx, *pause);
    *thp = cvy_enter();
    *pause = *pause * 2 < FULL_WAIT_NS_MAX ? *pause * 2 : FULL_WAIT_NS_MAX;
    return code;
}

static ssize_t transmit(struct cvy_thread **thp, struct covey_udp *u, covey_ctx *ctx,
                        const struct iovec *what, const struct cvy_sockaddr *to, const char *text)
{
    int64_t pause = FULL_WAIT_NS;

    for (;;) {
        int code = step(thp, u, ctx);
        if (code < 0) {
            return code;
        }
        uint64_t seen = cvy_load_relaxed(&u->fd.ready);
        ssize_t n = seen & CVY_POLL_OUT ? cvy_net_send_to(u->fd.fd, what, to) : -EAGAIN;
        if (n != -EAGAIN) {
            return n < 0 ? fail(u, text ? "send to" : "send from", text, (int)n) : n;
        }
        code = wait_for_room(thp, u, ctx, seen, &pause);
        if (code < 0) {
            return code;
        }
    }
}

static bool parse_target(const char *text, struct cvy_sockaddr *to)
{
    struct cvy_addr a;

    if (cvy_addr_parse_datagram(&a, text) < 0) {
        return false;
    }
    if (a.is_unix) {
        cvy_addr_unix(&a, to);
        return true;
    }
    return cvy_addr_numeric(a.name, a.name_len, a.port, to);
}

ssize_t covey_sendto(covey_ctx *ctx, covey_udp *u, const void *buf, size_t len, const char *to)
{
    struct cvy_sockaddr target = {0};
    struct iovec what = {.iov_base = (void *)buf, .iov_len = len};

    if (to && !parse_target(to, &target)) {
        return covey_errorf(-EINVAL, "send to %s: not an address", to);
    }
    struct cvy_thread *th = cvy_enter();
    ssize_t n = cvy_fd_enter(&u->fd);
    if (n < 0) {
        (void)cvy_fail(th->task, (int)n);
    } else {
        n = transmit(&th, u, ctx, &what, to ? &target : NULL, to);
        (void)cvy_fd_leave(&u->fd);
    }
    cvy_leave(th);
    return n;
}
