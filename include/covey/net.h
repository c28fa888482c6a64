/* SPDX-License-Identifier: MIT
 * covey/net.h - TCP and Unix stream sockets, and any other descriptor, under a context.
 *
 * Addresses: "tcp://127.0.0.1:8080", "tcp://[::1]:8080", "tcp://example.org:80",
 * "tcp://127.0.0.1:0" (any free port), "unix:///run/x.sock", "unix://@name" (abstract).
 *
 * On a connection one task may read while another writes; two readers, or two writers, take turns
 * call by call. Any thread may call. What takes a context may switch, and returns COVEY_ECANCELED
 * or COVEY_EDEADLINE as soon as it is done; COVEY_ECLOSED once the object was closed here, also
 * while it waited, and for a wait in a plain thread without a runtime, or at its end. Errors of the
 * network are -errno: -ECONNREFUSED, -ECONNRESET, -EHOSTUNREACH, -EPIPE (a peer that went away; no
 * SIGPIPE is raised), -ETIMEDOUT (the kernel's own). Messages name the address. */
#ifndef COVEY_NET_H
#define COVEY_NET_H

#include <covey/defs.h>

#include <sys/uio.h>

COVEY_BEGIN

typedef struct covey_listener covey_listener;
typedef struct covey_conn covey_conn;

typedef struct covey_listen_options {
    int backlog;        /* 0: 4096 (the kernel caps it at net.core.somaxconn) */
    bool reuse_port;    /* SO_REUSEPORT */
    bool v6_only;       /* IPV6_V6ONLY */
    unsigned unix_mode; /* file mode of a Unix socket; 0: 0600 */
} covey_listen_options;

/* Binds and listens; the address must be numeric or a name that resolves at once. Does not switch.
 * *l is owned: covey_listener_close(). A stale Unix socket file that nobody listens on is replaced.
 * -EADDRINUSE, -EACCES, ...; -EINVAL: not an address. */
COVEY_API int covey_listen(covey_listener **l, const char *addr, const covey_listen_options *opts);
/* The bound address in the form above, with the port that was chosen. Valid as long as l. */
COVEY_API const char *covey_listener_addr(const covey_listener *l);
COVEY_API int covey_listener_fd(const covey_listener *l);
/* Wakes every accept with COVEY_ECLOSED and frees l once they left. NULL is allowed. */
COVEY_API void covey_listener_close(covey_listener *l);

/* *c is owned: covey_close(). Out of descriptors: waits 10 ms and tries again up to 100 times, then
 * -EMFILE or -ENFILE. A connection that was reset before it could be accepted is skipped. */
COVEY_API int covey_accept(covey_ctx *ctx, covey_listener *l, covey_conn **c);

/* Resolves off the workers; tries the addresses in turn, starting the next, of the other family
 * first, when one takes longer than 250 ms (RFC 8305). The first that connects wins and the others
 * are closed; if none does, the first failure is returned. COVEY_EDNS: the name does not resolve.
 */
COVEY_API int covey_dial(covey_ctx *ctx, covey_conn **c, const char *addr);

/* What has come, at least one byte, at most len (0 if len is 0). 0: end of stream. */
COVEY_API ssize_t covey_read(covey_ctx *ctx, covey_conn *c, void *buf, size_t len);
/* len bytes; fewer only at the end of the stream. A failure after some bytes loses those. */
COVEY_API ssize_t covey_read_full(covey_ctx *ctx, covey_conn *c, void *buf, size_t len);
/* All of it: len, or a failure after an unknown part was written. */
COVEY_API ssize_t covey_write(covey_ctx *ctx, covey_conn *c, const void *buf, size_t len);
/* All of it; iov is not changed. -EINVAL: more than 1024 pieces or SSIZE_MAX bytes. */
COVEY_API ssize_t covey_writev(covey_ctx *ctx, covey_conn *c, const struct iovec *iov, int n);
/* Half-close: the peer reads the end of the stream. Does not switch. */
COVEY_API int covey_shutdown_write(covey_conn *c);
/* Wakes readers and writers with COVEY_ECLOSED and frees c once they left; never blocks, does not
 * switch. NULL is allowed. The handle must not be used again by anyone who is not inside a call. */
COVEY_API void covey_close(covey_conn *c);

COVEY_API int covey_conn_fd(const covey_conn *c);
/* "tcp://127.0.0.1:40112"; valid as long as c. "" if unknown. */
COVEY_API const char *covey_conn_peer(const covey_conn *c);
/* Makes a connection of a stream socket that exists; takes fd on success, and makes it
 * non-blocking. */
COVEY_API int covey_conn_from_fd(covey_conn **c, int fd);

/* Bits of covey_wait_fd: what to wait for, and in the result what is ready. */
#define COVEY_FD_READ 1u
#define COVEY_FD_WRITE 2u

/* Waits until fd is ready for one of events: returns the bits that are. An error or hang-up counts
 * as ready for both. For descriptors of foreign libraries: level-triggered, nothing is kept between
 * calls. Several tasks may wait for one descriptor. The descriptor must stay open meanwhile.
 * -EBADF; -EPERM: it cannot be polled (a regular file). */
COVEY_API int covey_wait_fd(covey_ctx *ctx, int fd, unsigned events);

/* Up to n socket addresses of host, in the order to try; returns how many there are. Runs off the
 * workers; at once for numeric hosts. COVEY_EDNS. */
struct sockaddr_storage;
COVEY_API int covey_resolve(covey_ctx *ctx, const char *host, const char *port,
                            struct sockaddr_storage *addrs, size_t n);

COVEY_END
#endif
