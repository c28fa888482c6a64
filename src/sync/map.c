/* SPDX-License-Identifier: MIT
 * map.c - covey_map: shards, each a lock and a table.
 *
 * Every change is a decision under the key's shard lock: change(). A load looks at the table in a
 * view: a read section in a read-mostly map, the shard's lock in a sharded one.
 *
 * Invariants. An entry that leaves its table has GONE for a value from then on. A value that leaves
 * an entry is released, or handed to the caller, after every view that may have read it has ended:
 * under a lock that is so at the unlock; in a read-mostly map after a grace period. So a load may
 * count a value that it has just read: the map's own reference is not gone yet. An entry is freed
 * when the table's hold and those of ranges are gone; the table's goes after the same wait. */
#include "base/alloc.h"
#include "sched/grace.h"
#include "sync/table.h"

#include <covey/error.h>
#include <covey/map.h>

#undef errno

#define SHARDS_MAX 65536
#define SHARDS_READ_MOSTLY 8
#define SHARDS_SHARDED 32
#define DEAD_MAX 64  /* entries that wait for one grace period */
#define CLEAR_MAX 64 /* entries that are deleted under one lock */
#define TWINS_MAX 8  /* entries of one 64-bit hash: two are a rarity, nine do not happen */

struct shard {
    _Alignas(CVY_CACHE_LINE) struct cvy_lock lock; /* rank CVY_RANK_GROUP: callbacks run under it */
    /* Changed under lock, read in views. */
    struct cvy_table table;
    /* Guarded by lock: taken out of a read-mostly table, perhaps still looked at. */
    struct cvy_entry *dead;
    size_t dead_count;
};

struct covey_map {
    /* Immutable. */
    covey_map_options options;
    struct cvy_hash_seed seed;
    size_t shard_count; /* a power of two */
    bool is_counted;
    struct shard shards[];
};

/* The value of an entry that is in no table any more. */
static const char gone_place;
#define GONE ((void *)&gone_place)

static bool is_lock_free(const covey_map *m)
{
    return m->options.kind == COVEY_MAP_READ_MOSTLY;
}

static void value_ref(covey_map *m, void *value)
{
    if (m->is_counted && value) {
        m->options.value_ref(value);
    }
}

static void value_unref(covey_map *m, void *value)
{
    if (m->is_counted && value) {
        m->options.value_unref(value);
    }
}

/* The hash's upper bits; the table takes the lower ones. */
static struct shard *shard_of(covey_map *m, uint64_t hash)
{
    return &m->shards[hash >> 48 & (m->shard_count - 1)];
}

static void entry_unhold(struct cvy_entry *e)
{
    /* Acq_rel: the other holders' looks happen before the free. */
    if (atomic_fetch_sub_explicit(&e->holds, 1, memory_order_acq_rel) == 1) {
        free(e);
    }
}

/* ---- views ---- */

static struct cvy_thread *view_begin(covey_map *m, struct shard *s)
{
    if (is_lock_free(m)) {
        return cvy_read_begin();
    }
    cvy_lock(&s->lock);
    return NULL;
}

static void view_end(struct shard *s, struct cvy_thread *reader)
{
    if (reader) {
        cvy_read_end(reader);
    } else {
        cvy_unlock(&s->lock);
    }
}

/* In a view: the entry's value, counted for the caller unless it only looks. False: it is gone. */
static bool take_value(covey_map *m, struct cvy_entry *e, void **value)
{
    /* Acquire: pairs with the releases in apply_locked() and bury_locked(): what the value points
     * to. */
    void *v = cvy_load_acquire(&e->value);

    CVY_WINDOW();
    if (v == GONE) {
        return false;
    }
    if (value) {
        value_ref(m, v);
        *value = v;
    }
    return true;
}

static bool load(covey_map *m, const struct cvy_key *key, void **value)
{
    struct shard *s = shard_of(m, key->hash);
    struct cvy_thread *reader = view_begin(m, s);
    struct cvy_entry *e = cvy_table_find(&s->table, key);
    bool is_there = e && take_value(m, e, value);

    view_end(s, reader);
    return is_there;
}

/* ---- changes ---- */

enum verdict {
    KEEP, /* all stays as it is */
    PUT,  /* the entry has this value from now on */
    DROP, /* no entry from now on */
};

