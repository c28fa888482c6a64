/* SPDX-License-Identifier: MIT
 * conn.h - the record of a connection. */
#ifndef CVY_IO_CONN_H
#define CVY_IO_CONN_H

#include "io/fd.h"

#include <covey/net.h>
#include <netinet/in.h>

struct covey_conn {
    struct cvy_fd fd; /* first */

    /* Guarded by the turn of that way. */
    uint8_t streak[CVY_WAYS]; /* system calls since it last waited or yielded */

    /* Immutable. An IPv4 address takes the front of it; AF_UNSPEC: unknown, or not TCP. */
    struct sockaddr_in6 peer;
    /* The peer as text, made when it is first asked for; owned. Release, acquire. */
    char *_Atomic peer_text;
};

/* Takes fd; peer may be NULL. NULL: out of memory, fd is still the caller's. */
struct covey_conn *cvy_conn_new(int fd, uint32_t ready, const struct cvy_sockaddr *peer);

#endif
