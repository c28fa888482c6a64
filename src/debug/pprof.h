/* SPDX-License-Identifier: MIT
 * pprof.h - writes pprof's profile.proto: a few messages of varints and texts, built in memory.
 *
 * Field numbers are those of github.com/google/pprof/proto/profile.proto. Texts are kept once, in
 * a table; a place in the code is a location with functions of its own. A failure for want of
 * memory sticks, and is told at the end. */
#ifndef CVY_DEBUG_PPROF_H
#define CVY_DEBUG_PPROF_H

#include "os/module.h"
#include "os/symbol.h"

#include <stdio.h>

struct cvy_bytes {
    unsigned char *data;
    size_t len, room;
};

struct cvy_pprof {
    struct cvy_bytes out;     /* the profile */
    struct cvy_bytes message; /* the one that is being built */
    struct cvy_bytes inner;   /* one in that */
    bool has_failed;

    char **strings;
    size_t string_count, string_room;
    uint32_t *string_table; /* open addressing; 1 + index, 0: free */
    size_t string_table_room;

    struct cvy_pprof_location {
        const void *pc;
        size_t symbol_count;
        uint64_t id; /* 0: free */
    } * locations;   /* open addressing */
    size_t location_count, location_room;
    uint64_t function_count;

    struct cvy_module *modules; /* paths are copies */
    size_t module_count, module_room;
};

void cvy_pprof_open(struct cvy_pprof *p);
void cvy_pprof_sample_type(struct cvy_pprof *p, const char *type, const char *unit);
/* What a sample stands for: so much of that. */
void cvy_pprof_period(struct cvy_pprof *p, const char *type, const char *unit, int64_t period);
void cvy_pprof_time(struct cvy_pprof *p, int64_t wall_ns, int64_t duration_ns);
void cvy_pprof_comment(struct cvy_pprof *p, const char *text);

/* One sample: its frames, the innermost first, its values in the order of the types, its labels. */
void cvy_pprof_sample_begin(struct cvy_pprof *p);
/* symbols: the function at pc, count - 1 that are inlined there before it. */
void cvy_pprof_sample_frame(struct cvy_pprof *p, const void *pc, const struct cvy_symbol *symbols,
                            size_t count);
void cvy_pprof_sample_value(struct cvy_pprof *p, int64_t value);
/* No label if text is empty. */
void cvy_pprof_sample_label(struct cvy_pprof *p, const char *key, const char *text);
void cvy_pprof_sample_end(struct cvy_pprof *p);

/* Writes it all and frees everything. is_symbolised: pprof need not look for functions and lines by
 * itself. 0; -ENOMEM. */
int cvy_pprof_close(struct cvy_pprof *p, bool is_symbolised, FILE *out);

#endif