/* One change of one entry: what it wants, and what came of it. */
struct change {
    covey_map *map;
    /* Called once under the lock. *value is the present one, NULL without one. */
    enum verdict (*decide)(struct change *c, void **value, bool is_there);
    bool may_insert;
    bool wants_old; /* the value that leaves is the caller's, not the map's to release */
    void *value, *old;
    void **actual;
    bool (*update)(void **value, bool present, void *arg);
    void *arg;

    bool was_there, was_changed;
};

/* Takes an entry out. Lock held. */
static void bury_locked(struct shard *s, struct cvy_entry *e)
{
    cvy_table_remove_locked(&s->table, e);
    /* Release: pairs with the acquire in take_value(); nothing but the order of the two. */
    cvy_store_release(&e->value, GONE);
}

/* Frees entries once nobody can look at them any more. */
static void free_dead(struct cvy_entry *list)
{
    while (list) {
        struct cvy_entry *e = list;
        list = e->next_dead;
        entry_unhold(e);
    }
}

/* Adds to the shard's dead; gives back those that make it worth a grace period. Lock held. */
static struct cvy_entry *add_dead_locked(struct shard *s, struct cvy_entry *e)
{
    e->next_dead = s->dead;
    s->dead = e;
    if (++s->dead_count < DEAD_MAX) {
        return NULL;
    }
    struct cvy_entry *all = s->dead;
    s->dead = NULL;
    s->dead_count = 0;
    return all;
}

/* Decides, and applies it; e may be NULL. *spare is used up by an insertion. The entry that left,
 * or NULL. */
static struct cvy_entry *apply_locked(struct shard *s, struct cvy_entry *e,
                                      struct cvy_entry **spare, struct change *c)
{
    void *value = e ? cvy_load_relaxed(&e->value) : NULL;
    void *before = value;

    c->was_there = e != NULL;
    enum verdict verdict = c->decide(c, &value, e != NULL);
    c->was_changed = verdict == PUT || (verdict == DROP && e);
    if (c->was_changed) {
        c->old = before;
    }
    if (verdict == PUT && e) {
        /* Release: pairs with the acquire in take_value(). */
        cvy_store_release(&e->value, value);
    } else if (verdict == PUT) {
        cvy_store_relaxed(&(*spare)->value, value);
        cvy_table_insert_locked(&s->table, *spare);
        *spare = NULL;
    } else if (verdict == DROP && e) {
        bury_locked(s, e);
        return e;
    }
    return NULL;
}

/* What one change leaves behind, after the unlock. */
static void settle(struct change *c, struct cvy_entry *dead)
{
    covey_map *m = c->map;
    bool has_old = c->was_there && c->was_changed;

    if (is_lock_free(m) && (dead || (has_old && m->is_counted))) {
        cvy_grace_wait();
    }
    free_dead(dead);
    if (has_old && !c->wants_old) {
        value_unref(m, c->old);
    }
}

static int change(covey_map *m, const void *key_bytes, size_t len, struct change *c)
{
    struct cvy_key key = cvy_key_of(&m->seed, key_bytes, len);
    struct shard *s = shard_of(m, key.hash);
    struct cvy_entry *spare = NULL;

    cvy_test_point();
    c->map = m;
    cvy_lock(&s->lock);
    struct cvy_entry *e = cvy_table_find(&s->table, &key);
    if (!e && c->may_insert) {
        /* Memory comes before the decision, which cannot be taken back. */
        cvy_unlock(&s->lock);
        CVY_WINDOW_NAMED(CVY_WINDOW_INSERT);
        spare = cvy_entry_new(&key);
        if (!spare) {
            return cvy_fail(cvy_task_self(), -ENOMEM);
        }
        cvy_lock(&s->lock);
        e = cvy_table_find(&s->table, &key);
    }
    struct cvy_entry *dead = apply_locked(s, e, &spare, c);
    /* With counted values there will be a grace period at once, so nothing is put off. */
    if (dead && is_lock_free(m) && !m->is_counted) {
        dead = add_dead_locked(s, dead);
    }
    cvy_unlock(&s->lock);
    free(spare);
    settle(c, dead);
    return 0;
}

/* ---- the calls ---- */

static enum verdict decide_put(struct change *c, void **value, bool is_there)
{
    (void)is_there;
    *value = c->value;
    return PUT;
}

