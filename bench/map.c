/* SPDX-License-Identifier: MIT
 * map.c - rows 21 to 23: tasks look up and count up entries of one map of 1,000 string keys, half
 * of the time one of 20 hot ones. Read-mostly and sharded are covey's maps, a write one update;
 * locked is libc's hash table under one covey_rwmutex. */
#define _GNU_SOURCE
#include "bench.h"

#include <search.h>

enum { KEYS = 1000, HOT = 20, SHARDS = 32 };

static char keys[KEYS][24];
static size_t lengths[KEYS];

struct shared;

struct kind {
    const char *name;
    void (*open)(struct shared *s);
    uintptr_t (*look)(struct shared *s, int key);
    void (*count)(struct shared *s, int key);
    void (*close)(struct shared *s);
};

struct shared {
    const struct kind *kind;
    covey_map *map;
    covey_rwmutex lock; /* guards table */
    struct hsearch_data table;
    int64_t turns, writes; /* writes of 100 turns */
};

static void fill(struct shared *s, covey_map_kind kind)
{
    s->map = covey_map_new(&(covey_map_options){.kind = kind, .shards = SHARDS});
    BENCH_CHECK(s->map != NULL);
    for (int i = 0; i < KEYS; i++) {
        BENCH_CHECK(covey_map_store(s->map, keys[i], lengths[i], NULL) == 0);
    }
}

static void read_mostly_open(struct shared *s)
{
    fill(s, COVEY_MAP_READ_MOSTLY);
}

static void sharded_open(struct shared *s)
{
    fill(s, COVEY_MAP_SHARDED);
}

static uintptr_t map_look(struct shared *s, int key)
{
    void *value = NULL;
    BENCH_CHECK(covey_map_load(s->map, keys[key], lengths[key], &value));
    return (uintptr_t)value;
}

static bool add_one(void **value, bool present, void *arg)
{
    (void)arg;
    *value = (void *)((uintptr_t)*value + 1);
    return present;
}

static void map_count(struct shared *s, int key)
{
    BENCH_CHECK(covey_map_update(s->map, keys[key], lengths[key], add_one, NULL) == 0);
}

static void map_close(struct shared *s)
{
    covey_map_free(s->map);
}

static void locked_open(struct shared *s)
{
    ENTRY *e;
    BENCH_CHECK(hcreate_r(2 * KEYS, &s->table) != 0);
    for (int i = 0; i < KEYS; i++) {
        BENCH_CHECK(hsearch_r((ENTRY){.key = keys[i]}, ENTER, &e, &s->table) != 0);
    }
}

static uintptr_t locked_look(struct shared *s, int key)
{
    ENTRY *e;
    covey_rwmutex_rlock(&s->lock);
    BENCH_CHECK(hsearch_r((ENTRY){.key = keys[key]}, FIND, &e, &s->table) != 0);
    uintptr_t value = (uintptr_t)e->data;
    covey_rwmutex_runlock(&s->lock);
    return value;
}

static void locked_count(struct shared *s, int key)
{
    ENTRY *e;
    covey_rwmutex_lock(&s->lock);
    BENCH_CHECK(hsearch_r((ENTRY){.key = keys[key]}, FIND, &e, &s->table) != 0);
    (void)add_one(&e->data, true, NULL);
    covey_rwmutex_unlock(&s->lock);
}

static void locked_close(struct shared *s)
{
    hdestroy_r(&s->table);
}

static const struct kind kinds[] = {
    {"read-mostly", read_mostly_open, map_look, map_count, map_close},
    {"locked", locked_open, locked_look, locked_count, locked_close},
    {"sharded", sharded_open, map_look, map_count, map_close},
};

struct worker {
    struct shared *shared;
    uint64_t random;
    int64_t written;
};

static uint64_t next_random(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

static int turn(covey_ctx *ctx, void *arg)
{
    (void)ctx;
    struct worker *w = arg;
    struct shared *s = w->shared;
    for (int64_t i = 0; i < s->turns; i++) {
        uint64_t r = next_random(&w->random);
        int key = (int)((r >> 8) % (r & 1 ? HOT : KEYS));
        if ((int64_t)((r >> 32) % 100) < s->writes) {
            s->kind->count(s, key);
            w->written++;
        } else {
            (void)s->kind->look(s, key);
        }
    }
    return 0;
}

static void run_tasks(covey_ctx *ctx, struct shared *s, int64_t tasks, int64_t turns)
{
    struct worker *w = calloc((size_t)tasks, sizeof(*w));
    covey_group *g = covey_group_new(ctx);
    int64_t written = 0, counted = 0;
    BENCH_CHECK(w != NULL);
    s->turns = turns;
    for (int i = 0; i < KEYS; i++) {
        counted -= (int64_t)s->kind->look(s, i);
    }
    for (int64_t i = 0; i < tasks; i++) {
        w[i] = (struct worker){s, (uint64_t)(i + 1) * UINT64_C(0x9E3779B97F4A7C15), 0};
        bench_go(g, turn, &w[i]);
    }
    BENCH_CHECK(covey_group_wait(g) == 0);
    for (int64_t i = 0; i < tasks; i++) {
        written += w[i].written;
    }
    for (int i = 0; i < KEYS; i++) {
        counted += (int64_t)s->kind->look(s, i);
    }
    BENCH_CHECK(counted == written);
    free(w);
}

static int measure_map(covey_ctx *ctx, void *arg)
{
    int64_t tasks = bench_number(arg, 0, 8), turns = bench_number(arg, 1, 500000);
    struct shared s = {.writes = bench_number(arg, 2, 10)};
    const char *name = bench_word(arg, 3, "read-mostly");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            s.kind = &kinds[i];
        }
    }
    BENCH_CHECK(s.kind != NULL);
    for (int i = 0; i < KEYS; i++) {
        lengths[i] = (size_t)snprintf(keys[i], sizeof(keys[i]), "item-%04d", i);
    }
    s.kind->open(&s);
    run_tasks(ctx, &s, tasks, turns / 10);

    struct bench_span span = bench_span_start();
    run_tasks(ctx, &s, tasks, turns);
    bench_span_end(&span);
    bench_print_span("map", &span, tasks * turns);
    s.kind->close(&s);
    return 0;
}

int main(int argc, char **argv)
{
    return bench_start(argc, argv, measure_map);
}
