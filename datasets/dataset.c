/* dataset.c - the way of a file into records: lines, the format that fits, ids that differ, the limit. */
#include "datasets/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "datasets/format.h"
#include "datasets/turns.h"
#include "engine/base/digest.h"
#include "engine/base/mem.h"
#include "engine/base/suggest.h"

#define FORMAT(name) extern const dataset_format format_##name;
#include "datasets/formats.def"
#undef FORMAT

static const void *const all[] = {
#define FORMAT(name) &format_##name,
#include "datasets/formats.def"
#undef FORMAT
};
enum { N_FORMATS = sizeof all / sizeof all[0] };

#define AUTO "auto"

const registry format_registry = REGISTRY("dataset format", all);

static const dataset_format *format_at(size_t i) {
    return all[i];
}

const char *dataset_format_help(size_t i) {
    return format_at(i)->help;
}

/* ---- records ---- */

static void passage_free(passage *p) {
    free(p->text);
    tokens_free(&p->ids);
}

static void record_free(record *r) {
    free(r->id);
    free(r->scenario);
    free(r->conversation);
    passage_free(&r->prompt);
    turns_free(r->turns, r->n_turns);
    for (size_t i = 0; i < r->n_references; i++) passage_free(&r->references[i]);
    free(r->references);
    passage_free(&r->output);
}

/* Removes the records after the first n. */
static void cut_records(dataset *d, size_t n) {
    while (d->n > n) record_free(&d->records[--d->n]);
}

/* ---- records that are not used ---- */

int skipped_add(skipped_records *s, const char *path, size_t line, const char *id, const err *why, err *e) {
    char  *place = mem_printf(e, "%s:%zu: ", path, line);
    size_t n = place != NULL && strncmp(why->text, place, strlen(place)) == 0 ? strlen(place) : 0;
    free(place);
    if (place == NULL || mem_reserve(&s->at, &s->cap, s->n + 1, e) != 0) return -1;
    skipped_record r = {line, mem_strdup(id != NULL ? id : "", e), mem_strdup(why->text + n, e)};
    if (r.id == NULL || r.reason == NULL) {
        free(r.id);
        free(r.reason);
        return -1;
    }
    s->at[s->n++] = r;
    return 0;
}

static void skipped_cut(skipped_records *s, size_t n) {
    while (s->n > n) {
        s->n--;
        free(s->at[s->n].id);
        free(s->at[s->n].reason);
    }
}

void skipped_free(skipped_records *s) {
    skipped_cut(s, 0);
    free(s->at);
    *s = (skipped_records){0};
}

void dataset_free(dataset *d) {
    cut_records(d, 0);
    for (size_t i = 0; i < d->n_unread; i++) free(d->unread[i].key);
    free(d->unread);
    free(d->records);
    skipped_free(&d->skipped);
    free(d->path);
    free(d->format);
    *d = (dataset){0};
}

record *dataset_add(dataset_builder *b, err *e) {
    dataset *d = b->data;
    if (mem_reserve(&d->records, &b->cap, d->n + 1, e) != 0) return NULL;
    record *r = &d->records[d->n++];
    *r = (record){.line = b->file->line};
    return r;
}

int dataset_leave_out(dataset_builder *b, const char *id, const char *reason, err *e) {
    err why = {0};
    err_input(&why, "%s", reason);
    if (skipped_add(&b->data->skipped, b->file->path, b->file->line, id, &why, e) != 0) return -1;
    if (b->data->dropped++ == 0) b->data->first_dropped = b->data->skipped.n - 1;
    return 0;
}

int dataset_drop(dataset_builder *b, const char *reason, err *e) {
    if (dataset_leave_out(b, b->data->records[b->data->n - 1].id, reason, e) != 0) return -1;
    cut_records(b->data, b->data->n - 1);
    return 0;
}

int record_references(record *r, size_t n, err *e) {
    r->references = mem_new(n, sizeof *r->references, e);
    if (r->references == NULL) return -1;
    r->n_references = n;
    return 0;
}

int record_texts(const jsonl *at, record *r, const json_t *texts, const char *what, err *e) {
    if (jsonl_array(at, texts, what, e) != 0 || record_references(r, json_array_size(texts), e) != 0) return -1;
    for (size_t i = 0; i < r->n_references; i++) {
        passage *p = &r->references[i];
        char     name[64];
        snprintf(name, sizeof name, "%s[%zu]", what, i);
        if (jsonl_text(at, json_array_get(texts, i), name, &p->text, &p->n_text, e) != 0) return -1;
    }
    return 0;
}

/* ---- formats ---- */

int dataset_format_check(const char *where, const char *name, err *e) {
    const char *names[N_FORMATS + 1] = {AUTO};
    if (strcmp(name, AUTO) == 0 || registry_find(&format_registry, name) != NULL) return 0;
    for (size_t i = 0; i < N_FORMATS; i++) names[i + 1] = format_at(i)->name;
    return err_unknown(e, where, "dataset format", name, names, N_FORMATS + 1);
}

