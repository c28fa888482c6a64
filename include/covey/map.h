/* SPDX-License-Identifier: MIT
 * covey/map.h - concurrent maps from byte strings to pointers. After Go's sync.Map.
 *
 * Any task or thread may call everything here at any time, with or without a runtime. Each call on
 * one key is atomic; nothing here switches tasks, except what a range's fn does. Keys are copied
 * and compared by their bytes; an empty key is a key. The hash is seeded, each map its own.
 *
 * Values that are counted (value_ref and value_unref are given): the map holds one reference to
 * each value that it has.
 *   - A call that stores takes over the caller's reference to the value, if it stores.
 *   - load, and load_or_store's actual, take one more for the caller, which may use the value while
 *     others delete it.
 *   - load_and_delete and swap hand the map's reference to the caller.
 *   - What is overwritten or deleted otherwise is released before the call returns.
 * NULL is a value like any other, and is not counted. Without the two callbacks values are plain
 * pointers; the map never touches what they point to.
 *
 * The callbacks may be called at the same time by several tasks. value_ref is called in the middle
 * of a look-up: it must be short (an atomic increment) and must not call covey; one that does is
 * fatal where it can be told. value_unref is called without a lock, by the call that dropped the
 * value, and may do anything. */
#ifndef COVEY_MAP_H
#define COVEY_MAP_H

#include <covey/defs.h>

COVEY_BEGIN

typedef enum covey_map_kind {
    /* A load takes no lock and writes no memory that other threads read: it scales with the cores.
     * Changes lock a shard. One that drops a counted value waits for the loads in progress (some
     * 10 us); without counted values deletions pay that once in 64. */
    COVEY_MAP_READ_MOSTLY,
    /* Each call locks the key's shard for a moment. For maps that change all the time. */
    COVEY_MAP_SHARDED
} covey_map_kind;

typedef struct covey_map_options {
    covey_map_kind kind;
    int shards; /* rounded up to a power of two, at most 65536; 0: 32, read-mostly 8 */
    void (*value_ref)(void *value);
    void (*value_unref)(void *value);
} covey_map_options;

typedef struct covey_map covey_map;

/* Owned; opts is borrowed for the call, NULL: all zero. NULL: out of memory, an option out of
 * range, or one callback without the other. */
COVEY_API covey_map *covey_map_new(const covey_map_options *opts);

/* 0; -ENOMEM: nothing changed, value stays the caller's. */
COVEY_API int covey_map_store(covey_map *m, const void *key, size_t len, void *value);

/* True: it is there, and is written to *value (NULL: only looks, nothing is counted). */
COVEY_API bool covey_map_load(covey_map *m, const void *key, size_t len, void **value);

/* True: it was there and is *actual; value stays the caller's. False: value was stored and is
 * *actual, too. actual may be NULL. Out of memory: false with *actual NULL; value stays the
 * caller's. */
COVEY_API bool covey_map_load_or_store(covey_map *m, const void *key, size_t len, void *value,
                                       void **actual);

/* True: it was there, and is *value (NULL: it is released instead). */
COVEY_API bool covey_map_load_and_delete(covey_map *m, const void *key, size_t len, void **value);
/* True: it was there. */
COVEY_API bool covey_map_delete(covey_map *m, const void *key, size_t len);

/* True: there was one, *previous (NULL: it is released instead). False: there was none, *previous
 * is NULL; value is stored in both cases. Out of memory: false with value itself in *previous:
 * nothing changed and value is the caller's again. */
COVEY_API bool covey_map_swap(covey_map *m, const void *key, size_t len, void *value,
                              void **previous);

/* True: the entry was there with old (the same pointer), and now has value. False: nothing changed;
 * value stays the caller's. old is borrowed. */
COVEY_API bool covey_map_compare_and_swap(covey_map *m, const void *key, size_t len, void *old,
                                          void *value);
/* True: the entry was there with old, and is gone. */
COVEY_API bool covey_map_compare_and_delete(covey_map *m, const void *key, size_t len, void *old);

/* Atomic read-modify-write of one entry: fn gets the place of its value (NULL is in it if there is
 * none), whether it is there, and says whether there is an entry afterwards, with what it left in
 * the place. Counted: if the entry goes, or its value is another afterwards, the map releases the
 * one that was there; it takes over fn's reference to a new one. fn is called once, under a lock:
 * it must be short, not block, and not call this map. 0; -ENOMEM: fn was not called. */
COVEY_API int covey_map_update(covey_map *m, const void *key, size_t len,
                               bool (*fn)(void **value, bool present, void *arg), void *arg);

/* Calls fn for each entry until it says false. No lock is held meanwhile: fn may change the map,
 * and block. An entry that is there all the time is seen once; of one that comes or goes meanwhile
 * no more than one state is seen. The order is the map's own. key is borrowed during the call of
 * fn; so is the value, counted or not. */
COVEY_API void covey_map_range(covey_map *m,
                               bool (*fn)(const void *key, size_t len, void *value, void *arg),
                               void *arg);

/* How many entries there are; while others change the map, how many there were about now. */
COVEY_API size_t covey_map_len(covey_map *m);
/* Deletes every entry that is there at the call, one after the other. */
COVEY_API void covey_map_clear(covey_map *m);
/* Nobody may use it any more. Counted values are released. NULL is allowed. */
COVEY_API void covey_map_free(covey_map *m);

COVEY_END
#endif
