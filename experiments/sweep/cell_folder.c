#include "experiments/sweep/cell_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static bool has_files(int folder, const char *name) {
    bool has = false;
    int  fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    for (const struct dirent *entry; dir != NULL && !has && (entry = readdir(dir)) != NULL;)
        has = entry->d_name[0] != '.';
    if (dir != NULL)
        closedir(dir);
    else if (fd >= 0)
        close(fd);
    return has;
}

size_t cell_folder_unfinished(const char *sweep) {
    size_t n = 0;
    char  *path = mem_printf(NULL, "%s/unfinished", sweep);
    DIR   *dir = path != NULL ? opendir(path) : NULL;
    for (const struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        struct stat s;
        bool        is_id =
            strspn(entry->d_name, "0123456789abcdef") == CELL_ID_DIGITS && strlen(entry->d_name) == CELL_ID_DIGITS;
        char *finished = is_id ? mem_printf(NULL, "%s/cells/%s.h5", sweep, entry->d_name) : NULL;
        n += finished != NULL && stat(finished, &s) != 0 && has_files(dirfd(dir), entry->d_name);
        free(finished);
    }
    if (dir != NULL) closedir(dir);
    free(path);
    return n;
}
