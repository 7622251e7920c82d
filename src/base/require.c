#include "base/require.h"

#include <stdio.h>
#include <stdlib.h>

void require_failed(const char *file, int line, const char *cond)
{
	fprintf(stderr, "<2>event=bug at=%s:%d require=\"%s\"\n", file, line, cond);
	abort();
}
