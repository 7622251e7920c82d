/* auth/wiping.h (private): has Cyrus SASL wipe what it frees: responses and passwords among it.
 *
 * Thread   before any other function of Cyrus's; a second call does nothing new
 */
#pragma once

void wiping_install(void);
