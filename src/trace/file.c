/* SPDX-License-Identifier: MIT
 * file.c - see file.h. */
#include "trace/file.h"

#include "base/alloc.h"
#include "os/file.h"
#include "os/module.h"
#include "os/sys.h"

#include <covey/error.h>

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_BYTES ((size_t)256 << 10)
#define SITES_ROOM 256 /* to begin with; a power of two */

void cvy_trace_file_flush(struct cvy_trace_file *f)
{
    if (f->code == 0 && f->len > 0) {
        f->code = cvy_file_write(f->fd, f->buffer, f->len);
    }
    f->len = 0;
}

static void put(struct cvy_trace_file *f, const void *data, size_t len)
{
    if (f->code < 0) {
        return;
    }
    if (len > BUFFER_BYTES - f->len) {
        cvy_trace_file_flush(f);
    }
    if (len > BUFFER_BYTES) {
        f->code = f->code < 0 ? f->code : cvy_file_write(f->fd, data, len);
        return;
    }
    memcpy(f->buffer + f->len, data, len);
    f->len += len;
}

static void section(struct cvy_trace_file *f, uint32_t kind, uint32_t ring, size_t bytes)
{
    covey_trace_section s = {.kind = kind, .ring = ring, .bytes = bytes};
    put(f, &s, sizeof(s));
}

static void pad(struct cvy_trace_file *f, size_t bytes)
{
    put(f, "\0\0\0\0\0\0\0", -bytes & 7);
}

