/* SPDX-License-Identifier: MIT
 * peer.c - see peer.h. */
#include "io/peer.h"

#include "base/alloc.h"
#include "sched/recording.h"
#include "sched/view.h"
#include "trace/emit.h"

#include <stdlib.h>

#define PEERS_MAX 2048u /* of those that were there before */
#define TEXT_MAX 80
#define STACK_NEEDED ((size_t)16 << 10) /* by printf */

static void tell(struct cvy_ring *r, const struct cvy_peer *p)
{
    char text[TEXT_MAX + 1] = "";

    cvy_fd_describe(&p->fd, text, sizeof(text));
    cvy_trace_put_text(r, COVEY_TRACE_peer, (uint32_t)(uintptr_t)p->object, text, TEXT_MAX);
}

static void tell_one(void *arg)
{
    const struct cvy_peer *p = arg;
    tell(cvy_ring_of(cvy_thread_self()), p);
}

void cvy_peer_tell(const int *object)
{
    struct cvy_peer p = {.object = object, .fd = *object};
    cvy_with_stack(STACK_NEEDED, tell_one, &p);
}

/* In the ring that all but workers share, so that no worker's past is overwritten. */
void cvy_peers_tell(void)
{
    struct cvy_peer *peers = cvy_alloc_zeroed(2 * PEERS_MAX * sizeof(*peers));
    struct cvy_thread *th = cvy_enter();

    if (peers && CVY_TRACES(peer) && cvy_runtime_open()) {
        size_t n = cvy_fd_peers(peers, PEERS_MAX);
        n += cvy_watch_peers(peers + n, PEERS_MAX);
        for (size_t i = 0; i < n; i++) {
            tell(NULL, &peers[i]);
        }
    }
    cvy_leave(th);
    free(peers);
}
