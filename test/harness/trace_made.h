/* SPDX-License-Identifier: MIT
 * trace_made.h - for tests: a trace file written section by section, as the recorder writes it, and
 * its model. */
#ifndef CVY_TEST_TRACE_MADE_H
#define CVY_TEST_TRACE_MADE_H

#include "tools/trace.h"

#include "harness.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define SITE UINT64_C(0x5000)

static char file[1 << 19];
static size_t size;
static char error[128];

static inline void put(const void *data, size_t len)
{
    CHECK(size + len <= sizeof(file));
    memcpy(file + size, data, len);
    size += len;
}

static inline void put_section(uint32_t kind, const void *body, size_t bytes)
{
    covey_trace_section s = {.kind = kind, .bytes = bytes};

    put(&s, sizeof(s));
    put(body, bytes);
    put("\0\0\0\0\0\0\0", -bytes & 7);
}

static inline void put_clock(uint64_t ticks)
{
    covey_trace_clock c = {.ticks = ticks, .monotonic_ns = (int64_t)ticks};
    put_section(COVEY_TRACE_CLOCK, &c, sizeof(c));
}

static inline void begin(uint32_t version)
{
    covey_trace_header h = {.magic = COVEY_TRACE_MAGIC,
                            .version = version,
                            .header_bytes = sizeof(h),
                            .workers = 1,
                            .is_snapshot = 1,
                            .wall_ns = 1000000};

    size = 0;
    put(&h, sizeof(h));
    put_clock(1000);
    char site[] = "\0\x50\0\0\0\0\0\0\7\0\0\0work\0shop.c";
    put_section(COVEY_TRACE_SITE, site, sizeof(site));
}

struct events {
    uint64_t position;
    covey_trace_event list[16];
};

static inline void put_events(uint32_t ring, const struct events *e, size_t count)
{
    size_t at = size;

    put_section(COVEY_TRACE_EVENTS, e, sizeof(e->position) + count * sizeof(*e->list));
    memcpy(file + at + offsetof(covey_trace_section, ring), &ring, sizeof(ring));
}

static inline struct cvy_trace *parse(void)
{
    char *data = malloc(size);
    CHECK(data);
    memcpy(data, file, size);
    return cvy_trace_parse(data, size, error, sizeof(error));
}

static inline struct cvy_trace *end(const struct events *e, size_t count)
{
    put_events(0, e, count);
    put_clock(9000);
    put_section(COVEY_TRACE_END, "", 0);
    return parse();
}

static struct cvy_trace *modelled;

static inline struct cvy_trace_model *model_of_parsed(struct cvy_trace *t)
{
    modelled = t;
    CHECK(modelled);
    struct cvy_trace_model *m = cvy_trace_model_new(modelled);
    CHECK(m);
    return m;
}

static inline struct cvy_trace_model *model_of(const struct events *e, size_t count)
{
    return model_of_parsed(end(e, count));
}

static inline void free_model(struct cvy_trace_model *m)
{
    cvy_trace_model_free(m);
    cvy_trace_free(modelled);
}

static inline covey_trace_event event(uint32_t ticks, unsigned type, uint32_t id, uint64_t object)
{
    return (covey_trace_event){.ticks = ticks, .id = id, .meta = type | object << 16};
}

static inline uint32_t life_of(const struct cvy_trace_model *m, uint64_t id)
{
    for (uint32_t i = 1; i < m->life_count; i++) {
        if (m->lives[i].id == id) {
            return i;
        }
    }
    return 0;
}

static inline const struct cvy_trace_life *find_life(const struct cvy_trace_model *m, uint64_t id)
{
    return &m->lives[life_of(m, id)];
}

static inline covey_trace_event text_event(const char *part, bool is_last)
{
    size_t n = strlen(part);
    char bytes[10] = {0};
    covey_trace_event e = {.meta = COVEY_TRACE_text | (n | (is_last ? 0x80 : 0)) << 8};
    uint64_t object = 0;

    CHECK(n <= sizeof(bytes));
    memcpy(bytes, part, n);
    memcpy(&e.id, bytes, 4);
    memcpy(&object, bytes + 4, 6);
    e.ticks = 2000;
    e.meta |= object << 16;
    return e;
}

static inline void put_task(uint64_t id, uint64_t group)
{
    covey_trace_task t = {.id = id, .site = SITE, .group = group};
    put_section(COVEY_TRACE_TASK, &t, sizeof(t));
}

static inline void put_group(uint64_t address, uint64_t opener)
{
    covey_trace_group g = {.address = address, .site = SITE, .opener = opener};
    put_section(COVEY_TRACE_GROUP, &g, sizeof(g));
}

/* A trace, not a snapshot. */
static inline void begin_trace(void)
{
    const uint32_t is_snapshot = 0;

    begin(COVEY_TRACE_VERSION);
    memcpy(file + offsetof(covey_trace_header, is_snapshot), &is_snapshot, sizeof(is_snapshot));
}

#endif
