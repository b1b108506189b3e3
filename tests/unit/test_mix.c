/* Which type each matrix gets: llama.cpp's rules. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "engine/model/mix.h"

static const type_mix *named(const char *name) {
    err             e = {0};
    const type_mix *m = type_mix_named("-t", name, &e);
    cr_assert_not_null(m, "%s", e.text);
    return m;
}

static const char *type_of(const char *mix, const char *tensor, size_t cols, bool tied) {
    return dtype_get(type_mix_of(named(mix), tensor, cols, 32, tied))->name;
}

Test(mix, types_by_their_names_are_for_all_matrices) {
    static const char *const tensors[] = {"token_embd.weight", "output.weight", "blk.0.attn_v.weight",
                                          "blk.31.ffn_down.weight"};
    for (int t = 0; t < DTYPE_COUNT; t++)
        for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++)
            for (int tied = 0; tied < 2; tied++)
                cr_assert_str_eq(type_of(dtype_get((dtype)t)->name, tensors[i], 512, tied), dtype_get((dtype)t)->name);
}

Test(mix, mixtures_are_llama_cpps) {
    static const struct {
        const char *mix, *tensor, *type;
    } cases[] = {
        {"q4_k_m", "output.weight", "Q6_K"},
        {"q4_k_m", "token_embd.weight", "Q4_K"},
        {"q4_k_m", "blk.3.attn_v.weight", "Q6_K"},
        {"q4_k_m", "blk.4.attn_v.weight", "Q4_K"},
        {"q4_k_m", "blk.6.ffn_down.weight", "Q6_K"},
        {"q4_k_m", "blk.28.ffn_down.weight", "Q6_K"},
        {"q4_k_m", "blk.4.attn_qkv.weight", "Q5_K"},
        {"q4_k_m", "blk.0.attn_output.weight", "Q4_K"},
        {"q5_k_m", "blk.4.ffn_down.weight", "Q5_K"},
        {"q5_k_m", "blk.3.ffn_down.weight", "Q6_K"},
        {"q5_k_m", "blk.4.attn_qkv.weight", "Q6_K"},
        {"Q3_K_M", "output.weight", "Q6_K"},
        {"q3_k_m", "blk.1.attn_v.weight", "Q5_K"},
        {"q3_k_m", "blk.2.attn_v.weight", "Q4_K"},
        {"q3_k_m", "blk.1.ffn_down.weight", "Q5_K"},
        {"q3_k_m", "blk.2.ffn_down.weight", "Q4_K"},
        {"q3_k_m", "blk.2.attn_output.weight", "Q4_K"},
        {"q3_k_m", "blk.2.attn_qkv.weight", "Q4_K"},
        {"q3_k_m", "blk.2.ffn_up.weight", "Q3_K"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_str_eq(type_of(cases[i].mix, cases[i].tensor, 512, false), cases[i].type, "%s %s", cases[i].mix,
                         cases[i].tensor);
    cr_expect_str_eq(type_of("q4_k_m", "token_embd.weight", 512, true), "Q6_K");
}

Test(mix, narrow_rows_fall_back_as_llama_cpps_do) {
    static const struct {
        const char *mix, *type;
    } cases[] = {{"q2_k", "Q4_0"},   {"q3_k", "Q4_0"},     {"q4_k", "Q5_0"},     {"q5_k", "Q5_1"},
                 {"q6_k", "Q8_0"},   {"iq4_xs", "IQ4_NL"}, {"iq4_nl", "IQ4_NL"}, {"mxfp4", "MXFP4"},
                 {"q4_k_m", "Q5_0"}, {"q3_k_m", "Q4_0"},   {"q8_0", "Q8_0"},     {"bf16", "BF16"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_str_eq(type_of(cases[i].mix, "blk.4.attn_q.weight", 576, false), cases[i].type, "%s", cases[i].mix);
        const char *odd = type_of(cases[i].mix, "blk.4.attn_q.weight", 40, false);
        cr_expect_str_eq(odd, strcmp(cases[i].mix, "bf16") == 0 ? "BF16" : "F16", "%s", cases[i].mix);
    }
    cr_expect_str_eq(type_of("q4_k_m", "output.weight", 576, false), "Q8_0");
    cr_expect_str_eq(type_of("q4_k_m", "blk.3.attn_v.weight", 576, false), "Q8_0");
}

Test(mix, unknown_names_list_the_known) {
    err e = {0};
    cr_assert_null(type_mix_named("-t", "q4_k_l", &e));
    cr_assert_eq(e.kind, ERR_INPUT);
    cr_assert(strstr(e.text, "\"q4_k_l\"") != NULL && strstr(e.text, "q3_k_m") != NULL, "%s", e.text);
}
