#include "index.h"

#include "base/mem.h"
#include "base/require.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_MESSAGES = 4096, HEADS_AT_FIRST = 1024 };

_Static_assert(sizeof(struct message) == 64, "a message in the index is one cache line");

/* Handles count from 1, so that 0 is none. */
static struct message *at_handle(const struct index *index, uint32_t handle)
{
	return &index->blocks[(handle - 1) / BLOCK_MESSAGES][(handle - 1) % BLOCK_MESSAGES];
}

void index_init(struct index *index)
{
	*index = (struct index){ .head_count = HEADS_AT_FIRST };
	index->heads = mem_array(index->head_count, sizeof(uint32_t));
}

void index_fini(struct index *index)
{
	struct message *m;
	size_t at = 0;

	while ((m = index_next(index, &at)) != NULL)
		if (m->chunks > 1)
			free(m->content.many);
	for (size_t i = 0; i < index->block_count; i++)
		free(index->blocks[i]);
	free(index->blocks);
	free(index->heads);
	*index = (struct index){ 0 };
}

/* Ids are close together in their high bits: multiply and take the upper half. */
static uint32_t *head_of(const struct index *index, uint64_t id)
{
	uint64_t hash = id * 0x9E3779B97F4A7C15u;

	return &index->heads[(hash >> 32) & (index->head_count - 1)];
}

struct message *index_find(const struct index *index, uint64_t id)
{
	for (uint32_t h = *head_of(index, id); h; h = at_handle(index, h)->next)
		if (at_handle(index, h)->id == id)
			return at_handle(index, h);
	return NULL;
}

static void grow_heads(struct index *index)
{
	uint32_t *old = index->heads;
	size_t old_count = index->head_count;

	index->head_count *= 2;
	index->heads = mem_array(index->head_count, sizeof(uint32_t));
	for (size_t i = 0; i < old_count; i++) {
		for (uint32_t h = old[i], next; h; h = next) {
			struct message *m = at_handle(index, h);
			uint32_t *head = head_of(index, m->id);

			next = m->next;
			m->next = *head;
			*head = h;
		}
	}
	free(old);
}

static void add_block(struct index *index)
{
	uint32_t first = (uint32_t)(index->block_count * BLOCK_MESSAGES) + 1;

	require(index->block_count < UINT32_MAX / BLOCK_MESSAGES - 1);
	index->blocks =
		mem_resize(index->blocks, (index->block_count + 1) * sizeof(struct message *));
	index->blocks[index->block_count++] = mem_array(BLOCK_MESSAGES, sizeof(struct message));
	for (uint32_t h = first + BLOCK_MESSAGES; h-- > first;) {
		at_handle(index, h)->next = index->free_first;
		index->free_first = h;
	}
}

struct message *index_add(struct index *index, uint64_t id)
{
	struct message *m;
	uint32_t handle, *head;

	require(id != 0);
	if (index->count >= index->head_count)
		grow_heads(index);
	if (index->free_first == 0)
		add_block(index);
	handle = index->free_first;
	m = at_handle(index, handle);
	index->free_first = m->next;
	head = head_of(index, id);
	*m = (struct message){ .id = id, .next = *head };
	*head = handle;
	index->count++;
	return m;
}

void index_remove(struct index *index, struct message **message)
{
	struct message *m = *message;
	uint32_t *link = head_of(index, m->id), handle;

	while (at_handle(index, *link) != m)
		link = &at_handle(index, *link)->next;
	handle = *link;
	*link = m->next;
	if (m->chunks > 1)
		free(m->content.many);
	*m = (struct message){ .next = index->free_first };
	index->free_first = handle;
	index->count--;
	*message = NULL;
}

struct message *index_next(const struct index *index, size_t *at)
{
	while (*at < index->block_count * BLOCK_MESSAGES) {
		struct message *m = at_handle(index, (uint32_t)++ * at);

		if (m->id)
			return m;
	}
	return NULL;
}

struct message *index_at(const struct index *index, uint32_t handle)
{
	return at_handle(index, handle);
}

uint32_t *index_live(const struct index *index, size_t *count)
{
	uint32_t *handles = mem_array(index->count + 1, sizeof(*handles));
	const struct message *m;
	size_t at = 0;

	*count = 0;
	while ((m = index_next(index, &at)) != NULL)
		if (m->state == MESSAGE_LIVE)
			handles[(*count)++] = (uint32_t)at;
	return handles;
}

struct place *message_chunk(struct message *message, uint32_t part)
{
	require(part < message->chunks);
	return message->chunks > 1 ? &message->content.many[part] : &message->content.one;
}

static size_t power_of_two_from(size_t n)
{
	size_t power = 1;

	while (power < n)
		power *= 2;
	return power;
}

struct place *message_make_chunk(struct message *message, uint32_t part)
{
	size_t old = message->chunks, count = (size_t)part + 1;

	if (count > old) {
		struct place *many = old > 1 ? message->content.many : NULL;
		struct place one = message->content.one;
		size_t cap = power_of_two_from(count);

		if (count > 1 && (many == NULL || cap != power_of_two_from(old)))
			many = mem_resize(many, cap * sizeof(struct place));
		if (old == 1 && count > 1)
			many[0] = one;
		if (many) {
			memset(many + old, 0, (count - old) * sizeof(struct place));
			message->content.many = many;
		}
		message->chunks = (unsigned)count & 0x1FFFFFFF;
	}
	return message_chunk(message, part);
}
