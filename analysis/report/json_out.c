#include "analysis/report/json_out.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "engine/base/utf8.h"

static void put_string(FILE *out, const char *text, size_t n) {
    putc('"', out);
    for (size_t i = 0; i < n;) {
        unsigned long code;
        size_t        length = utf8_length(text + i, n - i, &code);
        if (length == 0) {
            fputs("\xef\xbf\xbd", out);
            i++;
            continue;
        }
        if (code == '"' || code == '\\')
            fprintf(out, "\\%c", (char)code);
        else if (code == '<' || code == '>' || code == '&' || utf8_is_control(code) || code == 0x2028 || code == 0x2029)
            fprintf(out, "\\u%04lx", code);
        else
            fwrite(text + i, 1, length, out);
        i += length;
    }
    putc('"', out);
}

static void put_name(json_out *j, const char *name) {
    if (j->follows) putc(',', j->out);
    j->follows = true;
    if (name == NULL) return;
    put_string(j->out, name, strlen(name));
    putc(':', j->out);
}

void json_out_begin(json_out *j, const char *name, char bracket) {
    put_name(j, name);
    putc(bracket, j->out);
    j->follows = false;
}

void json_out_end(json_out *j, char bracket) {
    putc(bracket, j->out);
    j->follows = true;
}

void json_out_bytes(json_out *j, const char *name, const char *text, size_t n) {
    put_name(j, name);
    put_string(j->out, text, n);
}

void json_out_text(json_out *j, const char *name, const char *text) {
    put_name(j, name);
    if (text != NULL)
        put_string(j->out, text, strlen(text));
    else
        fputs("null", j->out);
}

void json_out_count(json_out *j, const char *name, uint64_t x) {
    put_name(j, name);
    fprintf(j->out, "%" PRIu64, x);
}

void json_out_integer(json_out *j, const char *name, int64_t x) {
    put_name(j, name);
    fprintf(j->out, "%" PRId64, x);
}

void json_out_flag(json_out *j, const char *name, bool x) {
    put_name(j, name);
    fputs(x ? "true" : "false", j->out);
}

void json_out_real(json_out *j, const char *name, double x, int digits) {
    put_name(j, name);
    if (isnan(x))
        fputs("null", j->out);
    else if (isinf(x))
        fputs(x > 0 ? "1e999" : "-1e999", j->out);
    else
        fprintf(j->out, "%.*g", digits, x);
}

void json_out_ids(json_out *j, const char *name, const int32_t *ids, size_t n) {
    json_out_begin(j, name, '[');
    for (size_t i = 0; i < n; i++) json_out_integer(j, NULL, ids[i]);
    json_out_end(j, ']');
}
