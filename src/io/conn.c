/* SPDX-License-Identifier: MIT
 * conn.c - connections (covey/net.h).
 *
 * Each call holds the turn of its way from beginning to end, so that the bytes of one write stay
 * together. Nothing here allocates but failures, and frames are small: a task on a compact stack
 * may read and write. */
#include "io/conn.h"

#include "base/alloc.h"
#include "io/addr.h"

#include <covey/error.h>

#include <assert.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#undef errno

/* A connection that is always ready lets others run after so many system calls. */
#define STREAK_MAX 64
#define PIECES_MAX 1024

static_assert(sizeof(struct covey_conn) <= CVY_FD_RECORD_SIZE, "grow the record");

static struct covey_conn *conn_of(struct cvy_fd *f)
{
    return CVY_CONTAINER_OF(f, struct covey_conn, fd);
}

static void conn_free(struct cvy_fd *f)
{
    free(cvy_load_acquire(&conn_of(f)->peer_text));
}

static void set_peer(struct covey_conn *c, const struct cvy_sockaddr *peer)
{
    char text[CVY_ADDR_TEXT_SIZE + 32];

    if (cvy_addr_len(&peer->storage) > 0) {
        memcpy(&c->peer, &peer->storage, sizeof(c->peer));
        return;
    }
    cvy_addr_format(peer, text, sizeof(text));
    cvy_store_release(&c->peer_text, text[0] ? cvy_strdup(text) : NULL);
}

struct covey_conn *cvy_conn_new(int fd, uint32_t ready, const struct cvy_sockaddr *peer)
{
    struct cvy_fd *f = cvy_fd_new(fd, ready, conn_free);

    if (!f) {
        return NULL;
    }
    if (peer && peer->len > 0) {
        set_peer(conn_of(f), peer);
    }
    return conn_of(f);
}

int covey_conn_from_fd(covey_conn **c, int fd)
{
    struct cvy_task *t = cvy_task_self();
    struct cvy_sockaddr peer = {0};

    int code = cvy_net_check_stream(fd);
    if (code < 0) {
        return cvy_fail(t, code);
    }
    code = cvy_net_set_nonblocking(fd);
    if (code < 0) {
        return cvy_fail(t, code);
    }
    /* Fails on a Unix socket, which has no such thing. */
    (void)cvy_net_set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (cvy_net_peer(fd, &peer) < 0) {
        peer.len = 0;
    }
    struct covey_conn *made = cvy_conn_new(fd, CVY_POLL_IN | CVY_POLL_OUT, &peer);
    if (!made) {
        return cvy_fail(t, -ENOMEM);
    }
    *c = made;
    return 0;
}

void covey_close(covey_conn *c)
{
    if (!c) {
        return;
    }
    if (cvy_unlikely(cvy_conn_is_with(c))) {
        cvy_with_close(c);
        return;
    }
    struct cvy_thread *th = cvy_enter();
    cvy_fd_close(th, &c->fd);
    cvy_leave(th);
}

void covey_conn_abort(covey_conn *c)
{
    struct cvy_thread *th = cvy_enter();

    cvy_fd_end(th, &c->fd, 0);
    cvy_leave(th);
    if (cvy_unlikely(cvy_conn_is_with(c))) {
        cvy_with_abort(c);
    }
}

/* Formatting would overflow a packed stack. */
static bool has_room_for_words(const struct cvy_task *t)
{
    return !t->stack || cvy_stack_class_size(t->stack->class_index) > CVY_STACK_COMPACT_MAX;
}

/* A failure of the network. */
__attribute__((noinline)) static int fail(struct cvy_task *t, const struct covey_conn *c,
                                          const char *verb, int code)
{
    if (!has_room_for_words(t)) {
        return cvy_fail(t, code);
    }
    const char *peer = covey_conn_peer(c);
    return covey_errorf(code, "%s%s%s: %s", verb, *peer ? " " : "", peer, covey_strerror(code));
}

int cvy_conn_check(struct cvy_thread *th, const struct covey_conn *c, covey_ctx *ctx)
{
    int code = cvy_ctx_check(th->task, ctx);

    if (cvy_unlikely(code < 0)) {
        return code;
    }
    return cvy_unlikely(cvy_fd_is_closed(&c->fd)) ? cvy_fail(th->task, COVEY_ECLOSED) : 0;
}

