/* SPDX-License-Identifier: MIT
 * trace_model.h - what happened, made from a trace's events: the life of each task as a row of
 * segments, groups, regions, and what the workers did.
 *
 * A task is named by its index; 0 is nobody. Segments of one task do not overlap; they stand
 * together, in order of time. */
#ifndef CVY_TOOLS_TRACE_MODEL_H
#define CVY_TOOLS_TRACE_MODEL_H

#include "tools/trace_read.h"

enum cvy_trace_state {
    CVY_TRACE_QUEUED = 1, /* could run, and waits for a worker */
    CVY_TRACE_RUNNING,
    CVY_TRACE_WAITING,
    CVY_TRACE_ASTRAY, /* held its thread so long that its worker was given to another */
};

/* Who ended a wait, beyond tasks. */
enum cvy_trace_waker {
    CVY_TRACE_BY_TASK,
    CVY_TRACE_BY_TIMER,
    CVY_TRACE_BY_IO,
    CVY_TRACE_BY_OTHER,    /* a plain thread, or unknown */
    CVY_TRACE_BY_DEADLINE, /* its context's */
    CVY_TRACE_BY_CALL,     /* its blocking call is over */
};

struct cvy_trace_segment {
    int64_t start, end;   /* ns since the trace began */
    uint64_t object;      /* waiting: what for */
    uint32_t task, waker; /* waker: who made it runnable; set on the wait that ended, and on the
                             first time in the queue: who started it */
    uint16_t worker;      /* running: on which */
    uint8_t state, reason, by;
};

struct cvy_trace_life {
    uint64_t id;
    uint64_t site; /* 0: unknown */
    char *name;    /* its own; NULL: the site's. Owned */
    uint32_t group, creator;
    int64_t start, end;    /* end: -1 while alive */
    bool was_there_before; /* it began before the trace did */
    int32_t code;
    size_t first, count; /* its segments */
    int64_t running, queued, waiting;
    /* While events are read. */
    uint8_t state, reason, by;
    bool has_token, expects_ready;
    uint8_t announced; /* by whom the wake that is to come is; BY_TASK: nobody has said */
    uint16_t worker;
    uint32_t waker;
    int64_t since;
    uint64_t object;
    size_t last_wait;     /* index + 1 of its last waiting segment */
    uint32_t open_region; /* index + 1 of the one it began last and has not ended; 0: none */
    uint64_t listed_in;   /* the address of its group, of one from the list of those alive */
};

struct cvy_trace_group {
    uint64_t object, site;
    uint32_t opener;
    int64_t start, end;    /* end: -1 while open */
    bool was_there_before; /* it was opened before the trace began */
    uint32_t members;
    int64_t running, queued, waiting; /* sums of its members' */
};

struct cvy_trace_region {
    uint32_t task;
    uint64_t site;
    int64_t start, end; /* end: -1 while open */
    /* While events are read. */
    uint32_t outer; /* index + 1 of its task's next one that is open; 0: none */
};

struct cvy_trace_mark {
    uint32_t task;
    int64_t at;
    uint64_t site; /* 0: text */
    int64_t value;
    char *text; /* owned */
};

/* What a descriptor is connected to, from a time on. */
struct cvy_trace_peer {
    uint32_t object; /* the low half */
    uint32_t number; /* as they came: early ones are of one time */
    int64_t at;
    char *text; /* "fd 7 to tcp://10.0.0.7:5432"; owned; may be NULL */
};

struct cvy_trace_worker {
    uint32_t current;
    uint64_t switches, steals, stolen, idles;
    int64_t running, unknown; /* unknown: while events are missing */
    /* Of the event before, for those that come in pairs. */
    uint8_t pending;
    uint32_t pending_index;
    uint64_t group_of_new;  /* an address: of one group after the other */
    bool is_after_deadline; /* its loop has ended a context by time, and now wakes who waited */
    bool is_in_gap;
    int64_t gap_start;
};

struct cvy_trace_model {
    const struct cvy_trace *trace;
    int64_t end;                  /* of the trace */
    struct cvy_trace_life *lives; /* [0] is nobody */
    size_t life_count, life_room;
    size_t over; /* lives that had ended before the trace began: their end is 0 */
    struct cvy_trace_segment *segments;
    size_t segment_count, segment_room;
    struct cvy_trace_group *groups; /* [0] is none */
    size_t group_count, group_room;
    struct cvy_trace_region *regions; /* by task and start */
    size_t region_count, region_room;
    struct cvy_trace_mark *marks;
    size_t mark_count, mark_room;
    struct cvy_trace_peer *peers; /* by object and time */
    size_t peer_count, peer_room;
    struct cvy_trace_worker *workers; /* one a ring of the trace */
    uint64_t counts[256];
    uint64_t ran_at_once; /* times that a task left the queue without a measurable stay in it */
    /* While events are read. */
    uint32_t *by_id;
    size_t by_id_room, by_id_count;
    uint32_t *by_object; /* open groups, by address */
    size_t by_object_room, by_object_count;
    bool is_known, has_begun; /* all workers are; the moment 0 has come */
    size_t listed, early; /* the first lives: of the list of those alive; then of early events */
    size_t rings_in_gap;
    int64_t last_gap_end;
    bool is_out_of_memory;
};

/* NULL: out of memory. Borrows t. */
struct cvy_trace_model *cvy_trace_model_new(const struct cvy_trace *t);
void cvy_trace_model_free(struct cvy_trace_model *m);

/* What a task is called: its own name, its site's, or "task". */
const char *cvy_trace_name(const struct cvy_trace_model *m, uint32_t life);
/* "file.c:12", cut to its last part; "?" if unknown. Into out. */
const char *cvy_trace_place(const struct cvy_trace_model *m, uint64_t site, char *out, size_t size);
const char *cvy_trace_reason(uint8_t reason);
/* What a wait's descriptor is connected to; NULL: it is for none, or unknown. */
const char *cvy_trace_peer_of(const struct cvy_trace_model *m, const struct cvy_trace_segment *s);

/* The sum, or the largest number there is: a hostile file may have any times. */
static inline int64_t cvy_trace_sum(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

/* The segment of a task that covers a moment (start < at <= end); NULL: none. */
const struct cvy_trace_segment *cvy_trace_segment_at(const struct cvy_trace_model *m, uint32_t life,
                                                     int64_t at);

/* The critical path of a group: what its end had to wait for, backwards from there. */
struct cvy_trace_step {
    const struct cvy_trace_segment *segment;
    int64_t start, end; /* the part of it that counts */
};
/* A malloc'd list, the last step first; *count. *is_cut: it is longer than can be told, and these
 * are its last steps. NULL: out of memory or nothing. */
struct cvy_trace_step *cvy_trace_critical_path(const struct cvy_trace_model *m, uint32_t group,
                                               size_t *count, bool *is_cut);

#endif
