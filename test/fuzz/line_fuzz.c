/* SPDX-License-Identifier: MIT
 * line_fuzz.c - text from outside, in JSON and on a terminal. fuzz-layer: tools
 *
 * The JSON string is one: quoted, escaped, UTF-8. The terminal sees no control character. */
#include "fuzz.h"

#include "tools/line.h"

/* The length of the UTF-8 sequence at s, 0 if there is none (RFC 3629). */
static size_t sequence(const unsigned char *s)
{
    if (s[0] < 0x80) {
        return 1;
    }
    size_t len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || (s[0] == 0xe0 && s[1] < 0xa0) ||
        (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
        (s[0] == 0xf4 && s[1] > 0x8f)) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return len;
}

static void check_string(const char *json, size_t len)
{
    const unsigned char *s = (const unsigned char *)json, *end = s + len - 1;

    MUST(len >= 2 && *s == '"' && *end == '"');
    for (s++; s < end;) {
        size_t n = sequence(s);

        MUST(n > 0 && *s >= ' ' && *s != '"');
        if (*s == '\\') {
            MUST(strchr("\"\\/bfnrtu", s[1]) && s + 1 < end);
            n = s[1] == 'u' ? 6 : 2;
            MUST(n == 2 || strspn((const char *)s + 2, "0123456789abcdefABCDEF") >= 4);
        }
        s += n;
    }
    MUST(s == end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    struct cvy_line line = {0};

    cvy_line_json(&line, text);
    MUST(!line.is_broken && strlen(line.data) == line.len);
    check_string(line.data, line.len);
    cvy_line_fini(&line);
    cvy_line_make_printable(text);
    for (const unsigned char *c = (const unsigned char *)text; *c; c += sequence(c)) {
        MUST(*c >= ' ' && *c != 0x7f && sequence(c) > 0 && !(*c == 0xc2 && c[1] < 0xa0));
    }
    free(text);
    return 0;
}