/* Before each system call of a call: whether to go on, and whose turn it is on this worker. */
static int step(struct cvy_thread **thp, struct covey_conn *c, enum cvy_way way, covey_ctx *ctx)
{
    int code = cvy_conn_check(*thp, c, ctx);

    if (cvy_unlikely(code < 0)) {
        return code;
    }
    if (cvy_unlikely(++c->streak[way] >= STREAK_MAX)) {
        c->streak[way] = 0;
        if (!(*thp)->task->is_foreign) {
            *thp = cvy_yield(*thp);
        }
    }
    return 0;
}

/* One that is no socket is entered once more: who leaves it last has to free what stands behind. */
__attribute__((noinline)) static int begin_with(struct cvy_thread **thp, struct covey_conn *c,
                                                enum cvy_way way, covey_ctx *ctx)
{
    int code = cvy_fd_enter(&c->fd);

    if (code < 0) {
        return cvy_fail((*thp)->task, code);
    }
    code = cvy_fd_enter_turn(thp, &c->fd, way, ctx);
    if (code < 0) {
        cvy_with_leave(thp, c);
    }
    return code;
}

/* Into a call: the context first, then the turn. */
static int begin(struct cvy_thread **thp, struct covey_conn *c, enum cvy_way way, covey_ctx *ctx)
{
    int code = cvy_ctx_check((*thp)->task, ctx);

    if (cvy_unlikely(code < 0)) {
        return code;
    }
    if (cvy_unlikely(cvy_conn_is_with(c))) {
        return begin_with(thp, c, way, ctx);
    }
    return cvy_fd_enter_turn(thp, &c->fd, way, ctx);
}

static void end(struct cvy_thread *th, struct covey_conn *c, enum cvy_way way)
{
    bool is_with = cvy_conn_is_with(c); /* c may be gone after this */

    cvy_fd_leave_turn(th, &c->fd, way);
    if (cvy_unlikely(is_with)) {
        cvy_with_leave(&th, c);
    }
    cvy_leave(th);
}

static int wait_for(struct cvy_thread **thp, struct covey_conn *c, enum cvy_way way, covey_ctx *ctx)
{
    c->streak[way] = 0;
    return cvy_fd_wait(thp, &c->fd, way, ctx);
}

/* One read that got something, or the end of the stream. */
static ssize_t read_some(struct cvy_thread **thp, struct covey_conn *c, covey_ctx *ctx, void *buf,
                         size_t len)
{
    if (cvy_unlikely(cvy_conn_is_with(c))) {
        return cvy_with_read(thp, c, ctx, buf, len);
    }
    for (;;) {
        int code = step(thp, c, CVY_WAY_IN, ctx);
        if (cvy_unlikely(code < 0)) {
            return code;
        }
        uint64_t seen = cvy_load_relaxed(&c->fd.ready);
        if (seen & CVY_POLL_IN) {
            ssize_t n = cvy_net_recv(c->fd.fd, buf, len);
            if (n != -EAGAIN) {
                if (n < 0) {
                    return fail((*thp)->task, c, "read", (int)n);
                }
                /* There was no more when it was read. With HUP the end is still to come, of
                 * which there will be no other event. */
                if ((size_t)n < len && !(seen & CVY_POLL_HUP)) {
                    cvy_fd_clear(&c->fd, seen, CVY_POLL_IN);
                }
                return n;
            }
            /* Nor is there an end to come: HUP was another descriptor's. */
            cvy_fd_clear(&c->fd, seen, CVY_POLL_IN | CVY_POLL_HUP);
        }
        code = wait_for(thp, c, CVY_WAY_IN, ctx);
        if (cvy_unlikely(code < 0)) {
            return code;
        }
    }
}

ssize_t covey_read(covey_ctx *ctx, covey_conn *c, void *buf, size_t len)
{
    struct cvy_thread *th = cvy_enter();

    ssize_t n = begin(&th, c, CVY_WAY_IN, ctx);
    if (cvy_unlikely(n < 0)) {
        cvy_leave(th);
        return n;
    }
    n = len > 0 ? read_some(&th, c, ctx, buf, len) : 0;
    end(th, c, CVY_WAY_IN);
    return n;
}

/* As try_send(): the ready bit stays as it is. */
static ssize_t try_recv(struct cvy_thread *th, struct covey_conn *c, void *buf, size_t len)
{
    ssize_t n = cvy_net_recv(c->fd.fd, buf, len);
    return n < 0 && n != -EAGAIN ? fail(th->task, c, "read", (int)n) : n;
}

