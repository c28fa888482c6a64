/* SPDX-License-Identifier: MIT
 * cell.h - small memory for what is made and dropped all the time: groups, contexts, channels.
 *
 * Each worker keeps some of each size, so that neither takes a lock or the heap's long way. A cell
 * is a block of the heap of its own: it may outlive the runtime, and anybody may drop it; it then
 * serves the worker that dropped it, and what is too much there serves the others by the store. */
#ifndef CVY_SCHED_CELL_H
#define CVY_SCHED_CELL_H

#include "os/lock.h"

#include <stddef.h>

#define CVY_CELL_STEP 64
#define CVY_CELL_CLASSES 8 /* larger ones come from the heap every time */

/* A list of free cells of one size. */
struct cvy_cells {
    struct cvy_cell *first;
    uint32_t count;
};

/* One for each worker, owned by it, and one for the runtime. */
struct cvy_cell_store {
    struct cvy_lock lock; /* rank CVY_RANK_POOL; the runtime's only */
    struct cvy_cells classes[CVY_CELL_CLASSES];
};

/* Zeroed; NULL: out of memory. The caller may be in the runtime or not; never switches. */
void *cvy_cell_alloc(size_t size);
/* size is that of its making; cell may be NULL. */
void cvy_cell_free(void *cell, size_t size);
/* Gives all cells back to the heap. */
void cvy_cell_store_drain(struct cvy_cell_store *s);

#endif
