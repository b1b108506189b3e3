/* Errors, memory and randomness. */
#include <criterion/criterion.h>
#include <errno.h>
#include <gsl/gsl_cdf.h>
#include <math.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/here.h"
#include "engine/base/number.h"
#include "engine/base/parallel.h"
#include "engine/base/registry.h"
#include "engine/base/suggest.h"
#include "engine/engine.h"
#include "tests/fixtures/leaks.h"
#include "tests/fixtures/scratch.h"

TestSuite(file, .init = scratch_enter, .fini = scratch_leave);
TestSuite(here, .init = scratch_enter, .fini = scratch_leave);

Test(err, prefix_keeps_kind_and_cuts_at_the_end) {
    err e;
    cr_assert_eq(err_input(&e, "x = %d", 3), -1);
    cr_assert_eq(err_prefix(&e, "file:%d", 7), -1);
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_str_eq(e.text, "file:7: x = 3");
    err_advise(&e, "try 4");
    cr_assert_str_eq(e.text, "file:7: x = 3 (try 4)");
    err_advise(&e, "or 5");
    cr_assert_str_eq(e.text, "file:7: x = 3 (try 4; or 5)");
    for (int i = 0; i < 400; i++) err_prefix(&e, "deep");
    cr_assert_eq(strlen(e.text), sizeof e.text - 1);
    err_advise(&e, "more");
    cr_assert_eq(strlen(e.text), sizeof e.text - 1);
}

Test(err, the_system_s_reason_is_kept) {
    err e = {0};
    errno = ENOSPC;
    cr_assert_eq(err_errno(&e, "x", "cannot write"), -1);
    err_prefix(&e, "cell");
    err_advise(&e, "stop");
    cr_assert(e.kind == ERR_RUN && e.code == ENOSPC);
    cr_assert_str_eq(e.text, "cell: x: cannot write: No space left on device (stop)");
    err_run(&e, "another");
    cr_assert_eq(e.code, 0);
}

/* Errors caused by the path are input errors; those that may go away, or need other permissions, are not. */
Test(err, unreadable_files) {
    static const int input[] = {ENOENT, ENOTDIR, EISDIR, ENAMETOOLONG, ELOOP}, run[] = {EIO, EACCES, ENOMEM, EMFILE};
    err              e = {0};
    for (size_t i = 0; i < sizeof input / sizeof *input; i++) {
        errno = input[i];
        cr_assert(err_unreadable(&e, "x") == -1 && e.kind == ERR_INPUT && e.code == input[i], "%s", e.text);
    }
    for (size_t i = 0; i < sizeof run / sizeof *run; i++) {
        errno = run[i];
        cr_assert(err_unreadable(&e, "x") == -1 && e.kind == ERR_RUN && e.code == run[i], "%s", e.text);
        cr_assert_eq(strncmp(e.text, "x: cannot read: ", 16), 0, "%s", e.text);
    }
}

Test(mem, refuses_products_that_overflow) {
    err e = {0};
    cr_assert_null(mem_new(SIZE_MAX / 2, 3, &e));
    cr_assert_eq(e.kind, ERR_RUN);
    int   *a = NULL;
    size_t cap = 0;
    cr_assert_eq(mem_reserve(&a, &cap, SIZE_MAX / 2, &e), -1);
    cr_assert_null(a);
    cr_assert_eq(cap, 0);
}

Test(mem, fails_exactly_the_chosen_allocation) {
    err e = {0};
    mem_fail_at(2);
    void *p = mem_new(1, 1, &e);
    cr_assert_not_null(p);
    cr_assert_null(mem_new(1, 1, &e));
    void *q = mem_new(1, 1, &e);
    cr_assert_not_null(q);
    free(p);
    free(q);
}

Test(rng, noise_is_the_stream_read_at_a_position) {
    gsl_rng *r = rng_new(42, 7);
    for (uint64_t position = 0; position < 100; position++)
        for (unsigned draw = 0; draw < NOISE_DRAWS; draw++)
            cr_assert_eq(gsl_rng_uniform(r), noise_uniform((noise){42, 7}, position, draw));
    gsl_rng_free(r);
}

Test(rng, streams_differ_and_parts_do_not_run_together) {
    cr_assert_neq(rng_stream("ab", "c"), rng_stream("a", "bc"));
    cr_assert_eq(rng_stream("ab", "c"), digest64("ab\0c", 5));
    char both[1000] = "accept";
    memset(both + 7, 'x', 900);
    cr_assert_eq(rng_stream(both, both + 7), digest64(both, 7 + 901));
    cr_assert_neq(noise_uniform((noise){1, 1}, 0, 0), noise_uniform((noise){1, 2}, 0, 0));
    cr_assert_neq(noise_uniform((noise){1, 1}, 0, 0), noise_uniform((noise){2, 1}, 0, 0));
}

