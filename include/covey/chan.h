/* SPDX-License-Identifier: MIT
 * covey/chan.h - typed-by-size channels. After Go's channels (go.dev/ref/spec#Channel_types), with
 * errors where Go panics.
 *
 * Any thread may call everything; a task blocks only itself, a plain thread itself. Waiters are
 * served first come, first served. Happens-before as in Go's memory model: a send before its
 * receive completes; a close before a receive that sees it; the k-th receive on capacity C before
 * the (k+C)-th send completes.
 *
 * A NULL channel: -EINVAL from send, recv, close; never ready in a select. */
#ifndef COVEY_CHAN_H
#define COVEY_CHAN_H

#include <covey/defs.h>

COVEY_BEGIN

/* Elements of elem_size bytes (0: a signal without a value), room for capacity of them (0: sender
 * and receiver meet). Returns an owned reference; NULL: out of memory. */
COVEY_API covey_chan *covey_chan_new(size_t elem_size, size_t capacity);

/* Copies *elem in (elem may be NULL when elem_size is 0). May switch. 0; COVEY_ECLOSED: closed,
 * also while it waited; COVEY_ECANCELED, COVEY_EDEADLINE: ctx is done and nothing was sent. */
COVEY_API int covey_chan_send(covey_ctx *ctx, covey_chan *ch, const void *elem);

/* Copies one element to *elem (NULL: drops it). May switch. 0; COVEY_ECLOSED once closed and
 * drained, *elem zeroed; COVEY_ECANCELED, COVEY_EDEADLINE: nothing was received. */
COVEY_API int covey_chan_recv(covey_ctx *ctx, covey_chan *ch, void *elem);

/* Never block or switch: COVEY_EAGAIN. try_recv on a closed, drained channel: COVEY_ECLOSED. */
COVEY_API int covey_chan_try_send(covey_chan *ch, const void *elem);
COVEY_API int covey_chan_try_recv(covey_chan *ch, void *elem);

/* Buffered elements can still be received; senders that wait get COVEY_ECLOSED; does not switch.
 * COVEY_ECLOSED if it was closed. */
COVEY_API int covey_chan_close(covey_chan *ch);

/* A moment's view. NULL: 0. */
COVEY_API size_t covey_chan_len(const covey_chan *ch);
COVEY_API size_t covey_chan_cap(const covey_chan *ch);

/* Gives the channel a name of 1 to 63 bytes, under which its length, capacity and waiting tasks
 * stand in the metrics (covey/metrics.h), and which dumps say; it is copied. NULL takes it away.
 * Channels of the same name are counted together. 0; -EINVAL; -ENOMEM. Does not switch. Not at the
 * same time as another call of it on the same channel. */
COVEY_API int covey_chan_set_name(covey_chan *ch, const char *name);

COVEY_API covey_chan *covey_chan_ref(covey_chan *ch);
/* Drops a reference; the last one frees it. Nobody may wait on it then; a sender whose element was
 * received, and a closer whose close was seen, no longer touches it. Elements still buffered are
 * forgotten: they are the user's. NULL is allowed. */
COVEY_API void covey_chan_unref(covey_chan *ch);

COVEY_END
#endif
