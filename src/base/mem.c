#include "base/mem.h"

#include "base/require.h"

#include <stdlib.h>
#include <string.h>

#ifndef __has_feature /* gcc */
#define __has_feature(what) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

/* The C library keeps small blocks at hand for each thread, but gives them to malloc() only. Of larger
 * ones calloc() knows which are new from the kernel and zero already. */
enum { SMALL = 1024 };

void *mem_alloc(size_t n)
{
	void *p = n <= SMALL ? malloc(n ? n : 1) : calloc(1, n);

	require(p != NULL);
	return n <= SMALL ? memset(p, 0, n) : p;
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
	char *p = mem_resize(NULL, n + 1);

	if (n)
		memcpy(p, at, n);
	p[n] = '\0';
	return p;
}

void mem_wipe(void *p, size_t n)
{
	if (p)
		explicit_bzero(p, n);
}

void mem_poison(void *p, size_t n)
{
	ASAN_POISON_MEMORY_REGION(p, n);
}

void mem_unpoison(void *p, size_t n)
{
	ASAN_UNPOISON_MEMORY_REGION(p, n);
}
