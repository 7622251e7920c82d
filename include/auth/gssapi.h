/* auth/gssapi.h: whether GSSAPI can be offered on this machine.
 *
 * Shape    one question, for who checks a configuration
 * Thread   of a process that serves nobody and does not come back to Cyrus SASL: both libraries keep state
 * Errors   -ENOENT, no plug-in of Cyrus's; -EACCES and the like, the keytab cannot be read; -ENOKEY, it
 *          holds no key. Whether it holds that of our name is seen at a login: names may have to be
 *          looked up for that
 */
#pragma once

#include "base/fault.h"

/* keytab "": the system's. */
int auth_gssapi_check(const char *keytab, struct fault *fault);
