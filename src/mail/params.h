/* mail/params.h: the parameters of Content-Type and Content-Disposition, written anew.
 *
 * Shape    value: unfolded, from behind the colon, or behind a cut in it
 * Source   RFC 2231 3. (pieces), 4. (character sets), 7. (grammar)
 *
 * A parameter beyond ASCII is written in the form of RFC 2231; the others stay as they are. A value
 * without quotes goes up to the next ";": "filename=Größe 1.pdf" is common.
 */
#pragma once

#include "words.h"

void mail_params_put(struct mail_words *w, struct span value);
