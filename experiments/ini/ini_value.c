/* ini_value.c - quotes around values, lists of values, paths. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "experiments/ini/inifile.h"

static bool is_quote(char c) {
    return c == '"' || c == '\'';
}

/* Whether one pair of quotes encloses all of s[0..n). */
static bool is_quoted(const char *s, size_t n) {
    return n >= 2 && is_quote(s[0]) && memchr(s + 1, s[0], n - 1) == s + n - 1;
}

int ini_unquote(ini_part *part, err *e) {
    size_t n = strlen(part->raw);
    bool   quoted = is_quoted(part->raw, n);
    part->quote = quoted ? part->raw[0] : '\0';
    part->text = quoted ? mem_strndup(part->raw + 1, n - 2, e) : mem_strdup(part->raw, e);
    return part->text != NULL ? 0 : -1;
}

/* A value that begins with a quote but is not enclosed in quotes. */
static int check_quotes(const char *where, const char *key, const char *raw, err *e) {
    size_t n = strlen(raw);
    if (!is_quote(raw[0]) || is_quoted(raw, n)) return 0;
    return err_input(e,
                     "%s: %s = %s: the quote at the beginning does not end the value (quotes enclose a whole value "
                     "or an item of a list; a quote inside it must be of the other kind)",
                     where, key, raw);
}

const char *ini_line(const ini_entry *entry, err *e) {
    const ini_part *first = &entry->parts[0];
    if (entry->n_parts == 1 && first->text[0] != '\0') return first->raw;
    if (entry->n_parts > 1)
        err_input(e, "%s: %s takes one value (an indented line continues the value above it)", entry->parts[1].where,
                  entry->key);
    else
        err_input(e, "%s: %s has no value (it takes one value)", first->where, entry->key);
    return NULL;
}

const ini_part *ini_value(const ini_entry *entry, err *e) {
    const char *line = ini_line(entry, e);
    return line != NULL && check_quotes(entry->parts[0].where, entry->key, line, e) == 0 ? &entry->parts[0] : NULL;
}

/* ---- lists -------------------------------------------------------------------------------------------- */

/* Bytes up to the comma that ends the item at `at`, or to the line's end. Commas in quotes are the item's. */
static size_t item_length(const char *at) {
    size_t      n = strspn(at, " \t");
    const char *close = is_quote(at[n]) ? strchr(at + n + 1, at[n]) : NULL;
    if (close != NULL) n = (size_t)(close - at) + 1;
    return n + strcspn(at + n, ",");
}

/* One item, including the blanks around it. */
static int take_item(const ini_entry *entry, const ini_part *line, const char *at, size_t n, ini_each *each, void *ctx,
                     err *e) {
    size_t from = strspn(at, " \t");
    if (from > n) from = n;
    while (n > from && (at[n - 1] == ' ' || at[n - 1] == '\t')) n--;
    ini_part item = {.raw = mem_strndup(at + from, n - from, e), .where = line->where};
    int      ret = item.raw != NULL ? ini_unquote(&item, e) : -1;
    if (ret == 0) ret = check_quotes(item.where, entry->key, item.raw, e);
    if (ret == 0 && item.text[0] == '\0')
        ret = err_input(e, "%s: %s has an empty value (VALUE, VALUE, ...)", item.where, entry->key);
    if (ret == 0) ret = each(ctx, &item, e);
    free(item.raw);
    free(item.text);
    return ret;
}

int ini_items(const ini_entry *entry, ini_each *each, void *ctx, err *e) {
    if (entry->n_parts == 1 && entry->parts[0].text[0] == '\0')
        return err_input(e, "%s: %s has no value (VALUE, VALUE, ...)", entry->parts[0].where, entry->key);
    for (size_t p = 0; p < entry->n_parts; p++) {
        const ini_part *line = &entry->parts[p];
        bool            last = p + 1 == entry->n_parts;
        const char     *at = line->raw;
        if (*at == '\0' && !last) continue; /* the list begins on the next line */
        while (at != NULL) {
            size_t n = item_length(at);
            bool   comma = at[n] == ',';
            if (take_item(entry, line, at, n, each, ctx, e) != 0) return -1;
            at += n + (comma ? 1 : 0);
            if (!comma || (!last && at[strspn(at, " \t")] == '\0')) at = NULL; /* a comma at a line's end is fine */
        }
    }
    return 0;
}

/* ---- paths and names ---------------------------------------------------------------------------------- */

const char *ini_unexpanded(const char *path) {
    if (path[0] == '~') return "~ is not expanded: write the home folder in full";
    for (const char *c = path; *c != '\0'; c++) {
        if (*c == '$' && (isalpha((unsigned char)c[1]) || (c[1] != '\0' && strchr("_{(", c[1]) != NULL)))
            return "variables and commands are not expanded: write their values";
        if (*c == '#' && c > path && (c[-1] == ' ' || c[-1] == '\t'))
            return "a comment after a value begins with \" ;\"";
        if (*c == '`') return "commands are not expanded: write what they print";
        if (*c == '*' || *c == '?') return "patterns are not expanded: name each file";
        if (*c == '\\') return "a backslash is part of the name: write / between folders, and blanks as they are";
    }
    return NULL;
}

int ini_check_path(const char *key, const ini_part *v, err *e) {
    if (v->quote == '\0' && strpbrk(v->text, "\"'") != NULL)
        return err_input(e,
                         "%s: %s = %s: a quote is inside the value (quotes enclose a whole value; one that is part of "
                         "a name goes inside quotes of the other kind)",
                         v->where, key, v->raw);
    const char *why = v->quote != '\'' ? ini_unexpanded(v->text) : NULL;
    if (why == NULL) return 0;
    return err_input(e, "%s: %s = %s: %s ('%s' in single quotes is a file or folder with exactly this name)", v->where,
                     key, v->raw, why, v->text);
}

char *ini_path(const char *ini, const char *key, const ini_part *v, err *e) {
    if (ini_check_path(key, v, e) != 0) return NULL;
    const char *slash = strrchr(ini, '/');
    if (v->text[0] == '/' || slash == NULL) return mem_strdup(v->text, e);
    return mem_printf(e, "%.*s%s", (int)(slash + 1 - ini), ini, v->text);
}

bool ini_plain_name(const char *text) {
    if (*text == '\0' || *text == '.' || strlen(text) > 64) return false;
    for (; *text != '\0'; text++)
        if (!isalnum((unsigned char)*text) && strchr("._-", *text) == NULL) return false;
    return true;
}
