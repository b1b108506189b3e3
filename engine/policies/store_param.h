/* store_param.h - a datastore that is a policy's parameter. */
#ifndef ENGINE_POLICIES_STORE_PARAM_H
#define ENGINE_POLICIES_STORE_PARAM_H

#include "engine/policies/index/automaton.h"
#include "engine/policies/index/datastore.h"
#include "engine/policies/policy.h"

/* Opens the file of a parameter; of "none" nothing, which is no error. ERR_INPUT when it is of another vocabulary than
 * the policy's. Close it afterwards, also after an error. */
int store_param_open(const policy *p, size_t param, datastore *s, err *e);

/* An automaton of the documents of such a file, one sequence each; of "none" an empty one. Free it afterwards, also
 * after an error. */
int store_param_automaton(const policy *p, size_t param, automaton *a, err *e);

#endif
