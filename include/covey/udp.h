/* SPDX-License-Identifier: MIT
 * covey/udp.h - datagrams, of UDP and of Unix sockets, under a context.
 *
 * Addresses: "udp://127.0.0.1:53", "udp://[::1]:53", "udp://0.0.0.0:0" (any free port),
 * "unixgram:///run/x.sock", "unixgram://@name" (abstract). Names are looked up by covey_udp_dial()
 * only.
 *
 * Any number of tasks and threads may send and receive at once: each datagram goes to one of them.
 * What takes a context may switch, and returns COVEY_ECANCELED or COVEY_EDEADLINE as soon as it is
 * done, COVEY_ECLOSED once the socket was closed here. Errors of the network are -errno. */
#ifndef COVEY_UDP_H
#define COVEY_UDP_H

#include <covey/defs.h>

COVEY_BEGIN

typedef struct covey_udp covey_udp;

typedef struct covey_udp_options {
    int send_buffer, receive_buffer; /* bytes (SO_SNDBUF, SO_RCVBUF); 0: the kernel's choice */
    bool reuse_port;                 /* SO_REUSEPORT: several share the address, each gets a part */
    bool v6_only;                    /* IPV6_V6ONLY */
    bool broadcast;                  /* SO_BROADCAST */
    unsigned unix_mode;              /* file mode of a Unix socket; 0: 0600 */
} covey_udp_options;

/* Binds to addr, to receive from all and to send to any. *u is owned: covey_udp_close(). opts
 * (NULL: defaults) is borrowed for the call. A stale Unix socket file is replaced. Does not switch.
 * -EADDRINUSE, -EACCES, ...; -EINVAL: not an address, or a name. */
COVEY_API int covey_udp_open(covey_udp **u, const char *addr, const covey_udp_options *opts);
/* Connected: sends to addr, and receives from there only. Of Unix sockets this end gets an abstract
 * name, so that the other can answer. COVEY_EDNS: the name does not resolve. May switch. */
COVEY_API int covey_udp_dial(covey_ctx *ctx, covey_udp **u, const char *addr,
                             const covey_udp_options *opts);

/* One datagram: its length, 0 too (an empty one, not an end). from (NULL: not wanted), of from_size
 * bytes (COVEY_ADDR_SIZE is enough), is who sent it, "" if it has no address. COVEY_ETOOLARGE: it
 * was longer than len; buf has its beginning, and the rest is lost. -ECONNREFUSED, on a connected
 * one: an earlier datagram was sent to a port that nobody has. */
COVEY_API ssize_t covey_recvfrom(covey_ctx *ctx, covey_udp *u, void *buf, size_t len, char *from,
                                 size_t from_size);
/* One datagram, whole: len. to: a numeric or Unix address, NULL of a connected one. Waits for room
 * in this host's buffers (of Unix sockets, in the receiver's), which says nothing of its arrival.
 * -EINVAL: not an address; -EMSGSIZE: too long for a datagram; -EDESTADDRREQ: to whom?;
 * -ECONNREFUSED, -ENOENT: nobody has that address. */
COVEY_API ssize_t covey_sendto(covey_ctx *ctx, covey_udp *u, const void *buf, size_t len,
                               const char *to);

/* The address of this end, with the port that was chosen; valid as long as u. */
COVEY_API const char *covey_udp_addr(const covey_udp *u);
COVEY_API int covey_udp_fd(const covey_udp *u);
/* Wakes all with COVEY_ECLOSED and frees u once they left; never blocks. A Unix socket's file goes
 * too. NULL is allowed. */
COVEY_API void covey_udp_close(covey_udp *u);

COVEY_END
#endif
