/* SPDX-License-Identifier: MIT
 * symbol.c - see symbol.h. libdw's few functions are declared here as its ABI has them, so that
 * building covey does not need its headers. */
#define _GNU_SOURCE
#include "os/symbol.h"

#include "base/alloc.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/types.h>
#include <unistd.h>

typedef struct Dwfl Dwfl;
typedef struct Dwfl_Module Dwfl_Module;
typedef struct Dwfl_Line Dwfl_Line;
typedef struct Dwarf_Die Die;
typedef struct Dwarf_Line Line;

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
    Dwfl_Line *(*line_of)(Dwfl_Module *module, uint64_t address);
    const char *(*line_info)(Dwfl_Line *line, uint64_t *address, int *number, int *column,
                             uint64_t *mtime, uint64_t *length);
    Die *(*next_unit)(Dwfl_Module *module, Die *last, uint64_t *bias);
    int (*has_pc)(Die *unit, uint64_t address);
    Line *(*line_in)(Die *unit, uint64_t address);
    const char *(*line_file)(Line *line, uint64_t *mtime, uint64_t *length);
    int (*line_number)(Line *line, int *number);
    /* By the build ID; and by the name and checksum that the program has beside that. */
    find_debuginfo_fn *find_by_id, *find_by_link;
    struct callbacks callbacks;
} dw;

/* libstdc++'s, or whose the program has (Itanium C++ ABI); looked for when a name of C++ is met. */
static char *(*demangle)(const char *mangled, char *out, size_t *size, int *status);
static pthread_once_t demangle_once = PTHREAD_ONCE_INIT;

static pthread_once_t dw_once = PTHREAD_ONCE_INIT;

static bool load_one(void *place, void *library, const char *name)
{
    void *found = dlsym(library, name);

    /* POSIX has it so that a function's address fits a void *. */
    *(void **)place = found;
    return found != NULL;
}

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
    dw.library = dlopen("libdw.so.1", RTLD_NOW | RTLD_LOCAL);
    if (dw.library && !(load_one(&dw.begin, dw.library, "dwfl_begin") &&
                        load_one(&dw.end, dw.library, "dwfl_end") &&
                        load_one(&dw.report, dw.library, "dwfl_linux_proc_report") &&
                        load_one(&dw.report_end, dw.library, "dwfl_report_end") &&
                        load_one(&dw.module_of, dw.library, "dwfl_addrmodule") &&
                        load_one(&dw.name_of, dw.library, "dwfl_module_addrname") &&
                        load_one(&dw.line_of, dw.library, "dwfl_module_getsrc") &&
                        load_one(&dw.line_info, dw.library, "dwfl_lineinfo") &&
                        load_one(&dw.next_unit, dw.library, "dwfl_module_nextcu") &&
                        load_one(&dw.has_pc, dw.library, "dwarf_haspc") &&
                        load_one(&dw.line_in, dw.library, "dwarf_getsrc_die") &&
                        load_one(&dw.line_file, dw.library, "dwarf_linesrc") &&
                        load_one(&dw.line_number, dw.library, "dwarf_lineno") &&
                        load_one(&dw.callbacks.find_elf, dw.library, "dwfl_linux_proc_find_elf") &&
                        load_one(&dw.find_by_id, dw.library, "dwfl_build_id_find_debuginfo") &&
                        load_one(&dw.find_by_link, dw.library, "dwfl_standard_find_debuginfo"))) {
        (void)dlclose(dw.library);
        dw.library = NULL;
    }
    dw.callbacks.find_debuginfo = find_debuginfo;
}

static void load_demangle(void)
{
    if (!load_one(&demangle, RTLD_DEFAULT, "__cxa_demangle")) {
        void *library = dlopen("libstdc++.so.6", RTLD_NOW | RTLD_LOCAL);
        if (library) {
            (void)load_one(&demangle, library, "__cxa_demangle");
        }
    }
}

/* A dump asks for the same few addresses again and again, a million times if there are as many
 * tasks. So no two of them may drive each other out: each has several slots to be in. */
#define CACHE_SIZE 1024
#define CACHE_WAYS 8

struct known {
    const void *pc; /* NULL: empty */
    struct cvy_symbol symbol;
};

/* A name of C++, as its source has it. */
struct plain_name {
    struct plain_name *next;
    const char *mangled; /* libdw's */
    char *text;          /* NULL: it is no such name after all */
};

struct reader {
    Dwfl *dwfl;
    struct plain_name *names; /* each once */
    size_t turn;              /* who gives way where all slots are taken */
    struct known cache[CACHE_SIZE];
};

void cvy_symbols_open(struct cvy_symbols *s, bool is_plain)
{
    s->reader = NULL;
    if (is_plain) {
        return;
    }
    (void)pthread_once(&dw_once, load);
    struct reader *r = dw.library ? cvy_alloc_zeroed(sizeof(*r)) : NULL;
    if (!r) {
        return;
    }
    r->dwfl = dw.begin(&dw.callbacks);
    if (r->dwfl && dw.report(r->dwfl, getpid()) == 0 && dw.report_end(r->dwfl, NULL, NULL) == 0) {
        s->reader = r;
        return;
    }
    if (r->dwfl) {
        dw.end(r->dwfl);
    }
    free(r);
}

