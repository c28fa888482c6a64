/* SPDX-License-Identifier: MIT
 * note.h - what a task's waits are for, as the libraries above have noted it (covey/debug.h).
 *
 * A note stands among its task's scopes: it is opened and closed like one, the record has no room
 * for another list, and who holds a parked task may read it there. */
#ifndef CVY_SCHED_NOTE_H
#define CVY_SCHED_NOTE_H

#include "sched/view.h"

/* covey_wait_note_begin() inside the runtime; covey_wait_note_end() ends it. */
void cvy_note_open(struct cvy_thread *th, covey_wait_note *note);

/* A note of a parked task that is held; NULL: no more. from: the task's scopes, then what stands
 * behind the note before. The innermost comes first. */
const covey_wait_note *cvy_note_next(const struct cvy_scope **from);
/* Since when it stands; 0: unknown. */
int64_t cvy_note_since(const covey_wait_note *note);

/* The notes of t, which is held; is_brief: without which. */
void cvy_notes_view(const struct cvy_task *t, struct cvy_view *v, bool is_brief);

#endif
