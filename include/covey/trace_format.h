/* SPDX-License-Identifier: MIT
 * covey/trace_format.h - the trace file, for programs that read one; docs/trace-format.md explains.
 *
 * A file is a header and sections, all little-endian. Events are 16 bytes in the order in which one
 * ring's writer wrote them; a ring is a worker's (its index) or the one that all other threads
 * share. `covey trace` reads these files. */
#ifndef COVEY_TRACE_FORMAT_H
#define COVEY_TRACE_FORMAT_H

#include <covey/defs.h>

COVEY_BEGIN

#define COVEY_TRACE_MAGIC "COVEYTRC" /* 8 bytes, no end */
#define COVEY_TRACE_VERSION 2

/* At the start. Ticks are the processor's counter; what they are in time is said by the clock
 * sections. */
typedef struct covey_trace_header {
    char magic[8];
    uint32_t version;
    uint32_t header_bytes; /* where the first section starts; a later version may have more here */
    uint32_t pid;
    uint32_t workers;     /* rings 0 to workers - 1 are workers'; until the file is whole, and in a
                             pipe: of those that there were when it was begun. The rings tell, too */
    uint32_t is_snapshot; /* 1: a flight recorder's last seconds; events share stamps in a burst */
    uint32_t unused;
    int64_t wall_ns; /* nanoseconds since 1970 when the header was written */
} covey_trace_header;

/* Before each section's body, which is padded to 8 bytes. An unknown kind is skipped. */
typedef struct covey_trace_section {
    uint32_t kind;
    uint32_t ring;
    uint64_t bytes; /* of the body, without padding */
} covey_trace_section;

enum covey_trace_section_kind {
    COVEY_TRACE_EVENTS = 1, /* uint64_t position of the first, then events */
    COVEY_TRACE_CLOCK = 2,  /* covey_trace_clock: two of them calibrate the ticks */
    COVEY_TRACE_SITE = 3,   /* uint64_t address, uint32_t line, name, 0, file, 0 */
    COVEY_TRACE_TASK = 4,   /* covey_trace_task: a task alive when the trace began, or at a snapshot */
    COVEY_TRACE_LOST = 5,   /* uint64_t: events of this ring overwritten before they were read */
    COVEY_TRACE_END = 6,    /* empty: the file is whole */
    COVEY_TRACE_GROUP = 7,  /* covey_trace_group: a group open when the trace began, or at a snapshot */
};

typedef struct covey_trace_clock {
    uint64_t ticks;
    int64_t monotonic_ns; /* CLOCK_MONOTONIC at the same moment */
} covey_trace_clock;

typedef struct covey_trace_task {
    uint64_t id, site, group; /* group: the address of its own, 0: none. In older files it may be that
                                 of something else: only those count that have a section */
    char name[32];            /* empty: the site's */
} covey_trace_task;

typedef struct covey_trace_group {
    uint64_t address, site;
    uint64_t opener; /* a task's id; 0: a plain thread */
} covey_trace_group;

/* One event. meta: type, arg << 8, object << 16 (48 bits). */
typedef struct covey_trace_event {
    uint32_t ticks; /* low half; a clock event brings the high half */
    uint32_t id;    /* low half of a task's id, if the event has a task */
    uint64_t meta;
} covey_trace_event;

/* X(number, name, level): level 1 is recorded by the flight recorder too, 2 only to a file; 0 by
 * the flight recorder alone, in the place of two others with the same time. The numbers are the
 * format's: never changed, never used again. "Running" is the task that runs on the ring's worker.
 */
#define COVEY_TRACE_EVENT_LIST(X)                                                                  \
    X(1, clock, 1)     /* id: high half of the ticks. First in each chunk of a ring */             \
    X(2, run, 1)       /* id runs from here on; 0: the worker's own loop; arg 1: nobody knows */   \
    X(3, park, 1)      /* running waits; arg: covey_trace_reason, object; then id runs */          \
    X(4, yield, 1)     /* running goes to the queue's end; then id runs */                         \
    X(5, end, 1)       /* id, which runs, ended; object: its code's low 32 bits */                 \
    X(6, ready, 1)     /* id was woken by running */                                               \
    X(7, new, 1)       /* running started id; object: site */                                      \
    X(8, group, 1)     /* object: the group that the following new ones belong to */               \
    X(9, name, 1)      /* id's own name: text follows */                                           \
    X(10, text, 1)     /* id: 4 bytes, object: 6 bytes; arg: how many count, high bit: last */     \
    X(11, steal, 1)    /* id: worker it took from; object: how many */                             \
    X(12, takeover, 1) /* id: a worker whose task held its thread; another carries it now */       \
    X(13, idle, 1)     /* the worker found nothing to do and sleeps */                             \
    X(14, timer, 1)    /* a timer woke id */                                                       \
    X(15, io, 1)       /* a descriptor (object) woke id; arg: 1 in, 2 out */                       \
    X(16, cancel, 1)   /* object: context; id: cause */                                            \
    X(17, blocking_begin, 1) /* id's call runs on the pool; object: function */                    \
    X(18, blocking_end, 1)   /* id's call is over; object: code's low 32 bits */                   \
    X(19, return, 1)         /* id noticed that its worker was taken over: it goes to the queue */ \
    X(20, chan_send, 2)      /* running begins to send to object; by a try or select: has sent */  \
    X(21, chan_recv, 2)      /* running begins to receive from object; as above */                 \
    X(22, chan_close, 2)     /* object: channel */                                                 \
    X(23, group_open, 1)     /* running opened object; site follows */                             \
    X(24, site, 1)           /* object: the previous event's site */                               \
    X(25, group_join, 1)     /* the group object is over */                                        \
    X(26, region_begin, 1)   /* object: site; its name is the region's */                          \
    X(27, region_end, 1)     /* object: site */                                                    \
    X(28, log, 1)            /* object: site; value follows */                                     \
    X(29, value, 1)          /* id: low, object: high half of a 64-bit number */                   \
    X(30, message, 1)        /* text follows */                                                    \
    X(31, pass, 0)           /* running woke id and waits: as ready, then park */                  \
    X(32, relay, 0)          /* object: low half of running's id, ended, code 0; then id runs */   \
    X(33, peer, 1)           /* id: low half of a descriptor's object, as in park; text follows */

enum covey_trace_event_type {
#define COVEY_TRACE_ENUM_(number, name, level) COVEY_TRACE_##name = number,
    COVEY_TRACE_EVENT_LIST(COVEY_TRACE_ENUM_)
#undef COVEY_TRACE_ENUM_
};

/* The argument of a run of 0 that says that nobody knows who runs. */
#define COVEY_TRACE_RUN_UNKNOWN 1u

/* Why a task waits: X(number, name). The numbers are those of enum cvy_reason. */
#define COVEY_TRACE_REASON_LIST(X)                                                                 \
    X(0, "unknown")                                                                                \
    X(1, "chan send")                                                                              \
    X(2, "chan receive")                                                                           \
    X(3, "select") X(4, "mutex") X(5, "rwmutex read") X(6, "rwmutex write") X(7, "cond")           \
        X(8, "semaphore") X(9, "waitgroup") X(10, "once") X(11, "group wait") X(12, "group limit") \
            X(13, "sleep") X(14, "read") X(15, "write") X(16, "accept") X(17, "dial")              \
                X(18, "blocking call") X(19, "name lookup") X(20, "singleflight")                  \
                    X(21, "test settle") X(22, "hang-up")

COVEY_END
#endif