ssize_t covey_try_read(covey_conn *c, void *buf, size_t len)
{
    if (cvy_unlikely(cvy_conn_is_with(c))) {
        return COVEY_EAGAIN;
    }
    struct cvy_thread *th = cvy_enter();
    ssize_t n = cvy_fd_try_turn(&c->fd, CVY_WAY_IN);
    if (n == 0) {
        n = len > 0 ? try_recv(th, c, buf, len) : 0;
        cvy_fd_leave_turn(th, &c->fd, CVY_WAY_IN);
    } else if (n == COVEY_ECLOSED) {
        (void)cvy_fail(th->task, (int)n);
    }
    cvy_leave(th);
    return n;
}

static ssize_t read_full(struct cvy_thread **thp, struct covey_conn *c, covey_ctx *ctx, char *buf,
                         size_t len)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = read_some(thp, c, ctx, buf + done, len - done);
        if (n < 0) {
            return n;
        }
        if (n == 0) {
            break;
        }
        done += (size_t)n;
    }
    return (ssize_t)done;
}

ssize_t covey_read_full(covey_ctx *ctx, covey_conn *c, void *buf, size_t len)
{
    struct cvy_thread *th = cvy_enter();

    ssize_t n = len > SSIZE_MAX ? cvy_fail(th->task, -EINVAL) : begin(&th, c, CVY_WAY_IN, ctx);
    if (cvy_unlikely(n < 0)) {
        cvy_leave(th);
        return n;
    }
    n = read_full(&th, c, ctx, buf, len);
    end(th, c, CVY_WAY_IN);
    return n;
}

/* What is sent with one system call: pieces, or one piece from an offset on. */
struct chunk {
    const struct iovec *iov;
    size_t n;
    size_t offset;
};

static size_t chunk_len(const struct chunk *k)
{
    size_t len = 0;
    for (size_t i = 0; i < k->n; i++) {
        len += k->iov[i].iov_len;
    }
    return len - k->offset;
}

static ssize_t chunk_send(int fd, const struct chunk *k)
{
    if (k->n == 1) {
        return cvy_net_send(fd, (const char *)k->iov->iov_base + k->offset,
                            k->iov->iov_len - k->offset);
    }
    return cvy_net_send_vector(fd, k->iov, k->n);
}

static ssize_t write_with(struct cvy_thread **thp, struct covey_conn *c, covey_ctx *ctx,
                          const struct chunk *k)
{
    struct iovec rest = {.iov_base = (char *)k->iov->iov_base + k->offset,
                         .iov_len = k->iov->iov_len - k->offset};

    return k->n == 1 ? cvy_with_write(thp, c, ctx, &rest, 1)
                     : cvy_with_write(thp, c, ctx, k->iov, k->n);
}

/* One write that put something into the kernel's buffer. */
static ssize_t write_some(struct cvy_thread **thp, struct covey_conn *c, covey_ctx *ctx,
                          const struct chunk *k)
{
    if (cvy_unlikely(cvy_conn_is_with(c))) {
        return write_with(thp, c, ctx, k);
    }
    for (;;) {
        int code = step(thp, c, CVY_WAY_OUT, ctx);
        if (cvy_unlikely(code < 0)) {
            return code;
        }
        uint64_t seen = cvy_load_relaxed(&c->fd.ready);
        if (seen & CVY_POLL_OUT) {
            ssize_t n = chunk_send(c->fd.fd, k);
            if (n != -EAGAIN) {
                if (n < 0) {
                    return fail((*thp)->task, c, "write", (int)n);
                }
                /* It did not fit. With HUP an error may be still to come, without another event. */
                if ((size_t)n < chunk_len(k) && !(seen & CVY_POLL_HUP)) {
                    cvy_fd_clear(&c->fd, seen, CVY_POLL_OUT);
                }
                return n;
            }
            /* HUP is the readers' to clear: it may stand for an end that they have not seen. */
            cvy_fd_clear(&c->fd, seen, CVY_POLL_OUT);
        }
        code = wait_for(thp, c, CVY_WAY_OUT, ctx);
        if (cvy_unlikely(code < 0)) {
            return code;
        }
    }
}

