/* format.h - what a dataset format is, for the files that read one. Users of datasets need dataset.h only.
 *
 * To add one: write datasets/NAME.c that defines `const dataset_format format_NAME`, and add a line to
 * formats.def. A format reads one line's object at a time and adds as many records as it holds.
 */
#ifndef DATASETS_FORMAT_H
#define DATASETS_FORMAT_H

#include "datasets/dataset.h"
#include "datasets/jsonl.h"

enum { READS_MAX = 10, OPTIONAL_MAX = 4 };

/* A dataset while it is read. */
typedef struct {
    const jsonl           *file; /* for errors about the line in hand */
    const dataset_options *options;
    dataset               *data;
    size_t                 cap; /* of data->records */
} dataset_builder;

typedef struct {
    const char *name, *help;
    const char *keys;             /* what tells it from others, for the error of "auto" */
    const char *reads[READS_MAX]; /* all keys of a record that it may read, the rest NULL */
    /* Of these, what a record need not have, under either of two keys: without both, a key spelled much like one is
     * worth a word. */
    const char *optional[OPTIONAL_MAX][2];
    bool (*fits)(const json_t *object); /* whether those keys are there */
    bool appends_docs;                  /* it knows dataset_options.append_docs */
    /* Adds the line's records with dataset_add. On failure it leaves what it has added as it is: the caller takes
     * this line's records back. */
    int (*read)(const json_t *object, dataset_builder *b, err *e);
} dataset_format;

/* A new record at the dataset's end: zeroed except `line`, and valid until the next call. */
record *dataset_add(dataset_builder *b, err *e);

/* Takes the record added last back, and notes it as one that the format leaves out for this reason. */
int dataset_drop(dataset_builder *b, const char *reason, err *e);

/* The same for a record that was never added. `id` may be NULL. */
int dataset_leave_out(dataset_builder *b, const char *id, const char *reason, err *e);

/* Gives the record room for n empty references. */
int record_references(record *r, size_t n, err *e);

/* References from an array of strings, checked; `what` names it in errors. */
int record_texts(const jsonl *at, record *r, const json_t *texts, const char *what, err *e);

#endif
