/* SPDX-License-Identifier: MIT
 * message.c - the words beside an error code, kept per task (covey/error.h). */
#define _GNU_SOURCE
#include "sched/wait.h"

#include <covey/error.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef errno

static const struct {
    int code;
    const char *text;
} own_codes[] = {
    {COVEY_ECANCELED, "canceled"},
    {COVEY_EDEADLINE, "deadline exceeded"},
    {COVEY_ECLOSED, "closed"},
    {COVEY_EOPEN, "circuit breaker is open"},
    {COVEY_ELOST, "lease was lost"},
    {COVEY_EDNS, "name does not resolve"},
    {COVEY_ETOOLARGE, "too large"},
    {COVEY_EPROTO, "protocol error"},
    {COVEY_ETLS, "TLS error"},
};

/* What engineers know from other systems, where it differs from strerror's capital letters. */
static const struct {
    int code;
    const char *text;
} network_codes[] = {
    {-ECONNREFUSED, "connection refused"},     {-ECONNRESET, "connection reset by peer"},
    {-ETIMEDOUT, "connection timed out"},      {-EHOSTUNREACH, "no route to host"},
    {-EADDRINUSE, "address already in use"},   {-ENETUNREACH, "network is unreachable"},
    {-EAGAIN, "would block"},                  {-ENOMEM, "out of memory"},
    {-EINVAL, "invalid argument"},             {-EMFILE, "too many open files"},
    {-ENOENT, "no such file or directory"},    {-EACCES, "permission denied"},
    {-ENOSPC, "no space left on device"},      {-EINTR, "interrupted"},
};

const char *covey_strerror(int code)
{
    for (size_t i = 0; i < sizeof(own_codes) / sizeof(own_codes[0]); i++) {
        if (own_codes[i].code == code) {
            return own_codes[i].text;
        }
    }
    for (size_t i = 0; i < sizeof(network_codes) / sizeof(network_codes[0]); i++) {
        if (network_codes[i].code == code) {
            return network_codes[i].text;
        }
    }
    if (code >= 0) {
        return "success";
    }
    const char *text = code > -4096 ? strerrordesc_np(-code) : NULL;
    return text ? text : "unknown error";
}

void cvy_message_set(struct cvy_message *m, int code, const char *text)
{
    char *copy = text ? strdup(text) : NULL;

    free(m->text);
    *m = (struct cvy_message){.code = code, .text = copy};
}

int cvy_fail(struct cvy_task *t, int code)
{
    struct cvy_message *m = &t->message;

    if (m->text) {
        free(m->text);
        m->text = NULL;
    }
    m->code = code;
    m->site = NULL;
    return code;
}

int cvy_fail_deadline(struct cvy_task *t, int code, const covey_site *site, int64_t timeout_ns)
{
    (void)cvy_fail(t, code);
    t->message.site = site;
    t->message.timeout_ns = timeout_ns;
    return code;
}

static char *format_text(const char *fmt, va_list args)
{
    char *text = NULL;
    return vasprintf(&text, fmt, args) < 0 ? NULL : text;
}

__attribute__((format(printf, 1, 2))) static char *format_of(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *text = format_text(fmt, args);
    va_end(args);
    return text;
}

/* "5 s", "250 ms", "1.5 s". */
static void format_duration(char out[32], int64_t ns)
{
    if (ns >= COVEY_SEC) {
        (void)snprintf(out, 32, "%.6g s", (double)ns / (double)COVEY_SEC);
    } else if (ns >= COVEY_MS) {
        (void)snprintf(out, 32, "%.6g ms", (double)ns / (double)COVEY_MS);
    } else {
        (void)snprintf(out, 32, "%.6g us", (double)ns / (double)COVEY_US);
    }
}

/* Formats a deadline's words at the first time they are asked for. */
static void make_text(struct cvy_message *m)
{
    char span[32];

    if (m->text || !m->site) {
        return;
    }
    const char *slash = strrchr(m->site->file, '/');
    const char *file = slash ? slash + 1 : m->site->file;
    if (m->timeout_ns > 0) {
        format_duration(span, m->timeout_ns);
        m->text = format_of("deadline exceeded (%s, set at %s:%d)", span, file, m->site->line);
    } else {
        m->text = format_of("deadline exceeded (set at %s:%d)", file, m->site->line);
    }
}

static const char *words_of(struct cvy_message *m, int code)
{
    if (m->code != code) {
        return covey_strerror(code);
    }
    make_text(m);
    return m->text ? m->text : covey_strerror(code);
}

char *cvy_message_take(struct cvy_message *m, int code)
{
    if (m->code != code) {
        return NULL;
    }
    make_text(m);
    char *text = m->text;
    m->text = NULL;
    m->site = NULL;
    return text;
}

int covey_verrorf(int code, const char *fmt, va_list args)
{
    struct cvy_task *t = cvy_task_self();
    /* Formatted before the old text goes: an argument may be covey_errmsg(). */
    char *text = format_text(fmt, args);

    (void)cvy_fail(t, code);
    t->message.text = text;
    return code;
}

int covey_errorf(int code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)covey_verrorf(code, fmt, args);
    va_end(args);
    return code;
}

int covey_wrapf(int code, const char *fmt, ...)
{
    struct cvy_task *t = cvy_task_self();
    va_list args;

    va_start(args, fmt);
    char *prefix = format_text(fmt, args);
    va_end(args);
    char *text = prefix ? format_of("%s: %s", prefix, words_of(&t->message, code)) : NULL;
    free(prefix);
    (void)cvy_fail(t, code);
    t->message.text = text;
    return code;
}

const char *covey_errmsg(void)
{
    struct cvy_message *m = &cvy_task_self()->message;
    return m->code ? words_of(m, m->code) : "";
}

int covey_errcode(void)
{
    return cvy_task_self()->message.code;
}

int *covey_errno_location(void)
{
    struct cvy_thread *th = cvy_thread_self();
    return (th ? th : cvy_thread_foreign())->errno_ptr;
}
