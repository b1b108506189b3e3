#include "tests/unit/store_files.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/mem.h"

size_t files_here(void) {
    size_t n = 0;
    DIR   *dir = opendir(".");
    cr_assert_not_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return n;
}

char *file_bytes(const char *path, size_t *n) {
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f, "%s", path);
    cr_assert_eq(fseek(f, 0, SEEK_END), 0);
    *n = (size_t)ftell(f);
    rewind(f);
    char *bytes = malloc(*n + 1);
    cr_assert_eq(fread(bytes, 1, *n, f), *n);
    fclose(f);
    return bytes;
}

static int set_from(store_data *d, const char *sweep, const char *created, err *e) {
    if ((d->sweep = mem_strdup(sweep, e)) == NULL) return -1;
    return (d->created = mem_strdup(created, e)) != NULL ? 0 : -1;
}

process_row some_process(const char *id, const char *cpu) {
    return (process_row){.id = (char *)id,
                         .harness_version = "1.0",
                         .git_commit = "0123abc",
                         .started = "2024-01-02T03:00:00Z",
                         .cpu = (char *)cpu,
                         .isa = "avx2",
                         .compiler = "gcc 12, Debian",
                         .flags = "-O3 -g",
                         .governor = "performance",
                         .load = "0.5"};
}

cell_row some_cell(const char *id, const char *policy, int n, int k) {
    return (cell_row){.id = (char *)id,
                      .config = "quick.ini",
                      .dataset = "rag",
                      .model = "bytes",
                      .model_sha256 = "aa",
                      .dataset_sha256 = "bb",
                      .target = "replay",
                      .policy = (char *)policy,
                      .rule = "greedy",
                      .forced = 1,
                      .n = n,
                      .k = k,
                      .temperature = 0,
                      .params = "{\"policy\":{},\"rule\":{}}",
                      .threads = 1,
                      .gemm = "exact",
                      .stop = "",
                      .chat = "",
                      .stop_ids = "2",
                      .build = "00000000000000bb",
                      .harness_version = "1.0",
                      .git_commit = "0123abc",
                      .created = "2024-01-02T03:04:05Z",
                      .cpu = "Intel(R) Xeon(R)",
                      .isa = "avx2",
                      .compiler = "gcc 12, Debian",
                      .flags = "-O3 -g",
                      .governor = "performance",
                      .load = "0.5"};
}

/* A trial of n_steps steps, 2 drafted and 1 accepted in each. */
int add_some_trial(store_data *d, uint32_t cell, uint32_t sample, uint32_t repeat, size_t n_steps, bool hashed,
                   err *e) {
    int       ret = -1;
    step_row *steps = mem_new(n_steps, sizeof *steps, e);
    int32_t  *ids = mem_new(2 * n_steps, sizeof *ids, e);
    uint64_t *hash = mem_new(2 * n_steps, sizeof *hash, e);
    trial_row t = {.cell = cell, .sample = sample, .repeat = repeat, .prefill_ns = UINT64_MAX, .decode_ns = 1u << 31};

    if (steps == NULL || ids == NULL || hash == NULL) goto out;
    t.tokens = (uint32_t)(2 * n_steps);
    t.steps = (uint32_t)n_steps;
    t.plain_tokens = t.tokens;
    t.drafted = (uint32_t)(2 * n_steps);
    t.testable = (uint32_t)(2 * n_steps - 1);
    t.accepted = (uint32_t)n_steps;
    t.tokens_per_step = 2;
    t.speedup = NAN;
    t.modeled_ns = 2e9;
    t.plain_modeled_ns = NAN;
    t.modeled_speedup = 1.5;
    t.equal = 1;
    t.logits_equal = 2;
    t.first_divergence = -1;
    t.min_margin = n_steps > 0 ? 0.25 : (double)NAN;
    t.log_likelihood = -0.125;
    t.plain_log_likelihood = NAN;
    for (size_t i = 0; i < n_steps; i++)
        steps[i] = (step_row){.position = (uint32_t)(2 * i),
                              .match_length = UINT16_MAX,
                              .source = -3,
                              .source_position = (int32_t)i - 1,
                              .drafted = 2,
                              .testable = i + 1 < n_steps ? 2 : 1,
                              .depth = i + 1 < n_steps ? 2 : 1,
                              .accepted = 1,
                              .emitted = 2,
                              .draft_ns = i * i,
                              .verify_ns = i,
                              .plain_ns = UINT64_MAX - i,
                              .equal = 1,
                              .logits_equal = 2,
                              .margin = 0.25 + (double)i};
    for (size_t i = 0; i < 2 * n_steps; i++) {
        ids[i] = (int32_t)(i * 2654435761u);
        hash[i] = i * 0x9e3779b97f4a7c15u + repeat;
    }
    ret = store_add_trial(d, &t, steps, n_steps, ids, 2 * n_steps, hashed ? hash : NULL, e);
    if (ret == 0) d->cells[cell].trials++;
out:
    free(steps);
    free(ids);
    free(hash);
    return ret;
}

