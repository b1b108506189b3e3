/* fetch.c - manifest.tsv has a line for each data set, NAME, a tab, FILE and more; fetch.sh beside it brings FILE into
 * the folder data beside both. */
#include "engine/base/fetch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/here.h"
#include "engine/base/mem.h"

/* Cuts the last part off an absolute path and gives it; NULL at the root. */
static const char *cut_last(char *path) {
    char *slash = strrchr(path, '/');
    if (slash == NULL || slash[1] == '\0') return NULL;
    *slash = '\0';
    return slash + 1;
}

/* The name under which the manifest's text lists this file, in new memory. */
static char *name_in(const char *text, const char *file) {
    for (const char *line = text; *line != '\0';) {
        size_t n = strcspn(line, "\n"), name = strcspn(line, "\t\n");
        if (line[0] != '#' && line[name] == '\t') {
            const char *second = line + name + 1;
            size_t      length = strcspn(second, "\t\n");
            if (length == strlen(file) && memcmp(second, file, length) == 0) return mem_strndup(line, name, NULL);
        }
        line += n + (line[n] == '\n');
    }
    return NULL;
}

int fetch_advise(const char *path, err *e) {
    enum { MAX_BYTES = 1 << 20 };
    if (access(path, F_OK) == 0 || errno != ENOENT) return -1;
    char       *place = file_place(path, NULL), *manifest = NULL, *text = NULL, *script = NULL;
    char       *name = NULL, *command = NULL, *advice = NULL;
    size_t      n;
    const char *file = place != NULL ? cut_last(place) : NULL;
    const char *folder = file != NULL ? cut_last(place) : NULL;
    if (folder != NULL && strcmp(folder, "data") == 0) manifest = mem_printf(NULL, "%s/manifest.tsv", place);
    if (manifest != NULL && file_check_regular(manifest, "", NULL) == 0)
        text = file_read(manifest, MAX_BYTES, &n, NULL);
    if (text != NULL) name = name_in(text, file);
    if (name != NULL) script = mem_printf(NULL, "%s/fetch.sh", place);
    if (script != NULL) command = here_word(script, NULL);
    if (command != NULL) advice = mem_printf(NULL, "%s %s brings it", command, name);
    if (advice != NULL) err_advise(e, advice);
    free(place);
    free(script);
    free(manifest);
    free(text);
    free(name);
    free(command);
    free(advice);
    return -1;
}
