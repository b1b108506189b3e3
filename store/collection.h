/* collection.h - the two steps of store_collect, one after the other.
 *
 * However many cells there are, and trials in them, memory holds what is small in each file, and the trials of one
 * cell:
 *
 *     1  each file is opened and its tables are checked. Its cell, and texts, samples and skipped records that no file
 *        before it had, are kept; the order of cells is settled then
 *     2  in that order each file is opened again; its trials, steps and outputs are checked and written
 */
#ifndef STORE_COLLECTION_H
#define STORE_COLLECTION_H

#include "store/store.h"

typedef struct collection collection;

/* The first step; the paths must outlive it. NULL on failure. */
collection *collection_open(const char *const *paths, size_t n, const kept_text *config, err *e);

/* The second one, once. A cell's file that has changed meanwhile is an error, and nothing is written then. */
int  collection_write(collection *c, const char *to, store_progress *told, void *ctx, err *e);
void collection_close(collection *c);

#endif