void cvy_symbols_close(struct cvy_symbols *s)
{
    struct reader *r = s->reader;

    if (r) {
        dw.end(r->dwfl);
        for (struct plain_name *n = r->names, *next; n; n = next) {
            next = n->next;
            free(n->text);
            free(n);
        }
        free(r);
        s->reader = NULL;
    }
}

static uintptr_t bias_of(const void *pc, Dl_info *info)
{
    struct link_map *map = NULL;

    return dladdr1(pc, info, (void **)&map, RTLD_DL_LINKMAP) != 0 && map
               ? map->l_addr
               : (uintptr_t)info->dli_fbase;
}

struct searched {
    uintptr_t pc;
    struct cvy_symbol *out;
};

static int find_in_program(struct dl_phdr_info *info, size_t size, void *arg)
{
    const struct searched *s = arg;

    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type == PT_LOAD && s->pc - info->dlpi_addr - p->p_vaddr < p->p_memsz) {
            s->out->module = program_invocation_name;
            s->out->offset = s->pc - info->dlpi_addr;
            return 1;
        }
    }
    return 0;
}

static void find_by_linker(const void *pc, struct cvy_symbol *out)
{
    Dl_info info;
    const ElfW(Sym) *entry = NULL;

    if (dladdr1(pc, &info, (void **)&entry, RTLD_DL_SYMENT) == 0 || !info.dli_fname) {
        /* Of a static program the linker knows nothing. */
        (void)dl_iterate_phdr(find_in_program, &(struct searched){(uintptr_t)pc, out});
        return;
    }
    out->module = info.dli_fname;
    /* As the file counts: a program that is not relocatable does not begin at 0. */
    out->offset = (uintptr_t)pc - bias_of(pc, &info);
    /* A static function would pass for the exported one before it. */
    if (entry && (uintptr_t)pc - (uintptr_t)info.dli_saddr < entry->st_size) {
        out->function = info.dli_sname;
    }
}

/* Unit by unit: clang writes no table of which unit has which addresses, and libdw's own search
 * relies on that. */
static void find_line(Dwfl_Module *module, uint64_t address, struct cvy_symbol *out)
{
    uint64_t bias = 0;
    Die *unit = NULL;

    while ((unit = dw.next_unit(module, unit, &bias)) != NULL) {
        if (dw.has_pc(unit, address - bias) > 0) {
            Line *line = dw.line_in(unit, address - bias);
            if (line && dw.line_number(line, &out->line) == 0) {
                out->file = dw.line_file(line, NULL, NULL);
            }
            return;
        }
    }
}

static const char *plain_name_of(struct reader *r, const char *name)
{
    if (name[0] != '_' || name[1] != 'Z') {
        return name;
    }
    (void)pthread_once(&demangle_once, load_demangle);
    if (!demangle) {
        return name;
    }
    struct plain_name *n = r->names;
    while (n && n->mangled != name) {
        n = n->next;
    }
    if (!n && (n = cvy_alloc(sizeof(*n))) != NULL) {
        *n = (struct plain_name){r->names, name, demangle(name, NULL, NULL, NULL)};
        r->names = n;
    }
    return n && n->text ? n->text : name;
}

static void find_by_reader(struct reader *r, const void *pc, struct cvy_symbol *out)
{
    Dwfl_Module *module = dw.module_of(r->dwfl, (uintptr_t)pc);
    const char *name = module ? dw.name_of(module, (uintptr_t)pc) : NULL;
    Dwfl_Line *line = module ? dw.line_of(module, (uintptr_t)pc) : NULL;

    out->function = name ? plain_name_of(r, name) : out->function;
    if (line) {
        out->file = dw.line_info(line, NULL, &out->line, NULL, NULL, NULL);
    } else if (module) {
        find_line(module, (uintptr_t)pc, out);
    }
}

/* The slot that has pc, or is to have it. */
static struct known *slot_of(struct reader *r, const void *pc)
{
    size_t at = (size_t)((uintptr_t)pc * UINT64_C(0x9E3779B97F4A7C15) >> 32);

    for (size_t i = 0; i < CACHE_WAYS; i++) {
        struct known *k = &r->cache[(at + i) % CACHE_SIZE];
        if (k->pc == pc || !k->pc) {
            return k;
        }
    }
    return &r->cache[(at + r->turn++ % CACHE_WAYS) % CACHE_SIZE];
}

void cvy_symbols_find(struct cvy_symbols *s, const void *pc, struct cvy_symbol *out)
{
    struct reader *r = s->reader;
    struct known *k = r && pc ? slot_of(r, pc) : NULL;

    if (k && k->pc == pc) {
        *out = k->symbol;
        return;
    }
    *out = (struct cvy_symbol){0};
    find_by_linker(pc, out);
    if (r) {
        find_by_reader(r, pc, out);
    }
    if (k) {
        *k = (struct known){pc, *out};
    }
}
