/* SPDX-License-Identifier: MIT
 * replay.c - feeds the files of a fuzzer's corpus to its target, without a fuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *folder, const char *name)
{
    char path[4096];
    uint8_t *data = malloc(1 << 20);
    FILE *f;
    size_t len;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    f = fopen(path, "rb");
    if (!f || !data) {
        perror(path);
        exit(1);
    }
    len = fread(data, 1, 1 << 20, f);
    (void)fclose(f);
    /* Exactly as large as the input, so that ASan sees a read past its end. */
    data = realloc(data, len > 0 ? len : 1);
    /* Told first, so that the last line names the file that crashed it. */
    printf("%s (%zu bytes)\n", path, len);
    (void)fflush(stdout);
    (void)LLVMFuzzerTestOneInput(data, len);
    free(data);
    return 1;
}

int main(int argc, char **argv)
{
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    struct dirent *entry;
    int count = 0;

    if (!folder) {
        (void)fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    while ((entry = readdir(folder))) {
        if (entry->d_name[0] != '.') {
            count += replay(argv[1], entry->d_name);
        }
    }
    (void)closedir(folder);
    printf("%d passed, 0 failed, 0 skipped\n", count);
    return count == 0 ? 77 : 0;
}
