/* SPDX-License-Identifier: MIT
 * trace_read.c - see trace_read.h. */
#include "tools/trace_read.h"

#include "tools/grow.h"
#include "tools/line.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RINGS_MAX 1025

static struct cvy_trace_ring *ring_of(struct cvy_trace *t, uint32_t number)
{
    for (size_t i = 0; i < t->ring_count; i++) {
        if (t->rings[i].number == number) {
            return &t->rings[i];
        }
    }
    if (t->ring_count == RINGS_MAX ||
        !cvy_tools_grow(&t->rings, t->ring_count, &t->ring_room, sizeof(*t->rings))) {
        return NULL;
    }
    t->rings[t->ring_count] = (struct cvy_trace_ring){.number = number};
    return &t->rings[t->ring_count++];
}

static const char *add_events(struct cvy_trace *t, uint32_t number, const char *body, size_t bytes)
{
    struct cvy_trace_span span = {.events = body + sizeof(uint64_t)};

    if (bytes < sizeof(uint64_t) || (bytes - sizeof(uint64_t)) % sizeof(covey_trace_event) != 0) {
        return "a section of events has a wrong length";
    }
    memcpy(&span.position, body, sizeof(span.position));
    span.count = (bytes - sizeof(uint64_t)) / sizeof(covey_trace_event);
    struct cvy_trace_ring *r = ring_of(t, number);
    if (!r) {
        return "too many rings";
    }
    if (!cvy_tools_grow(&r->spans, r->span_count, &r->span_room, sizeof(*r->spans))) {
        return "out of memory";
    }
    r->spans[r->span_count++] = span;
    t->events += span.count;
    return NULL;
}

static const char *add_site(struct cvy_trace *t, char *body, size_t bytes)
{
    struct cvy_trace_site s;
    char *text = body + 12;
    const char *end = body + bytes;

    if (bytes < 14 || end[-1] != '\0') {
        return "a site is damaged";
    }
    memcpy(&s.address, body, 8);
    memcpy(&s.line, body + 8, 4);
    char *file = text + strlen(text) + 1;
    if (file >= end) {
        return "a site is damaged";
    }
    cvy_line_make_printable(text);
    cvy_line_make_printable(file);
    s.name = text;
    s.file = file;
    s.address &= (UINT64_C(1) << 48) - 1;
    if (!cvy_tools_grow(&t->sites, t->site_count, &t->site_room, sizeof(*t->sites))) {
        return "out of memory";
    }
    t->sites[t->site_count++] = s;
    return NULL;
}

static const char *add_task(struct cvy_trace *t, const char *body, size_t bytes)
{
    if (bytes < sizeof(covey_trace_task)) {
        return "a task is damaged";
    }
    if (!cvy_tools_grow(&t->tasks, t->task_count, &t->task_room, sizeof(*t->tasks))) {
        return "out of memory";
    }
    covey_trace_task *task = &t->tasks[t->task_count++];
    memcpy(task, body, sizeof(*task));
    task->name[sizeof(task->name) - 1] = '\0';
    return NULL;
}

static const char *add_group(struct cvy_trace *t, const char *body, size_t bytes)
{
    if (bytes < sizeof(covey_trace_group)) {
        return "a group is damaged";
    }
    if (!cvy_tools_grow(&t->groups, t->group_count, &t->group_room, sizeof(*t->groups))) {
        return "out of memory";
    }
    memcpy(&t->groups[t->group_count++], body, sizeof(*t->groups));
    return NULL;
}

static const char *add_clock(struct cvy_trace *t, const char *body, size_t bytes)
{
    if (bytes < sizeof(covey_trace_clock)) {
        return "a clock is damaged";
    }
    uint64_t before = t->last_clock.ticks;
    memcpy(&t->last_clock, body, sizeof(t->last_clock));
    if (t->clock_count++ == 0) {
        t->first_clock = t->last_clock;
    }
    /* A snapshot's last one is later by as long as writing it took. */
    t->end = t->header.is_snapshot ? before : t->last_clock.ticks;
    return NULL;
}

