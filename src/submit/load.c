#include "load.h"

#include "gate.h"
#include "session.h"

#include "io/listen.h"

static bool is_beyond(bool was, int64_t wait_ms, int64_t from_ms)
{
	return wait_ms >= (was ? (from_ms + 1) / 2 : from_ms);
}

enum load load_gauge_judge(struct load_gauge *gauge, int64_t wait_ms, int64_t limit_ms)
{
	if (limit_ms == 0) {
		*gauge = (struct load_gauge){ 0 };
		return LOAD_FINE;
	}
	gauge->is_over = is_beyond(gauge->is_over, wait_ms, limit_ms);
	gauge->is_busy = is_beyond(gauge->is_busy, wait_ms, (limit_ms + 1) / 2);
	if (gauge->is_over)
		return LOAD_OVER;
	return gauge->is_busy ? LOAD_BUSY : LOAD_FINE;
}

enum load load_judge(struct submit *submit)
{
	int64_t limit_ms = submit->conf.settings->conf->limits.overload_ms;
	enum load load;

	if (limit_ms && worker_pool_is_crowded(submit->conf.logins))
		return LOAD_OVER;
	load = load_gauge_judge(&submit->load, loop_wait_ms(submit->conf.loop), limit_ms);
	if (load == LOAD_FINE && limit_ms && worker_pool_is_filling(submit->conf.logins))
		return LOAD_BUSY;
	return load;
}

static void tell_begin(struct submit *submit, uint64_t sid)
{
	char sid_text[ID_TEXT_MAX];
	struct logline l;

	id_format(sid, sid_text);
	logline_start(&l, LOG_LEVEL_WARN, "overload");
	logline_text(&l, "sid", sid_text);
	logline_text(&l, "reason",
		     worker_pool_is_crowded(submit->conf.logins)
			     ? "logins wait for the login back end"
			     : "TLS handshakes wait for their turn");
	logline_number(&l, "wait_ms", loop_wait_ms(submit->conf.loop));
	logline_text(&l, "effect",
		     "new connections are answered 421 (or closed, with tls = implicit); those "
		     "that there are go on");
	log_put(submit->conf.log, &l);
}

static void tell_end(struct submit *submit, const struct gate_episode *ended)
{
	char sid_text[ID_TEXT_MAX];
	struct logline l;

	id_format(ended->sid, sid_text);
	logline_start(&l, LOG_LEVEL_WARN, "overload-over");
	logline_text(&l, "sid", sid_text);
	logline_number(&l, "refused", (int64_t)ended->refused);
	logline_number(&l, "ms", ended->last_ms - ended->since_ms);
	log_put(submit->conf.log, &l);
}

bool submit_is_overloaded(struct submit_gate *gate, int64_t *since_ms_out, uint64_t *refused_out)
{
	struct gate_episode now = gate_episode_now(gate);

	*since_ms_out = now.since_wall_ms;
	*refused_out = now.refused;
	return now.sid != 0;
}

void load_put_words(struct submit *submit, struct buf *out)
{
	static const char words[] = "Too many connect at once; try again in a minute";
	const char *footer = submit->conf.settings->conf->refusal_footer;
	char sid_text[ID_TEXT_MAX];
	struct buf text = { 0 }, reference = { 0 };

	id_format(gate_episode_now(submit->conf.gate).sid, sid_text);
	buf_printf(&reference, " (ref %s)", sid_text);
	buf_printf(&text, "%s%s%s", words, *footer ? ". " : "", footer);
	smtp_reply_format(&(struct smtp_reply){ 421, { 4, 3, 2 }, buf_span(&text) },
			  buf_span(&reference), out);
	buf_fini(&reference);
	buf_fini(&text);
}

/* In how long to look again; 0: it has ended. */
static int64_t look_for_quiet(struct submit *submit, int64_t quiet_ms)
{
	int64_t now = loop_now_ms(submit->conf.loop), left;
	struct gate_episode ended;

	left = gate_episode_end(submit->conf.gate, now, quiet_ms, &ended);
	if (left == 0) {
		submit->saw_overload = false;
		tell_end(submit, &ended);
	}
	return left;
}

void load_on_quiet(struct timer *timer)
{
	struct submit *submit = timer_entry(timer, struct submit, quiet);
	int64_t left = look_for_quiet(submit, LOAD_QUIET_MS);

	if (left)
		timer_set(submit->conf.loop, timer, left);
}

void load_refused(struct submit *submit)
{
	uint64_t sid = atomic_fetch_add(submit->conf.next_sid, 1);

	counter_add(&submit->conf.counters->sessions_overload, 1);
	if (!gate_episode_add(submit->conf.gate, loop_now_ms(submit->conf.loop), wall_now_ms(),
			      sid))
		return;
	submit->saw_overload = true;
	timer_set(submit->conf.loop, &submit->quiet, LOAD_QUIET_MS);
	tell_begin(submit, sid);
}

void load_leave(struct submit *submit)
{
	timer_clear(submit->conf.loop, &submit->quiet);
	if (submit->saw_overload)
		look_for_quiet(submit, 0);
}

/* In plain text, before anything was made for it. Where TLS comes first nobody could read it
 * without a handshake, which is what there is no time for: those are closed, which mail programs take for
 * trouble on the way. */
void load_turn_away(struct submit *submit, int fd, const struct submit_listen *listen)
{
	struct buf words = { 0 };

	load_refused(submit);
	if (listen->conf->tls == CONF_LISTEN_STARTTLS)
		load_put_words(submit, &words);
	listen_turn_away(fd, buf_span(&words));
	buf_fini(&words);
}
