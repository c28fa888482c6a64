/* SPDX-License-Identifier: MIT
 * chan.h - channels from inside the runtime, for timers and contexts that own one. */
#ifndef CVY_CHAN_CHAN_H
#define CVY_CHAN_CHAN_H

#include "sched/wait.h"

#include <covey/chan.h>

/* Sends if there is room or a receiver; the caller is in the runtime. 0, COVEY_EAGAIN or
 * COVEY_ECLOSED. */
int cvy_chan_try_send(covey_chan *ch, const void *elem, struct cvy_wakelist *list);
void cvy_chan_close(covey_chan *ch, struct cvy_wakelist *list);
/* Forgets what is buffered; how many elements that were. */
size_t cvy_chan_drain(covey_chan *ch);

#endif
