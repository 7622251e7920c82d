/* When a reload is told to be over: not before all loops have the settings that were read last. */
#include "test.h"

#include "../../../src/main/daemon_inside.h"
#include "../../../src/main/load.h"

#include <errno.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

enum { LOOPS = 2, RENEWALS_MOST = 8 };

static struct conf conf;
static struct settings settings = { .conf = &conf };
static bool is_bad; /* the configuration, from now on */
static struct buf told;
static struct {
	void (*renewed)(void *user);
	void *user;
} renewals[RENEWALS_MOST];
static unsigned renewal_count;

static void tell(const char *word)
{
	buf_put_text(&told, word);
	buf_put_char(&told, ' ');
}

int sd_notify(int unset_environment, const char *state)
{
	(void)unset_environment;
	tell(state);
	return 0;
}

int sd_notifyf(int unset_environment, const char *format, ...)
{
	char state[64];
	va_list ap;

	(void)unset_environment;
	va_start(ap, format);
	vsnprintf(state, sizeof(state), format, ap);
	va_end(ap);
	assert_string_equal(state, "RELOADING=1\nMONOTONIC_USEC=7000");
	tell("RELOADING=1");
	return 0;
}

int64_t loop_now_ms(const struct loop *loop)
{
	(void)loop;
	return 7;
}

void daemon_log_fault(struct daemon *d, enum log_level level, const char *event,
		      const struct fault *fault)
{
	(void)d;
	(void)level;
	(void)fault;
	tell(event);
}

void daemon_log_event(struct daemon *d, const char *event)
{
	(void)d;
	tell(event);
}

struct conf *load_conf(const char *file, struct fault *fault)
{
	(void)file;
	if (is_bad)
		fault_set(fault, -EINVAL, "bad");
	return is_bad ? NULL : &conf;
}

struct settings *settings_load(struct conf *c, struct smarthost_limits *limits, struct fault *fault)
{
	(void)c;
	(void)limits;
	(void)fault;
	return &settings;
}

void settings_adopt(struct settings *s)
{
	(void)s;
}

void open_ports_tell(const struct open_ports *ports, struct settings *s)
{
	(void)ports;
	(void)s;
}

void settings_unref(struct settings **s)
{
	*s = NULL;
}

void shard_renew(struct shard *shard, struct settings *s, void (*renewed)(void *user), void *user)
{
	(void)shard;
	(void)s;
	assert_true(renewal_count < RENEWALS_MOST);
	renewals[renewal_count].renewed = renewed;
	renewals[renewal_count++].user = user;
}

static struct work *posted; /* the last one; run by the test */
static unsigned post_count;

void loop_post(struct loop *loop, struct work *work)
{
	(void)loop;
	posted = work;
	post_count++;
}

/* The loop that was asked as i-th has its settings. */
static void renew(unsigned i)
{
	assert_true(i < renewal_count);
	renewals[i].renewed(renewals[i].user);
}

static void assert_told(const char *want)
{
	assert_span_text(buf_span(&told), want);
	buf_clear(&told);
}

static struct daemon daemon_of(struct shard **shards)
{
	is_bad = false;
	renewal_count = post_count = 0;
	buf_clear(&told);
	conf.user = conf.login_user = conf.control = conf.queue.directory = "";
	return (struct daemon){ .settings = &settings, .shards = shards, .shard_count = LOOPS };
}

static void once_all_loops_have_it(void **state)
{
	struct shard *shards[LOOPS] = { NULL };
	struct daemon d = daemon_of(shards);
	struct fault fault = { 0 };

	(void)state;
	assert_int_equal(daemon_reload(&d, &fault), 0);
	renew(0);
	assert_told("RELOADING=1 ");
	renew(1);
	assert_told("READY=1 reloaded ");
}

static void two_close_together_are_over_with_the_second(void **state)
{
	struct shard *shards[LOOPS] = { NULL };
	struct daemon d = daemon_of(shards);
	struct fault fault = { 0 };

	(void)state;
	assert_int_equal(daemon_reload(&d, &fault), 0);
	assert_int_equal(daemon_reload(&d, &fault), 0);
	renew(0);
	renew(1);
	renew(2);
	assert_told("RELOADING=1 RELOADING=1 ");
	renew(3);
	assert_told("READY=1 reloaded ");
}

static void a_refused_one_does_not_end_another(void **state)
{
	struct shard *shards[LOOPS] = { NULL };
	struct daemon d = daemon_of(shards);
	struct fault fault = { 0 };

	(void)state;
	assert_int_equal(daemon_reload(&d, &fault), 0);
	is_bad = true;
	assert_int_equal(daemon_reload(&d, &fault), -EINVAL);
	assert_told("RELOADING=1 RELOADING=1 reload-refused ");
	renew(0);
	renew(1);
	assert_told("READY=1 reloaded ");
	assert_int_equal(daemon_reload(&d, &fault), -EINVAL);
	assert_told("RELOADING=1 READY=1 reload-refused ");
}

/* STOPPING=1 was said. */
static void a_stop_is_the_last_word(void **state)
{
	struct shard *shards[LOOPS] = { NULL };
	struct daemon d = daemon_of(shards);
	struct fault fault = { 0 };

	(void)state;
	assert_int_equal(daemon_reload(&d, &fault), 0);
	d.is_stopping = true;
	renew(0);
	renew(1);
	assert_told("RELOADING=1 reloaded ");
	assert_int_equal(daemon_reload(&d, &fault), -ECANCELED);
	assert_told("");
}

static void many_signals_at_once_are_one(void **state)
{
	struct shard *shards[LOOPS] = { NULL };
	struct daemon d = daemon_of(shards);

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		daemon_reload_soon(&d);
	assert_int_equal(post_count, 1);
	assert_told("");
	posted->run(posted);
	assert_told("RELOADING=1 ");
	daemon_reload_soon(&d);
	assert_int_equal(post_count, 2);
}

static int forget(void **state)
{
	(void)state;
	buf_fini(&told);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(once_all_loops_have_it),
		cmocka_unit_test(two_close_together_are_over_with_the_second),
		cmocka_unit_test(a_refused_one_does_not_end_another),
		cmocka_unit_test(a_stop_is_the_last_word),
		cmocka_unit_test(many_signals_at_once_are_one),
	};

	return cmocka_run_group_tests(tests, NULL, forget);
}