static const char *add_section(struct cvy_trace *t, const covey_trace_section *s, char *body)
{
    switch (s->kind) {
    case COVEY_TRACE_EVENTS:
        return add_events(t, s->ring, body, s->bytes);
    case COVEY_TRACE_CLOCK:
        return add_clock(t, body, s->bytes);
    case COVEY_TRACE_SITE:
        return add_site(t, body, s->bytes);
    case COVEY_TRACE_TASK:
        return add_task(t, body, s->bytes);
    case COVEY_TRACE_GROUP:
        return add_group(t, body, s->bytes);
    case COVEY_TRACE_LOST:
        if (s->bytes >= sizeof(uint64_t)) {
            uint64_t n;
            struct cvy_trace_ring *r = ring_of(t, s->ring);
            memcpy(&n, body, sizeof(n));
            t->lost += n;
            if (r) {
                r->lost += n;
            }
        }
        return NULL;
    case COVEY_TRACE_END:
        t->is_whole = true;
        return NULL;
    default:
        return NULL;
    }
}

static int compare_sites(const void *a, const void *b)
{
    uint64_t x = ((const struct cvy_trace_site *)a)->address;
    uint64_t y = ((const struct cvy_trace_site *)b)->address;
    return (x > y) - (x < y);
}

/* Those of workers that slept all the time are not in the file. */
static void add_sleepers(struct cvy_trace *t)
{
    for (uint32_t i = 0; i < t->header.workers && i < RINGS_MAX - 1 && ring_of(t, i); i++) {
    }
}

/* Workers by number, then the shared ring. */
static int compare_rings(const void *a, const void *b)
{
    uint32_t x = ((const struct cvy_trace_ring *)a)->number;
    uint32_t y = ((const struct cvy_trace_ring *)b)->number;
    return (x > y) - (x < y);
}

/* What is wrong, or NULL. */
static const char *parse(struct cvy_trace *t)
{
    covey_trace_section s;

    if (t->size < sizeof(t->header) || memcmp(t->data, COVEY_TRACE_MAGIC, 8) != 0) {
        return "not a trace of covey's";
    }
    memcpy(&t->header, t->data, sizeof(t->header));
    /* Version 1 has no events that stand for two. */
    if (t->header.version == 0 || t->header.version > COVEY_TRACE_VERSION) {
        return "a version of the format that this covey does not know";
    }
    size_t at = t->header.header_bytes;
    if (at < sizeof(t->header) || at > t->size) {
        return "the header is damaged";
    }
    while (t->size - at >= sizeof(s)) {
        memcpy(&s, t->data + at, sizeof(s));
        at += sizeof(s);
        if (s.bytes > t->size - at) {
            /* Cut off: a killed program, a full disk. Whole events of the rest still count. */
            if (s.kind == COVEY_TRACE_EVENTS && t->size - at >= sizeof(uint64_t)) {
                s.bytes = t->size - at;
                s.bytes -= (s.bytes - sizeof(uint64_t)) % sizeof(covey_trace_event);
                return add_section(t, &s, t->data + at);
            }
            return NULL;
        }
        const char *wrong = add_section(t, &s, t->data + at);
        if (wrong) {
            return wrong;
        }
        size_t padded = (s.bytes + 7) & ~(size_t)7;
        at = padded > t->size - at ? t->size : at + padded;
    }
    return NULL;
}

void cvy_trace_free(struct cvy_trace *t)
{
    if (!t) {
        return;
    }
    for (size_t i = 0; i < t->ring_count; i++) {
        free(t->rings[i].spans);
    }
    free(t->rings);
    free(t->sites);
    free(t->tasks);
    free(t->groups);
    free(t->data);
    free(t);
}

const struct cvy_trace_site *cvy_trace_site_at(const struct cvy_trace *t, uint64_t address)
{
    struct cvy_trace_site key = {.address = address};
    return t->site_count == 0 ? NULL
                              : bsearch(&key, t->sites, t->site_count, sizeof(key), compare_sites);
}

/* ---- events in order of time ---- */

/* Where one ring is read. */
struct cursor {
    const struct cvy_trace_ring *ring;
    size_t span, at; /* the next event */
    uint64_t expected;
    uint64_t ticks; /* of the current one */
    bool has_clock;
    covey_trace_event event;
};

