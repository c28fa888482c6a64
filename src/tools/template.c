/* SPDX-License-Identifier: MIT
 * template.c - see template.h. Expands to raw text in which bytes from the URL are already clean,
 * then rewrites it part by part. */
#include "tools/template.h"

#include "tools/url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct expansion {
    char *text; /* CVY_TEMPLATE_NAME_MAX and a NUL, zeroed */
    size_t len;
    bool is_too_long;
};

static uint64_t hash_of(const char *text, size_t len)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

    for (size_t i = 0; i < len; i++) {
        h = (h ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    }
    return h;
}

/* The field at text, "{name}" or the like. False: none of that name. */
static bool is_field(const char *text, size_t len, const char *name)
{
    return len == strlen(name) + 2 && strncmp(text + 1, name, len - 2) == 0;
}

static bool is_known(const char *text, size_t len)
{
    static const char *const names[] = {"n",    "name",   "path",  "host",
                                        "port", "scheme", "query", "hash"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (is_field(text, len, names[i])) {
            return true;
        }
    }
    return false;
}

/* The length of the field, doubled brace or byte at text; *is_literal: of its first byte only. 0:
 * an error. */
static size_t token_at(const char *text, bool *is_literal)
{
    *is_literal = true;
    if ((text[0] == '{' || text[0] == '}') && text[1] == text[0]) {
        return 2;
    }
    if (text[0] == '}') {
        return 0;
    }
    if (text[0] != '{') {
        return 1;
    }
    *is_literal = false;
    size_t len = strcspn(text, "}") + 1;
    return text[len - 1] == '}' && is_known(text, len) ? len : 0;
}

static bool has_dot_part(const char *text)
{
    while (*text) {
        size_t len = strcspn(text, "/");
        if ((len == 1 && text[0] == '.') || (len == 2 && strncmp(text, "..", 2) == 0)) {
            return true;
        }
        text += len + (text[len] == '/');
    }
    return false;
}

const char *cvy_template_error(const char *text)
{
    bool is_literal;

    if (text[0] == '\0' || text[strlen(text) - 1] == '/') {
        return "it gives no file name";
    }
    if (has_dot_part(text)) {
        return "\".\" and \"..\" do not belong in a template; use -o";
    }
    for (size_t len; *text; text += len) {
        len = token_at(text, &is_literal);
        if (len == 0) {
            return "unknown field; see covey-fetch(1)";
        }
    }
    return NULL;
}

bool cvy_template_is_unique(const char *text)
{
    bool is_literal;

    for (size_t len; *text; text += len) {
        len = token_at(text, &is_literal);
        if (!is_literal && is_field(text, len, "n")) {
            return true;
        }
    }
    return false;
}

static void put(struct expansion *x, char c)
{
    if (x->len == CVY_TEMPLATE_NAME_MAX) {
        x->is_too_long = true;
    } else {
        x->text[x->len++] = c;
    }
}

static void put_text(struct expansion *x, const char *text)
{
    while (*text) {
        put(x, *text++);
    }
}

/* Bytes of a URL. A dot at the begin of a part cannot be told here from one of the template's, so
 * it is replaced here too. */
static void put_foreign(struct expansion *x, struct cvy_text t, bool keep_slashes)
{
    for (size_t i = 0; i < t.len; i++) {
        unsigned char c = (unsigned char)t.at[i];
        bool is_first = x->len == 0 || x->text[x->len - 1] == '/';

        if (c == '/' && keep_slashes) {
            put(x, '/');
        } else if (c <= ' ' || c == 0x7f || c == '/' || c == '\\' || (c == '.' && is_first)) {
            put(x, '_');
        } else {
            put(x, (char)c);
        }
    }
}

static void put_field(struct expansion *x, const char *text, size_t len, const char *url,
                      uint64_t n)
{
    struct cvy_url u = cvy_url_split(url);
    bool is_directory = u.name.len == 0; /* the path ends in a slash, or there is none */
    char number[32];

    if (is_field(text, len, "n")) {
        (void)snprintf(number, sizeof(number), "%llu", (unsigned long long)n);
        put_text(x, number);
    } else if (is_field(text, len, "hash")) {
        (void)snprintf(number, sizeof(number), "%016llx",
                       (unsigned long long)hash_of(url, strlen(url)));
        put_text(x, number);
    } else if (is_field(text, len, "name")) {
        put_foreign(x, u.name, false);
        put_text(x, is_directory ? "index.html" : "");
    } else if (is_field(text, len, "path")) {
        put_foreign(x, u.path, true);
        put_text(x, is_directory ? "index.html" : "");
    } else if (is_field(text, len, "host")) {
        put_foreign(x, u.host, false);
    } else if (is_field(text, len, "port")) {
        put_foreign(x, u.port, false);
    } else if (is_field(text, len, "scheme")) {
        put_foreign(x, u.scheme, false);
    } else {
        put_foreign(x, u.query, false);
    }
}

/* Appends one part of a name. */
static void put_part(struct expansion *x, const char *part, size_t len)
{
    size_t kept = len;
    char tail[24] = "";

    if (len == 0) {
        return;
    }
    if (x->len > 0 && x->text[x->len - 1] != '/') {
        put(x, '/');
    }
    if (len > CVY_TEMPLATE_PART_MAX) {
        kept = CVY_TEMPLATE_PART_MAX - 17;
        (void)snprintf(tail, sizeof(tail), "-%016llx", (unsigned long long)hash_of(part, len));
    }
    /* Dots of the template with nothing from the URL behind them. */
    bool is_dots = len <= 2 && strspn(part, ".") >= len;
    for (size_t i = 0; i < kept; i++) {
        put(x, (char)(is_dots ? '_' : part[i]));
    }
    put_text(x, tail);
}

static void rewrite(const char *raw, bool is_absolute, struct expansion *x)
{
    if (is_absolute) {
        put(x, '/');
    }
    while (*raw) {
        size_t len = strcspn(raw, "/");
        put_part(x, raw, len);
        raw += len + (raw[len] == '/');
    }
    if (x->len == 0) {
        put(x, '_'); /* every field was empty */
    }
}

char *cvy_template_expand(const char *text, const char *url, uint64_t n)
{
    struct expansion raw = {.text = calloc(1, CVY_TEMPLATE_NAME_MAX + 1)};
    struct expansion name = {.text = calloc(1, CVY_TEMPLATE_NAME_MAX + 1)};
    bool is_absolute = text[0] == '/', is_literal;

    if (!raw.text || !name.text) {
        goto fail;
    }
    for (size_t len; *text; text += len) {
        len = token_at(text, &is_literal);
        if (is_literal) {
            put(&raw, text[0]);
        } else {
            put_field(&raw, text, len, url, n);
        }
    }
    rewrite(raw.text, is_absolute, &name);
    if (raw.is_too_long || name.is_too_long) {
        goto fail;
    }
    free(raw.text);
    return name.text;
fail:
    free(raw.text);
    free(name.text);
    return NULL;
}
