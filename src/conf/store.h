/* src/conf/store.h: the memory behind one struct conf.
 *
 * Owns     every block it handed out, until conf_store_free()
 */
#pragma once

#include <stddef.h>

struct conf_store;

struct conf_store *conf_store_new(void);
void conf_store_free(struct conf_store **store);
/* n octets, all zero. */
void *conf_store_alloc(struct conf_store *store, size_t n);
char *conf_store_text(struct conf_store *store, const char *text);
