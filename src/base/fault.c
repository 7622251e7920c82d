#include "base/fault.h"

#include <stdio.h>
#include <string.h>

int fault_set(struct fault *fault, int code, const char *fmt, ...)
{
	va_list ap;

	if (fault == NULL)
		return code;
	fault->code = code;
	va_start(ap, fmt);
	vsnprintf(fault->text, sizeof(fault->text), fmt, ap);
	va_end(ap);
	return code;
}

void fault_prefix(struct fault *fault, const char *fmt, ...)
{
	char old[sizeof(fault->text)];
	va_list ap;
	size_t n;

	if (fault == NULL)
		return;
	memcpy(old, fault->text, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(fault->text, sizeof(fault->text), fmt, ap);
	va_end(ap);
	n = strlen(fault->text);
	snprintf(fault->text + n, sizeof(fault->text) - n, "%s", old);
}
