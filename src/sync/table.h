/* SPDX-License-Identifier: MIT
 * table.h - a hash table from byte strings to pointers that can be read while one thread changes
 * it, and that grows one bucket at a time.
 *
 * All entries stand in one list, sorted by the bit-reversed hash; a bucket is a marker in that
 * list. With 2^k buckets those of bucket i are neighbours, and with 2^(k+1) they are the two
 * neighbouring runs of i and i + 2^k: growing puts in a marker and moves no entry (split-ordered
 * lists, Shalev and Shavit 2003). Markers are put in one an insertion (linear hashing), so no call
 * ever pays for a whole table.
 *
 *   link order       the hash reversed; odd for an entry, even for a marker; 0 is bucket 0's
 *   buckets          [0, ready) have their markers in the list
 *   equal orders     differ in the key, and stand in the order of insertion
 *
 * Changes need the owner's lock. Reads need it too, or a read section (sched/grace.h); an entry
 * that was taken out still leads to the rest of the list, so it may be freed only after a grace
 * period. */
#ifndef CVY_SYNC_TABLE_H
#define CVY_SYNC_TABLE_H

#include "base/atomic.h"
#include "base/hash.h"

#include <stddef.h>

#define CVY_TABLE_FIRST_BITS 3
#define CVY_TABLE_FIRST (1u << CVY_TABLE_FIRST_BITS)
#define CVY_TABLE_SEGMENTS 31 /* 2^34 buckets; then chains grow longer */

struct cvy_link {
    /* Release under the lock, acquire by readers: what it points to is complete. */
    struct cvy_link *_Atomic next;
    uint64_t order; /* immutable once linked */
};

struct cvy_entry {
    struct cvy_link link; /* first */
    void *_Atomic value;  /* release, acquire */
    /* Who may still look at it: the table, and iterations that stand on it. Its owner's to count.
     */
    _Atomic uint32_t holds;
    struct cvy_entry *next_dead; /* owned by who took it out */
    size_t len;
    char key[];
};

struct cvy_table {
    /* Release under the lock, after the last marker was linked; acquire by readers. */
    _Atomic size_t ready;
    _Atomic size_t count; /* entries; relaxed */
    /* Segment s has the markers of buckets 2^(s+3) up to 2^(s+4); published by ready. */
    struct cvy_link *segments[CVY_TABLE_SEGMENTS];
    struct cvy_link first[CVY_TABLE_FIRST];
};

/* A key and its place. */
struct cvy_key {
    const void *data;
    size_t len;
    uint64_t hash, order;
};

/* A seed of a table's own. */
struct cvy_hash_seed cvy_table_seed(void);
struct cvy_key cvy_key_of(const struct cvy_hash_seed *seed, const void *data, size_t len);

void cvy_table_init(struct cvy_table *t);
/* The entries are the owner's. */
void cvy_table_fini(struct cvy_table *t);

/* A copy of the key, in no table, with one hold; NULL: out of memory. Freed by free(). */
struct cvy_entry *cvy_entry_new(const struct cvy_key *key);

/* NULL: not there. */
struct cvy_entry *cvy_table_find(const struct cvy_table *t, const struct cvy_key *key);
/* The key is not in the table. Grows by one bucket if there are more entries than buckets; without
 * memory for it chains only grow longer. */
void cvy_table_insert_locked(struct cvy_table *t, struct cvy_entry *e);
/* e is in the table. */
void cvy_table_remove_locked(struct cvy_table *t, struct cvy_entry *e);
/* Takes out any entry, and for good the markers on the way to it: only for a table that nobody else
 * sees and nobody will use again. NULL: it is empty. */
struct cvy_entry *cvy_table_pop(struct cvy_table *t);

#define CVY_TABLE_START UINT64_C(0)
#define CVY_TABLE_END UINT64_MAX
/* The first entry whose order is above *at, and *at moves to it. NULL: none was found within a
 * bounded number of steps; *at says where to go on, CVY_TABLE_END: nowhere. An entry that is in the
 * table all the time is found, whatever else changes between the calls. */
struct cvy_entry *cvy_table_after(const struct cvy_table *t, uint64_t *at);
/* The next entry of the same order, or NULL. */
struct cvy_entry *cvy_entry_twin(const struct cvy_entry *e);

#endif
