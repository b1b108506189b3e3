/* inspect_dataset.c - shows a JSONL file: records, scenarios, sizes, and how much of the outputs could be copied.
 *
 * Sizes are bytes for text and ids for token ids, in separate rows. Text from the file is printed with its
 * control characters escaped and its length cut. No tokenizer is needed, so LLMA's prompts are shown as bare
 * queries.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/dataset.h"
#include "engine/base/digest.h"
#include "engine/base/mem.h"
#include "engine/base/number.h"
#include "experiments/inspect/inspect.h"
#include "experiments/terminal/data_report.h"

/* ---- passages ---- */

static void print_passage(const char *name, const passage *p) {
    enum { MAX_BYTES = 160, MAX_IDS = 16 };
    printf("  %-12s ", name);
    if (p->text != NULL) {
        inspect_cut(p->text, p->n_text, MAX_BYTES);
    } else if (p->ids.n > 0) {
        for (size_t i = 0; i < p->ids.n && i < MAX_IDS; i++) printf("%s%" PRId32, i > 0 ? " " : "ids ", p->ids.ids[i]);
        if (p->ids.n > MAX_IDS) fputs(" ...", stdout);
    }
    if (p->text != NULL ? p->n_text == 0 : p->ids.n == 0) fputs("(empty)", stdout);
    putchar('\n');
}

/* ---- scenarios ---- */

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* ---- conversations ---- */

static void print_turns(const dataset *d) {
    size_t records = 0, most = 0, total = 0;
    for (size_t i = 0; i < d->n; i++) {
        size_t n = d->records[i].n_turns;
        records += n > 0;
        total += n;
        if (n > most) most = n;
    }
    if (records > 0)
        printf("turns    %zu record%s, of up to %zu turn%s, %.1f on average\n", records,
               records == 1 ? " is a conversation" : "s are conversations", most, plural(most),
               (double)total / (double)records);
}

static int print_scenarios(const dataset *d, err *e) {
    enum { SHOWN = 40 };
    const char **names = mem_new(d->n, sizeof *names, e);
    if (names == NULL) return -1;
    for (size_t i = 0; i < d->n; i++) names[i] = d->records[i].scenario;
    qsort(names, d->n, sizeof *names, by_name);

    size_t kinds = 0;
    puts("\nrecords  scenario");
    for (size_t i = 0, end; i < d->n; i = end) {
        for (end = i; end < d->n && strcmp(names[end], names[i]) == 0; end++) {}
        if (kinds++ >= SHOWN) continue;
        printf("%7zu  ", end - i);
        if (*names[i] == '\0') fputs("(none)", stdout);
        inspect_cut(names[i], strlen(names[i]), 60);
        putchar('\n');
    }
    if (kinds > SHOWN) printf("    ...  and %zu more\n", kinds - SHOWN);
    free(names);
    return 0;
}

/* ---- sizes ---- */

typedef struct {
    size_t *at, n, cap;
} sizes;

/* One kind of passage: those given as text, and those given as ids. */
typedef struct {
    const char *name;
    sizes       bytes, ids;
} measure;

static int measure_passage(measure *m, const passage *p, err *e) {
    sizes *s = p->text != NULL ? &m->bytes : &m->ids;
    if (mem_reserve(&s->at, &s->cap, s->n + 1, e) != 0) return -1;
    s->at[s->n++] = p->text != NULL ? p->n_text : p->ids.n;
    return 0;
}

static int by_size(const void *a, const void *b) {
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

static void print_sizes(const char *name, const char *unit, sizes *s) {
    if (s->n == 0) return;
    qsort(s->at, s->n, sizeof *s->at, by_size);
    size_t low = s->at[(s->n - 1) / 2], high = s->at[s->n / 2];
    printf("%7zu  %-10s %-6s %9zu %9zu %9zu\n", s->n, name, unit, s->at[0], low + (high - low) / 2, s->at[s->n - 1]);
}

static int print_measures(const dataset *d, err *e) {
    measure all[] = {{.name = "prompt"}, {.name = "reference"}, {.name = "output"}};
    int     ret = -1;
    for (size_t i = 0; i < d->n; i++) {
        const record *r = &d->records[i];
        if (measure_passage(&all[0], &r->prompt, e) != 0) goto out;
        for (size_t j = 0; j < r->n_references; j++)
            if (measure_passage(&all[1], &r->references[j], e) != 0) goto out;
        if (r->has_output && measure_passage(&all[2], &r->output, e) != 0) goto out;
    }
    puts("\n  count  passage    size in       min    median       max");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        print_sizes(all[i].name, "bytes", &all[i].bytes);
        print_sizes(all[i].name, "ids", &all[i].ids);
    }
    ret = 0;
out:
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        free(all[i].bytes.at);
        free(all[i].ids.at);
    }
    return ret;
}

