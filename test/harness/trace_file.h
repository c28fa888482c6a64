/* SPDX-License-Identifier: MIT
 * trace_file.h - reads a trace file section by section (covey/trace_format.h). */
#ifndef CVY_TEST_TRACE_FILE_H
#define CVY_TEST_TRACE_FILE_H

#include "harness.h"

#include <covey/trace_format.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Has see called with each section and its body, and removes the file. It must be whole. */
static inline covey_trace_header
trace_file_each(const char *path,
                void (*see)(const covey_trace_section *s, const char *body, void *arg), void *arg)
{
    FILE *in = fopen(path, "rb");
    covey_trace_header h;
    covey_trace_section s = {0};

    CHECK(in && fread(&h, sizeof(h), 1, in) == 1);
    CHECK_EQ(memcmp(h.magic, COVEY_TRACE_MAGIC, 8), 0);
    CHECK_EQ(h.version, COVEY_TRACE_VERSION);
    while (fread(&s, sizeof(s), 1, in) == 1) {
        size_t padded = (s.bytes + 7) & ~(size_t)7;
        char *body = calloc(1, padded + 8);
        CHECK(body);
        CHECK_EQ(fread(body, 1, padded, in), padded);
        see(&s, body, arg);
        free(body);
    }
    CHECK_EQ(s.kind, COVEY_TRACE_END);
    (void)fclose(in);
    (void)remove(path);
    return h;
}

/* How many events a section of them holds. */
static inline size_t trace_file_count(const covey_trace_section *s)
{
    CHECK_EQ(s->bytes % sizeof(covey_trace_event), sizeof(uint64_t));
    return s->bytes / sizeof(covey_trace_event);
}

/* The position of the first. */
static inline uint64_t trace_file_position(const char *body)
{
    uint64_t position;

    memcpy(&position, body, sizeof(position));
    return position;
}

static inline covey_trace_event trace_file_event(const char *body, size_t i)
{
    covey_trace_event e;

    memcpy(&e, body + sizeof(uint64_t) + i * sizeof(e), sizeof(e));
    return e;
}

/* Adds what a text event holds to words, which has so much room. */
static inline void trace_file_add_text(char *words, size_t room, const covey_trace_event *e)
{
    char part[11] = {0};
    uint64_t high = e->meta >> 16;

    memcpy(part, &e->id, 4);
    memcpy(part + 4, &high, 6);
    part[e->meta >> 8 & 0x7F] = '\0';
    (void)strncat(words, part, room - strlen(words) - 1);
}

#endif