/* Studies average over seeds 1, 2, 3, ... or over streams 0, 1, 2, ...: the k-th numbers of neighbours must be
 * independent. Pairs of neighbours fall into a 16 x 16 grid; the chi-square has 255 degrees. */
static double neighbours_chi_square(bool by_seed) {
    enum { CELLS = 16, PAIRS = 256000 };
    static double count[CELLS * CELLS];
    memset(count, 0, sizeof count);
    for (uint64_t i = 0; i < PAIRS; i++) {
        noise a = by_seed ? (noise){i, 3} : (noise){3, i}, b = by_seed ? (noise){i + 1, 3} : (noise){3, i + 1};
        int   x = (int)(noise_uniform(a, 5, 0) * CELLS), y = (int)(noise_uniform(b, 5, 0) * CELLS);
        count[x * CELLS + y]++;
    }
    double sum = 0, expected = (double)PAIRS / (CELLS * CELLS);
    for (int i = 0; i < CELLS * CELLS; i++) sum += (count[i] - expected) * (count[i] - expected) / expected;
    return sum;
}

Test(rng, neighbouring_seeds_and_streams_are_independent) {
    for (int by_seed = 0; by_seed < 2; by_seed++) {
        double p = gsl_cdf_chisq_Q(neighbours_chi_square(by_seed), 255);
        cr_assert(p > 1e-4 && p < 1 - 1e-4, "p = %g", p);
    }
}

Test(digest, known_values) {
    char hex[DIGEST_HEX];
    err  e = {0};
    cr_assert_eq(digest_sha256("abc", 3, hex, &e), 0);
    cr_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    cr_assert_eq(digest64("", 0), 0x2d06800538d394c2u);
    cr_assert_eq(digest_sha256_file("/nonexistent", hex, &e), -1);
}

Test(number, counts_are_digits_alone) {
    static const char *const bad[] = {"", " 1", "+1", "-1", "1 ", "1x", "0x1", "1.", "1e3", "18446744073709551616"};
    uint64_t                 v = 7;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_not(count_parse(bad[i], 0, UINT64_MAX, &v), "\"%s\" was taken", bad[i]);
    cr_assert_eq(v, 7);
    cr_assert(count_parse("18446744073709551615", 0, UINT64_MAX, &v));
    cr_assert_eq(v, UINT64_MAX);
    cr_assert(count_parse("007", 7, 7, &v) && v == 7);
    cr_assert_not(count_parse("6", 7, 8, &v));
    cr_assert_not(count_parse("9", 7, 8, &v));
}

Test(number, reals_read_back_equal_in_the_fewest_digits) {
    const double values[] = {0.7, 100, 1e22, 1.0 / 3, 0.1 + 0.2, 5e-324, 1.7976931348623157e308, -0.1};
    cr_assert_eq(real_digits(0.7), 15);
    cr_assert_eq(real_digits(0.1 + 0.2), 17);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char text[400];
        int  digits = real_digits(values[i]);
        snprintf(text, sizeof text, "%.*g", digits, values[i]);
        cr_assert_eq(strtod(text, NULL), values[i], "%s", text);
        snprintf(text, sizeof text, "%.*g", digits - 1, values[i]);
        cr_assert(digits == 15 || strtod(text, NULL) != values[i], "%s", text);
    }
}

