/* base/mem.h: memory that is there or the process ends.
 *
 * Shape    mem_new(struct thing), mem_alloc(n), mem_dup(...); free() releases
 * Errors   allocation failure aborts: the spool makes a restart safe. What a peer sizes is
 *          bounded before it comes here.
 */
#pragma once

#include <stddef.h>

/* n octets, all zero. */
void *mem_alloc(size_t n);
/* count * size octets, all zero; the product is checked. */
void *mem_array(size_t count, size_t size);
/* As realloc; new octets are not cleared. */
void *mem_resize(void *p, size_t n);
char *mem_text(const char *text);
/* A NUL-terminated copy of n octets that hold no NUL. */
char *mem_text_n(const void *at, size_t n);
/* Clears n octets so that the compiler cannot leave it out. */
void mem_wipe(void *p, size_t n);
/* Memory that is kept to be used again: AddressSanitizer, where it is built in, tells of any use between
 * the two. */
void mem_poison(void *p, size_t n);
void mem_unpoison(void *p, size_t n);

#define mem_new(type) ((type *)mem_alloc(sizeof(type)))