/* NULL in *out for "auto": the first record decides. */
static int find_format(const char *name, const dataset_format **out, err *e) {
    *out = name != NULL ? registry_find(&format_registry, name) : NULL;
    return name != NULL ? dataset_format_check(NULL, name, e) : 0;
}

/* The name nearest to a key: one in other letters' case, or one that a few edits away; NULL when none is near. */
static const char *nearest(const char *key, const char *const *names, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(key, names[i]) == 0) return names[i];
    return suggest(key, names, n);
}

/* A key of a record without a format that was probably meant to tell one, *meant; NULL when there is none. */
static const char *near_telling_key(const json_t *object, const char **meant) {
    const char *tells[N_FORMATS * READS_MAX], *key;
    json_t     *value, *whole = (json_t *)object; /* Jansson's loop takes no const */
    size_t      n = 0;
    for (size_t i = 0; i < N_FORMATS; i++)
        for (size_t k = 0; k < READS_MAX && format_at(i)->reads[k] != NULL; k++) {
            char quoted[64];
            snprintf(quoted, sizeof quoted, "\"%s\"", format_at(i)->reads[k]);
            bool tells_it = strstr(format_at(i)->keys, quoted) != NULL;
            if (tells_it && json_object_get(object, format_at(i)->reads[k]) == NULL)
                tells[n++] = format_at(i)->reads[k];
        }
    json_object_foreach(whole, key, value) {
        if ((*meant = nearest(key, tells, n)) != NULL) return key;
    }
    return NULL;
}

/* Outputs without a prompt, where those will do. */
static bool has_output_alone(const json_t *object) {
    return jsonl_get(object, "output") != NULL || jsonl_get(object, "output_ids") != NULL;
}

static const dataset_format *detect(const jsonl *file, const json_t *object, const dataset_options *o, err *e) {
    char   looked_for[512];
    size_t at = 0;
    looked_for[0] = '\0';
    for (size_t i = 0; i < N_FORMATS; i++) {
        if (format_at(i)->fits(object)) return all[i];
        if (at < sizeof looked_for)
            at += (size_t)snprintf(looked_for + at, sizeof looked_for - at, "%s%s: %s", i > 0 ? "; " : "",
                                   format_at(i)->name, format_at(i)->keys);
    }
    if (o->outputs && has_output_alone(object)) return &format_native;
    const char *meant, *near = near_telling_key(object, &meant);
    if (near != NULL)
        jsonl_bad(file, e, "no known format has this record's keys; did you mean \"%s\" by \"%.100s\"? (%s)", meant,
                  near, looked_for);
    else
        jsonl_bad(file, e, "no known format has this record's keys (%s)", looked_for);
    return NULL;
}

/* ---- keys that are not read ---- */

static bool reads(const dataset_format *f, const char *key) {
    for (size_t i = 0; i < READS_MAX && f->reads[i] != NULL; i++)
        if (strcmp(f->reads[i], key) == 0) return true;
    return false;
}

/* The key that a record need not have and that is spelled much like this one; *other is what may be there instead. */
static const char *optional_near(const dataset_format *f, const char *key, const char **other) {
    const char *names[2 * OPTIONAL_MAX];
    size_t      n = 0;
    for (; n < 2 * OPTIONAL_MAX && f->optional[n / 2][n % 2] != NULL; n++) names[n] = f->optional[n / 2][n % 2];
    const char *meant = nearest(key, names, n);
    for (size_t i = 0; meant != NULL && i < n; i++)
        if (names[i] == meant) *other = names[i ^ 1];
    return meant;
}

static int count_unread(const dataset_format *f, const json_t *object, size_t line, dataset *d, err *e) {
    enum { MOST = 64 };
    const char *key;
    json_t     *value, *whole = (json_t *)object; /* Jansson's loop takes no const */
    json_object_foreach(whole, key, value) {
        size_t at = 0;
        if (reads(f, key)) continue;
        while (at < d->n_unread && strcmp(d->unread[at].key, key) != 0) at++;
        if (at == MOST) continue;
        if (at == d->n_unread) {
            if (mem_reserve(&d->unread, &d->cap_unread, at + 1, e) != 0) return -1;
            unread_key *k = &d->unread[at];
            *k = (unread_key){.key = mem_strdup(key, e), .line = line};
            if (k->key == NULL) return -1;
            k->meant = optional_near(f, key, &k->other);
            d->n_unread++;
        }
        unread_key *k = &d->unread[at];
        k->records++;
        k->lacking += k->meant != NULL && jsonl_get(object, k->meant) == NULL && jsonl_get(object, k->other) == NULL;
    }
    return 0;
}

/* ---- the file ---- */

