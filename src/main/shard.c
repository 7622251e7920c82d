#include "shard_inside.h"

#include "base/mem.h"
#include "io/listen.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* Contents up to here are kept in memory until they are delivered, while the budget lasts. */
enum { KEEP_OCTETS = 256 * 1024 };

/* How often a smarthost of which nothing is known yet is looked at. */
enum { LOOK_MS = 30 * 1000 };

/* What the relay may still need when the daemon stops: the reply to a final dot. */
enum { FINISH_MS = 10 * 1000 };

struct door {
	struct list_node node;
	struct shard *shard;
	char *name; /* of its section */
	struct listener *listener;
};

struct renewal {
	struct work work;
	struct shard *shard;
	struct settings *settings;
	void (*renewed)(void *user);
	void *user;
};

static struct queue_conf queue_conf_of(struct shard *shard, struct settings *settings)
{
	const struct conf *c = settings->conf;
	struct queue_conf out = {
		.loop = shard->loop,
		.reads = shard->conf.reads,
		.log = shard->conf.log,
		.counters = shard->conf.counters,
		.spool = shard->spool,
		.relay = shard->relay,
		.hostname = c->hostname,
		.company = c->company,
		.retry_count = (unsigned)c->queue.retry.count,
		.warn_ms = c->queue.warn_ms,
		.expire_ms = c->queue.expire_ms,
		.active = (unsigned)c->queue.active,
		.memory = shard->conf.memory,
		.keep_octets = KEEP_OCTETS,
	};

	static_assert((int)CONF_RETRIES_MOST == (int)QUEUE_RETRIES_MOST, "conf holds them all");
	static_assert((int)CONF_RECIPIENTS_MOST <= (int)ENVELOPE_RECIPIENTS_MOST, "they fit");
	memcpy(out.retry_ms, c->queue.retry.at, c->queue.retry.count * sizeof(out.retry_ms[0]));
	return out;
}

/* The queue is made after the relay and may end before it. */
static void on_room(void *user)
{
	struct shard *shard = user;

	if (shard->queue)
		queue_on_room(shard->queue);
}

static struct relay *make_relay(struct shard *shard, const struct settings *settings)
{
	return relay_new(&(struct relay_conf){
		.loop = shard->loop,
		.lookups = shard->conf.lookups,
		.log = shard->conf.log,
		.counters = shard->conf.counters,
		.ehlo_name = settings->conf->hostname,
		.smarthosts = settings->smarthosts,
		.smarthost_count = settings->conf->smarthost_count,
		.login = smarthost_login_ops(&shard->logins),
		.room = on_room,
		.user = shard,
	});
}

struct shard *shard_new(const struct shard_conf *conf)
{
	struct shard *shard = mem_new(struct shard);
	struct queue_conf queue_conf;
	char name[16];

	shard->conf = *conf;
	list_init(&shard->doors);
	snprintf(name, sizeof(name), "sessions-%u", conf->index);
	shard->loop = loop_new(name);
	shard->logins = (struct smarthost_logins){ .loop = shard->loop, .lane = conf->sasl };
	shard->workers = worker_pool_new(shard->loop, &conf->logins);
	shard->relay = make_relay(shard, conf->settings);
	queue_conf = queue_conf_of(shard, conf->settings);
	shard->queue = queue_new(&queue_conf);
	return shard;
}

void shard_serve(struct shard *shard, struct spool *spool)
{
	struct queue_conf queue_conf;

	shard->spool = spool;
	queue_conf = queue_conf_of(shard, shard->conf.settings);
	queue_renew(shard->queue, &queue_conf);
	shard->submit = submit_new(&(struct submit_conf){
		.loop = shard->loop,
		.log = shard->conf.log,
		.counters = shard->conf.counters,
		.queue = shard->queue,
		.spool = spool,
		.logins = shard->workers,
		.gate = shard->conf.gate,
		.backend = shard->conf.backend,
		.used = shard->conf.used,
		.user = shard->conf.user,
		.settings = &shard->conf.settings->submit,
		.next_sid = shard->conf.next_sid,
	});
}

static void on_accepted(void *user, int fd)
{
	struct door *door = user;

	submit_accept(door->shard->submit, fd, door->name);
}

void shard_listen(struct shard *shard, int fd, const struct conf_listen *listen)
{
	struct door *door = mem_new(struct door);

	door->shard = shard;
	door->name = mem_text(listen->name);
	door->listener = listen_start(shard->loop, fd, on_accepted, door);
	list_push_back(&shard->doors, &door->node);
}

int shard_recover(struct shard *shard, const struct spool_found *found)
{
	return queue_recover(shard->queue, found);
}

/* What it learns, all loops know: one asks for all. A smarthost that could not be reached is looked at again
 * without waiting for a message: who looks at the status wants to know. */