Test(file, reads_all_bytes_up_to_the_limit) {
    char   path[] = "/tmp/harness-file-XXXXXX", *bytes, start[4];
    err    e = {0};
    size_t n;
    FILE  *f = fdopen(mkstemp(path), "wb");
    cr_assert_not_null(f);
    for (int i = 0; i < 200000; i++) putc(i % 251, f);
    cr_assert_eq(fclose(f), 0);
    cr_assert_not_null(bytes = file_read(path, 200000, &n, &e), "%s", e.text);
    cr_assert_eq(n, 200000);
    for (size_t i = 0; i < n; i++) cr_assert_eq((unsigned char)bytes[i], i % 251);
    cr_assert_eq(bytes[n], '\0');
    free(bytes);
    cr_assert_null(file_read(path, 199999, &n, &e));
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_not_null(strstr(e.text, "at most 199999 bytes"), "%s", e.text);
    cr_assert_eq(file_begin(path, start, sizeof start, &n, &e), 0);
    cr_assert(n == 4 && memcmp(start, "\0\1\2\3", 4) == 0);
    for (size_t k = 1; k <= 3; k++) {
        mem_fail_at(k);
        bytes = file_read(path, SIZE_MAX, &n, &e);
        mem_fail_at(0);
        cr_assert(bytes != NULL || e.kind == ERR_RUN);
        free(bytes);
    }
    remove(path);
    cr_assert_null(file_read(path, SIZE_MAX, &n, &e));
    cr_assert_not_null(strstr(e.text, ": cannot open: No such file"), "%s", e.text);
    cr_assert_eq(file_begin(path, start, sizeof start, &n, &e), -1);
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_null(file_read("/proc/self/mem", SIZE_MAX, &n, &e)); /* EIO: nothing is mapped at its beginning */
    cr_assert(e.kind == ERR_RUN && e.code == EIO);
    cr_assert_str_eq(e.text, "/proc/self/mem: cannot read: Input/output error");
    cr_assert_not_null(bytes = file_read("/proc/self/stat", SIZE_MAX, &n, &e)); /* stat knows no size of it */
    cr_assert_gt(n, 0);
    free(bytes);
    cr_assert_null(file_read("/tmp", SIZE_MAX, &n, &e));
    cr_assert_not_null(strstr(e.text, "/tmp: cannot read: Is a directory"), "%s", e.text);
}

Test(file, places_are_the_same_whatever_they_are_called) {
    static const struct {
        const char *a, *b;
        bool        same;
    } cases[] = {
        {"x", "./x", true},          {"x", "y", false},
        {"new/x", "./new//x", true}, {"/tmp/../tmp/x", "/tmp/x", true},
        {"/", "/.", true},           {"/x", "//x", true},
        {"dir/x", "link/x", true},   {"dir/x", "link/./x/", true},
        {"dir", "dir/x", false},     {"link/new/x", "dir/new/x", true},
        {"xx", "x", false},          {"way", "new/y", true},
        {"chain", "new/y", true},    {"way/", "new/y", false},
        {"new/../x", "x", true},     {"new/a/../../dir/x", "link/x", true},
        {"new/..", ".", true},
    };
    err e = {0};
    cr_assert(mkdir("dir", 0777) == 0 && symlink("dir", "link") == 0 && symlink("new/y", "way") == 0);
    cr_assert_eq(symlink("./way", "chain"), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_assert_eq(file_same_place(cases[i].a, cases[i].b, &e), cases[i].same, "%s and %s", cases[i].a, cases[i].b);
}

Test(file, folders_are_made_and_asked) {
    err e = {0};
    cr_assert_eq(file_make_folder("a/b//c", &e), 0, "%s", e.text);
    cr_assert_eq(file_make_folder("a/b/c/", &e), 0, "%s", e.text);
    cr_assert_eq(file_check_writable("a/b/c", &e), 0, "%s", e.text);
    cr_assert_eq(rmdir("a/b/c"), 0, "something was left behind");
    cr_assert_eq(file_check_writable("a/b/c", &e), -1);
    cr_assert(e.kind == ERR_RUN && e.code == ENOENT);
    scratch_write("plain", "x");
    cr_assert_eq(file_make_folder("plain/x", &e), -1);
    cr_assert(e.kind == ERR_RUN && e.code == ENOTDIR);
    cr_assert_str_eq(e.text, "plain: cannot make the output folder: Not a directory");
}

/* ---- parallel ---------------------------------------------------------------------------------------- */

typedef struct {
    int seen[1001];
    int threads;
} marks;

static void mark(void *ctx, size_t begin, size_t end, int thread) {
    marks *m = ctx;
    cr_assert(thread >= 0 && thread < m->threads, "%d of %d", thread, m->threads);
    for (size_t i = begin; i < end; i++) m->seen[i]++;
}

Test(parallel, every_item_once) {
    static const size_t counts[] = {0, 1, 6, 7, 8, 1000};
    static const int    threads[] = {1, 3, 5, 300};
    __lsan_disable(); /* clang's OpenMP leaks a team's arrays when a larger team follows */
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
            marks m = {.threads = threads[t]};
            parallel_run(threads[t], counts[k], 3, mark, &m);
            parallel_run_once(threads[t], counts[k], 7, mark, &m);
            for (size_t i = 0; i < 1001; i++) cr_assert_eq(m.seen[i], i < counts[k] ? 2 : 0, "%zu", i);
        }
    }
    __lsan_enable();
    cr_assert_geq(parallel_processors(), 1);
}

