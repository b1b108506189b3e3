#include "datasets/odd_values.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/utf8.h"

/* The shortest number out of range has five bytes, 1e309, and so have these. */
#define NUMBER "9e307"
#define TEXT   "8e307"
static const double number = 9e307, text = 8e307;

/* In a key an escape of six bytes becomes two characters of three: a noncharacter, which no text should hold, and one
 * that says which escape it was. Keys that differ still differ. */
static const char in_key[] = "\xef\xb7\x92"; /* U+FDD2 */

/* ---- tokens ------------------------------------------------------------------------------------------- */

/* Length of the number at s (RFC 8259, section 6); 0 when none is there. */
static size_t number_length(const char *s, bool *real) {
    size_t n = s[0] == '-', digits;
    *real = false;
    digits = strspn(s + n, "0123456789");
    if (digits == 0 || (digits > 1 && s[n] == '0')) return 0;
    n += digits;
    if (s[n] == '.') {
        if ((digits = strspn(s + n + 1, "0123456789")) == 0) return 0;
        n += 1 + digits;
        *real = true;
    }
    if (s[n] == 'e' || s[n] == 'E') {
        size_t sign = s[n + 1] == '+' || s[n + 1] == '-';
        if ((digits = strspn(s + n + 1 + sign, "0123456789")) == 0) return 0;
        n += 1 + sign + digits;
        *real = true;
    }
    return n;
}

static bool out_of_range(const char *s, bool real) {
    errno = 0;
    if (real) return isinf(strtod(s, NULL));
    (void)strtoll(s, NULL, 10);
    return errno == ERANGE;
}

/* The code of the escape \uXXXX at s; -1 when there is none. */
static int escape_at(const char *s, const char *end) {
    char digits[5] = {0};
    if (end - s < 6 || s[0] != '\\' || s[1] != 'u') return -1;
    memcpy(digits, s + 2, 4);
    return strspn(digits, "0123456789abcdefABCDEF") == 4 ? (int)strtol(digits, NULL, 16) : -1;
}

static bool high(int code) {
    return code >= 0xD800 && code <= 0xDBFF;
}

static bool low(int code) {
    return code >= 0xDC00 && code <= 0xDFFF;
}

/* Bytes of the character or escape at s; *odd: it is a lone surrogate, or U+0000. */
static size_t character(const char *s, const char *end, int *odd) {
    int code = escape_at(s, end);
    *odd = -1;
    if (code < 0 && s[0] != '\\') { /* what is not UTF-8 goes byte by byte */
        size_t n = utf8_length(s, (size_t)(end - s), NULL);
        return n > 0 ? n : 1;
    }
    if (code < 0) return end - s > 1 ? 2 : 1;
    if (high(code) && low(escape_at(s + 6, end))) return 12;
    if (high(code) || low(code) || code == 0) *odd = code;
    return 6;
}

/* The quote that closes the string whose first character is at s; NULL when there is none. */
static char *string_end(char *s, const char *end) {
    for (; s < end && *s != '"'; s++)
        if (*s == '\\') s++;
    return s < end ? s : NULL;
}

/* ---- replacing ---------------------------------------------------------------------------------------- */

static void put(char *at, size_t n, const char *token) {
    for (size_t i = 0; i < n; i++) at[i] = *token != '\0' ? *token++ : ' ';
}

/* Whether a character or escape of n bytes is one of JSON: what is replaced, the parser does not see. */
static bool is_sound(const char *s, size_t n, const char *end) {
    if (s[0] == '\\') return n >= 6 || (n == 2 && strchr("\"\\/bfnrt", s[1]) != NULL);
    return (unsigned char)s[0] >= 0x20 && utf8_length(s, (size_t)(end - s), NULL) > 0;
}

/* A value with a lone surrogate becomes TEXT; U+0000 may be in values. */
static size_t replace_value(char *open, const char *close) {
    bool found = false;
    int  odd;
    for (size_t at = 1, n; open + at < close; at += n) {
        n = character(open + at, close, &odd);
        if (!is_sound(open + at, n, close)) return 0;
        found = found || odd > 0;
    }
    if (found) put(open, (size_t)(close - open) + 1, TEXT);
    return found;
}

