#include "check_report.h"

#include "auth/users.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void check_users_file(const struct conf_login *login, struct check_report *report)
{
	struct fault fault = { 0 };
	struct auth_users *users = auth_users_load(login->users_file, &fault);

	if (users == NULL)
		check_fault(report, &login->place, "login: %s", fault.text);
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

static void check_saslauthd(const struct conf_login *login, struct check_report *report)
{
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	mux_path(login->saslauthd_socket, &address);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		check_warn(
			report, &login->place,
			"login: saslauthd at %s: %s; logins get 454 until it runs and user id %d "
			"may reach it (adduser postern-auth sasl)",
			address.sun_path, strerror(errno), (int)geteuid());
	if (fd >= 0)
		close(fd);
}

static void check_sasldb(const struct conf_login *login, struct check_report *report)
{
	if (access(login->sasldb_file, R_OK) != 0)
		check_warn(report, &login->place,
			   "login: sasldb at %s: %s; logins get 454 until user id %d can read it",
			   login->sasldb_file, strerror(errno), (int)geteuid());
}

void check_login(const struct conf *conf, struct check_report *report)
{
	static void (*const checks[])(const struct conf_login *login,
				      struct check_report *report) = {
		[CONF_BACKEND_USERS] = check_users_file,
		[CONF_BACKEND_SASLAUTHD] = check_saslauthd,
		[CONF_BACKEND_SASLDB] = check_sasldb,
	};

	checks[conf->login.backend](&conf->login, report);
}
