/* SPDX-License-Identifier: MIT
 * wait_fd.h - the end of the table behind covey_wait_fd(). */
#ifndef CVY_IO_WAIT_FD_H
#define CVY_IO_WAIT_FD_H

#include "os/poll.h"

/* The poller ends: no event will come any more, and nobody waits. */
void cvy_watch_close(struct cvy_poll *p);

#endif