static void look_at_smarthosts(struct shard *shard)
{
	relay_probe(shard->relay);
	timer_set(shard->loop, &shard->look, LOOK_MS);
}

static void on_look(struct timer *timer)
{
	look_at_smarthosts(timer_entry(timer, struct shard, look));
}

static void probe(struct shard *shard)
{
	look_at_smarthosts(shard);
	submit_probe(shard->submit);
}

static void run_probe(struct work *work)
{
	probe(work_entry(work, struct shard, probe_work));
}

void shard_start(struct shard *shard)
{
	shard->probe_work.run = run_probe;
	shard->look.fire = on_look;
	if (shard->conf.index == 0 && shard->submit)
		loop_post(shard->loop, &shard->probe_work);
	loop_start(shard->loop);
}

static void run_renewed(struct work *work)
{
	struct renewal *renewal = work_entry(work, struct renewal, work);

	renewal->renewed(renewal->user);
	free(renewal);
}

static void run_renewal(struct work *work)
{
	struct renewal *renewal = work_entry(work, struct renewal, work);
	struct shard *shard = renewal->shard;
	struct settings *settings = renewal->settings;
	struct queue_conf queue_conf = queue_conf_of(shard, settings);

	worker_pool_renew(shard->workers, buf_span(&settings->hello));
	submit_renew(shard->submit, &settings->submit);
	relay_renew(shard->relay, settings->smarthosts, settings->conf->smarthost_count,
		    settings->conf->hostname);
	queue_renew(shard->queue, &queue_conf);
	if (shard->conf.index == 0)
		probe(shard);
	settings_unref(&settings);
	renewal->work.run = run_renewed;
	loop_post(shard->conf.main_loop, &renewal->work);
}

void shard_renew(struct shard *shard, struct settings *settings, void (*renewed)(void *user),
		 void *user)
{
	struct renewal *renewal = mem_new(struct renewal);

	atomic_fetch_add(&settings->submit.refs, 1);
	renewal->work.run = run_renewal;
	renewal->shard = shard;
	renewal->settings = settings;
	renewal->renewed = renewed;
	renewal->user = user;
	loop_post(shard->loop, &renewal->work);
}

static void run_stopped(struct work *work)
{
	struct shard *shard = work_entry(work, struct shard, stopped_work);

	shard->stopped(shard->stopped_user);
}

static void on_part_ended(void *user)
{
	struct shard *shard = user;

	if (--shard->ending == 0)
		loop_post(shard->conf.main_loop, &shard->stopped_work);
}

/* Logins that were broken off are still to be let go on their lane, which must not end before. */
static void on_relay_ended(void *user)
{
	struct shard *shard = user;

	smarthost_logins_end(&shard->logins, on_part_ended, shard);
}

static void on_queue_ended(void *user)
{
	struct shard *shard = user;

	shard->queue = NULL;
	on_part_ended(shard);
}

/* The queue waits for the outcomes of what the relay still has. */
static void on_sessions_ended(void *user)
{
	struct shard *shard = user;

	shard->submit = NULL;
	shard->ending = 2;
	queue_free(shard->queue, on_queue_ended, shard);
	relay_free(shard->relay, FINISH_MS, on_relay_ended, shard);
}

static void run_stop(struct work *work)
{
	struct shard *shard = work_entry(work, struct shard, stop_work);

	timer_clear(shard->loop, &shard->look);
	list_each (&shard->doors, node)
		listen_stop(&list_entry(node, struct door, node)->listener);
	if (shard->submit)
		submit_free(shard->submit, shard->grace_ms, on_sessions_ended, shard);
	else
		on_sessions_ended(shard);
}

void shard_stop(struct shard *shard, int64_t grace_ms, void (*stopped)(void *user), void *user)
{
	shard->grace_ms = grace_ms;
	shard->stopped = stopped;
	shard->stopped_user = user;
	shard->stop_work.run = run_stop;
	shard->stopped_work.run = run_stopped;
	loop_post(shard->loop, &shard->stop_work);
}

void shard_free(struct shard **shard)
{
	struct shard *s = *shard;
	struct list_node *node;

	if (s == NULL)
		return;
	loop_stop(s->loop);
	loop_join(s->loop);
	worker_pool_free(&s->workers);
	loop_free(&s->loop);
	while ((node = list_pop_front(&s->doors))) {
		struct door *door = list_entry(node, struct door, node);

		free(door->name);
		free(door);
	}
	free(s);
	*shard = NULL;
}

struct loop *shard_loop(struct shard *shard)
{
	return shard->loop;
}

struct ctl_shard shard_view(struct shard *shard)
{
	return (struct ctl_shard){ shard->loop, shard->queue, shard->relay };
}
