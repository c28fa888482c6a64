/* SPDX-License-Identifier: MIT
 * serve_request_fuzz.c - the head of a request to the debug server. fuzz-layer: debug
 *
 * Whatever comes is refused by a status, or is a path and parameters within the head. */
#include "fuzz.h"

#include "debug/serve_request.h"

static void check_inside(const char *text, const char *head, size_t len)
{
    MUST(text >= head && text <= head + len);
    MUST(text + strlen(text) <= head + len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cvy_request r;
    size_t len = cvy_request_head_len((const char *)data, size);
    char *head = malloc(len + 1);

    MUST(head && len <= size);
    memcpy(head, data, len);
    int status = cvy_request_parse(head, len, &r);
    MUST(status == 0 || (status >= 400 && status <= 599));
    if (status == 0) {
        MUST(r.path[0] == '/');
        check_inside(r.path, head, len);
        const char *kept[] = {r.host, r.origin, r.fetch_site};
        for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
            if (kept[i]) {
                check_inside(kept[i], head, len);
            }
        }
        MUST(r.parameter_count <= CVY_REQUEST_PARAMETERS_MAX);
        for (size_t i = 0; i < r.parameter_count; i++) {
            if (r.parameters[i].value[0]) {
                check_inside(r.parameters[i].value, head, len);
            }
            check_inside(r.parameters[i].name, head, len);
            MUST(cvy_request_get(&r, r.parameters[i].name, NULL));
            int64_t n = cvy_request_number(&r, r.parameters[i].name, 600);
            MUST(n >= -1 && n <= 600);
        }
    }
    free(head);
    return 0;
}
