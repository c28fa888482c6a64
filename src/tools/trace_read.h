/* SPDX-License-Identifier: MIT
 * trace_read.h - reads a trace file: its sections, and the events of all rings in order of time.
 *
 * Nothing in a file is believed: a file that is cut off, damaged or hostile gives an error, or what
 * could be read of it with a word on what is missing. */
#ifndef CVY_TOOLS_TRACE_READ_H
#define CVY_TOOLS_TRACE_READ_H

#include <covey/trace_format.h>

/* A ring's events that stand together in the file. */
struct cvy_trace_span {
    uint64_t position;  /* of the first, counted from the ring's beginning */
    const char *events; /* unaligned, in the file's data */
    size_t count;
};

struct cvy_trace_ring {
    uint32_t number; /* a worker, or CVY_TRACE_RING_SHARED */
    struct cvy_trace_span *spans;
    size_t span_count, span_room;
    uint64_t lost;
};

#define CVY_TRACE_RING_SHARED UINT32_MAX

struct cvy_trace_site {
    uint64_t address;
    uint32_t line;
    const char *name, *file; /* in the file's data */
};

struct cvy_trace {
    covey_trace_header header;
    struct cvy_trace_ring *rings;
    size_t ring_count, ring_room;
    struct cvy_trace_site *sites; /* by address */
    size_t site_count, site_room;
    covey_trace_task *tasks; /* alive when it began, or at a snapshot */
    size_t task_count, task_room;
    covey_trace_group *groups; /* open then */
    size_t group_count, group_room;
    covey_trace_clock first_clock, last_clock;
    uint64_t end; /* ticks when recording ended: the last clock's, a snapshot's last but one */
    int clock_count;
    uint64_t events, lost;
    uint64_t origin; /* ticks of the moment 0: the first clock's; a snapshot's, when all workers are
                        known */
    uint64_t known;  /* ticks from which on all workers are known; at most origin */
    bool is_whole;   /* it has its end */
    char *data;      /* owned */
    size_t size;
};

/* Reads the file, "-": standard input; NULL: what is wrong is in error. */
struct cvy_trace *cvy_trace_read(const char *path, char *error, size_t error_size);
/* The same from memory: takes data, which is malloc'd. */
struct cvy_trace *cvy_trace_parse(char *data, size_t size, char *error, size_t error_size);
void cvy_trace_free(struct cvy_trace *t);

/* NULL: unknown. */
const struct cvy_trace_site *cvy_trace_site_at(const struct cvy_trace *t, uint64_t address);

/* Nanoseconds between 1970 and the moment 0; 0: unknown. A snapshot's comes early by as long as
 * writing it took. */
int64_t cvy_trace_wall_start(const struct cvy_trace *t);

/* How long a tick is can be told; else each counts as a nanosecond. */
bool cvy_trace_has_rate(const struct cvy_trace *t);
/* Nanoseconds from the moment 0 to when recording ended; 0: unknown. */
int64_t cvy_trace_recorded(const struct cvy_trace *t);

/* One event, in order of time. */
struct cvy_trace_item {
    int64_t ns;         /* since the trace began */
    bool is_early;      /* it was before that, and only says what was then; ns is 0 */
    bool is_partial;    /* and before all workers are known: others may have done more since */
    size_t ring;        /* index */
    bool is_before_gap; /* what the ring had next is missing, up to the next one of it that comes */
    uint8_t type, arg;
    uint32_t id;
    uint64_t object;
};

/* Calls see for each event; those of one ring come in the order in which they were written. False
 * from see ends it. -ENOMEM, else 0. */
int cvy_trace_each(const struct cvy_trace *t,
                   bool (*see)(const struct cvy_trace_item *item, void *arg), void *arg);

#endif
