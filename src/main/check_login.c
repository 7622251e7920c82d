#include "check_report.h"

#include "auth/gssapi.h"
#include "auth/users.h"
#include "base/buf.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { NAMED_MOST = 3 };

static bool holds(const struct conf_list *list, const char *text)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->at[i], text) == 0)
			return true;
	return false;
}

static bool is_offered_at(const struct conf *conf, const struct conf_listen *listen,
			  const char *mechanism)
{
	return holds(listen->mechanisms.count ? &listen->mechanisms : &conf->login.mechanisms,
		     mechanism);
}

/* Whether that account meets SCRAM-SHA-256 on any of the doors that let it in. */
static bool is_offered_scram(const struct conf *conf, const char *account)
{
	for (size_t i = 0; i < conf->listen_count; i++) {
		const struct conf_listen *listen = &conf->listens[i];

		if (is_offered_at(conf, listen, "SCRAM-SHA-256") &&
		    (listen->users.count == 0 || holds(&listen->users, account)))
			return true;
	}
	return false;
}

/* A client that is offered SCRAM takes it, and has no other way when it fails. */
static void check_verifiers(const struct conf *conf, const struct auth_users *users,
			    struct check_report *report)
{
	struct buf names = { 0 };
	size_t lacking = 0;

	for (size_t i = 0; i < auth_users_count(users); i++) {
		const char *name = auth_users_name(users, i);

		if (auth_users_hash(users, span_text(name)) == NULL ||
		    auth_users_scram(users, span_text(name)) || !is_offered_scram(conf, name))
			continue;
		if (lacking++ < NAMED_MOST)
			buf_printf(&names, "%s%.100s", names.len ? ", " : "", name);
	}
	if (lacking > NAMED_MOST)
		buf_printf(&names, " and %zu more", lacking - NAMED_MOST);
	if (lacking)
		check_fault(
			report, &conf->login.place,
			"login.mechanisms: SCRAM-SHA-256 is offered, but the users file has no "
			"verifier for %.*s; posternctl user passwd NAME makes it with a password "
			"(or take SCRAM-SHA-256 out until all have one)",
			(int)names.len, (const char *)buf_span(&names).at);
	buf_fini(&names);
}

/* A door for accounts that are none stays shut. */
static void check_listen_users(const struct conf *conf, const struct conf_listen *listen,
			       const struct auth_users *users, struct check_report *report)
{
	for (size_t i = 0; i < listen->users.count; i++)
		if (auth_users_hash(users, span_text(listen->users.at[i])) == NULL)
			check_warn(
				report, &listen->place,
				"listen \"%s\": users: no account \"%s\" is in %s; write them as "
				"posternctl user ls does",
				listen->name, listen->users.at[i], conf->login.users_file);
}

static void check_users_file(const struct conf *conf, struct check_report *report)
{
	const struct conf_login *login = &conf->login;
	struct fault fault = { 0 };
	struct auth_users *users = auth_users_load(login->users_file, &fault);

	if (users == NULL)
		check_fault(report, &login->place, "login: %s", fault.text);
	for (size_t i = 0; users && i < conf->listen_count; i++)
		check_listen_users(conf, &conf->listens[i], users, report);
	/* Where app passwords are required, no other password logs in. */
	if (users && login->app_passwords != CONF_APP_PASSWORDS_REQUIRED)
		check_verifiers(conf, users, report);
	auth_users_free(&users);
}

/* Logins are checked elsewhere; the users file comes with the first app password. */
static void check_app_passwords(const struct conf_login *login, struct check_report *report)
{
	struct fault fault = { 0 };
	struct auth_users *users;

	if (login->app_passwords == CONF_APP_PASSWORDS_NONE)
		return;
	users = auth_users_load(login->users_file, &fault);
	if (users == NULL && fault.code != -ENOENT)
		check_warn(report, &login->place, "login: app passwords cannot be used: %s",
			   fault.text);
	else if (users == NULL && login->app_passwords == CONF_APP_PASSWORDS_REQUIRED)
		check_warn(
			report, &login->place,
			"login.app_passwords: they are required, but there is none in %s; nobody "
			"can log in until there is (posternctl app-password add)",
			login->users_file);
	auth_users_free(&users);
}

/* The configuration may name the socket or its directory. */
static void mux_path(const char *given, struct sockaddr_un *out)
{
	struct stat st;
	bool is_directory = stat(given, &st) == 0 && S_ISDIR(st.st_mode);

	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(out->sun_path, sizeof(out->sun_path), "%s%s", given, is_directory ? "/mux" : "");
}

static void check_saslauthd(const struct conf *conf, struct check_report *report)
{
	const struct conf_login *login = &conf->login;
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	mux_path(login->saslauthd_socket, &address);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		check_warn(report, &login->place,
			   "login: saslauthd at %s: %s; nobody can log in until it runs and user "
			   "id %d "
			   "may reach it (adduser postern-auth sasl, then restart)",
			   address.sun_path, strerror(errno), (int)geteuid());
	if (fd >= 0)
		close(fd);
}

static void check_sasldb(const struct conf *conf, struct check_report *report)
{
	const struct conf_login *login = &conf->login;

	if (access(login->sasldb_file, R_OK) != 0)
		check_warn(
			report, &login->place,
			"login: sasldb at %s: %s; nobody can log in until user id %d can read it "
			"(adduser postern-auth sasl, then restart)",
			login->sasldb_file, strerror(errno), (int)geteuid());
}

static bool is_offered(const struct conf *conf, const char *mechanism)
{
	for (size_t i = 0; i < conf->listen_count; i++)
		if (is_offered_at(conf, &conf->listens[i], mechanism))
			return true;
	return false;
}

/* Who logs in by a password is not kept from it by a key that is missing. */
static void check_gssapi(const struct conf *conf, struct check_report *report)
{
	struct fault fault = { 0 };

	if (!is_offered(conf, "GSSAPI") || auth_gssapi_check(conf->login.keytab, &fault) == 0)
		return;
	check_warn(report, &conf->login.place,
		   "login: GSSAPI is offered, but %s; logins by it get 454", fault.text);
}

void check_login(const struct conf *conf, struct check_report *report)
{
	static void (*const checks[])(const struct conf *conf, struct check_report *report) = {
		[CONF_BACKEND_USERS] = check_users_file,
		[CONF_BACKEND_SASLAUTHD] = check_saslauthd,
		[CONF_BACKEND_SASLDB] = check_sasldb,
	};

	checks[conf->login.backend](conf, report);
	if (conf->login.backend != CONF_BACKEND_USERS)
		check_app_passwords(&conf->login, report);
	check_gssapi(conf, report);
}
