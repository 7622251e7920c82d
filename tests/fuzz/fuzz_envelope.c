/* Records of the queue, as a damaged or foreign spool might hold them: what is decoded is whole, comes
 * back the same when it is written again, and fits into what the queue keeps of it. */
#include "base/require.h"
#include "queue/envelope.h"

#include "pack.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_strings(const struct envelope *e)
{
	char *at = malloc(envelope_strings_octets(e));
	struct envelope_recipient *places = calloc(e->recipient_count + 1, sizeof(*places));
	struct envelope view = { .recipient_count = e->recipient_count };

	envelope_strings_put(e, at);
	envelope_strings_view(at, places, &view);
	require(strcmp(view.sender, e->sender) == 0 && strcmp(view.envid, e->envid) == 0);
	for (size_t i = 0; i < e->recipient_count; i++)
		require(strcmp(places[i].address, e->recipients[i].address) == 0 &&
			strcmp(places[i].orcpt, e->recipients[i].orcpt) == 0 &&
			places[i].notify == e->recipients[i].notify);
	free(places);
	free(at);
}

static void check_envelope(struct span in)
{
	struct buf once = { 0 }, twice = { 0 };
	struct envelope e, again;

	if (envelope_decode(in, &e))
		return;
	envelope_encode(&e, &once);
	require(envelope_decode(buf_span(&once), &again) == 0);
	envelope_encode(&again, &twice);
	require(span_eq(buf_span(&once), buf_span(&twice)));
	check_strings(&e);
	envelope_fini(&e);
	envelope_fini(&again);
	buf_fini(&once);
	buf_fini(&twice);
}

static void check_pack(const struct delivery *d, struct span record)
{
	struct pack_scratch scratch = { 0 };
	struct delivery_pack *pack = delivery_pack(d);
	struct delivery view = delivery_pack_view(pack, d->recipient_count, &scratch);
	struct buf out = { 0 };

	view.is_held = d->is_held;
	view.is_warned = d->is_warned;
	delivery_encode(&view, &out);
	require(span_eq(buf_span(&out), record));
	buf_fini(&out);
	free(pack);
	pack_scratch_fini(&scratch);
}

static void check_delivery(struct span in)
{
	struct buf once = { 0 };
	struct delivery d, again;

	if (delivery_decode(in, &d))
		return;
	require(d.try_count <= DELIVERY_TRIES_MOST);
	delivery_encode(&d, &once);
	require(delivery_decode(buf_span(&once), &again) == 0);
	check_pack(&d, buf_span(&once));
	delivery_fini(&d);
	delivery_fini(&again);
	buf_fini(&once);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);

	check_envelope(in);
	check_delivery(in);
	return 0;
}