/* To the next event with a known time; false: there is none. */
static bool advance(struct cursor *c)
{
    while (c->span < c->ring->span_count) {
        const struct cvy_trace_span *s = &c->ring->spans[c->span];
        if (c->at == s->count) {
            c->span++;
            c->at = 0;
            continue;
        }
        uint64_t position = s->position + c->at;
        if (position != c->expected) {
            c->has_clock = false;
        }
        c->expected = position + 1;
        memcpy(&c->event, s->events + c->at * sizeof(c->event), sizeof(c->event));
        c->at++;
        if ((c->event.meta & 0xFF) == COVEY_TRACE_clock) {
            uint64_t ticks = (uint64_t)c->event.id << 32 | c->event.ticks;
            c->ticks = ticks > c->ticks ? ticks : c->ticks;
            c->has_clock = true;
            continue;
        }
        if (!c->has_clock) {
            continue;
        }
        /* A counter that went back a little, on another processor, stands still. */
        int32_t delta = (int32_t)(c->event.ticks - (uint32_t)c->ticks);
        c->ticks += delta > 0 ? (uint32_t)delta : 0;
        return true;
    }
    return false;
}

/* A trace begins with its first clock. A snapshot does when all workers are known: with the oldest
 * event of the ring that goes back least, of those that have lost their beginning; if none has,
 * with the oldest of all. The ring that threads share hardly ever goes round, and counts if there
 * is no other. What was recorded earlier says what was then. */
static void find_origin(struct cvy_trace *t)
{
    uint64_t oldest = UINT64_MAX;
    bool has_worker = false;

    for (size_t i = 0; i < t->ring_count; i++) {
        struct cursor c = {.ring = &t->rings[i]};
        bool is_shared = c.ring->number == CVY_TRACE_RING_SHARED;
        /* It comes last. */
        if ((is_shared && has_worker) || !advance(&c)) {
            continue;
        }
        has_worker = has_worker || !is_shared;
        oldest = c.ticks < oldest ? c.ticks : oldest;
        if (!is_shared && c.ring->spans[0].position > 0 && c.ticks > t->known) {
            t->known = c.ticks;
        }
    }
    if (!t->header.is_snapshot) {
        t->origin = t->first_clock.ticks;
        /* From there on a ring says itself what is missing. */
        t->known = t->known < t->origin ? t->known : t->origin;
    } else {
        t->origin = t->known > 0 ? t->known : oldest;
    }
}

static bool is_clock(const struct cvy_trace_span *s, size_t at)
{
    covey_trace_event e;

    memcpy(&e, s->events + at * sizeof(e), sizeof(e));
    return (e.meta & 0xFF) == COVEY_TRACE_clock;
}

/* Whether events are missing behind the current one, and clocks. */
static bool is_before_gap(const struct cursor *c)
{
    const struct cvy_trace_span *s = &c->ring->spans[c->span];

    for (size_t at = c->at; at < s->count; at++) {
        if (!is_clock(s, at)) {
            return false;
        }
    }
    return c->span + 1 < c->ring->span_count && s[1].position != s->position + s->count;
}

/* A heap of cursors, the earliest on top. */
static void sift_down(struct cursor **heap, size_t n, size_t i)
{
    for (;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < n; child++) {
            if (heap[child]->ticks < heap[least]->ticks) {
                least = child;
            }
        }
        if (least == i) {
            return;
        }
        struct cursor *moved = heap[i];
        heap[i] = heap[least];
        heap[least] = moved;
        i = least;
    }
}

bool cvy_trace_has_rate(const struct cvy_trace *t)
{
    double ns = (double)(t->last_clock.monotonic_ns - t->first_clock.monotonic_ns);
    return t->last_clock.ticks > t->first_clock.ticks && ns > 0 && ns < 1e18;
}

/* Nanoseconds a tick. */
static double rate_of(const struct cvy_trace *t)
{
    double ticks = (double)(t->last_clock.ticks - t->first_clock.ticks);
    double ns = (double)(t->last_clock.monotonic_ns - t->first_clock.monotonic_ns);
    return cvy_trace_has_rate(t) ? ns / ticks : 1.0;
}

static int64_t ns_of(const struct cvy_trace *t, uint64_t ticks, double rate)
{
    double ns = ticks > t->origin ? (double)(ticks - t->origin) * rate : 0;
    return ns < 1e18 ? (int64_t)ns : (int64_t)1e18;
}

int64_t cvy_trace_recorded(const struct cvy_trace *t)
{
    return ns_of(t, t->end, rate_of(t));
}

/* The halves of an event that stands for two; how many items. */
static int split(struct cvy_trace_item *items)
{
    struct cvy_trace_item *first = &items[0];

    if (first->type == COVEY_TRACE_pass) {
        items[1] = *first;
        items[1].type = COVEY_TRACE_park;
        first->type = COVEY_TRACE_ready;
        first->arg = 0;
        first->object = 0;
        return 2;
    }
    if (first->type == COVEY_TRACE_relay) {
        items[1] = *first;
        items[1].type = COVEY_TRACE_run;
        items[1].object = 0;
        first->type = COVEY_TRACE_end;
        first->id = (uint32_t)first->object;
        first->object = 0;
        return 2;
    }
    return 1;
}

