#include "experiments/ini/inifile.h"

#include <ini.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/base/suggest.h"
#include "engine/base/utf8.h"

enum { MAX_BYTES = 1 << 20 };

static bool blank(char c) {
    return c == ' ' || c == '\t';
}

static void free_part(ini_part *part) {
    free(part->raw);
    free(part->text);
    free(part->where);
}

void inifile_free(inifile *f) {
    for (size_t s = 0; s < f->n_sections; s++) {
        ini_section *section = &f->sections[s];
        for (size_t i = 0; i < section->n_entries; i++) {
            ini_entry *entry = &section->entries[i];
            for (size_t p = 0; p < entry->n_parts; p++) {
                free_part(&entry->parts[p]);
            }
            free(entry->key);
            free(entry->parts);
        }
        free(section->title);
        free(section->where);
        free(section->entries);
    }
    free(f->sections);
    free(f->path);
    free(f->text);
    *f = (inifile){0};
}

static ini_section *find_section(const inifile *f, const char *title) {
    for (size_t i = 0; i < f->n_sections; i++)
        if (strcmp(f->sections[i].title, title) == 0) return &f->sections[i];
    return NULL;
}

static ini_entry *find_entry(const ini_section *s, const char *key) {
    for (size_t i = 0; i < s->n_entries; i++)
        if (strcmp(s->entries[i].key, key) == 0) return &s->entries[i];
    return NULL;
}

const ini_entry *ini_find(const ini_section *s, const char *key) {
    return find_entry(s, key);
}

static int add_part(ini_entry *entry, const char *text, const char *where, err *e) {
    if (mem_reserve(&entry->parts, &entry->cap, entry->n_parts + 1, e) != 0) return -1;
    ini_part *part = &entry->parts[entry->n_parts++];
    *part = (ini_part){.raw = mem_strdup(text, e), .where = mem_strdup(where, e)};
    return part->raw != NULL && part->where != NULL ? ini_unquote(part, e) : -1;
}

static ini_entry *add_entry(ini_section *s, const char *key, err *e) {
    if (mem_reserve(&s->entries, &s->cap, s->n_entries + 1, e) != 0) return NULL;
    ini_entry *entry = &s->entries[s->n_entries];
    *entry = (ini_entry){.key = mem_strdup(key, e)};
    if (entry->key == NULL) return NULL;
    s->n_entries++;
    return entry;
}

/* New memory: the words of text[0..n), one blank apart. */
static char *words_of(const char *text, size_t n, err *e) {
    char  *out = mem_new(n + 1, 1, e);
    size_t at = 0;
    if (out == NULL) return NULL;
    for (size_t i = 0; i < n; i++) {
        if (blank(text[i])) continue;
        if (at > 0 && i > 0 && blank(text[i - 1])) out[at++] = ' ';
        out[at++] = text[i];
    }
    return out;
}

/* ---- reading: inih pulls lines through next_line and pushes keys into on_key ------------------------- */

typedef struct {
    inifile    *f;
    const char *at;        /* the rest of the text */
    size_t      line;      /* the current line, from 1 */
    bool        continues; /* it is indented below a key */
    bool        failed;    /* `e` holds an error, at `line`; nothing more is read */
    char       *where;     /* "FILE:LINE" of it */
    err        *e;
} reader;

static int read_header(reader *r, const char *line, size_t n) {
    const char *close = memchr(line, ']', n);
    if (close == NULL) return err_input(r->e, "%s: the section's closing \"]\" is missing", r->where);
    for (const char *c = close + 1; c < line + n; c++) {
        if (*c == ';' && blank(c[-1])) break;
        if (!blank(*c))
            return err_input(r->e, "%s: text after a section's \"]\" (a comment begins with \" ;\")", r->where);
    }
    char *title = words_of(line + 1, (size_t)(close - line - 1), r->e);
    if (title == NULL) return -1;

    const ini_section *earlier = find_section(r->f, title);
    if (earlier != NULL) {
        err_input(r->e, "%s: section [%s] is already on line %zu (each section once)", r->where, title, earlier->line);
        free(title);
        return -1;
    }
    char *where = mem_strdup(r->where, r->e);
    if (where == NULL || mem_reserve(&r->f->sections, &r->f->cap, r->f->n_sections + 1, r->e) != 0) {
        free(title);
        free(where);
        return -1;
    }
    r->f->sections[r->f->n_sections++] = (ini_section){.title = title, .where = where, .line = r->line};
    return 0;
}

/* Hides semicolons in quotes, which belong to the value, from inih: a character that no line holds replaces them.
 * Returns the line's length without the comment at its end. A quote opens where a value or an item begins. */
