/* SPDX-License-Identifier: MIT
 * io.c - see io.h. */
#include "io/io.h"

#include "io/addr.h"

#include "io/fd.h"
#include "io/signal.h"
#include "io/watch.h"
#include "sched/view.h"

#include <stdio.h>

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

/* Here, in the one file that every wait for a descriptor is linked with. */
void cvy_fd_describe(const void *object, char *out, size_t size)
{
    int fd = *(const int *)object;
    struct cvy_sockaddr address;
    char text[CVY_ADDR_TEXT_SIZE];
    const char *word = "to";

    int code = cvy_net_peer(fd, &address);
    if (code < 0) {
        word = "at";
        code = cvy_net_name(fd, &address);
    }
    text[0] = '\0';
    if (code == 0 && cvy_net_check_stream(fd) == 0) {
        cvy_addr_format(&address, text, sizeof(text));
    } else if (code == 0) {
        cvy_addr_format_datagram(&address, text, sizeof(text));
    }
    (void)snprintf(out, size, text[0] ? "fd %d %s %s" : "fd %d", fd, word, text);
}
