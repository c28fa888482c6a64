/* SPDX-License-Identifier: MIT
 * named.h - the channels that have a name, for metrics and dumps. */
#ifndef CVY_CHAN_NAMED_H
#define CVY_CHAN_NAMED_H

#include <covey/chan.h>

#define CVY_CHAN_NAME_MAX 63
#define CVY_CHAN_NAME_TEXT (CVY_CHAN_NAME_MAX + 3) /* in quotes */

struct cvy_chan_figures {
    char name[CVY_CHAN_NAME_MAX + 1];
    size_t len, capacity, senders, receivers;
};

/* For each name what its channels have together: *out is malloc'd and the caller's, NULL if there
 * is none; *count. -ENOMEM. */
int cvy_chan_named_list(struct cvy_chan_figures **out, size_t *count);
/* Its name in quotes, if it has one and nobody is at the names: waits for nobody, as the caller may
 * keep a task from waking. Else nothing, and 0; as snprintf(). */
int cvy_chan_named_print(const covey_chan *ch, char *out, size_t size);
/* The last reference to a channel with a name goes. */
void cvy_chan_named_remove(covey_chan *ch);
/* chan.c: all but the name. */
void cvy_chan_figures(covey_chan *ch, struct cvy_chan_figures *out);
void cvy_chan_set_named(covey_chan *ch, bool is_named);

#endif
