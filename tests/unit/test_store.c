/* Results files: round trips, hostile bytes, failing writes, collecting. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/mem.h"
#include "experiments/store/atomic.h"
#include "experiments/store/store.h"

/* HDF5 1.10 leaks what it had read of an object whose checksum is wrong. Two tests do not look for leaks. */
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#else
#define __lsan_disable() ((void)0)
#define __lsan_enable()  ((void)0)
#endif

/* ---- fixtures ------------------------------------------------------------------------------------------- */

static char folder[64];

static void make_folder(void) {
    strcpy(folder, "/tmp/test_store.XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

static size_t files_in_folder(void) {
    size_t n = 0;
    DIR   *dir = opendir(folder);
    cr_assert_not_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return n;
}

static void remove_folder(void) {
    DIR *dir = opendir(folder);
    if (dir == NULL) return;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) remove(path);
    }
    closedir(dir);
    rmdir(folder);
}

static const char *in_folder(const char *name) {
    static char paths[8][128];
    static int  next;
    char       *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static char *read_bytes(const char *path, size_t *n) {
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

static void write_bytes(const char *path, const char *bytes, size_t n) {
    FILE *f = fopen(path, "wb");
    cr_assert_not_null(f);
    cr_assert_eq(fwrite(bytes, 1, n, f), n);
    cr_assert_eq(fclose(f), 0);
}

static int set_from(store_data *d, const char *sweep, const char *created, const char *cpu, err *e) {
    const char *values[] = {sweep, "1.0", "0123abc", created, cpu, "avx2", "gcc 12, Debian", "-O3 -g"};
    char **texts[] = {&d->from.sweep, &d->from.harness_version, &d->from.git_commit, &d->from.created, &d->from.cpu,
                      &d->from.isa,   &d->from.compiler,        &d->from.flags};
    for (size_t i = 0; i < 8; i++)
        if ((*texts[i] = mem_strdup(values[i], e)) == NULL) return -1;
    d->from.threads = 2;
    return 0;
}

static cell_row some_cell(const char *id, const char *policy, int n, int k) {
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
                      .gemm = "exact"};
}

/* A trial of n_steps steps, 2 drafted and 1 accepted in each. */
static int add_trial(store_data *d, uint32_t cell, uint32_t sample, uint32_t repeat, size_t n_steps, bool hashed,
                     err *e) {
    int       ret = -1;
    step_row *steps = mem_new(n_steps, sizeof *steps, e);
    int32_t  *ids = mem_new(2 * n_steps, sizeof *ids, e);
    uint64_t *hash = mem_new(2 * n_steps, sizeof *hash, e);
    trial_row t = {.cell = cell, .sample = sample, .repeat = repeat, .prefill_ns = UINT64_MAX, .decode_ns = 1u << 31};

    if (steps == NULL || ids == NULL || hash == NULL) goto out;
    t.tokens = (uint32_t)(2 * n_steps);
    t.steps = (uint32_t)n_steps;
    t.drafted = (uint32_t)(2 * n_steps);
    t.accepted = (uint32_t)n_steps;
    t.tokens_per_step = 2;
    t.speedup = NAN;
    t.modeled_speedup = 1.5;
    t.equal = 1;
    t.logits_equal = 2;
    t.first_divergence = -1;
    t.min_margin = -INFINITY;
    for (size_t i = 0; i < n_steps; i++)
        steps[i] = (step_row){.position = (uint32_t)(2 * i),
                              .match_length = UINT16_MAX,
                              .source = -3,
                              .source_position = (int32_t)i - 1,
                              .drafted = 2,
                              .accepted = 1,
                              .emitted = 2,
                              .draft_ns = i * i,
                              .verify_ns = i};
    for (size_t i = 0; i < 2 * n_steps; i++) {
        ids[i] = (int32_t)(i * 2654435761u);
        hash[i] = i * 0x9e3779b97f4a7c15u + repeat;
    }
    ret = store_add_trial(d, &t, steps, n_steps, ids, 2 * n_steps, hashed ? hash : NULL, e);
out:
    free(steps);
    free(ids);
    free(hash);
    return ret;
}

/* A small file with something in every table. */
static int fill(store_data *d, const char *id, const char *policy, int n, int k, size_t samples, err *e) {
    cell_row cell = some_cell(id, policy, n, k);
    if (set_from(d, "quick", "2024-01-02T03:04:05Z", "Intel(R) Xeon(R)", e) != 0) return -1;
    if (store_add_config(d, "quick.ini", "[sweep]\nname = quick ; \xc3\xa9\n", e) != 0) return -1;
    if (store_add_cell(d, &cell, e) != 0) return -1;
    for (uint32_t i = 0; i < samples; i++) {
        char       name[32];
        sample_row row = {.dataset = "rag", .id = name, .scenario = "", .prompt_tokens = i, .references = 1};
        snprintf(name, sizeof name, "s%u-\xe6\xb8\xac", i);
        if (store_add_sample(d, &row, e) != 0) return -1;
        for (uint32_t repeat = 0; repeat < 2; repeat++)
            if (add_trial(d, 0, i, repeat, 3 + i, true, e) != 0) return -1;
    }
    return 0;
}

static store_data filled(const char *id, const char *policy, int n, int k, size_t samples) {
    store_data d = {0};
    err        e = {0};
    cr_assert_eq(fill(&d, id, policy, n, k, samples, &e), 0, "%s", e.text);
    return d;
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
#include "experiments/store/fields.def"
#undef CELL_FIELDS
    return same;
}

static bool same_sample(const sample_row *a, const sample_row *b) {
    bool same = true;
#define SAMPLE_FIELDS
#define FIELD(kind, name) same = same && SAME_##kind(a->name, b->name);
#include "experiments/store/fields.def"
#undef SAMPLE_FIELDS
    return same;
}

static bool same_trial(const trial_row *a, const trial_row *b) {
    bool same = true;
#define TRIAL_FIELDS
#define FIELD(kind, name) same = same && SAME_##kind(a->name, b->name);
#include "experiments/store/fields.def"
#undef TRIAL_FIELDS
    return same;
}

static bool same_step(const step_row *a, const step_row *b) {
    bool same = true;
#define STEP_FIELDS
#define FIELD(kind, name) same = same && SAME_##kind(a->name, b->name);
#include "experiments/store/fields.def"
#undef STEP_FIELDS
    return same;
}

static bool same_bytes(const void *a, const void *b, size_t n) {
    return n == 0 || memcmp(a, b, n) == 0;
}

static bool same_data(const store_data *a, const store_data *b) {
    bool same = a->n_configs == b->n_configs && a->n_cells == b->n_cells && a->n_samples == b->n_samples &&
                a->n_trials == b->n_trials && a->n_steps == b->n_steps && a->n_ids == b->n_ids &&
                same_text(a->from.sweep, b->from.sweep) && same_text(a->from.cpu, b->from.cpu) &&
                same_text(a->from.harness_version, b->from.harness_version) &&
                same_text(a->from.git_commit, b->from.git_commit) && same_text(a->from.created, b->from.created) &&
                same_text(a->from.isa, b->from.isa) && same_text(a->from.compiler, b->from.compiler) &&
                same_text(a->from.flags, b->from.flags) && a->from.threads == b->from.threads &&
                (a->n_ids == 0 || (a->logits_hash == NULL) == (b->logits_hash == NULL));
    for (size_t i = 0; same && i < a->n_configs; i++)
        same = same_text(a->configs[i].name, b->configs[i].name) && same_text(a->configs[i].text, b->configs[i].text);
    for (size_t i = 0; same && i < a->n_cells; i++) same = same_cell(&a->cells[i], &b->cells[i]);
    for (size_t i = 0; same && i < a->n_samples; i++) same = same_sample(&a->samples[i], &b->samples[i]);
    for (size_t i = 0; same && i < a->n_trials; i++) same = same_trial(&a->trials[i], &b->trials[i]);
    for (size_t i = 0; same && i < a->n_steps; i++) same = same_step(&a->steps[i], &b->steps[i]);
    return same && same_bytes(a->ids, b->ids, a->n_ids * sizeof *a->ids) &&
           (a->n_trials == 0 || same_bytes(a->offset, b->offset, (a->n_trials + 1) * sizeof *a->offset)) &&
           (a->logits_hash == NULL || same_bytes(a->logits_hash, b->logits_hash, a->n_ids * sizeof *a->logits_hash));
}

static void assert_round_trip(const store_data *d) {
    err         e = {0};
    store_data  back;
    const char *path = in_folder("round.h5");
    cr_assert_eq(store_write(path, d, false, &e), 0, "%s", e.text);
    cr_assert_eq(store_read(path, &back, &e), 0, "%s", e.text);
    cr_assert(same_data(d, &back));
    store_free(&back);
}

TestSuite(store, .init = make_folder, .fini = remove_folder);

/* ---- writing and reading -------------------------------------------------------------------------------- */

Test(store, what_is_written_is_read) {
    store_data d = filled("0123456789abcdef", "llma", 1, 20, 3);
    assert_round_trip(&d);
    cr_assert_eq(files_in_folder(), 1);
    store_free(&d);
}

Test(store, empty_tables_are_there) {
    store_data d = {0};
    assert_round_trip(&d);
}

Test(store, a_trial_without_tokens_keeps_its_place) {
    store_data d = filled("0123456789abcdef", "none", -1, -1, 1);
    err        e = {0};
    trial_row  empty = {.repeat = 2};
    cr_assert_eq(store_add_trial(&d, &empty, NULL, 0, NULL, 0, NULL, &e), 0);
    cr_assert_eq(add_trial(&d, 0, 0, 3, 1, true, &e), 0);
    assert_round_trip(&d);
    store_free(&d);
}

Test(store, long_texts_and_many_steps) {
    enum { LONG = 300000 };
    store_data d = filled("0123456789abcdef", "llma", 1, 20, 1);
    err        e = {0};
    char      *text = malloc(LONG + 1);
    memset(text, 'x', LONG);
    text[LONG] = '\0';
    sample_row sample = {.dataset = "rag", .id = text, .scenario = "a"};
    cr_assert_eq(store_add_sample(&d, &sample, &e), 0);
    cr_assert_eq(store_add_config(&d, "long.ini", text, &e), 0);
    cr_assert_eq(store_add_config(&d, "empty.ini", "", &e), 0);
    cr_assert_eq(add_trial(&d, 0, 1, 0, 100000, true, &e), 0);
    /* Read back in the order of names. */
    config_text first = d.configs[0];
    d.configs[0] = d.configs[2];
    d.configs[2] = first;
    first = d.configs[1];
    assert_round_trip(&d);
    cr_assert_eq(strlen(first.text), LONG);
    free(text);
    store_free(&d);
}

Test(store, the_same_data_give_the_same_bytes) {
    size_t n, m;
    err    e = {0};
    for (int i = 0; i < 2; i++) {
        store_data d = filled("0123456789abcdef", "llma", 1, 20, 40);
        cr_assert_eq(store_write(in_folder(i == 0 ? "a.h5" : "b.h5"), &d, i == 1, &e), 0);
        store_free(&d);
    }
    char *a = read_bytes(in_folder("a.h5"), &n), *b = read_bytes(in_folder("b.h5"), &m);
    cr_assert_eq(n, m);
    cr_assert(same_bytes(a, b, n));
    free(a);
    free(b);
}

Test(store, exclusive_keeps_what_is_there) {
    store_data  old = filled("0123456789abcdef", "llma", 1, 20, 1), new = filled("fedcba9876543210", "llma", 1, 20, 2);
    store_data  back;
    err         e = {0};
    const char *path = in_folder("cell.h5");
    cr_assert_eq(store_write(path, &old, true, &e), 0, "%s", e.text);
    cr_assert_eq(store_write(path, &new, true, &e), 0, "%s", e.text);
    cr_assert_eq(store_read(path, &back, &e), 0);
    cr_assert(same_data(&old, &back));
    store_free(&back);
    cr_assert_eq(store_write(path, &new, false, &e), 0);
    cr_assert_eq(store_read(path, &back, &e), 0);
    cr_assert(same_data(&new, &back));
    store_free(&back);
    cr_assert_eq(files_in_folder(), 1);
    store_free(&old);
    store_free(&new);
}

Test(store, configs_of_one_name_are_kept_apart) {
    store_data d = {0};
    err        e = {0};
    cr_assert_eq(store_add_config(&d, "a.ini", "1", &e), 0);
    cr_assert_eq(store_add_config(&d, "a.ini", "2", &e), 0);
    cr_assert_eq(store_add_config(&d, "a.ini", "1", &e), 0);
    cr_assert_eq(store_add_config(&d, "a.ini", "2", &e), 0);
    cr_assert_eq(d.n_configs, 2);
    cr_assert_str_eq(d.configs[1].name, "a.ini (2)");
    const char *bad[] = {"", ".", "a/b"};
    for (size_t i = 0; i < 3; i++) cr_assert_eq(store_add_config(&d, bad[i], "", &e), -1);
    store_free(&d);
}

Test(store, logits_are_there_for_all_trials_or_none) {
    store_data d = filled("0123456789abcdef", "llma", 1, 20, 1);
    err        e = {0};
    cr_assert_eq(add_trial(&d, 0, 0, 2, 1, false, &e), -1);
    cr_assert_eq(d.n_trials, 2);
    store_free(&d);
}

/* ---- writing that fails --------------------------------------------------------------------------------- */

static void assert_write_fails(const char *path, bool exclusive, const char *why) {
    store_data d = filled("0123456789abcdef", "llma", 1, 20, 1);
    err        e = {0};
    char       start[300];
    size_t     before = files_in_folder();
    snprintf(start, sizeof start, "%s: cannot write: ", path);
    cr_assert_eq(store_write(path, &d, exclusive, &e), -1);
    cr_assert_eq(e.kind, ERR_RUN);
    cr_assert_eq(strncmp(e.text, start, strlen(start)), 0, "%s", e.text);
    cr_assert_not_null(strstr(e.text, why), "%s", e.text);
    cr_assert_eq(files_in_folder(), before);
    store_free(&d);
}

Test(store, write_failures_leave_nothing) {
    cr_assert_eq(mkdir(in_folder("dir"), 0777), 0);
    for (int exclusive = 0; exclusive < 2; exclusive++) {
        assert_write_fails(in_folder("dir"), exclusive, exclusive ? "File exists" : "Is a directory");
        assert_write_fails(in_folder("missing/x.h5"), exclusive, "No such file");
        assert_write_fails("/proc/x.h5", exclusive, "");
    }
    char name[300];
    memset(name, 'n', sizeof name);
    snprintf(name, sizeof name, "%s/", folder);
    memset(name + strlen(folder) + 1, 'n', 256);
    name[strlen(folder) + 257] = '\0';
    assert_write_fails(name, false, "too long");
}

Test(store, names_as_long_as_the_system_takes) {
    char name[300];
    err  e = {0};
    snprintf(name, sizeof name, "%s/", folder);
    memset(name + strlen(folder) + 1, 'n', 255);
    name[strlen(folder) + 256] = '\0';
    cr_assert_eq(atomic_write(name, "x", 1, true, &e), 0, "%s", e.text);
    cr_assert_eq(files_in_folder(), 1);
}

/* A file size limit makes write(2) fail in the middle, as a full disk does. */
Test(store, a_write_that_fails_midway_keeps_the_old_file) {
    size_t n;
    err    e = {0};
    char  *zeros = calloc(1, 1 << 16);
    cr_assert_eq(atomic_write(in_folder("f"), "old", 3, false, &e), 0);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {1 << 12, RLIM_INFINITY};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    int ret = atomic_write(in_folder("f"), zeros, 1 << 16, false, &e);
    limit.rlim_cur = RLIM_INFINITY;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_assert_eq(ret, -1);
    cr_assert_not_null(strstr(e.text, "cannot write: File too large"), "%s", e.text);
    char *bytes = read_bytes(in_folder("f"), &n);
    cr_assert(n == 3 && memcmp(bytes, "old", 3) == 0);
    cr_assert_eq(files_in_folder(), 1);
    free(bytes);
    free(zeros);
}

Test(store, broken_data_are_not_written) {
    const char *path = in_folder("x.h5");
    for (int i = 0; i < 19; i++) {
        store_data d = filled("0123456789abcdef", "llma", 1, 20, 2);
        err        e = {0};
        switch (i) {
        case 0:
            d.cells[0].cell = 1;
            break;
        case 1:
            d.cells[0].id[15] = '\0';
            break;
        case 2:
            d.samples[1].sample = 0;
            break;
        case 3:
            d.trials[1].trial = 0;
            break;
        case 4:
            d.trials[3].cell = 1;
            break;
        case 5:
            d.trials[3].sample = 2;
            break;
        case 6:
            d.trials[1].repeat = 0;
            break;
        case 7:
            d.trials[2].sample = 0;
            break;
        case 8:
            d.trials[0].tokens++;
            break;
        case 9:
            d.trials[0].drafted++;
            break;
        case 10:
            d.trials[0].accepted--;
            break;
        case 11:
            d.trials[3].steps++;
            break;
        case 12:
            d.trials[3].steps--;
            break;
        case 13:
            d.steps[1].step = 0;
            break;
        case 14:
            d.steps[4].trial = 0;
            break;
        case 15:
            d.steps[2].position--;
            break;
        case 16:
            d.steps[2].emitted++;
            break;
        case 17:
            d.offset[1]--;
            break;
        case 18:
            d.trials[0].logits_equal = 3;
            break;
        }
        cr_assert_eq(store_write(path, &d, false, &e), -1, "case %d was written", i);
        cr_assert_eq(e.kind, ERR_RUN);
        cr_assert_eq(access(path, F_OK), -1);
        store_free(&d);
    }
}

/* ---- memory that fails ---------------------------------------------------------------------------------- */

static int whole_way(err *e) {
    store_data  d = {0}, back = {0};
    const char *path = in_folder("mem.h5");
    int         ret = fill(&d, "0123456789abcdef", "llma", 1, 20, 2, e);
    if (ret == 0) ret = store_write(path, &d, false, e);
    if (ret == 0) ret = store_read(path, &back, e);
    store_free(&back);
    if (ret == 0) ret = store_collect(&path, 1, &back, e);
    if (ret == 0) cr_assert_eq(back.n_trials, d.n_trials);
    store_free(&back);
    store_free(&d);
    return ret;
}

Test(store, every_failing_allocation_is_an_error) {
    size_t n = 1;
    for (;; n++) {
        err e = {0};
        mem_fail_at(n);
        int ret = whole_way(&e);
        mem_fail_at(0);
        if (ret == 0) break;
        cr_assert_eq(e.kind, ERR_RUN, "allocation %zu: %s", n, e.text);
        cr_assert_not_null(strstr(e.text, "out of memory"), "allocation %zu: %s", n, e.text);
    }
    cr_assert_gt(n, 100);
}

/* ---- files that are not what they should be -------------------------------------------------------------- */

static void assert_refused(const char *path, const char *why) {
    store_data d;
    err        e = {0};
    cr_assert_eq(store_read(path, &d, &e), -1);
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_eq(strncmp(e.text, path, strlen(path)), 0, "%s", e.text);
    cr_assert_not_null(strstr(e.text, why), "%s", e.text);
    cr_assert_null(d.cells);
}

Test(store, what_is_no_results_file_is_refused) {
    write_bytes(in_folder("text"), "hello\n", 6);
    write_bytes(in_folder("empty"), "", 0);
    cr_assert_eq(mkfifo(in_folder("fifo"), 0666), 0);
    assert_refused(in_folder("missing"), "No such file");
    assert_refused(folder, "is not a file");
    assert_refused(in_folder("fifo"), "is not a file");
    assert_refused(in_folder("text"), "not a results file");
    assert_refused(in_folder("empty"), "not a results file");
}

Test(store, truncated_files_are_refused) {
    store_data d = filled("0123456789abcdef", "llma", 1, 20, 3);
    err        e = {0};
    size_t     n;
    __lsan_disable();
    cr_assert_eq(store_write(in_folder("whole.h5"), &d, false, &e), 0);
    char *bytes = read_bytes(in_folder("whole.h5"), &n);
    for (size_t cut = 0; cut < n; cut += 1 + cut / 50) {
        write_bytes(in_folder("cut.h5"), bytes, cut);
        assert_refused(in_folder("cut.h5"), "");
    }
    __lsan_enable();
    free(bytes);
    store_free(&d);
}

/* Every byte of the file is covered by a checksum or has no meaning. */
Test(store, changed_bytes_are_refused_or_change_nothing) {
    store_data d = filled("0123456789abcdef", "llma", 1, 20, 3), back;
    size_t     n;
    unsigned   seed = 1, refused = 0;
    err        e = {0};
    __lsan_disable();
    cr_assert_eq(store_write(in_folder("whole.h5"), &d, false, &e), 0);
    char *bytes = read_bytes(in_folder("whole.h5"), &n);
    for (size_t at = 0; at < n; at += 1 + (unsigned)rand_r(&seed) % 7) {
        char old = bytes[at];
        bytes[at] = (char)(bytes[at] ^ (1 << rand_r(&seed) % 8));
        write_bytes(in_folder("bad.h5"), bytes, n);
        bytes[at] = old;
        if (store_read(in_folder("bad.h5"), &back, &e) != 0)
            refused++;
        else
            cr_assert(same_data(&d, &back), "byte %zu", at);
        store_free(&back);
    }
    cr_assert_gt(refused, 500);
    __lsan_enable();
    free(bytes);
    store_free(&d);
}

/* ---- collecting ------------------------------------------------------------------------------------------ */

static const char *put_cell(const char *id, const char *policy, int n, int k, size_t samples) {
    store_data  d = filled(id, policy, n, k, samples);
    err         e = {0};
    const char *path = in_folder(id);
    cr_assert_eq(store_write(path, &d, true, &e), 0, "%s", e.text);
    store_free(&d);
    return path;
}

Test(store, collects_in_one_order_whatever_the_paths) {
    const char *paths[] = {
        put_cell("000000000000000a", "llma", 1, 20, 2), put_cell("000000000000000b", "llma", 1, 5, 3),
        put_cell("000000000000000c", "none", -1, -1, 3), put_cell("000000000000000d", "pld", 2, 9, 3)};
    const char *reversed[] = {paths[3], paths[2], paths[1], paths[0]};
    const char *order[] = {"000000000000000c", "000000000000000b", "000000000000000a", "000000000000000d"};
    store_data  a, b;
    err         e = {0};
    cr_assert_eq(store_collect(paths, 4, &a, &e), 0, "%s", e.text);
    cr_assert_eq(store_collect(reversed, 4, &b, &e), 0, "%s", e.text);
    cr_assert(same_data(&a, &b));
    cr_assert_eq(store_check(&a, &e), 0, "%s", e.text);
    cr_assert_eq(a.n_cells, 4);
    for (size_t i = 0; i < 4; i++) cr_assert_str_eq(a.cells[i].id, order[i]);

    /* The cell with fewer samples shares those of the others. */
    cr_assert_eq(a.n_samples, 3);
    cr_assert_eq(a.n_trials, 3 * 6 + 4);
    cr_assert_eq(a.n_steps, 3 * 2 * (3 + 4 + 5) + 2 * (3 + 4));
    cr_assert_eq(a.n_ids, 2 * a.n_steps);
    cr_assert_null(a.logits_hash);
    cr_assert_eq(a.n_configs, 1);
    cr_assert_str_eq(a.from.cpu, "Intel(R) Xeon(R)");
    cr_assert_str_eq(a.from.compiler, "gcc 12, Debian");
    assert_round_trip(&a);
    store_free(&a);
    store_free(&b);
}

Test(store, collect_keeps_samples_of_other_data_apart) {
    store_data changed = filled("000000000000000b", "llma", 1, 5, 2),
               model = filled("000000000000000c", "llma", 1, 5, 2);
    store_data  all;
    err         e = {0};
    const char *paths[] = {put_cell("000000000000000a", "none", -1, -1, 2), in_folder("b"), in_folder("c")};
    changed.samples[1].prompt_tokens = 7;
    free(model.cells[0].model);
    model.cells[0].model = strdup("other");
    cr_assert_eq(store_write(paths[1], &changed, true, &e), 0);
    cr_assert_eq(store_write(paths[2], &model, true, &e), 0);
    cr_assert_eq(store_collect(paths, 3, &all, &e), 0, "%s", e.text);
    cr_assert_eq(store_check(&all, &e), 0, "%s", e.text);
    cr_assert_eq(all.n_samples, 6);
    cr_assert_eq(all.samples[3].prompt_tokens, 7);
    cr_assert_eq(all.trials[4].sample, 2);
    cr_assert_eq(all.trials[8].sample, 4);
    store_free(&all);
    store_free(&changed);
    store_free(&model);
}

Test(store, collect_lists_differing_provenance) {
    store_data  other = filled("000000000000000b", "llma", 1, 5, 2), all;
    err         e = {0};
    const char *paths[] = {put_cell("000000000000000a", "none", -1, -1, 2), in_folder("b")};
    strcpy(other.from.cpu, "Xeon");
    strcpy(other.from.created, "2025");
    other.from.threads = 8;
    cr_assert_eq(store_write(paths[1], &other, true, &e), 0);
    cr_assert_eq(store_collect(paths, 2, &all, &e), 0, "%s", e.text);
    cr_assert_str_eq(all.from.cpu, "Intel(R) Xeon(R), Xeon");
    cr_assert_str_eq(all.from.created, "2025");
    cr_assert_str_eq(all.from.git_commit, "0123abc");
    cr_assert_eq(all.from.threads, 8);
    store_free(&all);
    store_free(&other);
}

Test(store, collect_refuses_what_does_not_belong_together) {
    store_data other = filled("000000000000000b", "llma", 1, 5, 2), two = filled("000000000000000c", "llma", 1, 5, 1),
               all;
    err         e = {0};
    cell_row    cell = some_cell("000000000000000d", "llma", 2, 5);
    const char *a = put_cell("000000000000000a", "none", -1, -1, 2), *b = in_folder("b"), *c = in_folder("c");
    strcpy(other.from.sweep, "slow");
    cr_assert_eq(store_write(b, &other, true, &e), 0);
    cr_assert_eq(store_add_cell(&two, &cell, &e), 0);
    cr_assert_eq(store_write(c, &two, true, &e), 0);

    const struct {
        const char *paths[2], *why;
    } cases[] = {{{a, b}, "sweep"}, {{a, c}, "2 cells"}, {{a, a}, "the same cell"}, {{a, folder}, "is not a file"}};
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(store_collect(cases[i].paths, 2, &all, &e), -1);
        cr_assert_eq(e.kind, ERR_INPUT);
        cr_assert_not_null(strstr(e.text, cases[i].why), "%s", e.text);
    }
    cr_assert_eq(store_collect(cases[0].paths, 0, &all, &e), -1);
    store_free(&other);
    store_free(&two);
}
