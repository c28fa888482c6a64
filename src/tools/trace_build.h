/* SPDX-License-Identifier: MIT
 * trace_build.h - the parts of a model's making (trace_model.c), which sees each event in order of
 * time. Running out of memory is noted in the model, and ends it. */
#ifndef CVY_TOOLS_TRACE_BUILD_H
#define CVY_TOOLS_TRACE_BUILD_H

#include "tools/trace_model.h"

/* Room for one more behind the pointer at items; indices have 32 bits. */
bool cvy_trace_grow(struct cvy_trace_model *m, void *items, size_t count, size_t *room,
                    size_t size);

/* A new life under that id, which it takes over from an earlier one. 0: out of memory. */
uint32_t cvy_trace_life_add(struct cvy_trace_model *m, uint64_t id);
/* 0: there is none. */
uint32_t cvy_trace_life_find(const struct cvy_trace_model *m, uint32_t id);
/* The life of id, which may be seen for the first time; 0 for 0. Moves the lives. */
uint32_t cvy_trace_life_of(struct cvy_trace_model *m, uint32_t id);
/* Takes the address over from an earlier one. 0: out of memory. */
uint32_t cvy_trace_group_add(struct cvy_trace_model *m, const struct cvy_trace_group *group);
/* The last one opened at that address; 0: none. */
uint32_t cvy_trace_group_of(const struct cvy_trace_model *m, uint64_t object);

/* Ends the state that a task is in; the index + 1 of the segment it leaves, or 0. */
size_t cvy_trace_leave(struct cvy_trace_model *m, uint32_t life, int64_t now);
void cvy_trace_enter(struct cvy_trace_model *m, uint32_t life, uint8_t state, int64_t now);
/* False: the event is not about what a task does. */
bool cvy_trace_state_event(struct cvy_trace_model *m, const struct cvy_trace_item *e);
/* Events of a ring are missing: nobody knows what becomes of its worker's task. */
void cvy_trace_gap_begins(struct cvy_trace_model *m, size_t ring, int64_t now);
void cvy_trace_gap_ends(struct cvy_trace_model *m, size_t ring, int64_t now);

void cvy_trace_note_event(struct cvy_trace_model *m, const struct cvy_trace_item *e);
/* No more events: names and peers are made fit for a terminal. */
void cvy_trace_texts_end(struct cvy_trace_model *m);

#endif
