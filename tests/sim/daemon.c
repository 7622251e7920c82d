#include "daemon.h"

#include "base/id.h"
#include "base/mem.h"
#include "committer.h"
#include "io.h"
#include "ledger.h"

#include <stdlib.h>

enum { FINISH_MS = 10 * 1000, HOUR_MS = 3600 * 1000 };

struct daemon the_daemon;

static struct {
	struct spool_disk calls;
	struct lane *reads, *lookups;
	struct log *log;
	struct counters counters;
	struct relay *relays[SHARDS_MOST];
	struct relay_limit *limits[SMARTHOSTS_MOST];
	_Atomic int64_t memory;
	struct event committer;
	bool is_hurried; /* it runs soon, as far as it matters */
	unsigned found, ending;
	void (*stopped)(void);
	struct event stop;
} in;

static struct daemon *const d = &the_daemon;

/* Settings */

static void draw_retries(struct queue_conf *conf)
{
	conf->expire_ms = once_in(4) ? 5 * 24 * HOUR_MS : pick_between(HOUR_MS / 2, 24 * HOUR_MS);
	conf->retry_count = (unsigned)pick_between(1, 5);
	for (unsigned i = 0; i < conf->retry_count; i++)
		conf->retry_ms[i] =
			i + 1 < conf->retry_count
				? pick_between(1000, conf->expire_ms / 16)
				: pick_between(conf->expire_ms / 24, conf->expire_ms / 4);
	conf->warn_ms = once_in(3) ? 0 : pick_between(60000, conf->expire_ms);
}

void daemon_begin(void)
{
	*d = (struct daemon){ .shards = 1 + (unsigned)once_in(3) };
	draw_retries(&d->queue);
	d->queue.active = (unsigned)pick_between(1, 12);
	d->queue.keep_octets = (size_t)pick_between(0, 32 * 1024);
	d->queue.hostname = "relay.example.com";
	d->queue.company = "Example";
	d->memory_octets = pick_between(0, 256 * 1024);
	d->idle_ms = pick_between(500, 30000);
	d->segment_octets = (uint64_t)pick_between(12 * 1024, 512 * 1024);
	d->patience_ms = pick_between(1000, 10000);
	d->is_hybrid = pick(3) != 0;
	smarthosts_askers = d->shards;
	sim_disk_init(&d->disk, world.seed ^ 0x6469736B);
	in.calls = disk_calls(&d->disk);
}

void daemon_end(void)
{
	event_clear(&in.committer);
	event_clear(&in.stop);
	sim_disk_fini(&d->disk);
}

/* The committer */

static bool has_something_to_mend(const struct spool *s)
{
	return s->owed.count || s->unsynced.count || s->head.fd < 0 || s->space.code ||
	       s->waiting.writes.count;
}

static void step(struct event *event)
{
	enum owner before = memory_enter(OWNER_PROCESS);
	bool more = committer_step(d->spool, world.now_ms);

	in.is_hurried = false;
	memory_leave(before);
	if (more)
		event_set(event, pick_between(0, 2));
	else if (d->spool->waiting.writes.count)
		in.is_hurried = true, event_set(event, d->spool->conf.lazy_ms);
	else
		event_set(event, has_something_to_mend(d->spool) ? 1000 : 600 * 1000);
}

static int64_t writing_ms(void)
{
	return once_in(10) ? pick_between(0, 400) : pick_between(0, 8);
}

/* What spool_put() does by a signal to the thread. */
void daemon_look(void)
{
	const struct waiting *w = d->is_up ? &d->spool->waiting : NULL;
	int64_t in_ms;

	if (w == NULL || w->writes.count == 0 || in.is_hurried)
		return;
	in_ms = w->urgent ? writing_ms() : 10;
	in.is_hurried = true;
	event_set(&in.committer, in_ms);
}

/* The parts */