/* Checks the ids of the records after the first `from`: `seen` maps each id to its line. */
static int check_ids(const dataset_builder *b, size_t from, json_t *seen, err *e) {
    for (size_t i = from; i < b->data->n; i++) {
        const record *r = &b->data->records[i];
        const json_t *before = json_object_get(seen, r->id);
        if (before != NULL)
            return jsonl_bad(b->file, e, "id \"%.100s\" was already given on line %lld (ids must differ)", r->id,
                             (long long)json_integer_value(before));
        if (json_object_set_new(seen, r->id, json_integer((json_int_t)r->line)) != 0)
            return err_run(e, "out of memory");
    }
    return 0;
}

/* Notes whether records have turns. With as_turn, a prompt that is a text becomes one. */
static int complete_turns(const dataset_builder *b, size_t from, err *e) {
    for (size_t i = from; i < b->data->n; i++) {
        record    *r = &b->data->records[i];
        const turn asked = {CHAT_USER, r->prompt.text, r->prompt.n_text};
        if (r->n_turns == 0 && b->options->as_turn && r->prompt.text != NULL && record_turns(r, &asked, 1, e) != 0)
            return -1;
        b->data->has_turns |= r->n_turns > 0;
    }
    return 0;
}

/* Reads one line's records, all of them or, on failure, none. */
static int read_object(const dataset_format *format, const json_t *object, dataset_builder *b, json_t *seen, err *e) {
    size_t kept = b->data->n, dropped = b->data->dropped, skipped = b->data->skipped.n;
    if (format->read(object, b, e) == 0 && check_ids(b, kept, seen, e) == 0 && complete_turns(b, kept, e) == 0)
        return count_unread(format, object, b->file->line, b->data, e);
    cut_records(b->data, kept);
    b->data->dropped = dropped;
    skipped_cut(&b->data->skipped, skipped);
    return -1;
}

static int read_lines(const dataset_options *o, const dataset_format *format, jsonl *file, dataset_report *report,
                      void *ctx, dataset *d, err *e) {
    dataset_builder b = {.file = file, .options = o, .data = d};
    json_t         *seen = json_object();
    int             ret = -1;
    if (seen == NULL) return err_run(e, "out of memory");

    while (o->limit == 0 || d->n < o->limit) {
        json_t *object = NULL;
        err     why = {0};
        int     got = jsonl_next(file, &object, &why);
        if (got == 0) break;
        if (got > 0 && format == NULL && (format = detect(file, object, o, e)) == NULL) {
            json_decref(object); /* not one bad line, but a file of another kind: never skipped */
            goto out;
        }
        if (got > 0 && file->reads == NULL) {
            file->reads = format->reads;
            while (file->n_reads < READS_MAX && format->reads[file->n_reads] != NULL) file->n_reads++;
        }
        if (got > 0) got = read_object(format, object, &b, seen, &why);
        bool skip = got < 0 && o->skip_bad && why.kind == ERR_INPUT;
        int  noted = skip ? skipped_add(&d->skipped, file->path, file->line,
                                        json_string_value(json_object_get(object, "id")), &why, e)
                          : 0;
        json_decref(object);
        if (got >= 0) continue;
        if (noted != 0) goto out;
        if (!skip) {
            if (e != NULL) *e = why;
            goto out;
        }
        d->bad++;
        if (report != NULL) report(ctx, &why);
    }
    if (o->limit > 0 && d->n > o->limit) cut_records(d, o->limit); /* a line may hold several */
    if (d->n == 0 && d->bad == 0 && d->dropped == 0) {
        err_input(e, "%s: the file is empty (one record to a line)", file->path);
        goto out;
    }
    if (format == NULL || d->n == 0) {
        const char *reason = d->dropped > 0 ? d->skipped.at[d->first_dropped].reason : "";
        err_input(e, "%s: no records (bad lines: %zu; left out: %zu%s%s)", file->path, d->bad, d->dropped,
                  d->dropped > 0 ? ", the first for " : "", reason);
        goto out;
    }
    if (o->append_docs && !format->appends_docs) {
        err_input(e, "%s: append_docs is not for records of format %s (native, llma, ms-marco)", file->path,
                  format->name);
        goto out;
    }
    d->format = mem_strdup(format->name, e);
    ret = d->format != NULL ? 0 : -1;
out:
    json_decref(seen);
    return ret;
}

int dataset_read(const char *path, const dataset_options *o, dataset_report *report, void *ctx, dataset *out, err *e) {
    const dataset_format *format;
    jsonl                 file;

    *out = (dataset){0};
    if (find_format(o->format, &format, e) != 0 || jsonl_open(&file, path, e) != 0) return -1;
    int ret = -1;
    if (digest_sha256(file.bytes, file.n, out->sha256, e) == 0 && (out->path = mem_strdup(path, e)) != NULL)
        ret = read_lines(o, format, &file, report, ctx, out, e);
    jsonl_close(&file);
    if (ret != 0) dataset_free(out);
    return ret;
}