static size_t replace_in_key(char *s, const char *close) {
    size_t count = 0, n;
    for (int odd; s < close; s += n) {
        n = character(s, close, &odd);
        if (odd < 0) continue;
        unsigned   which = odd == 0 ? 0xF000u : 0xE000u + ((unsigned)odd - 0xD800u); /* for private use */
        const char escape[] = {in_key[0],
                               in_key[1],
                               in_key[2],
                               (char)(0xE0u | which >> 12),
                               (char)(0x80u | (which >> 6 & 0x3Fu)),
                               (char)(0x80u | (which & 0x3Fu))};
        memcpy(s, escape, sizeof escape);
        count++;
    }
    return count;
}

size_t odd_values_replace(char *line, size_t n) {
    const char *end = line + n;
    size_t      count = 0;
    for (char *s = line; s < end;) {
        bool   real;
        size_t length = 1;
        if (*s == '"') {
            char *close = string_end(s + 1, end);
            if (close == NULL) break; /* not JSON */
            const char *next = close + 1;
            while (next < end && isspace((unsigned char)*next)) next++;
            count += next < end && *next == ':' ? replace_in_key(s + 1, close) : replace_value(s, close);
            length = (size_t)(close - s) + 1;
        } else if ((*s == '-' || isdigit((unsigned char)*s)) && (length = number_length(s, &real)) > 0) {
            if (out_of_range(s, real)) put(s, length, NUMBER), count++;
        } else {
            length = 1;
        }
        s += length;
    }
    return count;
}

/* ---- recognising -------------------------------------------------------------------------------------- */

static const char a_number[] = "a number out of range (integers to 2^63, reals to 1.8e308)";
static const char a_text[] = "a text with a lone surrogate, which is no character (\\ud800 to \\udfff come in pairs)";

const char *odd_value(const json_t *v) {
    const char *found = NULL, *key;
    json_t     *item, *whole = (json_t *)v; /* Jansson's loops take no const */
    size_t      i;
    if (json_is_real(v)) {
        double x = json_real_value(v);
        return x == number ? a_number : x == text ? a_text : NULL; /* bit for bit what the markers are read as */
    }
    if (json_is_array(v)) json_array_foreach(whole, i, item) if (found == NULL) found = odd_value(item);
    if (json_is_object(v))
        json_object_foreach(whole, key, item) if (found == NULL) found =
            strstr(key, in_key) != NULL ? a_text : odd_value(item);
    return found;
}

const char *odd_spelling(const char *line, size_t n) {
    static const char python[] =
        "Python's spelling of a value, not JSON (json.dumps writes JSON: true, false, null, \"texts\")";
    static const struct {
        const char *word, *what;
    } known[] = {
        {"NaN", "NaN, which JSON has not (Python's json.dumps writes it: write null, or leave the key out)"},
        {"Infinity", "Infinity, which JSON has not (Python's json.dumps writes it: write null, or leave the key out)"},
        {"nan", "nan, which JSON has not (write null, or leave the key out)"},
        {"inf", "inf, which JSON has not (write null, or leave the key out)"},
        {"None", python},
        {"True", python},
        {"False", python},
    };
    const char *end = line + n;
    char        last = '\0'; /* that is not blank */
    for (const char *s = line; s < end;) {
        if (*s == '"') {
            const char *close = string_end((char *)s + 1, end); /* only looked at */
            if (close == NULL) return NULL;
            s = close + 1;
            last = '"';
            continue;
        }
        if (*s == '\'' && last != '\0' && strchr("{[,:", last) != NULL) return python;
        if (!isspace((unsigned char)*s)) last = *s;
        size_t length = 0;
        while (s + length < end && isalpha((unsigned char)s[length])) length++;
        for (size_t i = 0; length > 0 && i < sizeof known / sizeof *known; i++)
            if (strlen(known[i].word) == length && memcmp(s, known[i].word, length) == 0) return known[i].what;
        s += length > 0 ? length : 1;
    }
    return NULL;
}
