/* pretokenizer.c - the regexes of pretokenizers.def, compiled by PCRE2 to machine code where it can.
 *
 * They are compiled without PCRE2_UCP: \p and case follow Unicode in any case, and nothing else in them would depend on
 * it. None matches an empty text, and none takes more than a time linear in a run of equal characters. A limit that
 * grows with the text holds them to it: an error, where a regex of another kind would take years.
 */
#include "engine/tokenizer/pretokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/regex.h"
#include "engine/base/suggest.h"
#include "engine/base/utf8.h"
#include "engine/tokenizer/pretokenizer_regexes.h"

enum { PASSES_MAX = 6 };

typedef struct {
    const char *name;
    unsigned    flags;
    const char *regexes[PASSES_MAX + 1]; /* NULL after the last */
} family;

enum {
    IGNORE_MERGES = PRETOKENIZER_IGNORE_MERGES,
    ADD_BOS = PRETOKENIZER_ADD_BOS,
    NFC = PRETOKENIZER_NFC,
    RAW = PRETOKENIZER_RAW
};

static const family families[] = {
#define PRETOKENIZER(name, flags, ...) {(name), (flags), {__VA_ARGS__}},
#include "engine/tokenizer/pretokenizers.def"
#undef PRETOKENIZER
};

static const char *const known[] = {
#define PRETOKENIZER(name, ...) (name),
#include "engine/tokenizer/pretokenizers.def"
#undef PRETOKENIZER
};

enum { N_FAMILIES = sizeof families / sizeof *families };

struct pretokenizer {
    const family          *family;
    pcre2_general_context *memory;
    pcre2_code            *passes[PASSES_MAX];
    size_t                 n_passes;
    char                   unicode[32];
};

size_t pretokenizer_names(const char *const **names) {
    *names = known;
    return N_FAMILIES;
}

const char *pretokenizer_name(const pretokenizer *p) {
    return p->family->name;
}

bool pretokenizer_is(const pretokenizer *p, pretokenizer_flag f) {
    return (p->family->flags & (unsigned)f) != 0;
}

const char *pretokenizer_unicode(const pretokenizer *p) {
    return p->unicode;
}

/* ---- opening --------------------------------------------------------------------------------------- */

static int out_of_memory(err *e) {
    return err_run(e, "out of memory for the pre-tokenizer");
}

/* Without machine code, for which some systems give no memory, matching is slower and the same. */
static int compile(pretokenizer *p, err *e) {
    int                    code = 0;
    PCRE2_SIZE             at = 0;
    char                   text[REGEX_MESSAGE];
    pcre2_compile_context *context = pcre2_compile_context_create(p->memory);
    if (context == NULL) return out_of_memory(e);
    for (const char *const *regex = p->family->regexes; *regex != NULL && code == 0; regex++) {
        pcre2_code *pass = pcre2_compile((PCRE2_SPTR)*regex, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_DOLLAR_ENDONLY,
                                         &code, &at, context);
        if (pass == NULL) break;
        code = 0;
        (void)pcre2_jit_compile(pass, PCRE2_JIT_COMPLETE);
        p->passes[p->n_passes++] = pass;
    }
    pcre2_compile_context_free(context);
    return code != 0 ? err_run(e, "pre-tokenizer %s, regex %zu: %s", p->family->name, p->n_passes + 1,
                               regex_message(code, text))
                     : 0;
}

static const family *find(const char *name, const char *where, err *e) {
    for (size_t i = 0; i < N_FAMILIES; i++)
        if (strcmp(families[i].name, name) == 0) return &families[i];
    err_unknown(e, where, "pre-tokenizer", name, known, N_FAMILIES);
    return NULL;
}

pretokenizer *pretokenizer_open(const char *name, const char *where, err *e) {
    const family *f = find(name, where, e);
    pretokenizer *p = f != NULL ? mem_new(1, sizeof *p, e) : NULL;
    if (p == NULL) return NULL;
    p->family = f;
    p->memory = regex_memory();
    if (p->memory == NULL) {
        out_of_memory(e);
        goto failed;
    }
    pcre2_config(PCRE2_CONFIG_UNICODE_VERSION, p->unicode);
    if (compile(p, e) == 0) return p;
failed:
    pretokenizer_close(p);
    return NULL;
}

void pretokenizer_close(pretokenizer *p) {
    if (p == NULL) return;
    for (size_t i = 0; i < p->n_passes; i++) pcre2_code_free(p->passes[i]);
    pcre2_general_context_free(p->memory);
    free(p);
}

/* ---- splitting ------------------------------------------------------------------------------------- */

int splitter_open(splitter *s, const pretokenizer *p, int (*piece)(void *of, const char *at, size_t n, err *e),
                  void *of, err *e) {
    *s = (splitter){.p = p, .piece = piece, .of = of};
    s->match = pcre2_match_data_create(1, p->memory);
    s->limits = s->match != NULL ? pcre2_match_context_create(p->memory) : NULL;
    if (s->limits != NULL) return 0;
    splitter_close(s);
    return out_of_memory(e);
}

void splitter_close(splitter *s) {
    pcre2_match_context_free(s->limits);
    pcre2_match_data_free(s->match);
    s->limits = s->match = NULL;
}

static uint32_t most(size_t n) {
    return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

/* A match tries a few alternatives at each byte: a hundred steps for each are plenty, and so is a KiB to go back by. */
static void limit(const splitter *s, size_t n) {
    enum { LEAST = 1 << 16 };
    size_t steps = n < SIZE_MAX / 128 ? LEAST + 100 * n : SIZE_MAX;
    pcre2_set_match_limit(s->limits, most(steps));
    pcre2_set_depth_limit(s->limits, most(steps));
    pcre2_set_heap_limit(s->limits, most(n < SIZE_MAX - LEAST ? n + LEAST : SIZE_MAX)); /* KiB */
}

/* Splits n bytes of UTF-8 by the regexes from number `pass` on. */
static int split(splitter *s, const char *at, size_t n, size_t pass, err *e) {
    if (pass == s->p->n_passes) return s->piece(s->of, at, n, e);
    const PCRE2_SIZE *found = pcre2_get_ovector_pointer(s->match);
    size_t            done = 0;
    while (done < n) {
        int status = pcre2_match(s->p->passes[pass], (PCRE2_SPTR)at, n, done, PCRE2_NO_UTF_CHECK, s->match, s->limits);
        if (status == PCRE2_ERROR_NOMATCH) break;
        if (status < 0) {
            char text[REGEX_MESSAGE];
            return err_run(e, "cannot split the text by pre-tokenizer %s: %s", s->p->family->name,
                           regex_message(status, text));
        }
        size_t begin = found[0], end = found[1]; /* the next pass writes there, too */
        if (begin > done && split(s, at + done, begin - done, pass + 1, e) != 0) return -1;
        if (split(s, at + begin, end - begin, pass + 1, e) != 0) return -1;
        done = end;
    }
    return done < n ? split(s, at + done, n - done, pass + 1, e) : 0;
}

int splitter_run(splitter *s, const char *text, size_t n, err *e) {
    limit(s, n);
    for (size_t at = 0; at < n;) {
        size_t good = utf8_valid(text + at, n - at), bad = 0;
        if (good > 0 && split(s, text + at, good, 0, e) != 0) return -1;
        at += good;
        while (at + bad < n && utf8_length(text + at + bad, n - at - bad, NULL) == 0) bad++;
        if (bad > 0 && s->piece(s->of, text + at, bad, e) != 0) return -1;
        at += bad;
    }
    return 0;
}
