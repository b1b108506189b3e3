#include "engine/base/here.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"

/* The place of the path's folder with the path's last name behind it; of the path itself where that is "." or "..". */
static char *place_of(const char *path, err *e) {
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return file_place(path, e);
    char *folder = file_folder(path, e), *at = folder != NULL ? file_place(*folder != '\0' ? folder : ".", e) : NULL;
    char *place = at != NULL ? mem_printf(e, "%s/%s", strcmp(at, "/") != 0 ? at : "", name) : NULL;
    free(folder);
    free(at);
    return place;
}

/* The path from one absolute path to another, both without dots and without a slash at the end. */
static char *path_between(const char *from, const char *to, err *e) {
    size_t common = 0; /* bytes of the folders that both begin with */
    for (size_t i = 0;; i++) {
        bool from_ends = from[i] == '\0' || from[i] == '/', to_ends = to[i] == '\0' || to[i] == '/';
        if (from_ends && to_ends) common = i;
        if (from[i] != to[i] || from[i] == '\0') break;
    }
    if (common == 0) return mem_strdup(to, e); /* the root alone */
    size_t ups = 0;
    for (const char *c = from + common; *c != '\0'; c++) ups += *c == '/';
    const char *rest = to[common] == '/' ? to + common + 1 : to + common;
    char       *path = mem_new(3 * ups + strlen(rest) + 2, 1, e), *at = path;
    if (path == NULL) return NULL;
    for (; ups > 0; ups--, at += 3) memcpy(at, "../", 3);
    memcpy(at, rest, strlen(rest));
    if (*rest == '\0' && at > path) at[-1] = '\0'; /* a folder above */
    if (*path == '\0') *path = '.';
    return path;
}

char *here_path(const char *path, err *e) {
    char *place = place_of(path, e), *here = place != NULL ? file_place(".", e) : NULL;
    char *shown = here != NULL ? path_between(here, place, e) : NULL;
    free(place);
    free(here);
    return shown;
}

char *here_quoted(const char *text, err *e) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/+,:@%=";
    if (*text != '\0' && text[strspn(text, plain)] == '\0') return mem_strdup(text, e);
    size_t n = 3;
    for (const char *c = text; *c != '\0'; c++) n += *c == '\'' ? 4 : 1;
    char *quoted = mem_new(n, 1, e), *at = quoted;
    if (quoted == NULL) return NULL;
    *at++ = '\'';
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '\'') {
            memcpy(at, "'\\''", 4);
            at += 4;
        } else {
            *at++ = *c;
        }
    }
    *at++ = '\'';
    *at = '\0';
    return quoted;
}

char *here_word(const char *path, err *e) {
    char *shown = here_path(path, e), *word = NULL;
    if (shown != NULL && strchr(shown, '/') == NULL) {
        char *longer = mem_printf(e, "./%s", shown);
        free(shown);
        shown = longer;
    }
    if (shown != NULL) word = here_quoted(shown, e);
    free(shown);
    return word;
}
