#include "check.h"

#include "table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <strings.h>

static int place_fault(struct fault *fault, const struct conf_place *place, const char *kind,
		       const char *name, const char *what)
{
	return fault_set(fault, -EINVAL, "%s:%d: %s \"%s\": %s", place->file, place->line, kind,
			 name, what);
}

static int check_top(const struct conf *conf, const char *file, struct fault *fault)
{
	const char *accepted = conf_judge_hostname(conf->hostname);

	if (accepted)
		return fault_set(fault, -EINVAL,
				 "%s: hostname is not set, and this machine's name \"%s\" is not "
				 "%s; set hostname",
				 file, conf->hostname, accepted);
	if (conf->listen_count == 0)
		return fault_set(
			fault, -EINVAL,
			"%s: nothing to listen on; add: listen \"submission\" { port = 587 }",
			file);
	if (conf->certificate_count == 0)
		return fault_set(
			fault, -EINVAL,
			"%s: no certificate; add: certificate \"relay\" { chain = \"/...\" "
			"key = \"/...\" }",
			file);
	if (conf->smarthost_count == 0)
		return fault_set(fault, -EINVAL,
				 "%s: no smarthost; add: smarthost \"main\" { host = "
				 "\"smtp.example.net\" }",
				 file);
	return 0;
}

/* Both families in one form; an IPv4 address inside IPv6 is IPv4. All octets zero and `is_any`: "".
 */
struct endpoint {
	unsigned char at[16];
	int family; /* AF_UNSPEC: both */
	bool is_any;
};

static struct endpoint endpoint_of(const char *address)
{
	static const unsigned char none[16];
	struct endpoint e = { .family = AF_UNSPEC, .is_any = true };

	if (*address == '\0')
		return e;
	e.family = inet_pton(AF_INET, address, e.at) == 1 ? AF_INET : AF_INET6;
	if (e.family == AF_INET6)
		inet_pton(AF_INET6, address, e.at);
	e.is_any = memcmp(e.at, none, sizeof(none)) == 0;
	return e;
}

/* Two that would get each other's clients. A wildcard beside one of its addresses is fine with the
 * system, which prefers the exact one. */
static bool is_same_endpoint(const struct conf_listen *a, const struct conf_listen *b)
{
	struct endpoint x = endpoint_of(a->address), y = endpoint_of(b->address);

	if (a->port != b->port || a->port == 0)
		return false;
	if (x.family == AF_UNSPEC || y.family == AF_UNSPEC)
		return x.is_any && y.is_any;
	return x.family == y.family && memcmp(x.at, y.at, sizeof(x.at)) == 0;
}

static int check_listens(const struct conf *conf, struct fault *fault)
{
	for (size_t i = 0; i < conf->listen_count; i++)
		for (size_t j = 0; j < i; j++) {
			const struct conf_listen *a = &conf->listens[i], *b = &conf->listens[j];

			if (is_same_endpoint(a, b))
				return fault_set(
					fault, -EINVAL,
					"%s:%d: listen \"%s\": port %ld of the same address "
					"is taken by \"%s\" in %s:%d",
					a->place.file, a->place.line, a->name, a->port, b->name,
					b->place.file, b->place.line);
		}
	return 0;
}

static bool has_word(const struct conf_list *list, const char *word)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->at[i], word) == 0)
			return true;
	return false;
}

static const char *listen_wrong(const struct conf *conf, const struct conf_listen *l)
{
	const struct conf_list *offered =
		l->mechanisms.count ? &l->mechanisms : &conf->login.mechanisms;
	bool has_external = has_word(offered, "EXTERNAL");

	if (l->profile == CONF_PROFILE_LEGACY && l->users.count == 0)
		return "profile = legacy is for a few: name them, as users = { \"alice\" }";
	if (l->mechanisms.count && has_external && *l->client_ca == '\0')
		return "EXTERNAL needs client_ca, the authorities of the client certificates";
	if (*l->client_ca && !has_external)
		return "client_ca is of no use without EXTERNAL among the mechanisms; add it here "
		       "or "
		       "to those of login";
	if (offered->count == 1 && has_external && *l->client_ca == '\0')
		return "nobody could log in: EXTERNAL is the only mechanism, and it needs "
		       "client_ca";
	return NULL;
}

static int check_listen_ways(const struct conf *conf, struct fault *fault)
{
	for (size_t i = 0; i < conf->listen_count; i++) {
		const char *wrong = listen_wrong(conf, &conf->listens[i]);

		if (wrong)
			return place_fault(fault, &conf->listens[i].place, "listen",
					   conf->listens[i].name, wrong);
	}
	return 0;
}

static bool is_external_offered(const struct conf *conf)
{
	for (size_t i = 0; i < conf->listen_count; i++)
		if (*conf->listens[i].client_ca)
			return true;
	return false;
}

