/* SPDX-License-Identifier: MIT
 * message.c - the words beside an error code, kept per task (covey/error.h). */
#define _GNU_SOURCE
#include "base/debug.h"
#include "os/module.h"
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
    {COVEY_ECANCELED, "canceled"},   {COVEY_EDEADLINE, "deadline exceeded"},
    {COVEY_ECLOSED, "closed"},       {COVEY_EOPEN, "circuit breaker is open"},
    {COVEY_ELOST, "lease was lost"}, {COVEY_EDNS, "name does not resolve"},
    {COVEY_ETOOLARGE, "too large"},  {COVEY_EPROTO, "protocol error"},
    {COVEY_ETLS, "TLS error"},       {COVEY_ETEST, "test run failed"},
    {COVEY_ESQL, "SQL error"},       {COVEY_ECONSTRAINT, "constraint violated"},
    {COVEY_ENOROW, "no row"},        {COVEY_ESERIAL, "transaction could not be serialised"},
    {COVEY_ETYPE, "another type"},   {COVEY_EABORTED, "transaction is aborted"},
    {COVEY_EREDIS, "Redis error"},
};

/* What engineers know from other systems, where it differs from strerror's capital letters. */
static const struct {
    int code;
    const char *text;
} network_codes[] = {
    {-ECONNREFUSED, "connection refused"},
    {-ECONNRESET, "connection reset by peer"},
    {-ETIMEDOUT, "connection timed out"},
    {-EHOSTUNREACH, "no route to host"},
    {-EADDRINUSE, "address already in use"},
    {-ENETUNREACH, "network is unreachable"},
    {-EAGAIN, "would block"},
    {-ENOMEM, "out of memory"},
    {-EINVAL, "invalid argument"},
    {-EMFILE, "too many open files"},
    {-ENOENT, "no such file or directory"},
    {-EACCES, "permission denied"},
    {-ENOSPC, "no space left on device"},
    {-EINTR, "interrupted"},
};

const char *covey_strerror(int code)
{
    code = covey_plain_code(code);
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

int cvy_fail(struct cvy_task *t, int code)
{
    struct cvy_message *m = &t->message;

    if (m->text) {
        free(m->text);
        m->text = NULL;
    }
    m->code = code;
    m->site = NULL;
    t->owns |= CVY_OWNS_MESSAGE;
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
    return cvy_alloc_fails() || vasprintf(&text, fmt, args) < 0 ? NULL : text;
}

__attribute__((format(printf, 1, 2))) static char *format_of(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *text = format_text(fmt, args);
    va_end(args);
    return text;
}

/* "5 s, ", "250 ms, ", "1.5 s, "; "" for a deadline that was a time. */
static void format_span(char out[32], int64_t ns)
{
    if (ns >= COVEY_SEC) {
        (void)snprintf(out, 32, "%.6g s, ", (double)ns / (double)COVEY_SEC);
    } else if (ns >= COVEY_MS) {
        (void)snprintf(out, 32, "%.6g ms, ", (double)ns / (double)COVEY_MS);
    } else if (ns >= COVEY_US) {
        (void)snprintf(out, 32, "%.6g us, ", (double)ns / (double)COVEY_US);
    } else if (ns > 0) {
        (void)snprintf(out, 32, "%d ns, ", (int)ns);
    } else {
        out[0] = '\0';
    }
}

/* Formats a deadline's words at the first time they are asked for. */
static void make_text(struct cvy_message *m)
{
    char span[32];

    if (m->text || !m->site) {
        return;
    }
    const covey_site *site = cvy_site_still_there(m->site);
    const char *slash = strrchr(site->file, '/');
    const char *file = slash ? slash + 1 : site->file;
    format_span(span, m->timeout_ns);
    m->text = site->line > 0
                  ? format_of("deadline exceeded (%sset at %s:%d)", span, file, site->line)
                  : format_of("deadline exceeded (%sset by %s)", span, file); /* an option */
}

const char *cvy_message_words(struct cvy_message *m)
{
    make_text(m);
    return m->text ? m->text : covey_strerror(m->code);
}

static const char *words_of(struct cvy_message *m, int code)
{
    return m->code == code ? cvy_message_words(m) : covey_strerror(code);
}

struct cvy_message cvy_message_take(struct cvy_message *m, int code)
{
    struct cvy_message taken = {.code = code};

    if (m->code == code) {
        taken = *m;
        m->text = NULL;
        m->site = NULL;
    }
    return taken;
}

void cvy_message_put(struct cvy_task *t, struct cvy_message m)
{
    free(t->message.text);
    t->message = m;
    t->owns |= CVY_OWNS_MESSAGE;
}

/* What the functions below format; on the base, since printf needs more than a compact stack. */
struct format {
    struct cvy_message *message;
    int code;
    const char *fmt; /* NULL: only the message's own words */
    va_list *args;
    bool is_prefix;
    const char *words;
};

static void format_on_base(void *arg)
{
    struct format *f = arg;

    if (!f->fmt) {
        f->words = cvy_message_words(f->message);
        return;
    }
    /* Formatted before the old text goes: an argument may be covey_errmsg(). */
    char *text = format_text(f->fmt, *f->args);
    if (f->is_prefix && text) {
        char *prefix = text;
        text = format_of("%s: %s", prefix, words_of(f->message, f->code));
        free(prefix);
    }
    free(f->message->text);
    *f->message = (struct cvy_message){.code = f->code, .text = text};
}

static int set_message(int code, bool is_prefix, const char *fmt, va_list args)
{
    struct cvy_task *t = cvy_task_self();
    struct format f = {.message = &t->message, .code = code, .fmt = fmt, .is_prefix = is_prefix};
    va_list copy;

    t->owns |= CVY_OWNS_MESSAGE;
    va_copy(copy, args);
    f.args = &copy;
    cvy_on_base(format_on_base, &f);
    va_end(copy);
    return code;
}

int covey_verrorf(int code, const char *fmt, va_list args)
{
    return set_message(code, false, fmt, args);
}

int covey_errorf(int code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)set_message(code, false, fmt, args);
    va_end(args);
    return code;
}

int covey_wrapf(int code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)set_message(code, true, fmt, args);
    va_end(args);
    return code;
}

const char *covey_errmsg(void)
{
    struct cvy_message *m = &cvy_task_self()->message;

    if (m->code == 0) {
        return "";
    }
    if (m->text || !m->site) {
        return cvy_message_words(m);
    }
    struct format f = {.message = m};
    cvy_on_base(format_on_base, &f);
    return f.words;
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