static void set_smarthosts(struct relay_smarthost *out)
{
	for (unsigned i = 0; i < smarthosts.count; i++) {
		const struct smarthost *h = &smarthosts.hosts[i];

		in.limits[i] = relay_limit_new(h->connections, h->rate);
		out[i] = (struct relay_smarthost){ .name = h->name,
						   .host = h->host,
						   .port = h->port,
						   .tls = h->tls,
						   .user = h->wants_login ? "user" : NULL,
						   .password = span_text("password"),
						   .limit = in.limits[i],
						   .idle_ms = d->idle_ms,
						   .connect_ms = 10000,
						   .messages = h->messages_each,
						   .pause_first_ms = h->pause_first_ms,
						   .pause_most_ms = h->pause_most_ms };
	}
}

static void on_room(void *user)
{
	struct queue **queue = user;

	if (*queue)
		queue_on_room(*queue);
}

static void make_shard(unsigned i, const struct relay_smarthost *hosts)
{
	struct queue_conf conf = d->queue;

	d->loops[i] = loop_new("sim");
	in.relays[i] = relay_new(&(struct relay_conf){ .loop = d->loops[i],
						       .lookups = in.lookups,
						       .log = in.log,
						       .counters = &in.counters,
						       .ehlo_name = "relay.example.com",
						       .smarthosts = hosts,
						       .smarthost_count = smarthosts.count,
						       .login = login_ops(),
						       .room = on_room,
						       .user = &d->queues[i] });
	conf.loop = d->loops[i];
	conf.reads = in.reads;
	conf.log = in.log;
	conf.counters = &in.counters;
	conf.spool = d->spool;
	conf.relay = in.relays[i];
	conf.memory = &in.memory;
	d->queues[i] = queue_new(&conf);
}

static void serve_shard(unsigned i)
{
	struct queue_conf conf = d->queue;

	conf.loop = d->loops[i];
	conf.reads = in.reads;
	conf.log = in.log;
	conf.counters = &in.counters;
	conf.spool = d->spool;
	conf.relay = in.relays[i];
	conf.memory = &in.memory;
	queue_renew(d->queues[i], &conf);
}

static void on_found(void *user, const struct spool_found *found)
{
	int status = queue_recover(d->queues[in.found++ % d->shards], found);

	(void)user;
	if (status && !d->disk.is_dead)
		fail("a message of the spool is not understood: %d", status);
}

static void on_damaged(void *user, const struct fault *what)
{
	enum owner before = memory_enter(OWNER_WORLD);

	(void)user;
	tell("damage: %s", what->text);
	memory_leave(before);
}

static bool open_spool(void)
{
	struct spool_conf conf = { .dir = "sim",
				   .disk = &in.calls,
				   .segment_octets = d->segment_octets,
				   .post = loop_post_home,
				   .counters = &in.counters,
				   .wall_ms = io_wall_ms,
				   .found = on_found,
				   .damaged = on_damaged };
	struct fault fault;

	d->spool = spool_open_idle(&conf, &fault);
	if (d->spool == NULL && !d->disk.is_dead)
		tell("the spool does not open: %s", fault.text);
	return d->spool != NULL;
}

/* At its first start nothing is there to be kept alive for. */
static void forget(void)
{
	event_clear(&in.committer);
	event_clear(&in.stop);
	logins_crash();
	memory_forget_process();
	if (in.log)
		log_free(&in.log);
	if (in.reads)
		lane_free(&in.reads);
	if (in.lookups)
		lane_free(&in.lookups);
	d->is_up = d->is_stopping = in.is_hurried = false;
	d->spool = NULL;
	memset(d->loops, 0, sizeof(d->loops));
	memset(d->queues, 0, sizeof(d->queues));
}

