/* fuzz_ini.c - a text as a sweep's config, as a training's config, and as plain sections; with an override.
 *
 * The text before the first NUL is the file, what follows it an override as of --set.
 */
#include <stdlib.h>
#include <string.h>

#include "experiments/sweep/config.h"
#include "experiments/training/train_config.h"
#include "tests/fuzz/fuzz.h"

static void read_sections(const char *path, const char *text) {
    inifile f;
    err     e = {0};
    if (inifile_parse(path, text, &f, &e) != 0) {
        fuzz_expect_error(&e);
        return;
    }
    for (size_t i = 0; i < f.n_sections; i++)
        for (size_t k = 0; k < f.sections[i].n_entries; k++) {
            const ini_entry *entry = &f.sections[i].entries[k];
            FUZZ_EXPECT(entry->n_parts > 0 && ini_find(&f.sections[i], entry->key) == entry);
        }
    inifile_free(&f);
}

static void read_sweep(const char *path, const char *text, const char *const *sets, size_t n_sets) {
    config c, again;
    err    e = {0};
    if (config_parse(path, text, sets, n_sets, &c, &e) != 0) {
        fuzz_expect_error(&e);
        return;
    }
    /* What is kept with the results, overrides in it, can be read again. */
    FUZZ_EXPECT(c.n_models > 0 && c.n_datasets > 0 && c.n_policies > 0 && c.n_rules > 0);
    if (config_parse(path, c.text, NULL, 0, &again, &e) == 0)
        config_free(&again);
    else
        FUZZ_EXPECT(n_sets >
                    0); /* the kept text has overrides as comments, so it may lack a key that one of them set */
    config_free(&c);
}

static void read_training(const char *text, const char *const *sets, size_t n_sets) {
    train_config c;
    err          e = {0};
    if (train_config_read(fuzz_file(0, text, strlen(text)), sets, n_sets, &c, &e) == 0)
        train_config_free(&c);
    else
        fuzz_expect_error(&e);
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n) {
    fuzz_input        in = {bytes, n};
    char             *text = fuzz_text(fuzz_until(&in, '\0')), *set = fuzz_text(in);
    const char *const sets[] = {set};
    size_t            n_sets = *set != '\0';
    read_sections("/nowhere/fuzz.ini", text);
    read_sweep("/nowhere/fuzz.ini", text, sets, n_sets);
    read_training(text, sets, n_sets);
    free(set);
    free(text);
    return 0;
}
