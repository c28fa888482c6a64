/* SPDX-License-Identifier: MIT
 * trace_fuzz.c - a hostile trace file: whatever is in it, covey trace reads it or refuses it.
 * fuzz-layer: tools */
#include "tools/trace.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FILE *nowhere;
    char error[256];
    char *copy = malloc(size + 1);

    if (!nowhere) {
        nowhere = fopen("/dev/null", "w");
    }
    if (!copy || !nowhere) {
        abort();
    }
    memcpy(copy, data, size);
    struct cvy_trace *t = cvy_trace_parse(copy, size, error, sizeof(error));
    if (!t) {
        return 0;
    }
    struct cvy_trace_model *m = cvy_trace_model_new(t);
    if (m) {
        cvy_trace_report(m, 20, nowhere);
        (void)cvy_trace_report_group(m, "serve", 20, nowhere);
        for (uint32_t g = 1; g < m->group_count && g < 4; g++) {
            size_t n;
            bool is_cut;
            free(cvy_trace_critical_path(m, g, &n, &is_cut));
        }
        cvy_trace_write_chrome(m, nowhere);
        (void)cvy_trace_write_html(m, "fuzz", nowhere);
    }
    cvy_trace_model_free(m);
    cvy_trace_free(t);
    return 0;
}
