/* SPDX-License-Identifier: MIT
 * symbol.h - what stands at an address of this process's code: function, source line, module.
 *
 * Names and lines come from debug information, if libdw is there (dwarf.h). Without it the dynamic
 * linker knows the exported names, and of the rest there is module and offset, which addr2line and
 * debuggers take. */
#ifndef CVY_OS_SYMBOL_H
#define CVY_OS_SYMBOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cvy_symbol {
    const char *function; /* NULL: unknown */
    const char *file;     /* NULL: unknown; as the compiler was given it, or absolute */
    int line;
    const char *module; /* path of the program or library; NULL: none is mapped there */
    uintptr_t offset;   /* in the module */
    bool is_inlined;    /* in the function that the next symbol names */
};

/* What an address has at most: its function, and the innermost of those that are inlined there. */
#define CVY_SYMBOLS_MAX 6

/* One reader; used by one thread at a time. */
struct cvy_symbols {
    void *reader; /* NULL: only the dynamic linker is asked */
};

/* is_plain: without libdw, which allocates and takes its time: in signal handlers. */
void cvy_symbols_open(struct cvy_symbols *s, bool is_plain);
void cvy_symbols_close(struct cvy_symbols *s);
/* What stands at pc, which lies inside the call instruction, as unwind.h gives it: the innermost of
 * the functions that are inlined there, as its source has it, then where that was called, and so on
 * to the function whose code it is. How many: 1 to CVY_SYMBOLS_MAX. Texts live until the close. */
size_t cvy_symbols_find(struct cvy_symbols *s, const void *pc, struct cvy_symbol *out);
/* The last of them alone. */
void cvy_symbols_find_function(struct cvy_symbols *s, const void *pc, struct cvy_symbol *out);

#endif
