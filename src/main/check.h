/* main/check.h: what can only be judged on the machine: files, keys, users, directories.
 *
 * Shape    check_conf(conf) tries everything that the running daemon will need, each as the user who
 *          will need it, in a process of its own
 * Errors   each() is told every fault found, not only the first, and every warning ("warning: ...");
 *          returns the number of faults
 */
#pragma once

#include "base/fault.h"
#include "conf/conf.h"

unsigned check_conf(const struct conf *conf, void (*each)(void *arg, const char *text), void *arg);
