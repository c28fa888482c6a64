/* SPDX-License-Identifier: MIT
 * host_limit_fuzz.c - permits a host: each line takes one for its name ("-" first: gives the oldest
 * back). fuzz-layer: tools
 *
 * A host has at most its permits, whoever spells it; one that nobody uses is forgotten. */
#include "fuzz.h"

#include "tools/host_limit.h"

#define HELD_MAX 64
#define PER_HOST 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct cvy_host_limit limit = {.per_host = PER_HOST};
    char *text = fuzz_text(data, size), *rest = text;
    struct cvy_host *held[HELD_MAX];
    size_t first = 0, n = 0;

    while (*rest && n < HELD_MAX) {
        char *line = fuzz_line(&rest);
        struct cvy_text name = {.at = line, .len = strlen(line)};
        struct cvy_host *host = NULL;
        size_t same = 0;

        if (line[0] == '-') {
            if (first < n) {
                cvy_host_release(&limit, held[first++]);
            }
            continue;
        }
        covey_ctx *now = covey_ctx_with_timeout(NULL, COVEY_MS);
        int code = cvy_host_acquire(now, &limit, name, &host);
        covey_ctx_unref(now);
        MUST(code == 0 ? host != NULL : code == COVEY_EDEADLINE);
        if (code < 0) {
            continue;
        }
        for (size_t i = first; i < n; i++) {
            same += held[i] == host;
        }
        MUST(same < PER_HOST);
        held[n++] = host;
    }
    while (first < n) {
        cvy_host_release(&limit, held[first++]);
    }
    for (size_t i = 0; i < CVY_HOST_BUCKETS; i++) {
        MUST(!limit.buckets[i]);
    }
    free(text);
    return 0;
}
