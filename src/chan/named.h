/* SPDX-License-Identifier: MIT
 * named.h - the channels that have a name, for metrics. */
#ifndef CVY_CHAN_NAMED_H
#define CVY_CHAN_NAMED_H

#include <covey/chan.h>

struct cvy_chan_figures {
    const char *name; /* valid during the call */
    size_t len, capacity, senders, receivers;
    bool is_closed;
};

/* Calls fn for each name, with what its channels have together; it must not use channels. */
void cvy_chan_named_each(void (*fn)(const struct cvy_chan_figures *f, void *arg), void *arg);
/* The last reference to a channel with a name goes. */
void cvy_chan_named_remove(covey_chan *ch);
/* chan.c: all but the name. */
void cvy_chan_figures(covey_chan *ch, struct cvy_chan_figures *out);
void cvy_chan_set_named(covey_chan *ch, bool is_named);

#endif