static enum verdict decide_drop(struct change *c, void **value, bool is_there)
{
    (void)c;
    (void)value;
    (void)is_there;
    return DROP;
}

static enum verdict decide_load_or_store(struct change *c, void **value, bool is_there)
{
    if (!is_there) {
        *value = c->value;
    }
    if (c->actual) {
        value_ref(c->map, *value);
        *c->actual = *value;
    }
    return is_there ? KEEP : PUT;
}

static enum verdict decide_compare_and_swap(struct change *c, void **value, bool is_there)
{
    if (!is_there || *value != c->old) {
        return KEEP;
    }
    *value = c->value;
    return PUT;
}

static enum verdict decide_compare_and_delete(struct change *c, void **value, bool is_there)
{
    return is_there && *value == c->old ? DROP : KEEP;
}

static enum verdict decide_update(struct change *c, void **value, bool is_there)
{
    void *before = *value;

    if (!c->update(value, is_there, c->arg)) {
        return DROP;
    }
    return is_there && *value == before ? KEEP : PUT;
}

int covey_map_store(covey_map *m, const void *key, size_t len, void *value)
{
    struct change c = {.decide = decide_put, .may_insert = true, .value = value};
    return change(m, key, len, &c);
}

bool covey_map_load(covey_map *m, const void *key, size_t len, void **value)
{
    struct cvy_key k = cvy_key_of(&m->seed, key, len);

    cvy_test_point();
    return load(m, &k, value);
}

bool covey_map_load_or_store(covey_map *m, const void *key, size_t len, void *value, void **actual)
{
    struct change c = {
        .decide = decide_load_or_store, .may_insert = true, .value = value, .actual = actual};

    if (is_lock_free(m) && covey_map_load(m, key, len, actual)) {
        return true;
    }
    if (change(m, key, len, &c) < 0 && actual) {
        *actual = NULL;
    }
    return c.was_there;
}

bool covey_map_load_and_delete(covey_map *m, const void *key, size_t len, void **value)
{
    struct change c = {.decide = decide_drop, .wants_old = value != NULL};

    (void)change(m, key, len, &c);
    if (c.was_there && value) {
        *value = c.old;
    }
    return c.was_there;
}

bool covey_map_delete(covey_map *m, const void *key, size_t len)
{
    return covey_map_load_and_delete(m, key, len, NULL);
}

bool covey_map_swap(covey_map *m, const void *key, size_t len, void *value, void **previous)
{
    struct change c = {
        .decide = decide_put, .may_insert = true, .wants_old = previous != NULL, .value = value};
    int code = change(m, key, len, &c);

    if (previous) {
        *previous = code < 0 ? value : c.old;
    }
    return c.was_there;
}

bool covey_map_compare_and_swap(covey_map *m, const void *key, size_t len, void *old, void *value)
{
    struct change c = {.decide = decide_compare_and_swap, .old = old, .value = value};

    (void)change(m, key, len, &c);
    return c.was_changed;
}

bool covey_map_compare_and_delete(covey_map *m, const void *key, size_t len, void *old)
{
    struct change c = {.decide = decide_compare_and_delete, .old = old};

    (void)change(m, key, len, &c);
    return c.was_changed;
}

int covey_map_update(covey_map *m, const void *key, size_t len,
                     bool (*fn)(void **value, bool present, void *arg), void *arg)
{
    struct change c = {.decide = decide_update, .may_insert = true, .update = fn, .arg = arg};
    return change(m, key, len, &c);
}

/* ---- all entries ---- */

/* Holds the entries of the next order after *at; how many. 0: go on from *at. */
static size_t hold_next(covey_map *m, struct shard *s, uint64_t *at, struct cvy_entry **held)
{
    size_t n = 0;
    struct cvy_thread *reader = view_begin(m, s);
    struct cvy_entry *e = cvy_table_after(&s->table, at);

    for (; e && n < TWINS_MAX; e = cvy_entry_twin(e)) {
        /* Relaxed: the table's hold cannot go while we are in the view. */
        atomic_fetch_add_explicit(&e->holds, 1, memory_order_relaxed);
        held[n++] = e;
    }
    view_end(s, reader);
    return n;
}

