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

static const char *type_in(const mix_model *m, const char *mix, const char *tensor, size_t cols) {
    return dtype_get(type_mix_of(named(mix), m, tensor, cols))->name;
}

static const char *type_of(const char *mix, const char *tensor, size_t cols, bool tied) {
    return type_in(&(mix_model){&architecture_llama, 32, 32, 8, 0, tied}, mix, tensor, cols);
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
        {"q4_k_m", "blk.3.attn_qkv.weight", "Q6_K"},
        {"q4_k_m", "blk.4.attn_qkv.weight", "Q4_K"},
        {"q4_k_m", "blk.0.attn_output.weight", "Q4_K"},
        {"q5_k_m", "blk.4.ffn_down.weight", "Q5_K"},
        {"q5_k_m", "blk.3.ffn_down.weight", "Q6_K"},
        {"q5_k_m", "blk.3.attn_qkv.weight", "Q6_K"},
        {"q5_k_m", "blk.4.attn_qkv.weight", "Q5_K"},
        {"Q3_K_M", "output.weight", "Q6_K"},
        {"q3_k_m", "blk.1.attn_v.weight", "Q5_K"},
        {"q3_k_m", "blk.2.attn_v.weight", "Q4_K"},
        {"q3_k_m", "blk.1.ffn_down.weight", "Q5_K"},
        {"q3_k_m", "blk.2.ffn_down.weight", "Q4_K"},
        {"q3_k_m", "blk.2.attn_output.weight", "Q4_K"},
        {"q3_k_m", "blk.1.attn_qkv.weight", "Q5_K"},
        {"q3_k_m", "blk.2.attn_qkv.weight", "Q4_K"},
        {"q3_k_m", "blk.2.ffn_up.weight", "Q3_K"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_str_eq(type_of(cases[i].mix, cases[i].tensor, 512, false), cases[i].type, "%s %s", cases[i].mix,
                         cases[i].tensor);
    cr_expect_str_eq(type_of("q4_k_m", "token_embd.weight", 512, true), "Q6_K");
}

/* Experts are as matrices of their layer; where there are eight of them, attention is better, too. */
Test(mix, mixtures_of_experts_are_llama_cpps) {
    static const struct {
        const char *mix, *tensor, *of_8, *of_128;
    } cases[] = {
        {"q4_k_m", "blk.3.ffn_down_exps.weight", "Q6_K", "Q6_K"},
        {"q4_k_m", "blk.4.ffn_down_exps.weight", "Q4_K", "Q4_K"},
        {"q4_k_m", "blk.3.ffn_up_exps.weight", "Q4_K", "Q4_K"},
        {"q4_k_m", "blk.3.ffn_gate_exps.weight", "Q4_K", "Q4_K"},
        {"q4_k_m", "blk.3.attn_q.weight", "Q4_K", "Q4_K"},
        {"q4_k_m", "blk.3.attn_k.weight", "Q8_0", "Q4_K"},
        {"q4_k_m", "blk.3.attn_v.weight", "Q8_0", "Q6_K"},
        {"q4_k_m", "blk.4.attn_v.weight", "Q8_0", "Q4_K"},
        {"q4_k_m", "blk.4.attn_qkv.weight", "Q8_0", "Q4_K"},
        {"q4_k_m", "blk.4.attn_output.weight", "Q5_K", "Q4_K"},
        {"q4_k_m", "output.weight", "Q6_K", "Q6_K"},
        {"q5_k_m", "blk.3.ffn_down_exps.weight", "Q6_K", "Q6_K"},
        {"q5_k_m", "blk.4.ffn_down_exps.weight", "Q5_K", "Q5_K"},
        {"q5_k_m", "blk.4.attn_k.weight", "Q8_0", "Q5_K"},
        {"q5_k_m", "blk.4.attn_output.weight", "Q5_K", "Q5_K"},
        {"q3_k_m", "blk.1.ffn_down_exps.weight", "Q5_K", "Q5_K"},
        {"q3_k_m", "blk.2.ffn_down_exps.weight", "Q4_K", "Q4_K"},
        {"q3_k_m", "blk.2.ffn_up_exps.weight", "Q3_K", "Q3_K"},
        {"q3_k_m", "blk.2.attn_k.weight", "Q8_0", "Q3_K"},
        {"q3_k_m", "blk.2.attn_v.weight", "Q8_0", "Q4_K"},
        {"q3_k_m", "blk.2.attn_output.weight", "Q5_K", "Q4_K"},
        {"q4_k", "blk.3.attn_v.weight", "Q4_K", "Q4_K"},
        {"q4_k", "blk.3.ffn_down_exps.weight", "Q4_K", "Q4_K"},
    };
    const mix_model of_8 = {&architecture_llama, 32, 32, 8, 8, false},
                    of_128 = {&architecture_qwen3moe, 32, 32, 4, 128, false};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_str_eq(type_in(&of_8, cases[i].mix, cases[i].tensor, 512), cases[i].of_8, "%s %s", cases[i].mix,
                         cases[i].tensor);
        cr_expect_str_eq(type_in(&of_128, cases[i].mix, cases[i].tensor, 512), cases[i].of_128, "%s %s", cases[i].mix,
                         cases[i].tensor);
    }
}

Test(mix, values_of_70b_models_are_better) {
    static const struct {
        mix_model   m;
        const char *type;
    } cases[] = {
        {{&architecture_llama, 80, 64, 8, 0, false}, "Q5_K"},  {{&architecture_llama, 80, 64, 64, 0, false}, "Q4_K"},
        {{&architecture_llama, 79, 64, 8, 0, false}, "Q4_K"},  {{&architecture_llama, 80, 64, 8, 8, false}, "Q8_0"},
        {{&architecture_qwen2, 80, 64, 64, 0, false}, "Q5_K"}, {{&architecture_qwen3, 80, 64, 8, 0, false}, "Q4_K"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_str_eq(type_in(&cases[i].m, "q4_k_m", "blk.10.attn_v.weight", 512), cases[i].type, "%zu", i);
        cr_expect_str_eq(type_in(&cases[i].m, "q3_k_m", "blk.10.attn_v.weight", 512), cases[i].type, "%zu", i);
        cr_expect_str_eq(type_in(&cases[i].m, "q4_k_m", "blk.10.ffn_up.weight", 512), "Q4_K", "%zu", i);
    }
    cr_expect_str_eq(type_in(&cases[0].m, "q4_k_m", "blk.12.attn_v.weight", 512), "Q6_K");
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
