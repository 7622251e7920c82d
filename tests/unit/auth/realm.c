#include "realm.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void write_file(const struct realm *r, const char *name, const char *format, int port)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", r->directory, name);
	f = fopen(path, "w");
	assert_non_null(f);
	for (const char *c = format; *c; c++)
		if (*c == '@')
			fputs(r->directory, f);
		else if (*c == '#')
			fprintf(f, "%d", port);
		else
			fputc(*c, f);
	assert_int_equal(fclose(f), 0);
	setenv(strcmp(name, "krb5.conf") == 0 ? "KRB5_CONFIG" : "KRB5_KDC_PROFILE", path, 1);
}

/* No name is looked up anywhere. */
static void write_files(const struct realm *r, int port)
{
	write_file(r, "krb5.conf",
		   "[libdefaults]\n"
		   " default_realm = EXAMPLE.COM\n"
		   " dns_lookup_kdc = false\n dns_lookup_realm = false\n"
		   " dns_canonicalize_hostname = false\n rdns = false\n"
		   " udp_preference_limit = 1\n"
		   "[realms]\n EXAMPLE.COM = {\n  kdc = 127.0.0.1:#\n }\n"
		   "[domain_realm]\n .example.com = EXAMPLE.COM\n",
		   port);
	write_file(r, "kdc.conf",
		   "[kdcdefaults]\n kdc_listen = \"\"\n kdc_tcp_listen = 127.0.0.1:#\n"
		   "[realms]\n EXAMPLE.COM = {\n"
		   "  database_name = @/principal\n  key_stash_file = @/stash\n  acl_file = @/acl\n"
		   "  supported_enctypes = aes128-cts-hmac-sha1-96:normal\n }\n"
		   "[logging]\n kdc = FILE:@/kdc.log\n",
		   port);
}

static void run(const char *command)
{
	if (system(command) != 0)
		fail_msg("failed (Debian: krb5-kdc krb5-admin-server krb5-user): %s", command);
}

static int new_socket(struct sockaddr_in *a)
{
	*a = (struct sockaddr_in){ .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				   .sin_port = a->sin_port };
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* The kernel's choice; the KDC takes no descriptor. */
static int free_port(void)
{
	struct sockaddr_in a = { 0 };
	socklen_t n = sizeof(a);
	int fd = new_socket(&a);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	close(fd);
	return ntohs(a.sin_port);
}

static bool listens(int port)
{
	struct sockaddr_in a = { .sin_port = htons((uint16_t)port) };
	int fd = new_socket(&a);
	int r = connect(fd, (struct sockaddr *)&a, sizeof(a));

	close(fd);
	return r == 0;
}

static void start_kdc(struct realm *r)
{
	r->kdc = fork();
	assert_true(r->kdc >= 0);
	if (r->kdc == 0) {
		int null = open("/dev/null", O_RDWR);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
		execl("/usr/sbin/krb5kdc", "krb5kdc", "-n", "-r", "EXAMPLE.COM", (char *)NULL);
		_exit(127);
	}
}

/* False: the port was taken meanwhile. */
static bool wait_for_kdc(struct realm *r, int port)
{
	struct timespec pause = { .tv_nsec = 5000000 };

	for (int i = 0; i < 2000; i++) {
		if (listens(port))
			return true;
		if (waitpid(r->kdc, NULL, WNOHANG) == r->kdc)
			break;
		nanosleep(&pause, NULL);
	}
	r->kdc = 0;
	return false;
}

void realm_open(struct realm *r, const char *directory)
{
	bool is_up = false;

	*r = (struct realm){ 0 };
	snprintf(r->directory, sizeof(r->directory), "%s", directory);
	fflush(NULL);
	for (int i = 0; i < 5 && !is_up; i++) {
		int port = free_port();

		write_files(r, port);
		if (i == 0)
			run("/usr/sbin/kdb5_util create -r EXAMPLE.COM -s -P master "
			    ">/dev/null 2>&1");
		start_kdc(r);
		is_up = wait_for_kdc(r, port);
	}
	if (!is_up)
		fail_msg("krb5kdc (Debian: krb5-kdc) did not start in %s", directory);
}

void realm_silence(struct realm *r)
{
	if (r->kdc <= 0)
		return;
	kill(r->kdc, SIGTERM);
	waitpid(r->kdc, NULL, 0);
	r->kdc = 0;
}

void realm_close(struct realm *r)
{
	realm_silence(r);
	unsetenv("KRB5_CONFIG");
	unsetenv("KRB5_KDC_PROFILE");
}

void realm_add(const struct realm *r, const char *principal, const char *keytab)
{
	char command[400];

	snprintf(command, sizeof(command),
		 "/usr/sbin/kadmin.local -r EXAMPLE.COM addprinc -randkey %s >/dev/null 2>&1 && "
		 "/usr/sbin/kadmin.local -r EXAMPLE.COM ktadd -k %s/%s %s >/dev/null 2>&1",
		 principal, r->directory, keytab, principal);
	run(command);
}
