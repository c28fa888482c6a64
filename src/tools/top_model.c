/* SPDX-License-Identifier: MIT
 * top_model.c - see top_model.h. */
#include "tools/top_model.h"

#include "tools/grow.h"

#include <string.h>

#define SEED UINT64_C(0xCBF29CE484222325)
#define PLACES_MAX 4096 /* a debug server tells of no more */

static uint64_t hash_text(uint64_t hash, const char *text)
{
    do {
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001B3);
    } while (*text++);
    return hash;
}

static uint64_t hash_number(uint64_t hash, uint64_t n)
{
    hash ^= n + UINT64_C(0x9E3779B97F4A7C15) + (hash << 6) + (hash >> 2);
    return hash * UINT64_C(0x100000001B3);
}

static uint64_t hash_site(const struct cvy_json *j, uint64_t hash, cvy_json_at site)
{
    hash = hash_text(hash, cvy_json_text(j, site, "file"));
    return hash_number(hash, (uint64_t)cvy_json_whole(j, site, "line"));
}

/* ---- nodes ---- */

static uint32_t *slot_of(const struct cvy_top_model *m, uint64_t key)
{
    size_t at = (size_t)(key ^ key >> 32) & (m->table_room - 1);

    while (m->table[at] != 0 && m->nodes[m->table[at]].key != key) {
        at = (at + 1) & (m->table_room - 1);
    }
    return &m->table[at];
}

const struct cvy_top_node *cvy_top_find(const struct cvy_top_model *m, uint64_t key)
{
    uint32_t found = m && m->table_room ? *slot_of(m, key) : 0;
    return found ? &m->nodes[found] : NULL;
}

static bool table_grow(struct cvy_top_model *m)
{
    size_t room = m->table_room ? 2 * m->table_room : 256;
    uint32_t *table = calloc(room, sizeof(*table));

    if (!table) {
        return false;
    }
    free(m->table);
    m->table = table;
    m->table_room = room;
    for (uint32_t i = 1; i < m->count; i++) {
        *slot_of(m, m->nodes[i].key) = i;
    }
    return true;
}

/* The node of that key, a new one if need be, which hangs under no other yet. 0: out of memory. */
static uint32_t node_get(struct cvy_top_model *m, uint64_t key, enum cvy_top_type type)
{
    if ((2 * m->count >= m->table_room && !table_grow(m)) ||
        !cvy_tools_grow(&m->nodes, m->count, &m->room, sizeof(*m->nodes))) {
        return 0;
    }
    uint32_t *slot = slot_of(m, key);
    if (*slot == 0) {
        m->nodes[m->count] = (struct cvy_top_node){.type = type, .key = key, .name = ""};
        *slot = (uint32_t)m->count++;
    }
    return *slot;
}

static void hang(struct cvy_top_model *m, uint32_t node, uint32_t parent)
{
    m->nodes[node].parent = parent;
    m->nodes[node].next = m->nodes[parent].child;
    m->nodes[parent].child = node;
}

static size_t wait_index(struct cvy_top_model *m, const char *name)
{
    size_t i = 0;

    while (i < m->wait_count && strcmp(m->waits[i], name) != 0) {
        i++;
    }
    if (i == CVY_TOP_WAITS) {
        return CVY_TOP_WAITS - 1;
    }
    if (i == m->wait_count) {
        m->waits[m->wait_count++] = i == CVY_TOP_WAITS - 1 ? "others" : name;
    }
    return i;
}

/* ---- the tree ---- */

/* The group of a place; 0: none, or no memory. */
static uint32_t group_get(struct cvy_top_model *m, cvy_json_at place)
{
    const struct cvy_json *j = m->json;
    cvy_json_at group = cvy_json_get(j, place, "group");
    cvy_json_at opened = cvy_json_get(j, group, "opened");

    if (!opened) {
        return 0;
    }
    uint64_t opener = hash_site(j, hash_text(SEED, cvy_json_text(j, group, "opener")),
                                cvy_json_get(j, group, "opener_started"));
    uint32_t n =
        node_get(m, hash_site(j, hash_number(opener, CVY_TOP_GROUP), opened), CVY_TOP_GROUP);
    m->nodes[n].kind = opener;
    m->nodes[n].site = opened;
    return n;
}