/* A small file with something in every table. */
int fill_results(store_data *d, const char *id, const char *policy, int n, int k, size_t samples, err *e) {
    cell_row    cell = some_cell(id, policy, n, k);
    process_row process = some_process("00000000000000aa", "Intel(R) Xeon(R)");
    skipped_row left_out = {
        .dataset = "rag", .dataset_sha256 = "bb", .model = "bytes", .line = 7, .id = "", .reason = "not JSON"};
    if (set_from(d, "quick", "2024-01-02T03:04:05Z", e) != 0) return -1;
    if (store_keep_text(&d->configs, "quick.ini", "[sweep]\nname = quick ; \xc3\xa9\n", NULL, e) != 0) return -1;
    if (store_keep_text(&d->costs, "cost.ini", "[T]\n1 = 5\n", NULL, e) != 0) return -1;
    if (store_add_process(d, &process, NULL, e) != 0 || store_add_skipped(d, &left_out, e) != 0) return -1;
    if (store_add_cell(d, &cell, e) != 0) return -1;
    for (uint32_t i = 0; i < samples; i++) {
        char       name[32];
        sample_row row = {
            .dataset = "rag", .id = name, .scenario = "", .prompt_tokens = i, .references = 1, .content = i};
        snprintf(name, sizeof name, "s%u-\xe6\xb8\xac", i);
        if (store_add_sample(d, &row, e) != 0) return -1;
        for (uint32_t repeat = 0; repeat < 2; repeat++)
            if (add_some_trial(d, 0, i, repeat, 3 + i, true, e) != 0) return -1;
    }
    return 0;
}

store_data some_results(const char *id, const char *policy, int n, int k, size_t samples) {
    store_data d = {0};
    err        e = {0};
    cr_assert_eq(fill_results(&d, id, policy, n, k, samples, &e), 0, "%s", e.text);
    return d;
}

int collect_whole(const char *const *paths, size_t n, const kept_text *config, store_data *out, err *e) {
    const char *to = "collected.h5";
    int         ret = store_collect(paths, n, config, to, NULL, NULL, out, e);
    store_free(out);
    if (ret == 0) ret = store_read(to, out, e);
    unlink(to);
    return ret;
}