/* Waits in the first item until all other items are done: only other threads can do them. */
static void wait_in_first(void *ctx, size_t begin, size_t end, int thread) {
    atomic_size_t *done = ctx;
    (void)thread;
    if (begin == 0)
        while (atomic_load(done) < 1000 - end) sched_yield();
    else
        atomic_fetch_add(done, end - begin);
}

/* Items that a thread has not reached in its own share are done by the others. */
Test(parallel, who_is_done_helps, .timeout = 60) {
    atomic_size_t done = 0;
    parallel_run(2, 1000, 1, wait_in_first, &done);
    cr_assert_lt(done, 1000);
}

/* Returns a text in new memory, and frees it at the next call. */
static const char *freed_later(char *text) {
    static char *last;
    free(last);
    return last = text;
}

Test(here, paths_are_seen_from_the_working_folder) {
    cr_assert_eq(system("mkdir -p a/b c && ln -s ../c a/link"), 0);
    char *top = file_place(".", NULL), *far = mem_printf(NULL, "%s/c/../x", top);
    cr_assert_eq(chdir("a"), 0);
    static const char *const seen[][2] = {
        {"b/x", "b/x"}, {"./b//x", "b/x"},         {"../c/x", "../c/x"}, {"b/../x", "x"},      {"..", ".."},
        {".", "."},     {"../a/gone/x", "gone/x"}, {"link", "link"},     {"link/x", "../c/x"}, {"b/..", "."},
        {"/", "/"},     {"/none/x", "/none/x"},    {"../ab", "../ab"},
    };
    for (size_t i = 0; i < sizeof seen / sizeof *seen; i++)
        cr_assert_str_eq(freed_later(here_path(seen[i][0], NULL)), seen[i][1], "%s", seen[i][0]);
    cr_assert_str_eq(freed_later(here_path(far, NULL)), "../x");
    cr_assert_str_eq(freed_later(here_word("b/../x", NULL)), "./x");
    cr_assert_str_eq(freed_later(here_word("../c/x y", NULL)), "'../c/x y'");
    cr_assert_str_eq(freed_later(here_quoted("", NULL)), "''");
    cr_assert_str_eq(freed_later(here_quoted("a-b=c.d/e", NULL)), "a-b=c.d/e");
    cr_assert_str_eq(freed_later(here_quoted("it's $x", NULL)), "'it'\\''s $x'");
    freed_later(NULL);
    free(top);
    free(far);
}

Test(suggest, finds_near_names_only) {
    static const char *const names[] = {"repeats", "seed", "output", "name"};
    cr_assert_str_eq(suggest("repeat", names, 4), "repeats");
    cr_assert_str_eq(suggest("sed", names, 4), "seed");
    cr_assert_str_eq(suggest("ouptut", names, 4), "output");
    cr_assert_null(suggest("", names, 4));
    cr_assert_null(suggest("x", names, 4));
    cr_assert_null(suggest("threads", names, 4));
    char long_word[1000];
    memset(long_word, 'a', sizeof long_word - 1);
    long_word[sizeof long_word - 1] = '\0';
    cr_assert_null(suggest(long_word, names, 4));
}

Test(suggest, says_what_is_allowed_and_what_was_meant) {
    static const char *const names[] = {"text", "latex"};
    err                      e = {0};
    cr_assert_eq(err_unknown(&e, "f:1", "format", "latx", names, 2), -1);
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_str_eq(e.text, "f:1: unknown format \"latx\"; did you mean \"latex\"? (allowed: \"text\" or \"latex\")");
    err_unknown(&e, NULL, "format", "zzzz", names, 2);
    cr_assert_str_eq(e.text, "unknown format \"zzzz\" (allowed: \"text\" or \"latex\")");
    err_unknown(&e, NULL, "format", "zzzz", names, 0);
    cr_assert_str_eq(e.text, "unknown format \"zzzz\" (allowed: none)");
}

typedef struct {
    const char *name;
    int         value;
} plug_in;

Test(registry, finds_by_name_and_lists_the_names_for_an_unknown_one) {
    static const plug_in     one = {"one", 1}, two = {"two", 2};
    static const void *const all[] = {&one, &two};
    const registry           r = REGISTRY("number", all);
    err                      e = {0};
    cr_assert_eq(r.n, 2);
    cr_assert_eq(registry_find(&r, "two"), &two);
    cr_assert_null(registry_find(&r, "tw"));
    cr_assert_str_eq(registry_name(&r, 0), "one");
    cr_assert_eq(registry_named(&r, "f:1", "one", &e), &one);
    cr_assert_null(registry_named(&r, "f:1", "tow", &e));
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert_str_eq(e.text, "f:1: unknown number \"tow\"; did you mean \"two\"? (allowed: \"one\" or \"two\")");
}
