#include "base/mem.h"

#include "base/require.h"

#include <stdlib.h>
#include <string.h>

void *mem_alloc(size_t n)
{
	void *p = calloc(1, n ? n : 1);

	require(p != NULL);
	return p;
}

void *mem_array(size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size ? size : 1);

	require(p != NULL);
	return p;
}

void *mem_resize(void *p, size_t n)
{
	void *q = realloc(p, n ? n : 1);

	require(q != NULL);
	return q;
}

char *mem_text(const char *text)
{
	return mem_text_n(text, strlen(text));
}

char *mem_text_n(const void *at, size_t n)
{
	char *p = mem_alloc(n + 1);

	if (n)
		memcpy(p, at, n);
	return p;
}

void mem_wipe(void *p, size_t n)
{
	if (p)
		explicit_bzero(p, n);
}
