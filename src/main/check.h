/* main/check.h: what can only be judged on the machine: files, keys, users, directories.
 *
 * Shape    check_conf(conf) tries everything that the running daemon will need, each as the user who
 *          will need it, in a process of its own
 * Errors   each() is told every fault found, not only the first; returns their number
 */
#pragma once

#include "base/fault.h"
#include "conf/conf.h"

unsigned check_conf(const char *file, const struct conf *conf,
		    void (*each)(void *arg, const char *text), void *arg);
