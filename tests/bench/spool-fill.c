/* spool-fill: writes a spool full of messages, to measure what starts from one.
 *
 * spool-fill DIR COUNT OCTETS [RECIPIENTS]
 *
 * COUNT messages of OCTETS each, in the spool DIR (which is made when it is missing), through the spool's own
 * interface: what a daemon finds there is what a daemon had written.
 */
#include "base/mem.h"
#include "queue/envelope.h"
#include "spool/log.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

enum { AT_ONCE = 4096 };

struct item {
	struct spool_write write;
	struct buf envelope, content;
};

struct fill {
	struct spool *spool;
	size_t octets;
	unsigned recipients;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	unsigned under_way;
	uint64_t failed;
	struct fault fault;
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void post(void *home, struct work *work)
{
	struct fill *f = home;
	struct item *item = work_entry(work, struct item, write.done);

	pthread_mutex_lock(&f->lock);
	if (item->write.status < 0) {
		f->failed++;
		f->fault = item->write.fault;
	}
	if (--f->under_way == 0)
		pthread_cond_signal(&f->wake);
	pthread_mutex_unlock(&f->lock);
}

static void put_envelope(const struct fill *f, uint64_t id, struct buf *out)
{
	struct envelope e = {
		.qid = id,
		.sid = id,
		.account = mem_text("filler"),
		.sender = mem_text("filler@example.org"),
		.envid = mem_text(""),
		.arrived_ms = now_ms(),
		.size = f->octets,
		.header_octets = f->octets < 64 ? 0 : 64,
	};

	for (unsigned i = 0; i < f->recipients; i++) {
		char mailbox[64];

		snprintf(mailbox, sizeof(mailbox), "r%u.%" PRIu64 "@example.net", i, id % 100000);
		envelope_add_recipient(&e, span_text(mailbox), NULL);
	}
	envelope_encode(&e, out);
	envelope_fini(&e);
}

static void put_content(const struct fill *f, uint64_t id, struct buf *out)
{
	buf_printf(out, "Subject: %024" PRIu64 "\r\nX-Filled: 0000000000000000\r\n\r\n", id);
	while (out->len < f->octets)
		buf_put_text(out, "The same words on each line, and no sense in any of them.\r\n");
	out->len = f->octets;
}

static void put_item(struct fill *f, struct item *item)
{
	item->write = (struct spool_write){
		.home = f,
		.kind = SPOOL_COMMIT,
		.id = spool_new_id(f->spool),
	};
	buf_clear(&item->envelope);
	buf_clear(&item->content);
	put_envelope(f, item->write.id, &item->envelope);
	put_content(f, item->write.id, &item->content);
	item->write.content = buf_span(&item->content);
	item->write.record = buf_span(&item->envelope);
	spool_put(f->spool, &item->write);
}

static void fill(struct fill *f, uint64_t count)
{
	struct item *items = mem_array(AT_ONCE, sizeof(*items));

	while (count && f->failed == 0) {
		unsigned n = count < AT_ONCE ? (unsigned)count : AT_ONCE;

		f->under_way = n;
		for (unsigned i = 0; i < n; i++)
			put_item(f, &items[i]);
		pthread_mutex_lock(&f->lock);
		while (f->under_way)
			pthread_cond_wait(&f->wake, &f->lock);
		pthread_mutex_unlock(&f->lock);
		count -= n;
	}
	for (unsigned i = 0; i < AT_ONCE; i++) {
		buf_fini(&items[i].envelope);
		buf_fini(&items[i].content);
	}
	free(items);
}

int main(int argc, char **argv)
{
	struct fill f = { .recipients = 1 };
	struct spool_conf conf = { .post = post };
	struct fault fault = { 0 };
	int64_t begun = now_ms();
	uint64_t count;

	if (argc < 4) {
		fputs("Usage: spool-fill DIR COUNT OCTETS [RECIPIENTS]\n", stderr);
		return EX_USAGE;
	}
	conf.dir = argv[1];
	count = strtoull(argv[2], NULL, 10);
	f.octets = strtoull(argv[3], NULL, 10);
	if (f.octets > SPOOL_CHUNK_MAX)
		f.octets = SPOOL_CHUNK_MAX;
	if (argc > 4)
		f.recipients = (unsigned)strtoul(argv[4], NULL, 10);
	pthread_mutex_init(&f.lock, NULL);
	pthread_cond_init(&f.wake, NULL);
	f.spool = spool_open(&conf, &fault);
	if (f.spool == NULL) {
		fprintf(stderr, "spool-fill: %s\n", fault.text);
		return EX_IOERR;
	}
	fill(&f, count);
	spool_close(&f.spool);
	if (f.failed) {
		fprintf(stderr, "spool-fill: %s\n", f.fault.text);
		return EX_IOERR;
	}
	printf("%" PRIu64 " messages of %zu octets in %.1f s\n", count, f.octets,
	       (double)(now_ms() - begun) / 1000);
	return EX_OK;
}
