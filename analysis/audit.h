/* audit.h - two outputs of one prompt, plain decoding's and speculation's: where they part, and whether rounding
 * explains it.
 *
 * Judged by a model's exact logits after what both outputs have in common. A token is within the tolerance when its
 * logit is no farther below the largest: then errors like those that the plain engine makes anyway may have made it the
 * largest. The tolerance is derived from plain's own tokens (noise.h), so that with a chance of 99% rounding takes no
 * token of the whole audit beyond it.
 *
 *  A1  A greedy engine whose only fault is rounding writes tokens within the tolerance, plain or not.
 *  A2  What cannot be judged is not explained: without a model, without a tolerance, or within one that more than half
 *      of all second choices are within, because too few tokens bound the errors.
 */
#ifndef ANALYSIS_AUDIT_H
#define ANALYSIS_AUDIT_H

#include <stdbool.h>
#include <stddef.h>

#include "analysis/noise.h"
#include "analysis/table.h"

typedef enum {
    AUDIT_SAME,
    AUDIT_TIE,       /* both tokens have the same exact logit, within the tolerance */
    AUDIT_ROUNDING,  /* both are within the tolerance */
    AUDIT_LENGTH,    /* one goes on where the other has ended at its limit, or only with a token that ends a text */
    AUDIT_EARLY,     /* one has ended before its limit, where ending the text is not within the tolerance */
    AUDIT_BUG,       /* one token is within the tolerance, the other is not */
    AUDIT_UNRELATED, /* neither is: these are not this model's greedy outputs of this prompt */
    AUDIT_PARTED,    /* nothing to judge by */
    AUDIT_KINDS
} audit_kind;

extern const char *const audit_kind_names[AUDIT_KINDS], *const audit_kind_helps[AUDIT_KINDS];

typedef enum { AUDIT_PLAIN, AUDIT_OTHER, AUDIT_SIDES } audit_side;

/* What one side wrote where the two part. */
typedef struct {
    bool   ended;    /* nothing; the logit and rank are those of the likeliest token that ends a text */
    bool   stops;    /* only a token that ends a text */
    bool   at_limit; /* its output has as many tokens as its file's longest, and some */
    char  *said;     /* owned; NULL when it ended */
    double logit;    /* NaN: not known */
    double below;    /* how far that is below the largest; NaN: not known */
    size_t rank;     /* from 1; 0: not known */
} audit_word;

/* One side's tokens against exact greedy decoding: those of `points` from `start` on. */
typedef struct {
    size_t start, n;
    size_t first;      /* index in the output of the first of these tokens */
    size_t departures; /* tokens that are not the likeliest */
    size_t departs_at; /* index in the output of the first one */
    size_t beyond;     /* tokens that are not within the tolerance */
    double farthest;   /* the largest distance below the likeliest */
} audit_track;

typedef struct {
    const char *id; /* borrowed */
    bool        parts;
    size_t      at, byte; /* where they part: index of the token (or character), and of the byte in the text */
    bool        has_byte;
    audit_word  word[AUDIT_SIDES];
    double      margin;             /* there, between the two largest logits; NaN: not known */
    audit_track track[AUDIT_SIDES]; /* plain: the whole output; the other: from `at` on */
    audit_kind  kind;
    audit_side  whose; /* of AUDIT_BUG and AUDIT_EARLY: the side at fault */
} audit_record;

/* Zeroed, it is empty. */
typedef struct {
    audit_record *records; /* [n] */
    size_t        n, cap;
    noise_points  points[AUDIT_SIDES];
    bool          scored;    /* there are exact logits */
    double        tolerance; /* NaN before audit_judge: derived there */
    noise_fit     fit[AUDIT_SIDES];
    double        hidden; /* share of plain's positions at which the second token is within the tolerance */
    bool          blind;  /* too few tokens: the derived tolerance is so wide that what is within it may be anything */
    size_t        longest[AUDIT_SIDES]; /* output of each file; tokens, or characters */
    size_t        counts[AUDIT_KINDS];
    size_t        beyond[AUDIT_SIDES];
    double        worse; /* chance of so many tokens of the other side being beyond the tolerance if it is as plain */
} audit;

/* A new record, zeroed but for NaN where nothing is known; valid until the next call. NULL when memory is out. */
audit_record *audit_add(audit *a, const char *id, err *e);

/* Takes the record added last back. */
void audit_drop(audit *a);

/* A token of a side's track of the record added last; tokens come in order. */
int audit_track_add(audit *a, audit_side side, double margin, double below, err *e);

/* Judges all records. */
int audit_judge(audit *a, err *e);

/* Whether rounding, ties and limits explain all; what does not, as a text. */
bool audit_explained(const audit *a);
int  audit_fault(const audit *a, err *e); /* an ERR_RUN */

void audit_free(audit *a);

/* What a table of it says. */
typedef struct {
    const char *plain, *other; /* names of the files */
    const char *unit;          /* "token" or "character" */
    bool        all;           /* records that are the same, too */
} audit_view;

/* NULL when memory is out. */
table *audit_table(const audit *a, const audit_view *v, err *e);

#endif
