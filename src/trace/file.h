/* SPDX-License-Identifier: MIT
 * file.h - writes a trace file (covey/trace_format.h): sections through a buffer, and the table of
 * the sites that occurred. One thread at a time. The first failure sticks and is told at the end.
 */
#ifndef CVY_TRACE_FILE_H
#define CVY_TRACE_FILE_H

#include "trace/expand.h"

#define CVY_TRACE_BATCH 4096u /* events read at once */

/* How far a ring has been read. All zero: from the beginning, or from the chunk at it, or from
 * where recording is resumed. */
struct cvy_trace_place {
    uint64_t at;
    uint64_t more; /* in the file, than up to there in the ring */
    struct cvy_expansion expansion;
};

/* What was there before the events, or is at a snapshot. The lists are malloc'd. */
struct cvy_trace_alive {
    covey_trace_task *tasks;
    covey_trace_group *groups;
    size_t task_count, group_count;
};

struct cvy_trace_file {
    int fd;
    int code; /* of the first failure; nothing is written after it */
    size_t len;
    char *buffer;
    covey_trace_event *batch;
    uintptr_t *sites; /* open addressing, 0: free */
    size_t site_count, site_room;
    uint32_t workers;      /* rings of a lower number are workers', as far as is known by now */
    uint32_t told_workers; /* what the header says */
};

/* 0 or a negative code, and nothing is left open. workers: those that there are now; what becomes
 * known later goes into the header when the file is closed, if it is one that can be written so. */
int cvy_trace_file_open(struct cvy_trace_file *f, const char *path, int workers, bool is_snapshot);
/* The two clocks at one moment. */
void cvy_trace_clock_now(covey_trace_clock *out);
void cvy_trace_file_put_clock(struct cvy_trace_file *f, const covey_trace_clock *clock);
/* Those of now. */
void cvy_trace_file_clock(struct cvy_trace_file *f);
/* What ring has from the place on; moves it. How many events were lost in between is noted, unless
 * is_first: what a ring has forgotten before is not missed. True: there was much, come again. */
bool cvy_trace_file_drain(struct cvy_trace_file *f, uint32_t ring, struct cvy_ring *r,
                          struct cvy_trace_place *place, bool is_first);
/* Where to begin, so that a ring gives as many events as it has room for, and those of one chunk
 * more at most: runs stand for many. */
uint64_t cvy_trace_file_tail(struct cvy_trace_file *f, struct cvy_ring *r);
void cvy_trace_file_task(struct cvy_trace_file *f, const covey_trace_task *t);
void cvy_trace_file_groups(struct cvy_trace_file *f, const struct cvy_trace_alive *alive);
/* Those, and the tasks. */
void cvy_trace_file_alive(struct cvy_trace_file *f, const struct cvy_trace_alive *alive);
/* There have been so many workers. */
void cvy_trace_file_workers(struct cvy_trace_file *f, uint32_t workers);
void cvy_trace_file_flush(struct cvy_trace_file *f);
/* The last pair of clocks, the end. 0 or the first failure's code. */
int cvy_trace_file_close(struct cvy_trace_file *f);

#endif
