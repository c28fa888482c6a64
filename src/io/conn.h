/* SPDX-License-Identifier: MIT
 * conn.h - the record of a connection. */
#ifndef CVY_IO_CONN_H
#define CVY_IO_CONN_H

#include "io/fd.h"

#include <covey/net.h>
#include <netinet/in.h>

/* Who reads and writes instead of a socket. */
struct cvy_with {
    const covey_conn_ops *ops;
    void *self;
    covey_conn *below; /* may be NULL */
};

struct covey_conn {
    struct cvy_fd fd; /* first; of nothing if others read and write: cvy_conn_is_with() */

    /* Guarded by the turn of that way. */
    uint8_t streak[CVY_WAYS]; /* system calls since it last waited or yielded */

    /* Immutable. */
    union {
        /* An IPv4 address takes the front of it; AF_UNSPEC: unknown, or not TCP. */
        struct sockaddr_in6 peer;
        struct cvy_with with;
    };
    /* The peer as text, made when it is first asked for; owned. Release, acquire. */
    char *_Atomic peer_text;
};

/* Takes fd; peer may be NULL. NULL: out of memory, fd is still the caller's. */
struct covey_conn *cvy_conn_new(int fd, uint32_t ready, const struct cvy_sockaddr *peer);

static inline bool cvy_conn_is_with(const struct covey_conn *c)
{
    return c->fd.fd < 0;
}

/* Whether calls may go on: the context's error, or COVEY_ECLOSED. */
int cvy_conn_check(struct cvy_thread *th, const struct covey_conn *c, covey_ctx *ctx);

/* with.c: the same as for a socket, of a connection that cvy_conn_is_with(). May switch; the
 * functions are called outside the runtime. */
ssize_t cvy_with_read(struct cvy_thread **thp, struct covey_conn *c, covey_ctx *ctx, void *buf,
                      size_t len);
ssize_t cvy_with_write(struct cvy_thread **thp, struct covey_conn *c, covey_ctx *ctx,
                       const struct iovec *iov, size_t n);
/* As cvy_fd_leave(), then frees what the last leaves behind. */
void cvy_with_leave(struct cvy_thread **thp, struct covey_conn *c);
int cvy_with_shutdown_write(struct covey_conn *c);
void cvy_with_abort(struct covey_conn *c);
void cvy_with_close(struct covey_conn *c);

#endif
