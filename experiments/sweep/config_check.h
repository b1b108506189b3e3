/* config_check.h - what no single value shows: keys that contradict each other, and sections that do. */
#ifndef EXPERIMENTS_CONFIG_CHECK_H
#define EXPERIMENTS_CONFIG_CHECK_H

#include "experiments/ini/inifile.h"
#include "experiments/sweep/config.h"

/* Keys that do not go with the model's target, or are missing for it. */
int config_check_model(const ini_section *s, const model_config *m, err *e);

/* Targets against data, rules against targets, sections that would make a cell twice. */
int config_check(const config *c, err *e);

#endif