/* One listener with client_ca may do for a login section that is written for all of them. */
static int check_login_ways(const struct conf *conf, struct fault *fault)
{
	if (!has_word(&conf->login.mechanisms, "EXTERNAL") || is_external_offered(conf))
		return 0;
	return fault_set(fault, -EINVAL,
			 "%s:%d: login: EXTERNAL is among the mechanisms, but no listener has "
			 "client_ca, the authorities of the client certificates",
			 conf->login.place.file, conf->login.place.line);
}

static int check_certificates(const struct conf *conf, struct fault *fault)
{
	for (size_t i = 0; i < conf->certificate_count; i++) {
		const struct conf_certificate *c = &conf->certificates[i];

		if (*c->chain == '\0' || *c->key == '\0')
			return place_fault(fault, &c->place, "certificate", c->name,
					   "both chain and key must be given");
	}
	return 0;
}

static bool is_loopback(const char *host)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (inet_pton(AF_INET, host, &v4) == 1)
		return (ntohl(v4.s_addr) >> 24) == 127;
	if (inet_pton(AF_INET6, host, &v6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&v6);
	return strcasecmp(host, "localhost") == 0;
}

static const char *smarthost_wrong(const struct conf_smarthost *s)
{
	bool is_plain = s->tls == CONF_SMARTHOST_NONE, is_far = !is_loopback(s->host);

	if (*s->host == '\0')
		return "host must be given";
	if (is_plain && is_far && !s->plaintext_over_network)
		return "tls = none is for this machine only (localhost, 127.0.0.1, ::1); use "
		       "starttls or implicit, or set plaintext_over_network = yes";
	if (*s->keytab && *s->user == '\0')
		return "keytab is given without user, the name whose key it holds";
	if (*s->keytab && *s->password_file)
		return "keytab and password_file are both given; the login is by one of them";
	if (*s->user && *s->password_file == '\0' && *s->keytab == '\0')
		return "user is given without password_file";
	if (*s->password_file && *s->user == '\0')
		return "password_file is given without user";
	if (is_plain && is_far && *s->user)
		return "a password is not sent over the network without TLS; use tls = starttls or "
		       "implicit, or give no user";
	if (s->pause_first_ms > s->pause_most_ms)
		return "pause must not be longer than pause_most";
	return NULL;
}

static int check_smarthosts(const struct conf *conf, struct fault *fault)
{
	for (size_t i = 0; i < conf->smarthost_count; i++) {
		const struct conf_smarthost *s = &conf->smarthosts[i];
		const char *wrong = smarthost_wrong(s);

		if (wrong)
			return place_fault(fault, &s->place, "smarthost", s->name, wrong);
	}
	return 0;
}

struct conf_place conf_place_of(const struct conf_reading *reading, const char *section,
				const char *key, const char *file)
{
	struct conf_place place = { file, 1 };

	for (size_t i = 0; i < reading->count; i++) {
		const struct conf_block *b = reading->blocks[i];

		for (size_t k = 0; k < b->count && strcmp(b->section->name, section) == 0; k++)
			if (strcmp(b->settings[k].key->name, key) == 0)
				place = b->settings[k].place;
	}
	return place;
}

static int check_login(const struct conf *conf, const char *file,
		       const struct conf_reading *reading, struct fault *fault)
{
	struct conf_place place = conf_place_of(reading, "login", "mechanisms", file);

	if (conf->login.mechanisms.count)
		return 0;
	return fault_set(fault, -EINVAL,
			 "%s:%d: login.mechanisms is empty: nobody could log in; use PLAIN, LOGIN",
			 place.file, place.line);
}

static int check_queue(const struct conf_queue *q, const char *file,
		       const struct conf_reading *reading, struct fault *fault)
{
	struct conf_place place = conf_place_of(reading, "queue", "retry", file);

	if (q->retry.count == 0)
		return fault_set(fault, -EINVAL,
				 "%s:%d: queue.retry is empty; give at least one pause, as { 5m }",
				 place.file, place.line);
	if (q->retry.count > CONF_RETRIES_MOST)
		return fault_set(fault, -EINVAL,
				 "%s:%d: queue.retry has %zu pauses; %d are enough, the last one "
				 "repeats",
				 place.file, place.line, q->retry.count, CONF_RETRIES_MOST);
	return 0;
}

int conf_check(const struct conf *conf, const char *file, const struct conf_reading *reading,
	       struct fault *fault)
{
	int r = check_top(conf, file, fault);

	if (r == 0)
		r = check_listens(conf, fault);
	if (r == 0)
		r = check_listen_ways(conf, fault);
	if (r == 0)
		r = check_login_ways(conf, fault);
	if (r == 0)
		r = check_certificates(conf, fault);
	if (r == 0)
		r = check_smarthosts(conf, fault);
	if (r == 0)
		r = check_login(conf, file, reading, fault);
	if (r == 0)
		r = check_queue(&conf->queue, file, reading, fault);
	return r;
}