enum { HIDDEN_SEMICOLON = 1 };
static size_t cut_comment(char *line, size_t n, bool continues) {
    bool begins = continues, in_value = continues;
    for (size_t i = 0; i < n; i++) {
        char        c = line[i];
        const char *close = begins && (c == '"' || c == '\'') ? memchr(line + i + 1, c, n - i - 1) : NULL;
        if (close != NULL) {
            for (; line + i < close; i++)
                if (line[i] == ';') line[i] = HIDDEN_SEMICOLON;
            begins = false;
            continue;
        }
        if (c == ';' && i > 0 && blank(line[i - 1])) return i;
        if (blank(c)) continue;
        begins = in_value ? c == ',' : c == '=' || c == ':';
        in_value = in_value || begins;
    }
    return n;
}

static void show_semicolons(char *text) {
    for (; *text != '\0'; text++)
        if (*text == HIDDEN_SEMICOLON) *text = ';';
}

/* Checks one line and copies it into buf without its end; comments become empty lines. */
static int take_line(reader *r, const char *line, size_t n, char *buf, size_t size) {
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)line[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return err_input(r->e, "%s: control character 0x%02x (text only)", r->where, c);
    }
    if (utf8_valid(line, n) < n) return err_input(r->e, "%s: invalid UTF-8", r->where);

    size_t indent = 0;
    while (indent < n && blank(line[indent])) indent++;
    buf[0] = '\0';
    if (indent == n || line[indent] == ';' || line[indent] == '#') return 0;

    bool header = line[indent] == '[';
    if (header) { /* wherever it is: no key's value begins with a bracket */
        line += indent;
        n -= indent;
        if (read_header(r, line, n) != 0) return -1;
    } else if (r->f->n_sections == 0) {
        return err_input(r->e, "%s: nothing may come before the first [section]", r->where);
    }
    r->continues = !header && indent > 0 && r->f->sections[r->f->n_sections - 1].n_entries > 0;
    char *copy = mem_strndup(line, n, r->e);
    if (copy == NULL) return -1;
    n = cut_comment(copy, n, r->continues); /* inih leaves comments in continued lines, and counts them as length */
    if (n < size) {
        memcpy(buf, copy, n);
        buf[n] = '\0';
    }
    free(copy);
    if (n < size) return 0;
    return err_input(r->e, "%s: the line is too long (at most %zu bytes; an indented line continues a list)", r->where,
                     size - 1);
}

static char *next_line(char *buf, int size, void *stream) {
    reader     *r = stream;
    const char *end = r->f->text + r->f->n_text;
    if (r->failed || r->at == end) return NULL;

    const char *line = r->at;
    const char *stop = memchr(line, '\n', (size_t)(end - line));
    r->at = stop != NULL ? stop + 1 : end;
    size_t n = (size_t)((stop != NULL ? stop : end) - line);
    if (n > 0 && line[n - 1] == '\r') n--;

    r->line++;
    free(r->where);
    r->where = mem_printf(r->e, "%s:%zu", r->f->path, r->line);
    r->failed = r->where == NULL || take_line(r, line, n, buf, (size_t)size) != 0;
    return r->failed ? NULL : buf;
}

static int take_key(reader *r, const char *key, char *value) {
    ini_section *s = &r->f->sections[r->f->n_sections - 1];
    show_semicolons(value);
    if (r->continues) return add_part(&s->entries[s->n_entries - 1], value, r->where, r->e);
    if (*key == '\0') return err_input(r->e, "%s: no key before the \"=\"", r->where);
    const ini_entry *earlier = ini_find(s, key);
    if (earlier != NULL)
        return err_input(r->e, "%s: key \"%s\" of [%s] is already set at %s", r->where, key, s->title,
                         earlier->parts[0].where);
    ini_entry *entry = add_entry(s, key, r->e);
    return entry != NULL ? add_part(entry, value, r->where, r->e) : -1;
}

/* inih's handler: 0 is failure. Section and, on a continued line, key are inih's copies, which it cuts at 49
 * bytes: the reader's own are used. */
static int on_key(void *user, const char *section, const char *key, const char *value) {
    (void)section;
    reader *r = user;
    char   *own = mem_strdup(value, r->failed ? NULL : r->e);
    if (!r->failed) r->failed = own == NULL || take_key(r, key, own) != 0;
    free(own);
    return !r->failed;
}

/* Parses out->text. inih reports the first line it cannot parse and reads on; a failure of the reader later in the file
 * must not hide that. One buffer is one line, so inih counts lines as the reader does. */
