/* SPDX-License-Identifier: MIT
 * covey/defs.h - what every other header needs: durations, call sites, visibility. */
#ifndef COVEY_DEFS_H
#define COVEY_DEFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define COVEY_VERSION_MAJOR 0
#define COVEY_VERSION_MINOR 1
#define COVEY_VERSION_PATCH 0
#define COVEY_VERSION "0.1.0"

#ifdef __cplusplus
#define COVEY_BEGIN extern "C" {
#define COVEY_END }
#else
#define COVEY_BEGIN
#define COVEY_END
#endif

#if defined(__GNUC__)
#define COVEY_API __attribute__((visibility("default")))
#define COVEY_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define COVEY_MUST_USE __attribute__((warn_unused_result))
#define COVEY_NORETURN __attribute__((noreturn))
#else
#error "covey needs GNU C: gcc or clang"
#endif

/* Durations are int64_t nanoseconds: 100 * COVEY_MS. */
#define COVEY_NS INT64_C(1)
#define COVEY_US (1000 * COVEY_NS)
#define COVEY_MS (1000 * COVEY_US)
#define COVEY_SEC (1000 * COVEY_MS)

COVEY_BEGIN

typedef struct covey_ctx covey_ctx;
typedef struct covey_chan covey_chan;
typedef struct covey_group covey_group;

/* What a task runs. Returns 0 or a positive number for success, a negative code for failure. */
typedef int covey_fn(covey_ctx *ctx, void *arg);

/* Where in the caller's source a task, group or deadline was made. The macros named like the
 * functions fill one in per call site; it has static storage and is never copied. */
typedef struct covey_site {
    const char *name; /* what was started, as written: "fetch" */
    const char *file;
    int line;
} covey_site;

#define COVEY_SITE(name)                                                                           \
    (__extension__({                                                                               \
        static const covey_site covey_site_ = {name, __FILE__, __LINE__};                          \
        &covey_site_;                                                                              \
    }))

COVEY_END
#endif