bool daemon_start(void)
{
	struct relay_smarthost hosts[SMARTHOSTS_MOST];
	enum owner before = memory_enter(OWNER_PROCESS);
	bool is_open;

	d->life++;
	tell("the daemon starts: life %u", d->life);
	io_begin(d->life);
	smarthosts_hurried();
	in.found = 0;
	in.memory = d->memory_octets;
	in.counters = (struct counters){ 0 };
	in.reads = lane_new("reads", 2);
	in.lookups = lane_new("lookups", 2);
	in.log = log_new(LOG_TO_STDERR, LOG_LEVEL_INFO);
	set_smarthosts(hosts);
	for (unsigned i = 0; i < d->shards; i++)
		make_shard(i, hosts);
	is_open = open_spool();
	for (unsigned i = 0; is_open && i < d->shards; i++)
		serve_shard(i);
	memory_leave(before);
	if (!is_open || d->disk.is_dead) {
		io_crash(true);
		forget();
		return false;
	}
	tell("  %u messages are found", in.found);
	in.committer.fire = step;
	event_set(&in.committer, 0);
	d->is_up = true;
	return true;
}

void daemon_crash(enum sim_end end)
{
	tell("the daemon dies: %s", end == SIM_KILL ? "killed" : "power cut");
	io_crash(end != SIM_KILL);
	forget();
	sim_disk_restart(&d->disk, end);
}

size_t daemon_length(void)
{
	size_t n = 0;

	for (unsigned i = 0; d->is_up && !d->is_stopping && i < d->shards; i++)
		n += queue_length(d->queues[i]);
	return n;
}

/* Also for a message that no queue has yet, and whose client has gone. */
bool daemon_is_sending(void)
{
	struct relay_view view;

	for (unsigned i = 0; d->is_up && !d->is_stopping && i < d->shards; i++) {
		if (relay_waiting(in.relays[i]))
			return true;
		for (size_t k = 0; relay_look(in.relays[i], k, &view); k++)
			if (view.busy)
				return true;
	}
	return false;
}

/* The end in order */

static void check_nothing_left(void)
{
	if (in.memory != d->memory_octets)
		fail("of the memory budget %lld octets are missing",
		     (long long)(d->memory_octets - in.memory));
	if (io_left() || logins_left())
		fail("%zu things of the io room and %zu logins are left behind", io_left(),
		     logins_left());
	if (memory_of_process()) {
		fail("%zu blocks of memory are left behind", memory_of_process());
		memory_tell();
	}
}

static void finish_stop(struct event *event)
{
	enum owner before = memory_enter(OWNER_PROCESS);

	(void)event;
	spool_close(&d->spool);
	for (unsigned i = 0; i < smarthosts.count; i++)
		relay_limit_free(&in.limits[i]);
	memory_leave(before);
	if (!d->disk.is_dead) {
		check_nothing_left();
		tell("the daemon has stopped");
	}
	io_crash(false);
	forget();
	if (d->disk.is_dead)
		return;
	sim_disk_restart(&d->disk, SIM_KILL);
	in.stopped();
}

static void on_part_ended(void *user)
{
	(void)user;
	if (--in.ending)
		return;
	in.stop.fire = finish_stop;
	event_set(&in.stop, 0);
}

static void on_queue_ended(void *user)
{
	struct queue **queue = user;

	*queue = NULL;
	on_part_ended(NULL);
}

void daemon_stop(void (*stopped)(void))
{
	enum owner before = memory_enter(OWNER_PROCESS);

	tell("the daemon is to stop");
	d->is_stopping = true;
	in.stopped = stopped;
	in.ending = 2 * d->shards;
	for (unsigned i = 0; i < d->shards; i++) {
		queue_free(d->queues[i], on_queue_ended, &d->queues[i]);
		relay_free(in.relays[i], FINISH_MS, on_part_ended, NULL);
	}
	memory_leave(before);
}

static void count_found(void *user, const struct spool_found *found)
{
	long *n = user;

	(void)found;
	++*n;
}

long daemon_spool_count(void)
{
	long n = 0;
	struct spool_conf conf = { .dir = "sim",
				   .disk = &in.calls,
				   .post = loop_post_home,
				   .found = count_found,
				   .user = &n };
	struct fault fault;
	struct spool *spool;
	enum owner before = memory_enter(OWNER_PROCESS);

	spool = spool_open_idle(&conf, &fault);
	if (spool == NULL)
		n = -1;
	spool_close(&spool);
	memory_leave(before);
	return n;
}