/* The first kind of that name and start, in whatever group; 0: none. */
static uint32_t kind_find(const struct cvy_top_model *m, uint64_t kind)
{
    for (uint32_t i = 1; i < m->count; i++) {
        if (m->nodes[i].type == CVY_TOP_KIND && m->nodes[i].kind == kind) {
            return i;
        }
    }
    return 0;
}

static uint32_t kind_get(struct cvy_top_model *m, cvy_json_at place, uint32_t group)
{
    const struct cvy_json *j = m->json;
    const char *name = cvy_json_text(j, place, "name");
    cvy_json_at started = cvy_json_get(j, place, "started");
    uint64_t kind = hash_site(j, hash_text(SEED, name), started);
    /* Of a task that does not wait the group is not told: it is with its like. */
    uint32_t n = group ? 0 : kind_find(m, kind);

    if (n) {
        return n;
    }
    size_t before = m->count;
    uint64_t of_group = group ? m->nodes[group].key : 0;
    n = node_get(m, hash_number(hash_number(kind, CVY_TOP_KIND), of_group), CVY_TOP_KIND);
    if (n && m->count > before) {
        m->nodes[n].kind = kind;
        m->nodes[n].name = name;
        m->nodes[n].site = started;
        hang(m, n, group);
    }
    return n;
}

static uint64_t place_key(const struct cvy_top_model *m, uint64_t kind, const char *what,
                          cvy_json_at stack)
{
    uint64_t key = hash_text(hash_number(kind, CVY_TOP_PLACE), what);

    for (cvy_json_at f = cvy_json_child(m->json, stack); f; f = cvy_json_next(m->json, f)) {
        key = hash_text(key, cvy_json_text(m->json, f, "address"));
    }
    return key;
}

/* Adds what is there of tasks to the node and all above it. */
static void add_up(struct cvy_top_model *m, uint32_t node, const struct cvy_top_node *of,
                   size_t wait)
{
    for (uint32_t i = node;; i = m->nodes[i].parent) {
        struct cvy_top_node *n = &m->nodes[i];
        n->tasks += of->tasks;
        n->running += of->running;
        n->runnable += of->runnable;
        n->oldest = of->oldest > n->oldest ? of->oldest : n->oldest;
        if (wait < CVY_TOP_WAITS) {
            n->waits[wait] += of->tasks;
        }
        if (i == 0) {
            return;
        }
    }
}

/* What tasks wait for: what a library has noted, if it has; "": they do not wait. */
static const char *wait_of(const struct cvy_json *j, cvy_json_at place)
{
    const char *noted = cvy_json_text(j, place, "awaiting");
    return noted[0] ? noted : cvy_json_text(j, place, "wait");
}

static bool add_place(struct cvy_top_model *m, cvy_json_at place)
{
    const struct cvy_json *j = m->json;
    const char *state = cvy_json_text(j, place, "state");
    const char *wait = wait_of(j, place);
    cvy_json_at stack = cvy_json_get(j, place, "stack");
    uint32_t group = group_get(m, place);
    uint32_t kind = kind_get(m, place, group);
    size_t before = m->count;

    if (!kind) {
        return false;
    }
    const char *what = wait[0] ? wait : state;
    uint32_t n = node_get(m, place_key(m, m->nodes[kind].key, what, stack), CVY_TOP_PLACE);
    if (!n) {
        return false;
    }
    if (m->count > before) {
        hang(m, n, kind);
        m->place_count++;
    }
    struct cvy_top_node *p = &m->nodes[n];
    p->name = what;
    p->site = stack;
    return true;
}

/* Groups under the kind that opened them; never under one that stands below them. */
static void hang_groups(struct cvy_top_model *m)
{
    for (uint32_t i = 1; i < m->count; i++) {
        if (m->nodes[i].type != CVY_TOP_GROUP) {
            continue;
        }
        uint32_t kind = kind_find(m, m->nodes[i].kind);
        uint32_t above = kind;
        while (above != 0 && above != i) {
            above = m->nodes[above].parent;
        }
        hang(m, i, above == i ? 0 : kind);
    }
}

