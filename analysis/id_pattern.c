#include "analysis/id_pattern.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/regex.h"

enum {
    LONGEST = 1000,   /* bytes of a pattern */
    STEPS = 1000000,  /* of a match: a tenth of a second */
    DEPTH = 100000,   /* of its backtracking */
    MEMORY = 64 << 10 /* KiB that it may take */
};

struct id_pattern {
    char                  *text;
    pcre2_general_context *memory;
    pcre2_match_context   *limits;
    pcre2_match_data      *match;
    pcre2_code            *code;
};

/* Ids are UTF-8; where one is not, no character matches there. */
static int compile(id_pattern *p, err *e) {
    int        code = 0;
    PCRE2_SIZE at = 0;
    char       why[REGEX_MESSAGE];
    size_t     n = strlen(p->text);
    if (n > LONGEST) return err_input(e, "a pattern of %zu bytes is too long (at most %d)", n, LONGEST);
    pcre2_compile_context *context = pcre2_compile_context_create(p->memory);
    if (context == NULL) return err_run(e, "out of memory (a pattern)");
    p->code = pcre2_compile((PCRE2_SPTR)p->text, n, PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C,
                            &code, &at, context);
    pcre2_compile_context_free(context);
    if (p->code == NULL)
        return err_input(e, "the pattern \"%.200s\" is not a regular expression: %s, after %zu bytes", p->text,
                         regex_message(code, why), at);
    p->match = pcre2_match_data_create(2, p->memory);
    return p->match != NULL ? 0 : err_run(e, "out of memory (a pattern)");
}

id_pattern *id_pattern_open(const char *text, err *e) {
    id_pattern *p = mem_new(1, sizeof *p, e);
    if (p == NULL) return NULL;
    p->text = mem_strdup(text, e);
    p->memory = p->text != NULL ? regex_memory() : NULL;
    p->limits = p->memory != NULL ? pcre2_match_context_create(p->memory) : NULL;
    if (p->limits == NULL) {
        err_run(e, "out of memory (a pattern)");
        goto failed;
    }
    pcre2_set_match_limit(p->limits, STEPS);
    pcre2_set_depth_limit(p->limits, DEPTH);
    pcre2_set_heap_limit(p->limits, MEMORY);
    if (compile(p, e) == 0) return p;
failed:
    id_pattern_close(p);
    return NULL;
}

void id_pattern_close(id_pattern *p) {
    if (p == NULL) return;
    pcre2_match_data_free(p->match);
    pcre2_code_free(p->code);
    pcre2_match_context_free(p->limits);
    pcre2_general_context_free(p->memory);
    free(p->text);
    free(p);
}

/* A part that took no part in the match (in an alternative) leaves the whole match. \K may set a match's start behind
 * its end: then it is empty. */
int id_pattern_find(const id_pattern *p, const char *id, size_t *from, size_t *to, err *e) {
    char why[REGEX_MESSAGE];
    int  status = pcre2_match(p->code, (PCRE2_SPTR)id, strlen(id), 0, 0, p->match, p->limits);
    if (status == PCRE2_ERROR_NOMATCH) return 0;
    if (status == PCRE2_ERROR_NOMEMORY) return err_run(e, "out of memory (a pattern)");
    if (status < 0)
        return err_input(e, "the pattern \"%.200s\" cannot be matched with the id \"%.200s\": %s (a simpler pattern)",
                         p->text, id, regex_message(status, why));
    const PCRE2_SIZE *found = pcre2_get_ovector_pointer(p->match);
    bool              part = status != 1 && found[2] != PCRE2_UNSET;
    *from = found[part ? 2 : 0];
    *to = found[part ? 3 : 1];
    if (*to < *from) *to = *from;
    return 1;
}