static int parse(inifile *out, err *e) {
    reader r = {.f = out, .at = out->text, .e = e};
    if (out->n_text >= 3 && memcmp(out->text, "\xef\xbb\xbf", 3) == 0) r.at += 3;
    int bad = ini_parse_stream(next_line, &r, on_key, &r);
    if (bad > 0 && !(r.failed && r.line == (size_t)bad)) {
        r.failed = true;
        err_input(e, "%s:%d: the line is neither [section] nor key = value", out->path, bad);
    } else if (bad < 0 && !r.failed) {
        r.failed = true;
        err_run(e, "%s: cannot parse (inih gave %d)", out->path, bad);
    }
    free(r.where);
    if (r.failed) inifile_free(out);
    return r.failed ? -1 : 0;
}

int inifile_read(const char *path, inifile *out, err *e) {
    *out = (inifile){.path = mem_strdup(path, e)};
    if (out->path != NULL && (out->text = file_read(path, MAX_BYTES, &out->n_text, e)) != NULL) return parse(out, e);
    inifile_free(out);
    return -1;
}

int inifile_parse(const char *path, const char *text, inifile *out, err *e) {
    *out = (inifile){.path = mem_strdup(path, e), .text = mem_strdup(text, e), .n_text = strlen(text)};
    if (out->path != NULL && out->text != NULL) return parse(out, e);
    inifile_free(out);
    return -1;
}

/* ---- overrides ---------------------------------------------------------------------------------------- */

static int append_text(inifile *f, const char *set, err *e) {
    bool  ends = f->n_text == 0 || f->text[f->n_text - 1] == '\n';
    char *text = mem_printf(e, "%s%s; --set %s\n", f->text, ends ? "" : "\n", set);
    if (text == NULL) return -1;
    free(f->text);
    f->text = text;
    f->n_text = strlen(text);
    return 0;
}

/* Takes the entry's value away; its key stays. */
static void clear_parts(ini_entry *entry) {
    while (entry->n_parts > 0) {
        entry->n_parts--;
        free_part(&entry->parts[entry->n_parts]);
    }
}

/* Overrides change the values in a file; they add no sections. */
static void no_section(const inifile *f, const char *title, const char *where, err *e) {
    const char **names = mem_new(f->n_sections, sizeof *names, e); /* NOLINT(bugprone-sizeof-expression): pointers */
    if (names == NULL) return;
    for (size_t i = 0; i < f->n_sections; i++) names[i] = f->sections[i].title;
    char *what = mem_printf(e, "section of %s", f->path);
    if (what != NULL) err_unknown(e, where, what, title, names, f->n_sections);
    free(what);
    free(names);
}

static int override(inifile *f, const char *set, const char *where, err *e) {
    int          ret = -1;
    const char  *eq = strchr(set, '=');
    const char  *dot = eq != NULL ? memrchr(set, '.', (size_t)(eq - set)) : NULL;
    char        *title = NULL, *key = NULL, *value = NULL;
    ini_section *section;
    ini_entry   *entry;

    if (dot == NULL) return err_input(e, "%s: not an override (SECTION.KEY=VALUE)", where);
    for (const char *c = set; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f) return err_input(e, "%s: control character (text only)", where);
    if (utf8_valid(set, strlen(set)) < strlen(set)) return err_input(e, "%s: invalid UTF-8", where);

    title = words_of(set, (size_t)(dot - set), e);
    key = words_of(dot + 1, (size_t)(eq - dot - 1), e);
    eq++;
    while (blank(*eq)) eq++;
    size_t n = strlen(eq);
    while (n > 0 && blank(eq[n - 1])) n--;
    value = mem_strndup(eq, n, e);
    if (title == NULL || key == NULL || value == NULL) goto out;

    section = find_section(f, title);
    if (section == NULL) {
        no_section(f, title, where, e);
        goto out;
    }
    entry = find_entry(section, key);
    if (entry != NULL && entry->overridden) {
        err_input(e, "%s: overrides the key a second time, after %s", where, entry->parts[0].where);
        goto out;
    }
    if (entry != NULL) clear_parts(entry);
    if (entry == NULL) entry = add_entry(section, key, e);
    if (entry == NULL || add_part(entry, value, where, e) != 0) goto out;
    entry->overridden = true;
    ret = append_text(f, set, e);
out:
    free(title);
    free(key);
    free(value);
    return ret;
}

int inifile_set(inifile *f, const char *set, err *e) {
    char *where = mem_printf(e, "--set \"%s\"", set);
    if (where == NULL) return -1;
    int ret = override(f, set, where, e);
    free(where);
    return ret;
}
