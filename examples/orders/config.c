/* SPDX-License-Identifier: MIT
 * config.c - see config.h. */
#include "config.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { TEXT, NUMBER, FLAG };

struct setting {
    enum kind kind;
    const char *name;
    size_t offset; /* in struct config */
    const char *preset, *help;
};

#define SETTING(kind, name, field, preset, help)                                                   \
    {                                                                                              \
        kind, name, offsetof(struct config, field), preset, help                                   \
    }

static const struct setting settings[] = {
    SETTING(TEXT, "addr", addr, "tcp://127.0.0.1:8080", "address of the API"),
    SETTING(TEXT, "cert", cert_file, "", "certificate (PEM) for HTTPS; \"\": HTTP"),
    SETTING(TEXT, "key", key_file, "", "its key; \"\": in the same file"),
    SETTING(TEXT, "debug-addr", debug_addr, "tcp://127.0.0.1:0", "of the debug server; \"\": none"),
    SETTING(TEXT, "db", db_url, "sqlite:orders.db", "sqlite:FILE or postgres://..."),
    SETTING(TEXT, "redis", redis_urls, "",
            "URL[,URL...] of Redis servers; \"\": all in one process"),
    SETTING(TEXT, "prices", prices_url, "", "URL of the price service; \"\": one in this process"),
    SETTING(TEXT, "serve-prices", prices_addr, "", "address: be nothing but a price service"),
    SETTING(FLAG, "worker", is_worker, "0", "make invoices, and serve no API; needs --redis"),
    SETTING(NUMBER, "deadline-ms", deadline_ms, "2000", "of a request"),
    SETTING(NUMBER, "orders-a-second", orders_a_second, "10000", "accepted, and as many at once"),
    SETTING(NUMBER, "dead-ms", dead_ms, "10000", "unheard of so long, others take over"),
    SETTING(NUMBER, "invoice-jobs", invoice_jobs, "4", "that a worker makes at once"),
    SETTING(NUMBER, "invoice-ms", invoice_ms, "0", "what an invoice takes"),
    SETTING(NUMBER, "settle-ms", settle_ms, "500", "after SIGTERM: not ready, but still there"),
    SETTING(NUMBER, "grace-ms", grace_ms, "5000", "for requests and jobs that run then"),
    SETTING(NUMBER, "log-requests", log_requests, "0", "1: a line for each"),
};
#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

static bool set(struct config *c, const struct setting *s, const char *value)
{
    char *end = NULL;
    void *field = (char *)c + s->offset;

    if (s->kind == TEXT) {
        *(const char **)field = value;
        return true;
    }
    if (s->kind == FLAG) {
        *(bool *)field = strcmp(value, "0") != 0;
        return true;
    }
    *(int64_t *)field = strtoll(value, &end, 10);
    if (end == value || *end || *(int64_t *)field < 0) {
        fprintf(stderr, "orders: %s: not a number: \"%s\"\n", s->name, value);
        return false;
    }
    return true;
}

/* ORDERS_DEBUG_ADDR for "debug-addr". */
static const char *from_environment(const struct setting *s)
{
    char name[64];
    int n = snprintf(name, sizeof(name), "ORDERS_%s", s->name);

    for (int i = 0; i < n; i++) {
        name[i] = name[i] == '-' ? '_' : (char)toupper((unsigned char)name[i]);
    }
    return getenv(name);
}

static void usage(FILE *out)
{
    fprintf(out, "usage: orders [--NAME VALUE]...\nAn order service. NAME may be (in the "
                 "environment: ORDERS_ADDR ...; --worker has no value):\n");
    for (size_t i = 0; i < SETTINGS; i++) {
        fprintf(out, "  --%-16s %s (default \"%s\")\n", settings[i].name, settings[i].help,
                settings[i].preset);
    }
}

static const struct setting *find(const char *arg)
{
    for (size_t i = 0; i < SETTINGS && strncmp(arg, "--", 2) == 0; i++) {
        if (strcmp(arg + 2, settings[i].name) == 0) {
            return &settings[i];
        }
    }
    return NULL;
}

bool config_read(struct config *c, int argc, char **argv)
{
    for (size_t i = 0; i < SETTINGS; i++) {
        const char *value = from_environment(&settings[i]);
        if (!set(c, &settings[i], value ? value : settings[i].preset)) {
            return false;
        }
    }
    for (int arg = 1; arg < argc; arg++) {
        const struct setting *s = find(argv[arg]);
        const char *value = s && s->kind == FLAG ? "1" : argv[++arg]; /* the last one is NULL */
        if (!s || !value) {
            usage(strcmp(argv[arg - 1], "--help") == 0 ? stdout : stderr);
            return false;
        }
        if (!set(c, s, value)) {
            return false;
        }
    }
    return true;
}
