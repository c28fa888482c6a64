/* SPDX-License-Identifier: MIT
 * example.h - what the examples share: options, and saying whether what they set out to show held.
 *
 * Nothing here is part of covey. A program reads its options, runs, calls expect() for each thing
 * that it must show, and ends with `return example_result(code);`. */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <covey.h>

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 1 under AddressSanitizer or ThreadSanitizer, whose bookkeeping for each task is large. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define EXAMPLE_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define EXAMPLE_SANITIZED 1
#endif
#endif
#ifndef EXAMPLE_SANITIZED
#define EXAMPLE_SANITIZED 0
#endif

/* A number that can be set on the command line: --name N. */
struct example_option {
    const char *name; /* "--tasks" */
    int64_t *value;   /* holds the default */
    const char *help;
};

static inline void example_usage(FILE *out, const char *program, const char *purpose,
                                 const struct example_option *options, size_t n)
{
    fprintf(out, "usage: %s [--help]", program);
    for (size_t i = 0; i < n; i++) {
        fprintf(out, " [%s N]", options[i].name);
    }
    fprintf(out, "\n%s\n", purpose);
    for (size_t i = 0; i < n; i++) {
        fprintf(out, "  %-12s %s (default %lld)\n", options[i].name, options[i].help,
                (long long)*options[i].value);
    }
}

/* Reads the options from argv. --help, or one that it does not know, ends the program. */
static inline void example_options(int argc, char **argv, const char *purpose,
                                   const struct example_option *options, size_t n)
{
    for (int arg = 1; arg < argc; arg++) {
        size_t i = 0;
        char *end = NULL;
        int64_t value = 0;

        if (strcmp(argv[arg], "--help") == 0) {
            example_usage(stdout, argv[0], purpose, options, n);
            exit(0);
        }
        while (i < n && strcmp(argv[arg], options[i].name) != 0) {
            i++;
        }
        if (i < n && arg + 1 < argc) {
            value = strtoll(argv[++arg], &end, 10);
        }
        if (!end || end == argv[arg] || *end || value < 0) {
            example_usage(stderr, argv[0], purpose, options, n);
            exit(2);
        }
        *options[i].value = value;
    }
}

static atomic_int example_failures;

/* Says in one line whether something held. Any task may call it. */
static inline bool expect(bool held, const char *fmt, ...) COVEY_PRINTF(2, 3);
static inline bool expect(bool held, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    printf("  %-7s %s\n", held ? "ok:" : "FAILED:", text);
    if (!held) {
        atomic_fetch_add(&example_failures, 1);
    }
    return held;
}

/* The exit status: 0 if covey_run() returned no failure and everything held. */
static inline int example_result(int code)
{
    if (code < 0) {
        expect(false, "covey_run: %s", covey_errmsg());
    }
    return atomic_load(&example_failures) == 0 ? 0 : 1;
}

/* Milliseconds since a time on covey_now()'s clock. */
static inline int64_t example_ms(int64_t since)
{
    return (covey_now() - since) / COVEY_MS;
}

#endif