int cvy_trace_each(const struct cvy_trace *t,
                   bool (*see)(const struct cvy_trace_item *item, void *arg), void *arg)
{
    struct cursor *cursors = calloc(t->ring_count, sizeof(*cursors));
    struct cursor **heap = calloc(t->ring_count, sizeof(*heap));
    double rate = rate_of(t);
    size_t n = 0;

    if (!cursors || !heap) {
        free(cursors);
        free(heap);
        return -ENOMEM;
    }
    for (size_t i = 0; i < t->ring_count; i++) {
        cursors[i].ring = &t->rings[i];
        if (advance(&cursors[i])) {
            heap[n++] = &cursors[i];
        }
    }
    for (size_t i = n; i-- > 0;) {
        sift_down(heap, n, i);
    }
    while (n > 0) {
        struct cursor *c = heap[0];
        bool is_early = c->ticks < t->origin;
        bool is_partial = c->ticks < t->known;
        struct cvy_trace_item items[2] = {{.ns = ns_of(t, c->ticks, rate),
                                           .is_early = is_early,
                                           .is_partial = is_partial,
                                           .ring = (size_t)(c->ring - t->rings),
                                           .type = c->event.meta & 0xFF,
                                           .arg = c->event.meta >> 8 & 0xFF,
                                           .id = c->event.id,
                                           .object = c->event.meta >> 16}};
        int count = split(items);
        bool goes_on = true;
        items[count - 1].is_before_gap = is_before_gap(c);
        for (int i = 0; i < count && goes_on; i++) {
            goes_on = see(&items[i], arg);
        }
        if (!goes_on) {
            break;
        }
        if (!advance(c)) {
            heap[0] = heap[--n];
        }
        sift_down(heap, n, 0);
    }
    free(cursors);
    free(heap);
    return 0;
}

int64_t cvy_trace_wall_start(const struct cvy_trace *t)
{
    double written = (double)t->header.wall_ns;
    double ticks = (double)t->last_clock.ticks - (double)t->origin;
    double start = t->header.is_snapshot ? written - ticks * rate_of(t) : written;

    return start > 0 && start < 9e18 ? (int64_t)start : 0;
}

/* ---- the whole ---- */

struct cvy_trace *cvy_trace_parse(char *data, size_t size, char *error, size_t error_size)
{
    struct cvy_trace *t = calloc(1, sizeof(*t));
    const char *wrong = "out of memory";

    if (t) {
        t->data = data;
        t->size = size;
        wrong = parse(t);
    } else {
        free(data);
    }
    if (!wrong && (t->clock_count == 0 || t->events == 0)) {
        wrong = "it has no events";
    }
    if (wrong) {
        (void)snprintf(error, error_size, "%s", wrong);
        cvy_trace_free(t);
        return NULL;
    }
    add_sleepers(t);
    qsort(t->rings, t->ring_count, sizeof(*t->rings), compare_rings);
    if (t->site_count > 0) {
        qsort(t->sites, t->site_count, sizeof(*t->sites), compare_sites);
    }
    find_origin(t);
    return t;
}

struct cvy_trace *cvy_trace_read(const char *path, char *error, size_t error_size)
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *in = is_stdin ? stdin : fopen(path, "rb");
    char *data = NULL;
    size_t size = 0;
    size_t room = 0;

    if (!in) {
        (void)snprintf(error, error_size, "%s", strerror(errno));
        return NULL;
    }
    for (;;) {
        if (size == room) {
            room = room ? room * 2 : (size_t)1 << 20;
            char *larger = realloc(data, room);
            if (!larger) {
                (void)snprintf(error, error_size, "out of memory");
                break;
            }
            data = larger;
        }
        size_t n = fread(data + size, 1, room - size, in);
        size += n;
        if (n > 0) {
            continue;
        }
        if (ferror(in)) {
            (void)snprintf(error, error_size, "%s", strerror(errno));
            break;
        }
        if (!is_stdin) {
            (void)fclose(in);
        }
        return cvy_trace_parse(data, size, error, error_size);
    }
    if (!is_stdin) {
        (void)fclose(in);
    }
    free(data);
    return NULL;
}