static size_t slot_of(const uintptr_t *sites, size_t room, uintptr_t site)
{
    size_t i = (size_t)((site * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (room - 1);
    while (sites[i] != 0 && sites[i] != site) {
        i = (i + 1) & (room - 1);
    }
    return i;
}

static void put_site(struct cvy_trace_file *f, uintptr_t address)
{
    const covey_site *site = cvy_site_still_there((const covey_site *)address);
    const char *name = site->name ? site->name : "";
    const char *file = site->file ? site->file : "";
    uint64_t head = address;
    uint32_t line = (uint32_t)site->line;
    size_t bytes = sizeof(head) + sizeof(line) + strlen(name) + 1 + strlen(file) + 1;

    section(f, COVEY_TRACE_SITE, 0, bytes);
    put(f, &head, sizeof(head));
    put(f, &line, sizeof(line));
    put(f, name, strlen(name) + 1);
    put(f, file, strlen(file) + 1);
    pad(f, bytes);
}

/* Writes a site when it first occurs. Without memory for a larger table it
 * stays without a name. */
static void note_site(struct cvy_trace_file *f, uintptr_t site)
{
    if (site == 0) {
        return;
    }
    if (f->site_count * 2 >= f->site_room) {
        size_t room = f->site_room * 2;
        uintptr_t *larger = cvy_alloc_zeroed(room * sizeof(*larger));
        if (!larger) {
            return;
        }
        for (size_t i = 0; i < f->site_room; i++) {
            if (f->sites[i] != 0) {
                larger[slot_of(larger, room, f->sites[i])] = f->sites[i];
            }
        }
        free(f->sites);
        f->sites = larger;
        f->site_room = room;
    }
    size_t i = slot_of(f->sites, f->site_room, site);
    if (f->sites[i] == 0) {
        f->sites[i] = site;
        f->site_count++;
        put_site(f, site);
    }
}

static bool has_site(unsigned type)
{
    return type == COVEY_TRACE_new || type == COVEY_TRACE_site ||
           type == COVEY_TRACE_region_begin || type == COVEY_TRACE_region_end ||
           type == COVEY_TRACE_log;
}

int cvy_trace_file_open(struct cvy_trace_file *f, const char *path, int workers, bool is_snapshot)
{
    covey_trace_header h = {.magic = COVEY_TRACE_MAGIC,
                            .version = COVEY_TRACE_VERSION,
                            .header_bytes = sizeof(h),
                            .pid = cvy_process_id(),
                            .workers = (uint32_t)workers,
                            .is_snapshot = is_snapshot,
                            .wall_ns = cvy_wall_now()};

    *f = (struct cvy_trace_file){
        .site_room = SITES_ROOM, .workers = h.workers, .told_workers = h.workers};
    f->buffer = cvy_alloc(BUFFER_BYTES);
    f->batch = cvy_alloc(CVY_TRACE_BATCH * sizeof(*f->batch));
    f->sites = cvy_alloc_zeroed(SITES_ROOM * sizeof(*f->sites));
    f->fd = f->buffer && f->batch && f->sites ? cvy_file_create(path) : -ENOMEM;
    if (f->fd < 0) {
        free(f->buffer);
        free(f->batch);
        free(f->sites);
        return f->fd;
    }
    put(f, &h, sizeof(h));
    return 0;
}

void cvy_trace_clock_now(covey_trace_clock *out)
{
    covey_trace_clock best = {0};
    uint64_t shortest = UINT64_MAX;

    /* The pair that was least disturbed. */
    for (int i = 0; i < 8; i++) {
        uint64_t before = cvy_cycles();
        int64_t ns = cvy_clock_now();
        uint64_t took = cvy_cycles() - before;
        if (took < shortest) {
            shortest = took;
            best = (covey_trace_clock){.ticks = before + took / 2, .monotonic_ns = ns};
        }
    }
    *out = best;
}

void cvy_trace_file_put_clock(struct cvy_trace_file *f, const covey_trace_clock *clock)
{
    section(f, COVEY_TRACE_CLOCK, 0, sizeof(*clock));
    put(f, clock, sizeof(*clock));
}

void cvy_trace_file_clock(struct cvy_trace_file *f)
{
    covey_trace_clock now;

    cvy_trace_clock_now(&now);
    cvy_trace_file_put_clock(f, &now);
}

void cvy_trace_file_workers(struct cvy_trace_file *f, uint32_t workers)
{
    f->workers = workers > f->workers ? workers : f->workers;
}

static void put_events(struct cvy_trace_file *f, uint32_t ring, struct cvy_trace_place *place,
                       uint64_t from, size_t n)
{
    struct cvy_expansion before = place->expansion;
    uint64_t position = from + place->more;
    size_t total = 0;

    for (size_t i = 0; i < n; i++) {
        if (has_site(f->batch[i].meta & 0xFF)) {
            note_site(f, (uintptr_t)(f->batch[i].meta >> 16));
        }
        total += cvy_expand_count(&place->expansion, &f->batch[i]);
    }
    if (ring != UINT32_MAX) {
        cvy_trace_file_workers(f, ring + 1);
    }
    section(f, COVEY_TRACE_EVENTS, ring, sizeof(position) + total * sizeof(*f->batch));
    put(f, &position, sizeof(position));
    if (total == n) {
        /* As always in a trace to a file, where they are many. */
        for (size_t i = 0; i < n; i++) {
            f->batch[i] = cvy_expand(&before, &f->batch[i], 0);
        }
        put(f, f->batch, n * sizeof(*f->batch));
        return;
    }
    for (size_t i = 0; i < n; i++) {
        size_t count = cvy_expand_count(&before, &f->batch[i]);
        for (size_t k = 0; k < count; k++) {
            covey_trace_event e = cvy_expand(&before, &f->batch[i], k);
            put(f, &e, sizeof(e));
        }
    }
    place->more += total - n;
}

bool cvy_trace_file_drain(struct cvy_trace_file *f, uint32_t ring, struct cvy_ring *r,
                          struct cvy_trace_place *place, bool is_first)
{
    uint64_t from = place->at;
    size_t n = cvy_ring_read(r, &from, f->batch, CVY_TRACE_BATCH);

    if (from != place->at && !is_first) {
        uint64_t lost = from - place->at;
        section(f, COVEY_TRACE_LOST, ring, sizeof(lost));
        put(f, &lost, sizeof(lost));
    }
    place->at = from + n;
    if (n == 0) {
        return false;
    }
    put_events(f, ring, place, from, n);
    return n == CVY_TRACE_BATCH;
}

uint64_t cvy_trace_file_tail(struct cvy_trace_file *f, struct cvy_ring *r)
{
    uint64_t written = cvy_ring_written(r);
    uint64_t chunk = written - written % CVY_RING_CHUNK;
    struct cvy_expansion expansion = {0};
    size_t total = 0;

    while (chunk > 0 && total <= r->mask) {
        uint64_t from = chunk - CVY_RING_CHUNK;
        size_t n = cvy_ring_read(r, &from, f->batch, CVY_RING_CHUNK);
        if (from != chunk - CVY_RING_CHUNK) {
            break;
        }
        for (size_t i = 0; i < n; i++) {
            total += cvy_expand_count(&expansion, &f->batch[i]);
        }
        chunk = from;
    }
    return chunk;
}

void cvy_trace_file_task(struct cvy_trace_file *f, const covey_trace_task *t)
{
    note_site(f, (uintptr_t)t->site);
    section(f, COVEY_TRACE_TASK, 0, sizeof(*t));
    put(f, t, sizeof(*t));
}

static void put_group(struct cvy_trace_file *f, const covey_trace_group *g)
{
    note_site(f, (uintptr_t)g->site);
    section(f, COVEY_TRACE_GROUP, 0, sizeof(*g));
    put(f, g, sizeof(*g));
}

void cvy_trace_file_groups(struct cvy_trace_file *f, const struct cvy_trace_alive *alive)
{
    for (size_t i = 0; i < alive->group_count; i++) {
        put_group(f, &alive->groups[i]);
    }
}

void cvy_trace_file_alive(struct cvy_trace_file *f, const struct cvy_trace_alive *alive)
{
    for (size_t i = 0; i < alive->task_count; i++) {
        cvy_trace_file_task(f, &alive->tasks[i]);
    }
    cvy_trace_file_groups(f, alive);
}

/* A pipe keeps the number of the beginning: a reader goes by the rings. */
static void correct_workers(const struct cvy_trace_file *f)
{
    if (f->code == 0 && f->workers != f->told_workers) {
        (void)cvy_file_write_at(f->fd, &f->workers, sizeof(f->workers),
                                offsetof(covey_trace_header, workers));
    }
}

int cvy_trace_file_close(struct cvy_trace_file *f)
{
    cvy_trace_file_clock(f);
    section(f, COVEY_TRACE_END, 0, 0);
    cvy_trace_file_flush(f);
    correct_workers(f);
    int code = cvy_file_close(f->fd);
    if (f->code == 0) {
        f->code = code;
    }
    free(f->buffer);
    free(f->batch);
    free(f->sites);
    return f->code;
}
