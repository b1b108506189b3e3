/* tree.c - the order in which a tree's tokens enter the cache (numerics.md, "Trees").
 *
 * Tokens of one depth share a position, and the cache has one place for it. So in each layer they enter it depth first.
 * A token is attended while its path is in place. Its descendants overwrite deeper places only; its next sibling takes
 * its own. Tokens that follow each other down a path are attended together. With the tree
 *
 *     0 ── 1 ── 3            depth    0  1  2       places in the cache after each group
 *     └─── 2 ── 4            0 1 3:   0  1  3
 *                            2 4:     0  2  4
 *
 * Keys and values of all tokens are kept beside the cache until the next pass, for the path that stands, and for trees
 * of more than one batch, whose tokens may come below a path that has left the cache.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/model/transformer_impl.h"

static size_t most_tokens(const transformer *t) {
    return t->context < TREE_CAP ? t->context : TREE_CAP;
}

/* Only drafts that branch need it: a model's keys and values of a thousand tokens can be a gigabyte. */
static int allocate_tree(transformer *t, err *e) {
    const model_shape *s = &t->m->shape;
    token_tree        *tree = &t->tree;
    size_t             most = most_tokens(t), width = s->n_layers * kv_dim(s); /* touched only as trees need it */
    if ((tree->parent == NULL && (tree->parent = mem_new(most, sizeof *tree->parent, e)) == NULL) ||
        (tree->depth == NULL && (tree->depth = mem_new(most, sizeof *tree->depth, e)) == NULL) ||
        (tree->order == NULL && (tree->order = mem_new(most, sizeof *tree->order, e)) == NULL) ||
        (tree->placed == NULL && (tree->placed = mem_new(most, sizeof *tree->placed, e)) == NULL) ||
        (tree->keys == NULL && (tree->keys = mem_new(most, width * sizeof *tree->keys, e)) == NULL) ||
        (tree->values == NULL && (tree->values = mem_new(most, width * sizeof *tree->values, e)) == NULL))
        return -1;
    return 0;
}

void tree_close(transformer *t) {
    free(t->tree.parent);
    free(t->tree.depth);
    free(t->tree.order);
    free(t->tree.placed);
    free(t->tree.keys);
    free(t->tree.values);
}

/* Fills order: a token, then the subtrees of its children as they were given. */
static void order_depth_first(token_tree *tree) {
    int32_t size[TREE_CAP];           /* of each token's subtree */
    int32_t next[TREE_CAP + 1] = {0}; /* by parent + 1: where its next child's subtree goes */
    for (size_t i = 0; i < tree->n; i++) size[i] = 1;
    for (size_t i = tree->n; i-- > 0;)
        if (tree->parent[i] >= 0) size[tree->parent[i]] += size[i];
    for (size_t i = 0; i < tree->n; i++) {
        int32_t place = next[tree->parent[i] + 1];
        tree->order[place] = (int32_t)i;
        next[tree->parent[i] + 1] += size[i];
        next[i + 1] = place + 1;
    }
}

int tree_begin(transformer *t, const int32_t *parent, size_t n, size_t *positions, err *e) {
    token_tree *tree = &t->tree;
    size_t      room = t->context - t->length;
    tree->n = 0;
    *positions = 0;
    if (n == 0 || n > most_tokens(t))
        return err_input(e, "a tree of %zu tokens is not allowed (1 to %zu)", n, most_tokens(t));
    if (allocate_tree(t, e) != 0) return -1;
    for (size_t i = 0; i < n; i++) {
        if (parent[i] < -1 || parent[i] >= (int32_t)i)
            return err_input(e, "token %zu of a tree is below token %d (parents come first)", i, (int)parent[i]);
        size_t depth = parent[i] < 0 ? 0 : (size_t)tree->depth[parent[i]] + 1;
        if (depth >= room)
            return err_input(e, "a path of %zu tokens after %zu does not fit into a context of %zu", depth + 1,
                             t->length, t->context);
        tree->parent[i] = parent[i];
        tree->depth[i] = (int32_t)depth;
        if (depth >= *positions) *positions = depth + 1;
    }
    tree->n = n;
    order_depth_first(tree);
    return 0;
}

static size_t stored_at(const transformer *t, size_t token, size_t layer) {
    return (token * t->m->shape.n_layers + layer) * kv_dim(&t->m->shape);
}

static void place(transformer *t, size_t layer, int32_t token) {
    size_t at = stored_at(t, (size_t)token, layer), depth = (size_t)t->tree.depth[token];
    cache_put(t, layer, t->length + depth, t->tree.keys + at, t->tree.values + at);
    t->tree.placed[depth] = token;
}

/* Places the tokens above one that are not there; *deep tokens are. */
static void place_path(transformer *t, size_t layer, int32_t token, size_t *deep) {
    const token_tree *tree = &t->tree;
    size_t            depth = (size_t)tree->depth[token], shared = depth;
    int32_t           path[TREE_CAP];
    for (int32_t above = tree->parent[token]; shared > 0; shared--, above = tree->parent[above]) {
        if (shared <= *deep && tree->placed[shared - 1] == above) break;
        path[shared - 1] = above;
    }
    for (size_t i = shared; i < depth; i++) place(t, layer, path[i]);
    *deep = depth;
}

void tree_attend(transformer *t, size_t layer, size_t n) {
    const token_tree *tree = &t->tree;
    size_t            width = kv_dim(&t->m->shape), deep = 0;
    int32_t           first = (int32_t)tree->at, end = first + (int32_t)n;
    for (size_t i = 0; i < n; i++) {
        size_t at = stored_at(t, tree->at + i, layer);
        memcpy(tree->keys + at, t->k + i * width, width * sizeof(float));
        memcpy(tree->values + at, t->v + i * width, width * sizeof(float));
    }
    int32_t group[BATCH]; /* indices in the batch */
    size_t  count = 0;
    for (size_t i = 0; i < tree->n; i++) {
        int32_t token = tree->order[i];
        if (token < first || token >= end) continue;
        if (count > 0 && tree->parent[token] != group[count - 1] + first) {
            attend(t, layer, group, count, t->length + deep - count);
            count = 0;
        }
        if (count == 0) place_path(t, layer, token, &deep);
        place(t, layer, token);
        deep++;
        group[count++] = token - first;
    }
    attend(t, layer, group, count, t->length + deep - count);
}

void transformer_keep(transformer *t, const int32_t *path, size_t n) {
    assert(n <= t->tree.n);
    for (size_t i = 0; i < n; i++) assert(t->tree.parent[path[i]] == (i > 0 ? path[i - 1] : -1));
    for (size_t layer = 0; layer < t->m->shape.n_layers; layer++)
        for (size_t i = 0; i < n; i++) place(t, layer, path[i]);
    t->length += n;
    t->tree.n = 0;
}
