/* tests/unit/test.h: what every unit test includes: cmocka, and a runner for tables of cases. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/span.h"

#define assert_span_text(s, t)                                                                     \
	do {                                                                                       \
		struct span span_ = (s);                                                           \
		const char *text_ = (t);                                                           \
		assert_int_equal(span_.len, strlen(text_));                                        \
		if (span_.len)                                                                     \
			assert_memory_equal(span_.at, text_, span_.len);                           \
	} while (0)
