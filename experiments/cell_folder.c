#include "experiments/cell_folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/base/mem.h"

char *cell_folder_of(const char *dir, err *e) {
    struct stat s;
    char       *cells = mem_printf(e, "%s/cells", dir);
    if (cells == NULL) return NULL;
    errno = 0;
    if (stat(cells, &s) == 0 && S_ISDIR(s.st_mode)) return cells;
    int failed = errno != 0 && errno != ENOENT && errno != ENOTDIR ? err_unreadable(e, cells) : 0;
    free(cells);
    return failed == 0 ? mem_strdup(dir, e) : NULL;
}

bool cell_folder_is_file(const char *name) {
    return strspn(name, "0123456789abcdef") == CELL_ID_DIGITS && strcmp(name + CELL_ID_DIGITS, ".h5") == 0;
}

size_t cell_folder_unfinished(const char *sweep) {
    size_t n = 0;
    char  *path = mem_printf(NULL, "%s/unfinished", sweep);
    DIR   *dir = path != NULL ? opendir(path) : NULL;
    for (const struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) n += entry->d_name[0] != '.';
    if (dir != NULL) closedir(dir);
    free(path);
    return n;
}
