/* SPDX-License-Identifier: MIT
 * io.c - see io.h. */
#include "io/io.h"

#include "io/fd.h"
#include "io/signal.h"
#include "io/wait_fd.h"

static void on_detach(struct cvy_poll *p)
{
    cvy_signal_close(p);
    cvy_watch_close(p);
    cvy_fd_pool_close(p);
}

void cvy_io_attach(struct cvy_poll *p)
{
    if (cvy_load_relaxed(&p->on_detach) != on_detach) {
        /* Release: pairs with the acquire in cvy_poll_detach(). */
        cvy_store_release(&p->on_detach, on_detach);
    }
}
