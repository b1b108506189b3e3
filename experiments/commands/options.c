/* options.c - types of options, and how getopt_long fills a struct by a table. */
#include "experiments/commands/options.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/number.h"
#include "engine/base/registry.h"
#include "engine/base/suggest.h"

/* ---- types --------------------------------------------------------------------------------------------- */

static int parse_flag(const option_value *v, void *at, err *e) {
    (void)v, (void)e;
    *(bool *)at = true;
    return 0;
}

int option_parse_count(const char *name, const char *text, uint64_t min, uint64_t max, uint64_t *out, err *e) {
    if (count_parse(text, min, max, out)) return 0;
    return err_input(e, "%s \"%.100s\" is not allowed (an integer from %" PRIu64 " to %" PRIu64 ")", name, text, min,
                     max);
}

static int parse_count(const option_value *v, void *at, err *e) {
    return option_parse_count(v->name, v->text, v->spec->min, v->spec->max, at, e);
}

static int parse_size(const option_value *v, void *at, err *e) {
    uint64_t n;
    if (parse_count(v, &n, e) != 0) return -1;
    *(size_t *)at = (size_t)n;
    return 0;
}

static int parse_real(const option_value *v, void *at, err *e) {
    char  *end;
    double x = strtod(v->text, &end), low = v->spec->low, high = v->spec->high;
    if (end == v->text || *end != '\0' || !(x >= low && x <= high))
        return err_input(e, "%s \"%.100s\" is not allowed (a number from %.*g to %.*g)", v->name, v->text,
                         real_digits(low), low, real_digits(high), high);
    *(double *)at = x;
    return 0;
}

static int parse_text(const option_value *v, void *at, err *e) {
    (void)e;
    *(const char **)at = v->text;
    return 0;
}

static size_t choice_names(const option_spec *s, const char *names[static OPTION_NAMES]) {
    const char *const *texts = s->of;
    size_t             n = 0;
    for (; n < OPTION_NAMES && texts[n] != NULL; n++) names[n] = texts[n];
    return n;
}

static int parse_choice(const option_value *v, void *at, err *e) {
    const char *names[OPTION_NAMES];
    size_t      n = choice_names(v->spec, names);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], v->text) != 0) continue;
        *(size_t *)at = i;
        return 0;
    }
    return v->spec->arg != NULL ? err_unknown(e, v->name, "value", v->text, names, n)
                                : err_unknown(e, NULL, v->name, v->text, names, n); /* an operand */
}

static size_t plugin_names(const option_spec *s, const char *names[static OPTION_NAMES]) {
    const registry *r = s->of;
    size_t          n = 0;
    for (; n < OPTION_NAMES && n < r->n; n++) names[n] = registry_name(r, n);
    return n;
}

static int parse_plugin(const option_value *v, void *at, err *e) {
    const void *found = registry_named(v->spec->of, v->spec->arg != NULL ? v->name : NULL, v->text, e);
    memcpy(at, &found, sizeof found); /* the field points to a type of its own */
    return found != NULL ? 0 : -1;
}

size_t options_names(const option_spec *s, const char *names[static OPTION_NAMES]) {
    if (s->type->names != NULL) return s->type->names(s, names);
    return s->of != NULL ? plugin_names(s, names) : 0;
}

const option_type option_flag = {.parse = parse_flag, .is_flag = true};
const option_type option_count = {.parse = parse_count};
const option_type option_size = {.parse = parse_size};
const option_type option_real = {.parse = parse_real};
const option_type option_text = {.parse = parse_text};
const option_type option_path = {.parse = parse_text, .is_path = true};
const option_type option_choice = {.parse = parse_choice, .names = choice_names};
const option_type option_plugin = {.parse = parse_plugin, .names = plugin_names};

const option_spec option_help = {"help", 'h', .type = &option_flag, .alone = true, .help = "this text"};

/* ---- getopt_long ---------------------------------------------------------------------------------------- */

enum { LONG_ONLY = 256 }; /* getopt_long returns LONG_ONLY + i for option i without a letter */

/* The table as getopt_long takes it; the last option is -h. */
typedef struct {
    struct option longs[OPTION_MOST + 2];
    char          shorts[2 * OPTION_MOST + 4];
    const char   *names[OPTION_MOST + 1];
    size_t        n;
} getopt_table;

static const option_spec *spec_at(const option_table *t, size_t i) {
    return i < t->n_options ? &t->options[i] : &option_help;
}

