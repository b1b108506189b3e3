/* config_check.h - checks across values: keys, or sections, that contradict each other. */
#ifndef EXPERIMENTS_CONFIG_CHECK_H
#define EXPERIMENTS_CONFIG_CHECK_H

#include "experiments/ini/inifile.h"
#include "experiments/sweep/config.h"

/* Refuses keys that do not go with the model's target, and missing ones that it requires. */
int config_check_model(const ini_section *s, const model_config *m, err *e);

/* Checks targets against data and rules against targets, and refuses sections that would make a cell twice. */
int config_check(const config *c, err *e);

#endif
