/* SPDX-License-Identifier: MIT
 * moment_fuzz.c - times as text. fuzz-layer: sql
 *
 * What was read and can be written is read as the same. */
#include "fuzz.h"

#include "sql/moment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size), out[CVY_SQL_MOMENT_LEN];
    int64_t us, again;

    if (cvy_sql_moment_parse(text, &us) && cvy_sql_moment_format(us, out)) {
        MUST(strlen(out) < sizeof(out));
        MUST(cvy_sql_moment_parse(out, &again) && again == us);
    }
    free(text);
    return 0;
}
