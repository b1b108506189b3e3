#include "analysis/table.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/base/number.h"

table *table_new(err *e) {
    return mem_new(1, sizeof(table), e);
}

void table_free(table *t) {
    if (t == NULL) return;
    for (size_t i = 0; i < t->n_captions; i++) free(t->captions[i]);
    for (size_t i = 0; i < t->n_heads; i++) {
        free(t->heads[i].title);
        free(t->heads[i].name);
    }
    for (size_t i = 0; i < t->n_cells; i++) {
        free(t->cells[i].text);
        free(t->cells[i].value);
    }
    free(t->captions);
    free(t->heads);
    free(t->cells);
    free(t->groups);
    free(t->none);
    free(t);
}

/* ---- building ---------------------------------------------------------------------------------------- */

/* A copy, or NULL for NULL; failure is kept in the table. */
static char *copy(table *t, const char *s) {
    return s != NULL && t->error.kind == ERR_NONE ? mem_strdup(s, &t->error) : NULL;
}

void table_caption(table *t, const char *fmt, ...) {
    if (t->error.kind != ERR_NONE || mem_reserve(&t->captions, &t->cap_captions, t->n_captions + 1, &t->error) != 0)
        return;
    va_list args;
    va_start(args, fmt);
    char *s = mem_vprintf(&t->error, fmt, args);
    va_end(args);
    if (s != NULL) t->captions[t->n_captions++] = s;
}

void table_column(table *t, column_side side, const char *title, const char *name) {
    if (t->error.kind != ERR_NONE || mem_reserve(&t->heads, &t->cap_heads, t->n_heads + 1, &t->error) != 0) return;
    t->heads[t->n_heads++] = (table_head){copy(t, title), copy(t, name), side, t->role};
}

void table_role(table *t, column_role role) {
    t->role = role;
}

void table_group(table *t) {
    if (t->error.kind != ERR_NONE || t->n_cells == 0 ||
        mem_reserve(&t->groups, &t->cap_groups, t->n_groups + 1, &t->error) != 0)
        return;
    t->groups[t->n_groups++] = t->n_cells / t->n_heads;
}

void table_when_empty(table *t, const char *sentence) {
    free(t->none);
    t->none = copy(t, sentence);
}

static void put(table *t, const char *text, const char *value) {
    if (t->error.kind != ERR_NONE || mem_reserve(&t->cells, &t->cap_cells, t->n_cells + 1, &t->error) != 0) return;
    t->cells[t->n_cells++] = (table_cell){copy(t, text), copy(t, value)};
}

void table_put_text(table *t, const char *s) {
    put(t, s, s);
}

void table_put_missing(table *t) {
    put(t, NULL, NULL);
}

void table_put_part(table *t, size_t part, size_t whole) {
    char s[64];
    snprintf(s, sizeof s, "%zu of %zu", part, whole);
    put(t, s, NULL);
}

void table_put_count(table *t, size_t n) {
    char s[32];
    snprintf(s, sizeof s, "%zu", n);
    put(t, s, s);
}

/* The number for programs: it reads back the same. */
static void exact(double x, char *s, size_t size) {
    snprintf(s, size, "%.*g", real_digits(x), x);
}

void table_put_real(table *t, double x, int decimals) {
    char text[400], value[40]; /* the largest double has 309 digits before the point */
    if (isnan(x)) {
        put(t, NULL, NULL);
        return;
    }
    snprintf(text, sizeof text, "%.*f", decimals, x);
    exact(x, value, sizeof value);
    put(t, text, value);
}

void table_put_at_least(table *t, double x, double least, int decimals) {
    char text[48], value[40];
    if (isnan(x) || x >= least) {
        table_put_real(t, x, decimals);
        return;
    }
    snprintf(text, sizeof text, "<%.*f", decimals, least);
    exact(x, value, sizeof value);
    put(t, text, value);
}

void table_put_range(table *t, double x, double lo, double hi, int decimals) {
    char text[1200], value[40];
    if (isnan(x)) {
        put(t, NULL, NULL);
        return;
    }
    if (isnan(lo) || isnan(hi))
        snprintf(text, sizeof text, "%.*f", decimals, x);
    else
        snprintf(text, sizeof text, "%.*f [%.*f, %.*f]", decimals, x, decimals, lo, decimals, hi);
    exact(x, value, sizeof value);
    put(t, text, value);
}

void table_put_share(table *t, size_t part, size_t whole) {
    char text[48], value[40];
    if (whole == 0) {
        put(t, NULL, NULL);
        return;
    }
    size_t permille = part * 1000 / whole; /* cut: keeps T2 */
    snprintf(text, sizeof text, "%zu.%zu%%", permille / 10, permille % 10);
    exact((double)part / (double)whole, value, sizeof value);
    put(t, text, value);
}

void table_put_of(table *t, size_t part, size_t whole) {
    char text[64];
    if (whole == 0) {
        put(t, NULL, NULL);
        return;
    }
    snprintf(text, sizeof text, "%zu/%zu", part, whole);
    put(t, text, text);
}
