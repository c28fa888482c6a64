/* SPDX-License-Identifier: MIT
 * fuzz.h - what the fuzz targets share. Each states what must hold for any input, and feeds a
 * parser: under libFuzzer (./dev fuzz), and over corpus/NAME/ in the ordinary run. */
#ifndef CVY_FUZZ_H
#define CVY_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            (void)fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #cond);        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* The input up to its first NUL as a string of exactly that size, malloc'd. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = strndup((const char *)data, size);

    MUST(text);
    return text;
}

/* Cuts the first line off *text. "" at the end. */
static inline char *fuzz_line(char **text)
{
    char *line = *text;
    size_t len = strcspn(line, "\n");

    *text = line + len + (line[len] != '\0');
    line[len] = '\0';
    return line;
}

#endif