static int code_of(const option_table *t, size_t i) {
    const option_spec *s = spec_at(t, i);
    return s->letter != 0 ? s->letter : LONG_ONLY + (int)i;
}

static void make_getopt_table(const option_table *t, getopt_table *g) {
    char *at = g->shorts;
    *at++ = ':'; /* tell a missing value from an unknown option */
    g->n = t->n_options + 1;
    for (size_t i = 0; i < g->n; i++) {
        const option_spec *s = spec_at(t, i);
        g->longs[i] = (struct option){s->name,
                                      s->type->is_flag     ? no_argument
                                      : s->implied != NULL ? optional_argument
                                                           : required_argument,
                                      NULL, code_of(t, i)};
        g->names[i] = s->name;
        if (s->letter != 0) *at++ = s->letter;
        if (s->letter != 0 && !s->type->is_flag) *at++ = ':';
    }
    g->longs[g->n] = (struct option){0};
    *at = '\0';
}

void options_suggest(const char *wrong, const char *const *names, size_t n, char *buf, size_t size) {
    const char *fits[OPTION_MOST + 1];
    char        name[64];
    size_t      n_fits = 0, at = 0, length = strcspn(wrong + 2, "=");
    snprintf(name, sizeof name, "%.*s", (int)(length < sizeof name ? length : 0), wrong + 2);
    buf[0] = '\0';
    if (*name == '\0') return;
    for (size_t i = 0; i < n && n_fits < OPTION_MOST; i++)
        if (strncmp(names[i], name, length) == 0) fits[n_fits++] = names[i];
    if (n_fits == 0 && (fits[0] = suggest(name, names, n)) != NULL) n_fits = 1;
    for (size_t i = 0; i < n_fits && at < size; i++)
        at += (size_t)snprintf(buf + at, size - at, "%s'--%s'", i == 0 ? "; did you mean " : " or ", fits[i]);
    if (n_fits > 0 && at < size) snprintf(buf + at, size - at, "?");
}

/* After getopt_long gave `c`, '?' or ':'. optopt is 0 after an unknown long option; otherwise a known option's value or
 * an unknown character, and then, inside a cluster, argv[optind - 1] may still be the argument before it. */
static int refuse_option(const getopt_table *g, char **argv, int c, err *e) {
    char        character[] = {'-', (char)optopt, '\0'}, meant[128] = "";
    const char *shown = argv[optind - 1], *why = "unknown option";
    if (c == ':') {
        why = "no value after option";
    } else if (optopt > 127 || (optopt != 0 && strchr(g->shorts, optopt) != NULL)) {
        why = "no value is allowed in option";
    } else if (optopt != 0) {
        shown = character;
    } else {
        options_suggest(shown, g->names, g->n, meant, sizeof meant);
    }
    return err_input(e, "%s '%.200s'%s (see harness %s -h)", why, shown, meant, argv[0]);
}

/* ---- values ---------------------------------------------------------------------------------------------- */

static int take_value(const option_spec *s, const char *name, const char *text, void *base, err *e) {
    void *at = (char *)base + s->offset;
    if (s->list) {
        text_list *list = at;
        list->at[list->n++] = text;
        return 0;
    }
    return s->type->parse(&(option_value){s, name, text}, at, e);
}

static int take_option(const option_spec *s, const char *text, void *base, err *e) {
    char name[64];
    snprintf(name, sizeof name, "--%s", s->name);
    return take_value(s, name, text, base, e);
}

/* Makes room for all of argv in every list, and fills the other fields with their presets. */
static int prepare(const option_spec *specs, size_t n, int argc, void *base, err *e) {
    for (size_t i = 0; i < n; i++) {
        void *at = (char *)base + specs[i].offset;
        if (specs[i].list && (((text_list *)at)->at = mem_new((size_t)argc, sizeof(char *), e)) == NULL) return -1;
        if (specs[i].preset != NULL && take_option(&specs[i], specs[i].preset, base, e) != 0) return -1;
    }
    return 0;
}

/* "FILE.h5", or "make|scenarios" of a choice. */
static void name_operand(const option_spec *s, char *buf, size_t size) {
    const char *names[OPTION_NAMES];
    size_t      n = s->type == &option_choice ? choice_names(s, names) : 0, at = 0;
    if (n == 0) snprintf(buf, size, "%s", s->name);
    for (size_t i = 0; i < n && at < size; i++)
        at += (size_t)snprintf(buf + at, size - at, "%s%s", i > 0 ? "|" : "", names[i]);
}

