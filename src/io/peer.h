/* SPDX-License-Identifier: MIT
 * peer.h - what descriptors are connected to, for traces: a wait has its descriptor's address
 * alone.
 *
 * A trace hears of a descriptor at the first wait for it; of those that were there before, when it
 * begins, and the flight recorder's when a snapshot is taken (cvy_peers_tell(), sched/recording.h).
 */
#ifndef CVY_IO_PEER_H
#define CVY_IO_PEER_H

#include <stddef.h>

/* A descriptor, and the address that waits for it have as their object. */
struct cvy_peer {
    const void *object;
    int fd;
};

/* In the runtime, on any stack, and without locks: records what the object of a wait, a
 * descriptor's number, is connected to. */
void cvy_peer_tell(const int *object);

/* Those that are waited for, at most max, where no matter: fd.c's, the last registered first, and
 * watch.c's. */
size_t cvy_fd_peers(struct cvy_peer *out, size_t max);
size_t cvy_watch_peers(struct cvy_peer *out, size_t max);

#endif