/* All of the pieces. A piece that went out in part is finished by itself. */
static int write_all(struct cvy_thread **thp, struct covey_conn *c, covey_ctx *ctx,
                     const struct iovec *iov, size_t n)
{
    size_t offset = 0; /* from the beginning of *iov: what is out */

    while (n > 0) {
        if (offset >= iov->iov_len) {
            offset -= iov->iov_len;
            iov++;
            n--;
            continue;
        }
        struct chunk k = {.iov = iov, .n = offset > 0 ? 1 : n, .offset = offset};
        ssize_t sent = write_some(thp, c, ctx, &k);
        if (sent < 0) {
            return (int)sent;
        }
        offset += (size_t)sent;
    }
    return 0;
}

static ssize_t write_pieces(covey_ctx *ctx, covey_conn *c, const struct iovec *iov, size_t n,
                            size_t total)
{
    struct cvy_thread *th = cvy_enter();

    int code = begin(&th, c, CVY_WAY_OUT, ctx);
    if (cvy_unlikely(code < 0)) {
        cvy_leave(th);
        return code;
    }
    code = write_all(&th, c, ctx, iov, n);
    end(th, c, CVY_WAY_OUT);
    return code < 0 ? code : (ssize_t)total;
}

ssize_t covey_write(covey_ctx *ctx, covey_conn *c, const void *buf, size_t len)
{
    struct iovec iov = {.iov_base = (void *)buf, .iov_len = len};

    if (len > SSIZE_MAX) {
        return cvy_fail(cvy_task_self(), -EINVAL);
    }
    return write_pieces(ctx, c, &iov, 1, len);
}

ssize_t covey_writev(covey_ctx *ctx, covey_conn *c, const struct iovec *iov, int n)
{
    size_t total = 0;

    if (n < 0 || n > PIECES_MAX) {
        return cvy_fail(cvy_task_self(), -EINVAL);
    }
    for (int i = 0; i < n; i++) {
        if (iov[i].iov_len > SSIZE_MAX - total) {
            return cvy_fail(cvy_task_self(), -EINVAL);
        }
        total += iov[i].iov_len;
    }
    return write_pieces(ctx, c, iov, (size_t)n, total);
}

ssize_t covey_write_some(covey_ctx *ctx, covey_conn *c, const void *buf, size_t len)
{
    struct cvy_thread *th = cvy_enter();
    struct iovec iov = {.iov_base = (void *)buf, .iov_len = len};
    struct chunk k = {.iov = &iov, .n = 1};

    ssize_t n = len > SSIZE_MAX ? cvy_fail(th->task, -EINVAL) : begin(&th, c, CVY_WAY_OUT, ctx);
    if (cvy_unlikely(n < 0)) {
        cvy_leave(th);
        return n;
    }
    n = len > 0 ? write_some(&th, c, ctx, &k) : 0;
    end(th, c, CVY_WAY_OUT);
    return n;
}

/* Tries the system call whatever the ready bit says, and leaves it as it is: who only tries never
 * registers, so no event would set it again. */
static ssize_t try_send(struct cvy_thread *th, struct covey_conn *c, const void *buf, size_t len)
{
    ssize_t n = cvy_net_send(c->fd.fd, buf, len);
    return n < 0 && n != -EAGAIN ? fail(th->task, c, "write", (int)n) : n;
}

ssize_t covey_try_write(covey_conn *c, const void *buf, size_t len)
{
    if (cvy_unlikely(cvy_conn_is_with(c))) {
        return COVEY_EAGAIN;
    }
    struct cvy_thread *th = cvy_enter();
    ssize_t n = cvy_fd_try_turn(&c->fd, CVY_WAY_OUT);
    if (n == 0) {
        n = len > 0 ? try_send(th, c, buf, len) : 0;
        cvy_fd_leave_turn(th, &c->fd, CVY_WAY_OUT);
    } else if (n == COVEY_ECLOSED) {
        (void)cvy_fail(th->task, (int)n);
    }
    cvy_leave(th);
    return n;
}

int covey_shutdown_write(covey_conn *c)
{
    if (cvy_unlikely(cvy_conn_is_with(c))) {
        return cvy_with_shutdown_write(c);
    }
    struct cvy_thread *th = cvy_enter();
    int code = cvy_fd_enter(&c->fd);
    if (code < 0) {
        (void)cvy_fail(th->task, code);
    } else {
        code = cvy_net_shutdown_write(c->fd.fd);
        if (code < 0) {
            (void)fail(th->task, c, "shutdown", code);
        }
        (void)cvy_fd_leave(&c->fd);
    }
    cvy_leave(th);
    return code;
}
