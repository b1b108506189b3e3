/* engine.h - everything a program needs from the engine.
 *
 * Who owns what: a model owns its file and tokenizer and is shared; a target, a policy and a rule belong to
 * one decoding at a time, and serve many one after another; a draft, its verdict and the rows of a pass are borrowed
 * for one step; a trace belongs to its caller. Nothing here prints or exits.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "engine/base/clock.h"
#include "engine/base/digest.h"
#include "engine/base/err.h"
#include "engine/base/mem.h"
#include "engine/base/param.h"
#include "engine/base/rng.h"
#include "engine/base/tokens.h"
#include "engine/compare.h"
#include "engine/decode.h"
#include "engine/draft.h"
#include "engine/gguf/gguf.h"
#include "engine/kernels/kernels.h"
#include "engine/model/model.h"
#include "engine/model/transformer.h"
#include "engine/policies/policy.h"
#include "engine/rules/logits.h"
#include "engine/rules/rule.h"
#include "engine/target/rows.h"
#include "engine/target/target.h"
#include "engine/tokenizer/tokenizer.h"

#endif
