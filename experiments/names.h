/* names.h - policies, rules and targets by the names that a user gives. */
#ifndef EXPERIMENTS_NAMES_H
#define EXPERIMENTS_NAMES_H

#include "engine/engine.h"

/* NULL and an ERR_INPUT "WHERE: unknown ..." that lists the known names when there is none of this name. */
const policy_ops *policy_named(const char *where, const char *name, err *e);
const rule_ops   *rule_named(const char *where, const char *name, err *e);
const target_ops *target_named(const char *where, const char *name, err *e);

#endif
