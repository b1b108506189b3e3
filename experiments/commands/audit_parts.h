/* audit_parts.h - where two outputs of one prompt part, and what each says there. */
#ifndef EXPERIMENTS_AUDIT_PARTS_H
#define EXPERIMENTS_AUDIT_PARTS_H

#include "analysis/audit.h"
#include "datasets/dataset.h"

/* An output as ids, or, where there is no tokenizer for it, as a text. */
typedef struct {
    const passage *text; /* as it was given; its text may be NULL */
    const tokens  *ids;  /* NULL: only the text */
} audit_output;

/* Its length in tokens, or else in characters. */
size_t audit_output_length(const audit_output *o);

/* Compares two outputs, both with ids or both without: fills the record's parts, at, byte, and of its words ended,
 * stops and said. `tok` may be NULL: then there are no pieces of ids. */
int audit_part(const tokenizer *tok, const audit_output *plain, const audit_output *other, audit_record *r, err *e);

#endif