static bool same_text(const char *a, const char *b) {
    return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

#define SAME_U8(a, b)  ((a) == (b))
#define SAME_U16(a, b) ((a) == (b))
#define SAME_U32(a, b) ((a) == (b))
#define SAME_U64(a, b) ((a) == (b))
#define SAME_I32(a, b) ((a) == (b))
#define SAME_I64(a, b) ((a) == (b))
#define SAME_F64(a, b) (memcmp(&(a), &(b), sizeof(double)) == 0)
#define SAME_STR(a, b) same_text(a, b)
#define SAME_ID(a, b)  same_text(a, b)

static bool same_cell(const cell_row *a, const cell_row *b) {
    bool same = true;
#define CELL_FIELDS
#define FIELD(kind, name) same = same && SAME_##kind(a->name, b->name);
#include "store/fields.def"
#undef CELL_FIELDS
    return same;
}

static bool same_process(const process_row *a, const process_row *b) {
    bool same = true;
#define PROCESS_FIELDS
#define FIELD(kind, name) same = same && SAME_##kind(a->name, b->name);
#include "store/fields.def"
#undef PROCESS_FIELDS
    return same;
}

static bool same_skipped(const skipped_row *a, const skipped_row *b) {
    bool same = true;
#define SKIPPED_FIELDS
#define FIELD(kind, name) same = same && SAME_##kind(a->name, b->name);
#include "store/fields.def"
#undef SKIPPED_FIELDS
    return same;
}

static bool same_texts(const kept_texts *a, const kept_texts *b) {
    bool same = a->n == b->n;
    for (size_t i = 0; same && i < a->n; i++)
        same = same_text(a->at[i].name, b->at[i].name) && same_text(a->at[i].text, b->at[i].text);
    return same;
}

static bool same_sample(const sample_row *a, const sample_row *b) {
    bool same = true;
#define SAMPLE_FIELDS
#define FIELD(kind, name) same = same && SAME_##kind(a->name, b->name);
#include "store/fields.def"
#undef SAMPLE_FIELDS
    return same;
}

static bool same_trial(const trial_row *a, const trial_row *b) {
    bool same = true;
#define TRIAL_FIELDS
#define FIELD(kind, name) same = same && SAME_##kind(a->name, b->name);
#include "store/fields.def"
#undef TRIAL_FIELDS
    return same;
}

static bool same_step(const step_row *a, const step_row *b) {
    bool same = true;
#define STEP_FIELDS
#define FIELD(kind, name) same = same && SAME_##kind(a->name, b->name);
#include "store/fields.def"
#undef STEP_FIELDS
    return same;
}

static bool same_bytes(const void *a, const void *b, size_t n) {
    return n == 0 || memcmp(a, b, n) == 0;
}

bool same_results(const store_data *a, const store_data *b) {
    bool same = a->n_cells == b->n_cells && a->n_samples == b->n_samples && a->n_processes == b->n_processes &&
                a->n_skipped == b->n_skipped && a->n_trials == b->n_trials && a->n_steps == b->n_steps &&
                a->n_ids == b->n_ids && same_text(a->sweep, b->sweep) && same_text(a->created, b->created) &&
                same_texts(&a->configs, &b->configs) && same_texts(&a->costs, &b->costs) &&
                (a->n_ids == 0 || (a->logits_hash == NULL) == (b->logits_hash == NULL));
    for (size_t i = 0; same && i < a->n_processes; i++) same = same_process(&a->processes[i], &b->processes[i]);
    for (size_t i = 0; same && i < a->n_skipped; i++) same = same_skipped(&a->skipped[i], &b->skipped[i]);
    for (size_t i = 0; same && i < a->n_cells; i++) same = same_cell(&a->cells[i], &b->cells[i]);
    for (size_t i = 0; same && i < a->n_samples; i++) same = same_sample(&a->samples[i], &b->samples[i]);
    for (size_t i = 0; same && i < a->n_trials; i++) same = same_trial(&a->trials[i], &b->trials[i]);
    for (size_t i = 0; same && i < a->n_steps; i++) same = same_step(&a->steps[i], &b->steps[i]);
    return same && same_bytes(a->ids, b->ids, a->n_ids * sizeof *a->ids) &&
           (a->n_trials == 0 || same_bytes(a->offset, b->offset, (a->n_trials + 1) * sizeof *a->offset)) &&
           (a->logits_hash == NULL || same_bytes(a->logits_hash, b->logits_hash, a->n_ids * sizeof *a->logits_hash));
}
