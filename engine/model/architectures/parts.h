/* parts.h - the words in which architectures are described: keys and tensors that many of them have.
 *
 *     attention      norm, query, key, value (whole or one by one), output
 *     feed-forward   norm, gate, up, down, or a router and experts of these
 */
#ifndef ENGINE_MODEL_ARCHITECTURES_PARTS_H
#define ENGINE_MODEL_ARCHITECTURES_PARTS_H

#include "engine/model/model.h"

#define COUNT(list)  (sizeof(list) / sizeof *(list))
#define SIZE(member) offsetof(model_shape, member)
#define OF_MODEL(m)  offsetof(model, m)
#define OF_LAYER(m)  offsetof(layer_weights, m)

#define VECTOR(name_, cols_, at, ...)                                                                                  \
    { .name = (name_), .kind = TENSOR_VECTOR, .rows = EXTENT_ONE, .cols = EXTENT_##cols_, .member = (at), __VA_ARGS__ }
#define MATRIX(name_, rows_, cols_, at, ...)                                                                           \
    {                                                                                                                  \
        .name = (name_), .kind = TENSOR_MATRIX, .rows = EXTENT_##rows_, .cols = EXTENT_##cols_, .member = (at),        \
        __VA_ARGS__                                                                                                    \
    }
#define NORM(name_, cols_, at) VECTOR(name_, cols_, at, .around = 1)
#define STACK(name_, rows_, cols_, at)                                                                                 \
    {                                                                                                                  \
        .name = (name_), .kind = TENSOR_STACK, .rows = EXTENT_##rows_, .cols = EXTENT_##cols_, .member = (at),         \
        .need = NEED_EXPERTS                                                                                           \
    }

/* ---- of the model -------------------------------------------------------------------------------------- */

#define EMBEDDING                                                                                                      \
    {.name = "token_embd.weight",                                                                                      \
     .kind = TENSOR_TABLE,                                                                                             \
     .rows = EXTENT_VOCAB,                                                                                             \
     .cols = EXTENT_DIM,                                                                                               \
     .member = OF_MODEL(embed)},                                                                                       \
        NORM("output_norm.weight", DIM, OF_MODEL(norm))
#define OUTPUT         MATRIX("output.weight", VOCAB, DIM, OF_MODEL(output))
#define OUTPUT_OR_TIED MATRIX("output.weight", VOCAB, DIM, OF_MODEL(output), .fallback = "token_embd.weight")
#define ROPE_FACTORS   VECTOR("rope_freqs.weight", PAIRS, OF_MODEL(rope_factors), .around = 1, .need = NEED_OPTIONAL)

/* ---- of a layer ---------------------------------------------------------------------------------------- */

#define PRE_NORMS NORM("attn_norm.weight", DIM, OF_LAYER(attn_norm)), NORM("ffn_norm.weight", DIM, OF_LAYER(ffn_norm))
#define POST_NORMS                                                                                                     \
    NORM("post_attention_norm.weight", DIM, OF_LAYER(attn_post_norm)),                                                 \
        NORM("post_ffw_norm.weight", DIM, OF_LAYER(ffn_post_norm))
#define HEAD_NORMS                                                                                                     \
    NORM("attn_q_norm.weight", HEAD, OF_LAYER(q_norm)), NORM("attn_k_norm.weight", HEAD, OF_LAYER(k_norm))
#define ROW_NORMS                                                                                                      \
    NORM("attn_q_norm.weight", HEADS, OF_LAYER(q_norm)), NORM("attn_k_norm.weight", KV_HEADS, OF_LAYER(k_norm))

#define QKV_WHOLE(what, ...) .whole = "attn_qkv." what, .before = {__VA_ARGS__}
#define ATTENTION                                                                                                      \
    MATRIX("attn_q.weight", HEADS, DIM, OF_LAYER(wq), .whole = "attn_qkv.weight"),                                     \
        MATRIX("attn_k.weight", KV_HEADS, DIM, OF_LAYER(wk), QKV_WHOLE("weight", EXTENT_HEADS)),                       \
        MATRIX("attn_v.weight", KV_HEADS, DIM, OF_LAYER(wv), QKV_WHOLE("weight", EXTENT_HEADS, EXTENT_KV_HEADS)),      \
        MATRIX("attn_output.weight", DIM, HEADS, OF_LAYER(wo))
#define QKV_BIASES(need_)                                                                                              \
    VECTOR("attn_q.bias", HEADS, OF_LAYER(q_bias), .need = (need_), .whole = "attn_qkv.bias"),                         \
        VECTOR("attn_k.bias", KV_HEADS, OF_LAYER(k_bias), .need = (need_), QKV_WHOLE("bias", EXTENT_HEADS)),           \
        VECTOR("attn_v.bias", KV_HEADS, OF_LAYER(v_bias), .need = (need_),                                             \
               QKV_WHOLE("bias", EXTENT_HEADS, EXTENT_KV_HEADS))
#define OTHER_BIASES                                                                                                   \
    VECTOR("attn_output.bias", DIM, OF_LAYER(o_bias), .need = NEED_OPTIONAL),                                          \
        VECTOR("ffn_gate.bias", FFN, OF_LAYER(gate_bias), .need = NEED_OPTIONAL_DENSE),                                \
        VECTOR("ffn_up.bias", FFN, OF_LAYER(up_bias), .need = NEED_OPTIONAL_DENSE),                                    \
        VECTOR("ffn_down.bias", DIM, OF_LAYER(down_bias), .need = NEED_OPTIONAL_DENSE)

#define FEED_FORWARD                                                                                                   \
    MATRIX("ffn_gate.weight", FFN, DIM, OF_LAYER(gate), .need = NEED_DENSE),                                           \
        MATRIX("ffn_up.weight", FFN, DIM, OF_LAYER(up), .need = NEED_DENSE),                                           \
        MATRIX("ffn_down.weight", DIM, FFN, OF_LAYER(down), .need = NEED_DENSE)
#define EXPERTS                                                                                                        \
    MATRIX("ffn_gate_inp.weight", EXPERTS, DIM, OF_LAYER(router), .need = NEED_EXPERTS),                               \
        STACK("ffn_gate_exps.weight", EXPERT, DIM, OF_LAYER(gates)),                                                   \
        STACK("ffn_up_exps.weight", EXPERT, DIM, OF_LAYER(ups)),                                                       \
        STACK("ffn_down_exps.weight", DIM, EXPERT, OF_LAYER(downs))

/* ---- the lists of an architecture ---------------------------------------------------------------------- */

#define SIZES(list) .sizes = (list), .n_sizes = COUNT(list)
#define REALS(list) .reals = (list), .n_reals = COUNT(list)
#define TENSORS(of_model, of_layer)                                                                                    \
    .tensors = (of_model), .n_tensors = COUNT(of_model), .layer_tensors = (of_layer), .n_layer_tensors = COUNT(of_layer)

#endif