/* ---- what could be copied ---- */

enum { GRAM = 5 };

/* Hashes: first of words, then of runs of GRAM words. */
typedef struct {
    uint64_t *at;
    size_t    n, cap;
} hashes;

static int add_hash(hashes *h, uint64_t value, err *e) {
    if (mem_reserve(&h->at, &h->cap, h->n + 1, e) != 0) return -1;
    h->at[h->n++] = value;
    return 0;
}

/* One hash for each word (text between white space) or each id. */
static int add_words(hashes *h, const passage *p, err *e) {
    static const char space[] = " \t\n\v\f\r";
    if (p->text == NULL) {
        for (size_t i = 0; i < p->ids.n; i++)
            if (add_hash(h, digest64(&p->ids.ids[i], sizeof *p->ids.ids), e) != 0) return -1;
        return 0;
    }
    for (size_t i = 0, end; i < p->n_text; i = end) {
        bool in_space = memchr(space, p->text[i], sizeof space - 1) != NULL;
        for (end = i + 1; end < p->n_text; end++)
            if ((memchr(space, p->text[end], sizeof space - 1) != NULL) != in_space) break;
        if (!in_space && add_hash(h, digest64(p->text + i, end - i), e) != 0) return -1;
    }
    return 0;
}

static int add_grams(hashes *grams, const passage *p, err *e) {
    hashes words = {0};
    int    ret = add_words(&words, p, e);
    for (size_t i = 0; ret == 0 && i + GRAM <= words.n; i++)
        ret = add_hash(grams, digest64(words.at + i, GRAM * sizeof *words.at), e);
    free(words.at);
    return ret;
}

static int by_hash(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Adds to *found and *all the output's runs of GRAM words, and those that one of the references holds. */
static int count_copied(const record *r, size_t *found, size_t *all, err *e) {
    hashes output = {0}, references = {0};
    int    ret = add_grams(&output, &r->output, e);
    for (size_t i = 0; ret == 0 && i < r->n_references; i++) ret = add_grams(&references, &r->references[i], e);
    if (ret == 0 && output.n > 0) {
        *all += output.n;
        if (references.n > 0) qsort(references.at, references.n, sizeof *references.at, by_hash);
        for (size_t i = 0; i < output.n && references.n > 0; i++)
            *found += bsearch(&output.at[i], references.at, references.n, sizeof *references.at, by_hash) != NULL;
    }
    free(output.at);
    free(references.at);
    return ret;
}

static int print_copied(const dataset *d, err *e) {
    size_t found = 0, all = 0, outputs = 0;
    for (size_t i = 0; i < d->n; i++) {
        if (!d->records[i].has_output) continue;
        outputs++;
        if (count_copied(&d->records[i], &found, &all, e) != 0) return -1;
    }
    printf("\nrecords with an output: %zu of %zu\n", outputs, d->n);
    if (all > 0)
        printf("runs of %d words (or ids) of the outputs that are in the record's references: %.1f%% of %zu\n", GRAM,
               100.0 * (double)found / (double)all, all);
    return 0;
}

/* ---- all of it ---- */

static void print_first(const record *r) {
    printf("\nfirst record (line %zu)\n  %-12s ", r->line, "id");
    inspect_cut(r->id, strlen(r->id), 100);
    putchar('\n');
    print_passage("prompt", &r->prompt);
    for (size_t i = 0; i < r->n_references && i < 3; i++) {
        char name[32];
        snprintf(name, sizeof name, "reference %zu", i);
        print_passage(name, &r->references[i]);
    }
    if (r->n_references > 3) printf("  ... and %zu more\n", r->n_references - 3);
    if (r->has_output) print_passage("output", &r->output);
}

int inspect_dataset(const char *path, const dataset_options *o, err *e) {
    dataset d;
    if (dataset_read(path, o, data_report_skipped, NULL, &d, e) != 0) return -1;
    printf("%s\nformat   %s\nsha256   %s\nrecords  %zu\n", path, d.format, d.sha256, d.n);
    print_turns(&d);
    if (d.bad > 0) printf("bad      %zu (lines left out)\n", d.bad);
    if (d.dropped > 0) printf("left out %zu (%s)\n", d.dropped, d.skipped.at[d.first_dropped].reason);
    int ret = -1;
    if (inspect_distinct(&d, e) == 0 && print_scenarios(&d, e) == 0 && print_measures(&d, e) == 0 &&
        print_copied(&d, e) == 0) {
        inspect_unread(&d);
        print_first(&d.records[0]);
        ret = 0;
    }
    dataset_free(&d);
    return ret;
}
