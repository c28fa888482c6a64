/* SPDX-License-Identifier: MIT
 * config.c - see config.h. */
#include "config.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct setting {
    const char *name;
    size_t offset; /* in struct config */
    bool is_number;
    const char *preset, *help;
};

#define TEXT(name, field, preset, help)                                                            \
    {                                                                                              \
        name, offsetof(struct config, field), false, preset, help                                  \
    }
#define NUMBER(name, field, preset, help)                                                          \
    {                                                                                              \
        name, offsetof(struct config, field), true, preset, help                                   \
    }

static const struct setting settings[] = {
    TEXT("addr", addr, "tcp://127.0.0.1:8080", "address of the API"),
    TEXT("cert", cert_file, "", "certificate (PEM) for HTTPS; \"\": HTTP"),
    TEXT("key", key_file, "", "its key; \"\": in the same file"),
    TEXT("debug-addr", debug_addr, "tcp://127.0.0.1:0", "of the debug server; \"\": none"),
    TEXT("db", db_url, "sqlite:orders.db", "sqlite:FILE or postgres://..."),
    TEXT("prices", prices_url, "", "URL of the price service; \"\": one in this process"),
    TEXT("serve-prices", prices_addr, "", "address: be nothing but a price service"),
    NUMBER("deadline-ms", deadline_ms, "2000", "of a request"),
    NUMBER("orders-a-second", orders_a_second, "10000", "accepted, and as many at once"),
    NUMBER("settle-ms", settle_ms, "500", "after SIGTERM: not ready, but still there"),
    NUMBER("grace-ms", grace_ms, "5000", "for requests that run then"),
    NUMBER("log-requests", log_requests, "0", "1: a line for each"),
};
#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

static bool set(struct config *c, const struct setting *s, const char *value)
{
    char *end = NULL;
    void *field = (char *)c + s->offset;

    if (!s->is_number) {
        *(const char **)field = value;
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
                 "environment: ORDERS_ADDR ...):\n");
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
    for (int arg = 1; arg < argc; arg += 2) {
        const struct setting *s = find(argv[arg]);
        if (!s || arg + 1 == argc) {
            usage(strcmp(argv[arg], "--help") == 0 ? stdout : stderr);
            return false;
        }
        if (!set(c, s, argv[arg + 1])) {
            return false;
        }
    }
    return true;
}