/* No program has more tasks than that, and sums of them stay far from the limit. */
static int64_t tasks_of(const struct cvy_json *j, cvy_json_at of, const char *name)
{
    int64_t tasks = cvy_json_whole(j, of, name);
    return tasks < UINT32_MAX ? tasks : UINT32_MAX;
}

static void count_place(struct cvy_top_model *m, cvy_json_at place)
{
    const struct cvy_json *j = m->json;
    const char *state = cvy_json_text(j, place, "state");
    const char *wait = wait_of(j, place);
    uint32_t kind = kind_get(m, place, group_get(m, place));
    const char *what = wait[0] ? wait : state;
    uint64_t key = place_key(m, m->nodes[kind].key, what, cvy_json_get(j, place, "stack"));
    struct cvy_top_node of = {.tasks = tasks_of(j, place, "tasks"),
                              .oldest = cvy_json_number(j, place, "oldest_seconds")};

    of.running = strcmp(state, "running") == 0 ? of.tasks : 0;
    of.runnable = strcmp(state, "runnable") == 0 || strcmp(state, "new") == 0 ? of.tasks : 0;
    add_up(m, *slot_of(m, key), &of, wait[0] ? wait_index(m, wait) : CVY_TOP_WAITS);
}

/* The tasks that no place was left for: one row, at the end of the tree's first level. */
static bool add_others(struct cvy_top_model *m)
{
    struct cvy_top_node of = {.tasks = tasks_of(m->json, cvy_json_root(m->json), "others")};

    if (of.tasks == 0) {
        return true;
    }
    uint32_t n = node_get(m, hash_text(SEED, "others"), CVY_TOP_PLACE);
    if (n) {
        m->nodes[n].name = "at further places";
        hang(m, n, 0);
        add_up(m, n, &of, CVY_TOP_WAITS);
    }
    return n != 0;
}

/* Calls fn for the places that tell their group, and then for the others. */
static bool places_each(struct cvy_top_model *m, bool (*fn)(struct cvy_top_model *, cvy_json_at))
{
    cvy_json_at places = cvy_json_get(m->json, cvy_json_root(m->json), "places");

    for (int has_group = 1; has_group >= 0; has_group--) {
        cvy_json_at p = cvy_json_child(m->json, places);
        for (int i = 0; p && i < PLACES_MAX; i++, p = cvy_json_next(m->json, p)) {
            cvy_json_at group = cvy_json_get(m->json, p, "group");
            if ((cvy_json_get(m->json, group, "opened") != NULL) == has_group && !fn(m, p)) {
                return false;
            }
        }
    }
    return true;
}

static bool count_one(struct cvy_top_model *m, cvy_json_at place)
{
    count_place(m, place);
    return true;
}

struct cvy_top_model *cvy_top_model_new(const struct cvy_json *j)
{
    struct cvy_top_model *m = calloc(1, sizeof(*m));
    cvy_json_at places = cvy_json_get(j, cvy_json_root(j), "places");

    if (!m || !places || places->type != CVY_JSON_ARRAY) {
        free(m);
        return NULL;
    }
    m->json = j;
    if (!cvy_tools_grow(&m->nodes, 0, &m->room, sizeof(*m->nodes))) {
        free(m);
        return NULL;
    }
    m->nodes[0] = (struct cvy_top_node){.type = CVY_TOP_ROOT, .name = ""};
    m->count = 1;
    if (!places_each(m, add_place)) {
        cvy_top_model_free(m);
        return NULL;
    }
    hang_groups(m);
    (void)places_each(m, count_one);
    if (!add_others(m)) {
        cvy_top_model_free(m);
        return NULL;
    }
    return m;
}

void cvy_top_model_free(struct cvy_top_model *m)
{
    if (m) {
        free(m->nodes);
        free(m->table);
        free(m);
    }
}

const char *cvy_top_hot(const struct cvy_top_model *m, const struct cvy_top_node *n, int64_t *tasks)
{
    size_t best = 0;

    for (size_t i = 1; i < m->wait_count; i++) {
        best = n->waits[i] > n->waits[best] ? i : best;
    }
    *tasks = m->wait_count ? n->waits[best] : 0;
    return *tasks > 0 ? m->waits[best] : NULL;
}
