/* SPDX-License-Identifier: MIT
 * template_fuzz.c - file names made of a template (the first line) and URLs (the others).
 * fuzz-layer: tools
 *
 * Whatever a URL says, its name stays below the directory, hides no file, and is no other's. */
#include "fuzz.h"

#include "tools/names.h"
#include "tools/template.h"

#include <stdbool.h>

#define URLS_MAX 64

/* A name of fields only: what the template's own words say is the user's business. */
static void check_harmless(const char *name)
{
    MUST(name[0] && name[0] != '/');
    for (const char *part = name; part;) {
        const char *slash = strchr(part, '/');
        size_t len = slash ? (size_t)(slash - part) : strlen(part);

        MUST(len > 0 && len <= CVY_TEMPLATE_PART_MAX && part[0] != '.');
        part = slash ? slash + 1 : NULL;
    }
    for (const char *c = name; *c; c++) {
        MUST((unsigned char)*c >= ' ' && *c != 0x7f);
    }
}

/* Claims the names of the URLs; no two may be equal. */
static void claim_all(const char *template, char *urls, bool is_only_fields)
{
    struct cvy_names names = {0};
    char *claimed[URLS_MAX];
    size_t n = 0;

    while (*urls && n < URLS_MAX) {
        char *name = cvy_template_expand(template, fuzz_line(&urls), n + 1);

        if (!name) {
            continue;
        }
        MUST(strlen(name) <= CVY_TEMPLATE_NAME_MAX);
        if (is_only_fields) {
            check_harmless(name);
        }
        claimed[n] =
            cvy_template_is_unique(template) ? strdup(name) : cvy_names_claim(&names, name);
        MUST(claimed[n]);
        for (size_t i = 0; i < n; i++) {
            MUST(strcmp(claimed[i], claimed[n]) != 0);
        }
        n++;
        free(name);
    }
    while (n > 0) {
        free(claimed[--n]);
    }
    cvy_names_fini(&names);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const fixed[] = {"{name}",  "{path}",   "{host}", "{host}/{path}",
                                        "{query}", "{scheme}", "{port}", "{hash}"};
    char *text = fuzz_text(data, size), *urls = text;
    const char *template = fuzz_line(&urls);

    if (!cvy_template_error(template)) {
        char *copy = strdup(urls);

        MUST(copy);
        claim_all(template, copy, false);
        free(copy);
    }
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
        char *copy = strdup(urls);

        MUST(copy && !cvy_template_error(fixed[i]));
        claim_all(fixed[i], copy, true);
        free(copy);
    }
    free(text);
    return 0;
}