void options_operands(const option_table *t, char *buf, size_t size) {
    size_t at = 0;
    buf[0] = '\0';
    for (size_t i = 0; i < t->n_operands && at < size; i++) {
        const option_spec *s = &t->operands[i];
        char               name[128];
        name_operand(s, name, sizeof name);
        at += (size_t)snprintf(buf + at, size - at, "%s%s%s%s%s", i > 0 ? " " : "", s->required ? "" : "[", name,
                               s->list ? "..." : "", s->required ? "" : "]");
    }
}

/* An option that was given without its value, and the argument after it, which may have been meant as one. */
typedef struct {
    const option_spec *option; /* NULL: there is none */
    const char        *after;
} bare_option;

static int refuse_operand(const option_table *t, const bare_option *bare, const char *given, err *e) {
    char meant[128] = "";
    if (bare->option != NULL && bare->after == given)
        snprintf(meant, sizeof meant, "; did you mean --%s=%.40s?", bare->option->name, given);
    return err_input(e, "unexpected argument '%.200s'%s (see harness %s -h)", given, meant, t->name);
}

/* Required operands take one argument each; optional ones and lists share the rest, first come, first served. */
static int take_operands(const option_table *t, const bare_option *bare, char **argv, size_t n, void *base, err *e) {
    size_t required = 0;
    for (size_t i = 0; i < t->n_operands; i++) required += t->operands[i].required;
    if (n < required) {
        char names[256];
        options_operands(t, names, sizeof names);
        return err_input(e, "%s needs %s (see harness %s -h)", t->name, names, t->name);
    }
    size_t spare = n - required;
    for (size_t i = 0; i < t->n_operands; i++) {
        const option_spec *s = &t->operands[i];
        size_t             more = s->list ? spare : !s->required && spare > 0 ? 1 : 0;
        spare -= more;
        for (size_t k = s->required + more; k > 0; k--)
            if (take_value(s, s->name, *argv++, base, e) != 0) return -1;
    }
    return spare == 0 ? 0 : refuse_operand(t, bare, *argv, e);
}

static int check_required(const option_table *t, const bool *given, err *e) {
    for (size_t i = 0; i < t->n_options; i++) {
        const option_spec *s = &t->options[i];
        if (!s->required || given[i]) continue;
        char letter[] = {'-', s->letter, '\0'}, name[64];
        snprintf(name, sizeof name, "--%s", s->name);
        return err_input(e, "%s needs %s %s (see harness %s -h)", t->name, s->letter != 0 ? letter : name, s->arg,
                         t->name);
    }
    return 0;
}

int options_parse(const option_table *t, int argc, char **argv, void *base, const option_spec **alone, err *e) {
    getopt_table g = {0};
    bool         given[OPTION_MOST + 1] = {0};
    bare_option  bare = {0};
    *alone = NULL;
    if (prepare(t->options, t->n_options, argc, base, e) != 0 ||
        prepare(t->operands, t->n_operands, argc, base, e) != 0)
        return -1;
    make_getopt_table(t, &g);
    opterr = 0;
    optind = 0; /* start on a new command line */
    for (int c; (c = getopt_long(argc, argv, g.shorts, g.longs, NULL)) != -1;) {
        if (c == '?' || c == ':') return refuse_option(&g, argv, c, e);
        size_t i = 0;
        while (code_of(t, i) != c) i++;
        const option_spec *s = spec_at(t, i);
        given[i] = true;
        if (s->given != 0) *(bool *)((char *)base + s->given - 1) = true;
        if (s->alone) *alone = s;
        const char *text = optarg;
        if (text == NULL && s->implied != NULL) {
            text = s->implied;
            bare = (bare_option){s, argv[optind]};
        }
        if (s != &option_help && take_option(s, text, base, e) != 0) return -1;
        if (s->alone) return 0;
    }
    if (check_required(t, given, e) != 0) return -1;
    return take_operands(t, &bare, argv + optind, (size_t)(argc - optind), base, e);
}

static void free_lists(const option_spec *specs, size_t n, void *base) {
    for (size_t i = 0; i < n; i++) {
        void *at = (char *)base + specs[i].offset;
        if (specs[i].list) free(((text_list *)at)->at);
    }
}

void options_free(const option_table *t, void *base) {
    free_lists(t->options, t->n_options, base);
    free_lists(t->operands, t->n_operands, base);
}
