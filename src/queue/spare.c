/* queue/spare.c: the memory of large contents that are gone, for those to come: blocks of that size, given
 * back and asked for anew each time, cost more in page faults than what is put into them.
 */
#include "inside.h"

#include "base/mem.h"

void queue_lend(struct queue *queue, struct buf *memory)
{
	if (queue->spares == 0)
		return;
	*memory = queue->spare[--queue->spares];
	mem_unpoison(memory->at, memory->cap);
}

void queue_take_back(struct queue *queue, struct buf *memory)
{
	if (queue->spares == QUEUE_SPARES || memory->cap != QUEUE_SPARE_OCTETS) {
		buf_fini(memory);
		return;
	}
	buf_clear(memory);
	mem_poison(memory->at, memory->cap);
	queue->spare[queue->spares++] = *memory;
	*memory = (struct buf){ 0 };
}

void queue_spares_fini(struct queue *queue)
{
	while (queue->spares)
		buf_fini(&queue->spare[--queue->spares]);
}
