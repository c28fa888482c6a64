/* SPDX-License-Identifier: MIT
 * dwarf.c - see dwarf.h. libdw's few functions are declared here as its ABI has them, so that
 * building covey does not need its headers. */
#define _GNU_SOURCE
#include "os/dwarf.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/types.h>
#include <unistd.h>

typedef struct Dwfl Dwfl;
typedef struct Dwfl_Module Dwfl_Module;
typedef struct Dwarf_Line Line;
typedef struct Dwarf_Files Files;

/* elfutils/libdw.h */
typedef struct {
    void *address, *unit, *abbreviation;
    long padding;
} Die;
typedef struct {
    unsigned code, form;
    unsigned char *value;
    void *unit;
} Attribute;

/* DWARF 5, table 7.3 and 7.5, and the name that one of these had before */
#define TAG_CLASS 0x02
#define TAG_BLOCK 0x0b
#define TAG_STRUCTURE 0x13
#define TAG_INLINED 0x1d
#define TAG_FUNCTION 0x2e
#define TAG_NAMESPACE 0x39
#define AT_CALL_FILE 0x58
#define AT_CALL_LINE 0x59
#define AT_LINKAGE_NAME 0x6e
#define AT_LINKAGE_NAME_BEFORE 0x2007

#define CHAIN_MAX 32 /* functions inlined in each other */

/* elfutils/libdwfl.h */
typedef int find_debuginfo_fn(Dwfl_Module *module, void **user, const char *name, uint64_t base,
                              const char *file, const char *link, uint32_t checksum, char **found);
struct callbacks {
    void *find_elf;
    find_debuginfo_fn *find_debuginfo;
    void *section_address;
    char **debuginfo_path;
};

static struct {
    void *library; /* NULL: not there */
    Dwfl *(*begin)(const struct callbacks *callbacks);
    void (*end)(Dwfl *dwfl);
    int (*report)(Dwfl *dwfl, pid_t pid);
    int (*report_end)(Dwfl *dwfl, void *removed, void *arg);
    Dwfl_Module *(*module_of)(Dwfl *dwfl, uint64_t address);
    const char *(*name_of)(Dwfl_Module *module, uint64_t address);
    Die *(*unit_of)(Dwfl_Module *module, uint64_t address, uint64_t *bias);
    Die *(*next_unit)(Dwfl_Module *module, Die *last, uint64_t *bias);
    int (*has_pc)(Die *unit, uint64_t address);
    Line *(*line_in)(Die *unit, uint64_t address);
    const char *(*line_file)(Line *line, uint64_t *mtime, uint64_t *length);
    int (*line_number)(Line *line, int *number);
    int (*child)(Die *die, Die *out);
    int (*sibling)(Die *die, Die *out);
    int (*tag)(Die *die);
    const char *(*die_name)(Die *die);
    Attribute *(*attribute)(Die *die, unsigned code, Attribute *out);
    int (*number)(Attribute *attribute, uint64_t *out);
    const char *(*text)(Attribute *attribute);
    int (*files_of)(Die *unit, Files **files, size_t *count);
    const char *(*file_name)(Files *files, size_t index, uint64_t *mtime, uint64_t *length);
    /* By the build ID; and by the name and checksum that the program has beside that. */
    find_debuginfo_fn *find_by_id, *find_by_link;
    struct callbacks callbacks;
} dw;

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* POSIX has it so that a function's address fits a void *. */
static const struct {
    void *place;
    const char *name;
} functions[] = {
    {&dw.begin, "dwfl_begin"},
    {&dw.end, "dwfl_end"},
    {&dw.report, "dwfl_linux_proc_report"},
    {&dw.report_end, "dwfl_report_end"},
    {&dw.module_of, "dwfl_addrmodule"},
    {&dw.name_of, "dwfl_module_addrname"},
    {&dw.unit_of, "dwfl_module_addrdie"},
    {&dw.next_unit, "dwfl_module_nextcu"},
    {&dw.has_pc, "dwarf_haspc"},
    {&dw.line_in, "dwarf_getsrc_die"},
    {&dw.line_file, "dwarf_linesrc"},
    {&dw.line_number, "dwarf_lineno"},
    {&dw.child, "dwarf_child"},
    {&dw.sibling, "dwarf_siblingof"},
    {&dw.tag, "dwarf_tag"},
    {&dw.die_name, "dwarf_diename"},
    {&dw.attribute, "dwarf_attr_integrate"},
    {&dw.number, "dwarf_formudata"},
    {&dw.text, "dwarf_formstring"},
    {&dw.files_of, "dwarf_getsrcfiles"},
    {&dw.file_name, "dwarf_filesrc"},
    {&dw.callbacks.find_elf, "dwfl_linux_proc_find_elf"},
    {&dw.find_by_id, "dwfl_build_id_find_debuginfo"},
    {&dw.find_by_link, "dwfl_standard_find_debuginfo"},
};

/* The search by link also asks servers, if the environment names some: not in a dump. */
static int find_debuginfo(Dwfl_Module *module, void **user, const char *name, uint64_t base,
                          const char *file, const char *link, uint32_t checksum, char **found)
{
    int fd = dw.find_by_id(module, user, name, base, file, link, checksum, found);

    return fd < 0 && link && !getenv("DEBUGINFOD_URLS")
               ? dw.find_by_link(module, user, name, base, file, link, checksum, found)
               : fd;
}

