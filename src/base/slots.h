/* SPDX-License-Identifier: MIT
 * slots.h - a row of equal slots: which are free, and which free ones may hold pages to give back.
 *
 * Books only; the memory is somebody else's, as is the lock. The lowest free slot is taken first,
 * so that use stays dense and what lies free long is at the upper end. A free slot is idle once it
 * has been free from one cvy_slots_age() to the next without being clean. */
#ifndef CVY_BASE_SLOTS_H
#define CVY_BASE_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cvy_slots {
    uint32_t count; /* slots in the row */
    uint32_t free_count;
    uint32_t dirty_count; /* free, and used since they were last clean */
    uint32_t idle_count;  /* dirty, and free since the age before the last */
    uint32_t used;        /* no slot from here on was ever taken */
    uint32_t first_word;  /* no word of the map below this one has a free slot */
    struct cvy_slot_word {
        uint64_t free, dirty, aged, idle; /* one bit a slot */
    } * words;
};

/* The memory that a row's maps take: zeroed, it is a row without free slots. */
size_t cvy_slots_bytes(uint32_t count);
/* All free and clean; words is zeroed, lives as long as the row, and stays the caller's. */
void cvy_slots_init(struct cvy_slots *s, uint32_t count, void *words);
/* The lowest free slot; there is one (free_count > 0). */
uint32_t cvy_slots_take(struct cvy_slots *s);
void cvy_slots_give(struct cvy_slots *s, uint32_t index);
/* Lets time pass: what is free, not clean, and was so at the last call is idle from now on. */
void cvy_slots_age(struct cvy_slots *s);
/* The run of free slots around the next idle one at or after *first: idle or clean, all of them.
 * False: none is idle. */
bool cvy_slots_next_idle(const struct cvy_slots *s, uint32_t *first, uint32_t *count);
/* A run returned by cvy_slots_next_idle() holds no pages any more. */
void cvy_slots_clean(struct cvy_slots *s, uint32_t first, uint32_t count);
/* Whether nothing is taken and nothing was of late: the whole row may go. */
static inline bool cvy_slots_is_idle(const struct cvy_slots *s)
{
    return s->free_count == s->count && s->idle_count == s->dirty_count;
}
/* Invariants, O(n). */
void cvy_slots_check(const struct cvy_slots *s);

#endif
