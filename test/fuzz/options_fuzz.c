/* SPDX-License-Identifier: MIT
 * options_fuzz.c - the arguments of covey fetch (one a line), durations.
 * fuzz-layer: tools
 *
 * What is accepted is in range; what is wrong is told in one line. */
#include "fuzz.h"

#include "tools/duration.h"
#include "tools/options.h"

#define ARGS_MAX 16

static void check_duration(const char *text)
{
    int64_t ns = 0;

    MUST(!cvy_duration_parse(text, &ns) || ns >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char name[] = "fetch";
    char *text = fuzz_text(data, size), *rest = text;
    char *argv[ARGS_MAX + 2] = {name};
    int argc = 1;
    struct cvy_fetch_options o = {0};
    char said[4096] = "";
    FILE *err = fmemopen(said, sizeof(said), "w");

    MUST(err);
    while (*rest && argc <= ARGS_MAX) {
        argv[argc++] = fuzz_line(&rest);
        check_duration(argv[argc - 1]);
    }
    enum cvy_options_result result = cvy_fetch_options_parse(&o, argc, argv, err);
    (void)fclose(err);
    if (result == CVY_OPTIONS_RUN) {
        MUST(o.url_count > 0 || o.list);
        MUST(o.at_once > 0 && o.at_once <= CVY_FETCH_AT_ONCE_MAX && o.per_host >= 0);
        MUST(o.timeout_ns >= 0 && o.deadline_ns >= 0 && o.retries >= 0);
    } else if (result == CVY_OPTIONS_WRONG) {
        MUST(said[0]);
    }
    cvy_fetch_options_fini(&o);
    free(text);
    return 0;
}