static void load(void)
{
    /* A static program has no loader that could make a library's thread-locals; dlopen() works, and
     * what it has loaded crashes. */
    if (getenv("COVEY_NO_LIBDW") || getauxval(AT_BASE) == 0) {
        return;
    }
    void *library = dlopen("libdw.so.1", RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; library && i < sizeof(functions) / sizeof(functions[0]); i++) {
        void *found = dlsym(library, functions[i].name);
        *(void **)functions[i].place = found;
        if (!found) {
            (void)dlclose(library);
            library = NULL;
        }
    }
    dw.callbacks.find_debuginfo = find_debuginfo;
    dw.library = library;
}

struct cvy_dwarf *cvy_dwarf_open(void)
{
    (void)pthread_once(&once, load);
    Dwfl *dwfl = dw.library ? dw.begin(&dw.callbacks) : NULL;
    if (!dwfl || (dw.report(dwfl, getpid()) == 0 && dw.report_end(dwfl, NULL, NULL) == 0)) {
        return (struct cvy_dwarf *)dwfl;
    }
    dw.end(dwfl);
    return NULL;
}

void cvy_dwarf_close(struct cvy_dwarf *d)
{
    dw.end((Dwfl *)d);
}

/* NULL: there is no debug information of it. clang writes no table of which unit has which
 * addresses, which the search relies on; then unit by unit. */
static Die *unit_at(Dwfl_Module *module, uint64_t address, uint64_t *bias)
{
    Die *unit = dw.unit_of(module, address, bias);

    if (!unit) {
        do {
            unit = dw.next_unit(module, unit, bias);
        } while (unit && dw.has_pc(unit, address - *bias) <= 0);
    }
    return unit;
}

static void find_line(Die *unit, uint64_t address, struct cvy_symbol *out)
{
    Line *line = dw.line_in(unit, address);

    if (line && dw.line_number(line, &out->line) == 0) {
        out->file = dw.line_file(line, NULL, NULL);
    }
}

static const char *name_of(Die *function)
{
    Attribute name;

    return dw.attribute(function, AT_LINKAGE_NAME, &name) ||
                   dw.attribute(function, AT_LINKAGE_NAME_BEFORE, &name)
               ? dw.text(&name)
               : dw.die_name(function);
}

static uint64_t number_of(Die *die, unsigned code)
{
    Attribute attribute;
    uint64_t number = 0;

    return dw.attribute(die, code, &attribute) && dw.number(&attribute, &number) == 0 ? number : 0;
}

/* Where an inlined function was called. */
static void find_call(Die *unit, Die *inlined, struct cvy_symbol *out)
{
    Files *files;
    size_t count;
    uint64_t file = number_of(inlined, AT_CALL_FILE);

    out->line = (int)number_of(inlined, AT_CALL_LINE);
    out->file = dw.files_of(unit, &files, &count) == 0 && file < count
                    ? dw.file_name(files, (size_t)file, NULL, NULL)
                    : NULL;
}

struct chain {
    Die functions[CHAIN_MAX]; /* the outermost first */
    size_t count;
};

/* Looks for the functions at address among what is in die, and in those. libdw's own search
 * (dwarf_getscopes) fails where an inlined function is defined in another unit: in all of -flto.
 * NOLINTNEXTLINE(misc-no-recursion): as deep as scopes are in the source */
static bool find_in(Die *die, uint64_t address, struct chain *c)
{
    Die at;
    bool is_found = false;

    for (int end = dw.child(die, &at); end == 0 && !is_found; end = dw.sibling(&at, &at)) {
        int tag = dw.tag(&at);
        if (tag == TAG_NAMESPACE || tag == TAG_CLASS || tag == TAG_STRUCTURE) {
            is_found = find_in(&at, address, c);
        } else if ((tag == TAG_FUNCTION || tag == TAG_INLINED || tag == TAG_BLOCK) &&
                   dw.has_pc(&at, address) > 0) {
            is_found = true;
            if (tag != TAG_BLOCK && c->count < CHAIN_MAX) {
                c->functions[c->count++] = at;
            }
            (void)find_in(&at, address, c);
        }
    }
    return is_found;
}

static size_t find_functions(Die *unit, uint64_t address, struct cvy_symbol *out, size_t max)
{
    struct chain c = {.count = 0};
    struct cvy_symbol at = {0};
    size_t n = 0;

    (void)find_in(unit, address, &c);
    find_line(unit, address, &at);
    for (size_t i = c.count; i-- > 0;) {
        n -= n == max;
        out[n] = at;
        out[n].function = name_of(&c.functions[i]);
        out[n++].is_inlined = i > 0;
        find_call(unit, &c.functions[i], &at);
    }
    if (n == 0) {
        out[n++] = at; /* assembly: lines without functions */
    }
    return n;
}

size_t cvy_dwarf_find(struct cvy_dwarf *d, const void *pc, struct cvy_symbol *out, size_t max)
{
    uint64_t address = (uintptr_t)pc;
    uint64_t bias = 0;
    Dwfl_Module *module = dw.module_of((Dwfl *)d, address);
    Die *unit = module ? unit_at(module, address, &bias) : NULL;
    size_t n = 1;

    out[0] = (struct cvy_symbol){0};
    if (unit) {
        n = find_functions(unit, address - bias, out, max);
    }
    if (module && !out[n - 1].function) {
        out[n - 1].function = dw.name_of(module, address);
    }
    return n;
}
