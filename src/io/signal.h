/* SPDX-License-Identifier: MIT
 * signal.h - the end of what stands behind covey_ctx_with_signals(). */
#ifndef CVY_IO_SIGNAL_H
#define CVY_IO_SIGNAL_H

#include "os/poll.h"

/* The poller ends: contexts that still wait for signals will not see any; what the signals did
 * before is restored. */
void cvy_signal_close(struct cvy_poll *p);

#endif