static bool visit(covey_map *m, struct shard *s, struct cvy_entry *e,
                  bool (*fn)(const void *key, size_t len, void *value, void *arg), void *arg)
{
    void *value = NULL;

    CVY_WINDOW_NAMED(CVY_WINDOW_RANGE);
    struct cvy_thread *reader = view_begin(m, s);
    bool is_there = take_value(m, e, &value);

    view_end(s, reader);
    if (!is_there) {
        return true;
    }
    bool goes_on = fn(e->key, e->len, value, arg);
    value_unref(m, value);
    return goes_on;
}

void covey_map_range(covey_map *m, bool (*fn)(const void *key, size_t len, void *value, void *arg),
                     void *arg)
{
    struct cvy_entry *held[TWINS_MAX];
    bool goes_on = true;

    for (size_t i = 0; i < m->shard_count && goes_on; i++) {
        struct shard *s = &m->shards[i];
        for (uint64_t at = CVY_TABLE_START; at != CVY_TABLE_END && goes_on;) {
            size_t n = hold_next(m, s, &at, held);
            for (size_t k = 0; k < n; k++) {
                goes_on = goes_on && visit(m, s, held[k], fn, arg);
                entry_unhold(held[k]);
            }
        }
    }
}

size_t covey_map_len(covey_map *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->shard_count; i++) {
        n += cvy_load_relaxed(&m->shards[i].table.count);
    }
    return n;
}

/* Deletes some entries after *at. */
static void clear_some(covey_map *m, struct shard *s, uint64_t *at)
{
    void *values[CLEAR_MAX];
    struct cvy_entry *dead = NULL;
    size_t n = 0;

    cvy_lock(&s->lock);
    while (n < CLEAR_MAX) {
        uint64_t before = *at;
        struct cvy_entry *e = cvy_table_after(&s->table, at);
        if (!e) {
            break;
        }
        if (cvy_entry_twin(e)) {
            *at = before; /* it is next */
        }
        values[n++] = cvy_load_relaxed(&e->value);
        bury_locked(s, e);
        e->next_dead = dead;
        dead = e;
    }
    cvy_unlock(&s->lock);
    if (dead && is_lock_free(m)) {
        cvy_grace_wait();
    }
    free_dead(dead);
    for (size_t i = 0; i < n; i++) {
        value_unref(m, values[i]);
    }
}

void covey_map_clear(covey_map *m)
{
    for (size_t i = 0; i < m->shard_count; i++) {
        for (uint64_t at = CVY_TABLE_START; at != CVY_TABLE_END;) {
            clear_some(m, &m->shards[i], &at);
        }
    }
}

/* ---- birth and death ---- */

static bool are_valid(const covey_map_options *o)
{
    return (o->kind == COVEY_MAP_READ_MOSTLY || o->kind == COVEY_MAP_SHARDED) && o->shards >= 0 &&
           o->shards <= SHARDS_MAX && !o->value_ref == !o->value_unref;
}

covey_map *covey_map_new(const covey_map_options *opts)
{
    covey_map_options o = opts ? *opts : (covey_map_options){0};
    size_t count = 1;

    if (!are_valid(&o)) {
        return NULL;
    }
    if (o.shards == 0) {
        o.shards = o.kind == COVEY_MAP_READ_MOSTLY ? SHARDS_READ_MOSTLY : SHARDS_SHARDED;
    }
    while (count < (size_t)o.shards) {
        count *= 2;
    }
    covey_map *m = cvy_alloc_lines(sizeof(*m) + count * sizeof(m->shards[0]));
    if (!m) {
        return NULL;
    }
    cvy_grace_init();
    m->options = o;
    m->shard_count = count;
    m->is_counted = o.value_ref != NULL;
    m->seed = cvy_table_seed();
    for (size_t i = 0; i < count; i++) {
        cvy_lock_init(&m->shards[i].lock, CVY_RANK_GROUP);
        cvy_table_init(&m->shards[i].table);
    }
    return m;
}

void covey_map_free(covey_map *m)
{
    if (!m) {
        return;
    }
    for (size_t i = 0; i < m->shard_count; i++) {
        struct shard *s = &m->shards[i];
        for (struct cvy_entry *e; (e = cvy_table_pop(&s->table)) != NULL;) {
            value_unref(m, cvy_load_relaxed(&e->value));
            entry_unhold(e);
        }
        free_dead(s->dead);
        cvy_table_fini(&s->table);
    }
    free(m);
}
