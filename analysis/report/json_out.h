/* json_out.h - JSON onto a stream, piece by piece, fit to stand inside an HTML page.
 *
 *  J1  Whatever a text holds, the page's parser sees no "<", ">" or "&" of it, and the JSON parser a valid string;
 *      bytes that are not UTF-8 become U+FFFD.
 *  J2  NaN is null; an infinite number is 1e999, which reads as infinity.
 *  J3  Errors stay in the stream: the caller asks it once, at the end.
 */
#ifndef ANALYSIS_REPORT_JSON_OUT_H
#define ANALYSIS_REPORT_JSON_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct {
    FILE *out;
    bool  follows; /* the next value needs a comma before it */
} json_out;

/* Begin and end an object, '{' and '}', or a list, '[' and ']'. `name`: the value's key in an object, NULL in a list.
 */
void json_out_begin(json_out *j, const char *name, char bracket);
void json_out_end(json_out *j, char bracket);

void json_out_text(json_out *j, const char *name, const char *text); /* NULL is null */
void json_out_bytes(json_out *j, const char *name, const char *text, size_t n);
void json_out_count(json_out *j, const char *name, uint64_t x);
void json_out_integer(json_out *j, const char *name, int64_t x);
void json_out_flag(json_out *j, const char *name, bool x);
void json_out_real(json_out *j, const char *name, double x, int digits); /* significant digits */

/* A list of ids. */
void json_out_ids(json_out *j, const char *name, const int32_t *ids, size_t n);

#endif
