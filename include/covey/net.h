/* SPDX-License-Identifier: MIT
 * covey/net.h - TCP and Unix stream sockets, connections made of other things
 * (covey_conn_new_with), and any other descriptor, under a context.
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

typedef struct covey_conn_options {
    int send_buffer, receive_buffer; /* bytes (SO_SNDBUF, SO_RCVBUF); 0: left to the kernel */
    int64_t keepalive_ns; /* TCP: a peer that is silent for so long is asked, and again three times
                             within as long, before the connection fails with -ETIMEDOUT; whole
                             seconds; < 0: never; 0: left as it is, which is never */
    bool delay;           /* TCP: small writes wait for company (no TCP_NODELAY) */
} covey_conn_options;

typedef struct covey_listen_options {
    int backlog;             /* 0: 4096 (the kernel caps it at net.core.somaxconn) */
    bool reuse_port;         /* SO_REUSEPORT */
    bool v6_only;            /* IPV6_V6ONLY */
    unsigned unix_mode;      /* file mode of a Unix socket; 0: 0600 */
    covey_conn_options conn; /* of the connections that it will accept */
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

typedef struct covey_dial_options {
    covey_conn_options conn; /* of the connection, before it connects */
    const char *local;  /* TCP: the end on this side, numeric: "tcp://10.0.0.7:0"; addresses of its
                           other family fail with -EAFNOSUPPORT. NULL: the kernel's choice */
    int64_t stagger_ns; /* until the next address is tried beside one that is slow; 0: 250 ms */
} covey_dial_options;
/* The same with options, which are borrowed; NULL: none. -EADDRNOTAVAIL, -EADDRINUSE: local;
 * -EINVAL: an option; and the kernel's refusal of one. */
COVEY_API int covey_dial_with(covey_ctx *ctx, covey_conn **c, const char *addr,
                              const covey_dial_options *opts);

/* What has come, at least one byte, at most len (0 if len is 0). 0: end of stream. */
COVEY_API ssize_t covey_read(covey_ctx *ctx, covey_conn *c, void *buf, size_t len);
/* The same at once, without a context: COVEY_EAGAIN if nothing has come, if another task is in the
 * middle of a read, or if c is no socket. */
COVEY_API ssize_t covey_try_read(covey_conn *c, void *buf, size_t len);
/* len bytes; fewer only at the end of the stream. A failure after some bytes loses those. */
COVEY_API ssize_t covey_read_full(covey_ctx *ctx, covey_conn *c, void *buf, size_t len);
/* All of it: len, or a failure after an unknown part was written. */
COVEY_API ssize_t covey_write(covey_ctx *ctx, covey_conn *c, const void *buf, size_t len);
/* All of it; iov is not changed. -EINVAL: more than 1024 pieces or SSIZE_MAX bytes. */
COVEY_API ssize_t covey_writev(covey_ctx *ctx, covey_conn *c, const struct iovec *iov, int n);
/* What there is room for, at least one byte, at most len (0 if len is 0): how many. A failure has
 * written nothing. */
COVEY_API ssize_t covey_write_some(covey_ctx *ctx, covey_conn *c, const void *buf, size_t len);
/* The same at once, without a context: COVEY_EAGAIN if there is no room, if another task is in the
 * middle of a write, or if c is no socket. */
COVEY_API ssize_t covey_try_write(covey_conn *c, const void *buf, size_t len);
/* Half-close: the peer reads the end of the stream. A socket's does not switch. -EOPNOTSUPP. */
COVEY_API int covey_shutdown_write(covey_conn *c);
/* Waits until the peer has ended its stream or is gone, whether or not anybody reads, and whatever
 * is unread: 0. A peer that has only half-closed counts. Any number may wait beside a reader and a
 * writer. -EOPNOTSUPP: it is no socket, and cannot know. */
COVEY_API int covey_conn_wait_hangup(covey_ctx *ctx, covey_conn *c);
/* Ends it for another task, its owner, who must still close it, and not before this has returned:
 * readers, writers and waiters wake with COVEY_ECLOSED, which all later calls get too. Nothing is
 * sent. May be called twice. Never blocks. */
COVEY_API void covey_conn_abort(covey_conn *c);
/* Wakes readers and writers with COVEY_ECLOSED and frees c once they left; never blocks, does not
 * switch. NULL is allowed. The handle must not be used again by anyone who is not inside a call. */
COVEY_API void covey_close(covey_conn *c);

/* Its socket, or the one it runs over; -1: there is none. */
COVEY_API int covey_conn_fd(const covey_conn *c);
/* "tcp://127.0.0.1:40112"; valid as long as c. "" if unknown. */
COVEY_API const char *covey_conn_peer(const covey_conn *c);
#define COVEY_ADDR_SIZE 128
/* This end of it, written to buf and cut to size (> 0; COVEY_ADDR_SIZE is enough); its length. 0
 * and "": unknown. */
COVEY_API size_t covey_conn_local(const covey_conn *c, char *buf, size_t size);
/* Makes a connection of a stream socket that exists; takes fd on success, and makes it
 * non-blocking. */
COVEY_API int covey_conn_from_fd(covey_conn **c, int fd);

/* Sets all of opts on its socket, or the one it runs over. Does not switch. -EOPNOTSUPP: there is
 * none; -errno of the kernel. */
COVEY_API int covey_conn_set_options(covey_conn *c, const covey_conn_options *opts);

/* Descriptors over a Unix connection: the peer gets open duplicates of them. Both sides take turns
 * with readers and writers; a plain read drops the descriptors that come with its bytes. */
#define COVEY_FDS_MAX 253 /* at once */
/* Sends n descriptors, which stay the caller's, with the first of len > 0 bytes: how many of those
 * were sent, as covey_write_some(). A failure has sent nothing. -EINVAL: n or len; -EOPNOTSUPP: not
 * a Unix connection; -EBADF: not a descriptor; -ETOOMANYREFS: too many are under way. */
COVEY_API ssize_t covey_send_fds(covey_ctx *ctx, covey_conn *c, const void *buf, size_t len,
                                 const int *fds, size_t n);
/* At least one byte, at most len > 0, as covey_read(), and the descriptors that came with them: *n
 * is how many there is room for, and then how many came. They are the caller's, closed on exec.
 * Bytes that were sent with descriptors are not mixed with others that came later. -EMSGSIZE: more
 * came than there was room for, or than this process may open; all of them were closed, and the
 * bytes are lost. -EINVAL, -EOPNOTSUPP as above. */
COVEY_API ssize_t covey_recv_fds(covey_ctx *ctx, covey_conn *c, void *buf, size_t len, int *fds,
                                 size_t *n);

/* What reads and writes for a connection that is no socket: TLS, compression, a pipe in memory.
 * Called by the functions above, outside any lock: one read and one write at a time, each with a
 * context that was not done, which they heed; they may switch. What they return, with its message,
 * is the caller's result. */
typedef struct covey_conn_ops {
    /* At least one byte of len > 0; 0: end of stream. */
    ssize_t (*read)(covey_ctx *ctx, void *self, void *buf, size_t len);
    /* Takes bytes from the front of n pieces, of which the first is not empty: how many, at least
     * one. A failure has taken nothing. */
    ssize_t (*write)(covey_ctx *ctx, void *self, const struct iovec *iov, int n);

    /* Beside the others. NULL: -EOPNOTSUPP. */
    int (*shutdown_write)(void *self);
    /* NULL: what lies below is asked. */
    int (*wait_hangup)(covey_ctx *ctx, void *self);

    /* covey_close(): at its beginning, while calls may still be under way. NULL: nothing to say.
     * Does not block. */
    void (*goodbye)(void *self);
    /* Ends calls under way, with COVEY_ECLOSED; comes from covey_close() and covey_conn_abort(), so
     * perhaps twice. NULL: there is nothing to wait for. Does not block. */
    void (*abort)(void *self);
    /* The last call has left. Frees self, and closes what is below. Does not block. */
    void (*free)(void *self);
} covey_conn_ops;

/* A connection of functions; ops is borrowed as long as it lives, self is freed with it. below (may
 * be NULL) is the connection it runs over, self's: descriptor, addresses and the peer's hang-up are
 * taken from there. -ENOMEM: self is still the caller's. Does not switch. */
COVEY_API int covey_conn_new_with(covey_conn **c, const covey_conn_ops *ops, void *self,
                                  covey_conn *below);
/* Its self, if it was made with these ops; else NULL. */
COVEY_API void *covey_conn_self(const covey_conn *c, const covey_conn_ops *ops);

/* Bits of covey_wait_fd: what to wait for, and in the result what is ready. */
#define COVEY_FD_READ 1u
#define COVEY_FD_WRITE 2u

/* Waits until fd is ready for one of events: returns the bits that are. An error or hang-up counts
 * as ready for both. For descriptors of foreign libraries: level-triggered, nothing is kept between
 * calls. Several tasks may wait for one descriptor. The descriptor must stay open meanwhile.
 * -EBADF; -EPERM: it cannot be polled (a regular file). */
COVEY_API int covey_wait_fd(covey_ctx *ctx, int fd, unsigned events);

/* For a descriptor that is waited for again and again, as that of a database's client library:
 * gives a number of its own for the same file, >= 0, on which covey_wait_fd(), COVEY_READABLE and
 * COVEY_WRITABLE cost no system call if they know what is ready, and the poller's own if not. It
 * stays right whatever becomes of fd, which may be closed first, and its number used again; but the
 * file (a connection) ends with the last of the two. The number is owned, and closed on exec: only
 * wait for it, and give it back. Does not switch. -EBADF; -EPERM: it cannot be polled; -EMFILE,
 * -ENFILE, -ENOMEM; COVEY_ECLOSED: no runtime is up. In a later covey_run() it costs as much as any
 * other descriptor.
 *
 * Who was told that it is ready need not use that up: the next wait asks the kernel then. It may
 * also be told so of what another has used meanwhile; so a library must not block on it. */
COVEY_API int covey_fd_watch(int fd);
/* Ends that and closes the number; who waits for it gets COVEY_ECLOSED. A number < 0 is allowed.
 * Any thread; does not switch. */
COVEY_API void covey_fd_unwatch(int watched);
/* Spares the next wait the kernel's answer: nothing for events (COVEY_FD_READ: to be read) is left
 * that the next wait is for, since a read said EAGAIN, or because the peer has not been asked yet.
 * What comes after the read counts all the same. If it is not so the next wait may never end. */
COVEY_API void covey_fd_drained(int watched, unsigned events);

/* Up to n socket addresses of host, in the order to try; returns how many there are. Runs off the
 * workers; at once for numeric hosts. COVEY_EDNS. */
struct sockaddr_storage;
COVEY_API int covey_resolve(covey_ctx *ctx, const char *host, const char *port,
                            struct sockaddr_storage *addrs, size_t n);

COVEY_END
#endif
