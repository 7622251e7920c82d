/* src/conf/check.h: what must hold between values, as far as the text alone tells. */
#pragma once

#include "read.h"

/* file: the main file, for what is missing; reading: where each setting stands. */
int conf_check(const struct conf *conf, const char *file, const struct conf_reading *reading,
	       struct fault *fault);

/* Where a key of a section without a title ("": outside all sections) is set last; line 1 of `file`
 * when it is not set. */
struct conf_place conf_place_of(const struct conf_reading *reading, const char *section,
				const char *key, const char *file);
