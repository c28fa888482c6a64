/* SPDX-License-Identifier: MIT
 * addr_fuzz.c - addresses as text. fuzz-layer: io
 *
 * The parts lie inside the text, and a numeric address printed is parsed as the same one again. */
#include "fuzz.h"

#include "io/addr.h"

static void check_numeric(const struct cvy_addr *a)
{
    struct cvy_sockaddr first, again;
    struct cvy_addr b;
    char text[CVY_ADDR_TEXT_SIZE], twice[CVY_ADDR_TEXT_SIZE];

    if (!cvy_addr_numeric(a->name, a->name_len, a->port, &first)) {
        return;
    }
    MUST(first.len == cvy_addr_len(&first.storage));
    cvy_addr_format(&first, text, sizeof(text));
    MUST(cvy_addr_parse(&b, text) == 0 && !b.is_unix && b.port == a->port);
    MUST(cvy_addr_numeric(b.name, b.name_len, b.port, &again));
    cvy_addr_format(&again, twice, sizeof(twice));
    MUST(strcmp(text, twice) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size), cut[8];
    struct cvy_addr a;

    if (cvy_addr_parse(&a, text) == 0) {
        MUST(a.name >= text && a.name + a.name_len <= text + strlen(text) && a.name_len > 0);
        if (a.is_unix) {
            struct cvy_sockaddr s;

            cvy_addr_unix(&a, &s);
            MUST(s.len <= sizeof(s.storage));
            cvy_addr_format(&s, cut, sizeof(cut));
            MUST(strlen(cut) < sizeof(cut));
        } else {
            check_numeric(&a);
        }
    }
    free(text);
    return 0;
}
