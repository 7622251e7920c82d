/* Verbs about logins: ends the sessions of an account, and tells when what was last used. */
#include "inside.h"

enum { NAME_OCTETS = 255, CREDENTIAL_OCTETS = 64, USES_A_LINE = 1000 };

/* A text of the request. False: it is none that can be. *out is NULL where there is none. */
static bool text_of(const json_t *request, const char *key, size_t most, const char **out)
{
	const json_t *value = json_object_get(request, key);

	*out = json_string_value(value);
	if (value == NULL || json_is_null(value))
		return true;
	return *out && json_string_length(value) > 0 && json_string_length(value) <= most;
}

json_t *ctl_revoke(struct ctl_client *client, const json_t *request)
{
	const struct ctl_conf *conf = &client->ctl->conf;
	const char *account, *credential;
	json_t *answer;
	size_t ended;

	if (!text_of(request, "account", NAME_OCTETS, &account) || account == NULL)
		return ctl_refusal_as("usage", "\"account\" is a name of 1 to 255 octets");
	if (!text_of(request, "credential", CREDENTIAL_OCTETS, &credential))
		return ctl_refusal_as("usage",
				      "\"credential\" is the id of an app password, or null");
	if (conf->revoke == NULL)
		return ctl_refusal("this daemon ends no sessions");
	ended = conf->revoke(conf->user, account, credential);
	answer = ctl_success();
	json_object_set_new(answer, "sessions", json_integer((json_int_t)ended));
	return answer;
}

struct uses {
	struct ctl_client *client;
	json_t *line; /* NULL: the client has gone */
	size_t count;
};

static void send_uses(struct uses *uses)
{
	json_t *line = json_object();
	bool is_sent;

	json_object_set_new(line, "uses", uses->line);
	is_sent = ctl_send(uses->client, line);
	uses->line = is_sent ? json_array() : NULL;
}

static bool add_use(void *user, const struct ctl_use *use)
{
	struct uses *uses = user;
	json_t *one = json_object();

	json_object_set_new(one, "account", ctl_text(use->account));
	json_object_set_new(one, "credential", ctl_text(use->credential));
	json_object_set_new(one, "time", ctl_time(use->time_s * 1000));
	json_object_set_new(one, "time_s", json_integer(use->time_s));
	json_object_set_new(one, "address", ctl_text(use->address));
	json_array_append_new(uses->line, one);
	uses->count++;
	if (json_array_size(uses->line) >= USES_A_LINE)
		send_uses(uses);
	return uses->line != NULL;
}

json_t *ctl_last_use(struct ctl_client *client, const json_t *request)
{
	const struct ctl_conf *conf = &client->ctl->conf;
	struct uses uses = { .client = client };
	const char *account;
	json_t *answer;

	if (!text_of(request, "account", NAME_OCTETS, &account))
		return ctl_refusal_as("usage", "\"account\" is a name of 1 to 255 octets, or null");
	uses.line = json_array();
	if (conf->last_use)
		conf->last_use(conf->user, account, add_use, &uses);
	if (uses.line && json_array_size(uses.line))
		send_uses(&uses);
	if (uses.line == NULL)
		return NULL;
	json_decref(uses.line);
	answer = ctl_success();
	json_object_set_new(answer, "count", json_integer((json_int_t)uses.count));
	return answer;
}
