/* main/load.h: finding and reading the configuration.
 *
 * Shape    FILE first, then conf.d/NAME.conf beside it in the order of the names
 * Thread   one at a time, as conf_parse()
 * Errors   the path and what to do: missing, not readable, not a file, over 1 MiB in all, a NUL
 *          octet; or those of conf_parse()
 */
#pragma once

#include "conf/conf.h"

#define LOAD_DEFAULT_FILE "/etc/postern/postern.conf"

/* NULL and a fault on failure. The default of `hostname` is the machine's. */
struct conf *load_conf(const char *file, struct fault *fault);
