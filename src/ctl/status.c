#include "inside.h"

#include <unistd.h>

static json_t *smarthost_view(const struct relay_view *view)
{
	json_t *out = json_object();

	json_object_set_new(out, "name", ctl_text(view->name));
	json_object_set_new(out, "host", ctl_text(view->host));
	json_object_set_new(out, "port", json_integer(view->port));
	json_object_set_new(out, "idle", json_integer(view->idle));
	json_object_set_new(out, "busy", json_integer(view->busy));
	json_object_set_new(out, "paused_ms", json_integer(view->paused_ms));
	json_object_set_new(out, "reason", ctl_text(view->reason));
	json_object_set_new(out, "rate", json_integer(view->rate));
	json_object_set_new(out, "rated_ms", json_integer(view->rated_ms));
	return out;
}

json_t *ctl_smarthosts(const struct relay *relay)
{
	json_t *out = json_array();
	struct relay_view view;

	for (size_t i = 0; relay_look(relay, i, &view); i++) {
		json_t *one = smarthost_view(&view);

		json_object_set_new(one, "offers", ctl_offers(relay, i));
		json_array_append_new(out, one);
	}
	return out;
}

static void run_status(struct ctl_part *part)
{
	part->answer = json_object();
	json_object_set_new(part->answer, "messages",
			    json_integer((json_int_t)queue_length(part->shard.queue)));
	json_object_set_new(part->answer, "waiting",
			    json_integer((json_int_t)relay_waiting(part->shard.relay)));
	json_object_set_new(part->answer, "smarthosts", ctl_smarthosts(part->shard.relay));
}

static void run_certificate(struct ctl_part *part)
{
	const struct ctl_conf *conf = &part->gather->conf;

	part->answer = json_integer((json_int_t)conf->certificate_expires(conf->user));
}

static void add_number(json_t *to, const json_t *from, const char *key)
{
	json_int_t sum = json_integer_value(json_object_get(to, key)) +
			 json_integer_value(json_object_get(from, key));

	json_object_set_new(to, key, json_integer(sum));
}

static void take_longest(json_t *sum, const json_t *part, const char *key, const char *with)
{
	json_t *longest = json_object_get(sum, key), *one = json_object_get(part, key);

	if (json_integer_value(one) <= json_integer_value(longest))
		return;
	json_object_set(sum, key, one);
	if (with)
		json_object_set(sum, with, json_object_get(part, with));
}

/* What the loops say of one smarthost: connections add up; the longest wait counts. */
static void join_smarthost(json_t *sum, const json_t *part)
{
	add_number(sum, part, "idle");
	add_number(sum, part, "busy");
	take_longest(sum, part, "paused_ms", "reason");
	take_longest(sum, part, "rated_ms", NULL);
	/* They share what they know; one may have asked a moment later than it was learned. */
	if (json_is_null(json_object_get(sum, "offers")))
		json_object_set(sum, "offers", json_object_get(part, "offers"));
}

/* While a reload is on its way the loops may know different smarthosts: they are told apart by name. */
static void join_smarthosts(json_t *sum, const json_t *part)
{
	size_t i, k;
	json_t *one, *other;

	json_array_foreach(part, i, one)
	{
		json_t *name = json_object_get(one, "name");
		bool is_known = false;

		json_array_foreach(sum, k, other)
		{
			if (json_equal(json_object_get(other, "name"), name)) {
				join_smarthost(other, one);
				is_known = true;
			}
		}
		if (!is_known)
			json_array_append(sum, one);
	}
}

static json_t *join_shards(const struct ctl_gather *gather)
{
	json_t *sum = json_object(), *smarthosts = json_array();

	for (size_t i = 0; i < gather->count; i++) {
		const json_t *part = gather->parts[i].answer;

		add_number(sum, part, "messages");
		add_number(sum, part, "waiting");
		join_smarthosts(smarthosts, json_object_get(part, "smarthosts"));
	}
	json_object_set_new(sum, "smarthosts", smarthosts);
	return sum;
}

static json_t *counters_view(struct counters *counters)
{
	json_t *out = json_object();

	for (unsigned i = 0; i < counter_count; i++)
		json_object_set_new(out, counter_names[i].name,
				    json_integer((json_int_t)counters_get(counters, i)));
	return out;
}

static json_t *logins_view(const struct ctl_conf *conf)
{
	struct fault why = { 0 };
	int64_t since_ms = 0;
	json_t *out;

	if (conf->may_login(conf->user, &since_ms, &why))
		return json_null();
	out = json_object();
	json_object_set_new(out, "since", ctl_time(since_ms));
	json_object_set_new(out, "reason", ctl_text(why.text));
	return out;
}

static json_t *overload_view(const struct ctl_conf *conf)
{
	int64_t since_ms = 0;
	uint64_t refused = 0;
	json_t *out;

	if (conf->is_overloaded == NULL || !conf->is_overloaded(conf->user, &since_ms, &refused))
		return json_null();
	out = json_object();
	json_object_set_new(out, "since", ctl_time(since_ms));
	json_object_set_new(out, "refused", json_integer((json_int_t)refused));
	return out;
}

static json_t *whole_status(struct ctl *ctl, const struct ctl_gather *shards,
			    const struct ctl_gather *certificate)
{
	json_t *out = json_object(), *joined = join_shards(shards);
	int64_t expires = json_integer_value(certificate->parts[0].answer);
	struct fault why = { 0 };

	json_object_set_new(out, "ok", json_true());
	json_object_set_new(out, "version", ctl_text(ctl->conf.version));
	json_object_set_new(out, "pid", json_integer(getpid()));
	json_object_set_new(out, "started", ctl_time(ctl->conf.started_ms));
	json_object_set_new(out, "uptime_s",
			    json_integer((wall_now_ms() - ctl->conf.started_ms) / 1000));
	json_object_set_new(out, "loops", json_integer((json_int_t)ctl->conf.shard_count));
	json_object_set_new(out, "certificate_expires", ctl_time(expires * 1000));
	json_object_set_new(out, "held",
			    json_integer((json_int_t)counter_get(&ctl->conf.counters->queue_held)));
	json_object_set_new(out, "refusing",
			    ctl->conf.may_accept(ctl->conf.user, &why) ? json_null()
								       : ctl_text(why.text));
	json_object_set_new(out, "logins_down", logins_view(&ctl->conf));
	json_object_set_new(out, "overload", overload_view(&ctl->conf));
	json_object_update(out, joined);
	json_object_set_new(out, "counters", counters_view(ctl->conf.counters));
	json_decref(joined);
	return out;
}

json_t *ctl_status(struct ctl_client *client, const json_t *request)
{
	struct ctl *ctl = client->ctl;
	struct fault fault = { 0 };
	struct ctl_gather *shards, *certificate = NULL;
	json_t *answer;

	(void)request;
	shards = ctl_gather_shards(ctl, &(struct ctl_question){ .run = run_status }, &fault);
	if (shards)
		certificate = ctl_gather_main(ctl, &(struct ctl_question){ .run = run_certificate },
					      &fault);
	answer = certificate ? whole_status(ctl, shards, certificate) : ctl_refusal(fault.text);
	ctl_gather_free(&shards);
	ctl_gather_free(&certificate);
	return answer;
}
