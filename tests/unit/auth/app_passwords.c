#include "test.h"

#include "auth/users.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define YESCRYPT "$y$j9T$G0U8zGU.IOHiFvRBTe8Hw1$0gc5bd8LE5/TUYLRtSXoO4bwZTbthf7fbb2PcMjtNAB"

/* Worked out by Python's hashlib and hmac from RFC 5802 and auth/users.h: the seed is the octets 0 to 31,
 * alice's password "wonderland", her app password "abcd-efgh-ijkm-npqr-stuv". */
#define SEED "@seed:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
#define SALT "p0xaLaGOvFSoRKrpXOqhIviBChF+guiInFwSPCKsxRM="
#define OTHER_SALT "/3ROXtx7aUyb0v7NLsg3bQo5SkTrS5BZWSDWo7J1fbA="
#define STORED "wfBSmgTJtI5EFQ4nOMI+Q1DIjFqbaAT7gHFa24SigEU="
#define SERVER "TX8x1lQAmlrg5Lp0Fj0vRAWUW/5lorDszQxVsL5lHdY="
#define SCRAM "SCRAM-SHA-256$65536$" SALT "$" STORED "$" SERVER
#define APP_SCRAM                                                                                  \
	"SCRAM-SHA-256$65536$" SALT "$FAPUwhFU32zhAWPu2W9ZY27d0jDgs9BD0Dn4nCRUM8M=$"               \
	"DBVaTzSDPqNTfbVj76t5Vdfxg07eouM3wfqas03TZNE="
#define MAC "Ola25F7FKMGU9KJlHiOVb6mUCWWtwR0Cm1i028Pp+lg="

static const unsigned char alice_salt[AUTH_SCRAM_OCTETS] = {
	0xa7, 0x4c, 0x5a, 0x2d, 0xa1, 0x8e, 0xbc, 0x54, 0xa8, 0x44, 0xaa,
	0xe9, 0x5c, 0xea, 0xa1, 0x22, 0xf8, 0x81, 0x0a, 0x11, 0x7e, 0x82,
	0xe8, 0x88, 0x9c, 0x5c, 0x12, 0x3c, 0x22, 0xac, 0xc5, 0x13
};
static const unsigned char stored_key[AUTH_SCRAM_OCTETS] = {
	0xc1, 0xf0, 0x52, 0x9a, 0x04, 0xc9, 0xb4, 0x8e, 0x44, 0x15, 0x0e,
	0x27, 0x38, 0xc2, 0x3e, 0x43, 0x50, 0xc8, 0x8c, 0x5a, 0x9b, 0x68,
	0x04, 0xfb, 0x80, 0x71, 0x5a, 0xdb, 0x84, 0xa2, 0x80, 0x45
};
static const unsigned char server_key[AUTH_SCRAM_OCTETS] = {
	0x4d, 0x7f, 0x31, 0xd6, 0x54, 0x00, 0x9a, 0x5a, 0xe0, 0xe4, 0xba,
	0x74, 0x16, 0x3d, 0x2f, 0x44, 0x05, 0x94, 0x5b, 0xfe, 0x65, 0xa2,
	0xb0, 0xec, 0xcd, 0x0c, 0x55, 0xb0, 0xbe, 0x65, 0x1d, 0xd6
};
static const unsigned char app_stored_key[AUTH_SCRAM_OCTETS] = {
	0x14, 0x03, 0xd4, 0xc2, 0x11, 0x54, 0xdf, 0x6c, 0xe1, 0x01, 0x63,
	0xee, 0xd9, 0x6f, 0x59, 0x63, 0x6e, 0xdd, 0xd2, 0x30, 0xe0, 0xb3,
	0xd0, 0x43, 0xd0, 0x39, 0xf8, 0x9c, 0x24, 0x54, 0x33, 0xc3
};

static char directory[64], path[96];

static int set_up(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "/tmp/auth-apps-XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/users", directory);
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return system(command);
}

static void write_text(const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void read_text(char *content, size_t cap)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, content, cap - 1);

	assert_true(n >= 0);
	close(fd);
	content[n] = '\0';
}

static struct auth_users *load(void)
{
	struct fault fault = { 0 };
	struct auth_users *users = auth_users_load(path, &fault);

	if (users == NULL)
		fail_msg("%s", fault.text);
	return users;
}

static struct span alice(void)
{
	return span_text("alice");
}

struct made {
	char id[AUTH_APP_ID_MAX], password[AUTH_APP_PASSWORD_TEXT_MAX];
};

static struct made make(const char *name, const char *label)
{
	struct fault fault = { 0 };
	struct made made = { 0 };

	if (auth_users_app_add(path, name, label, 1000, 0, false, made.id, made.password, &fault) <
	    0)
		fail_msg("%s", fault.text);
	return made;
}

static bool fits(const char *name, const char *password, const char *id)
{
	struct auth_users *users = load();
	const struct auth_app_password *app =
		auth_users_app_password_fits(users, span_text(name), span_text(password));
	bool yes = app && (id == NULL || strcmp(app->id, id) == 0);

	auth_users_free(&users);
	return yes;
}

static void reads_what_the_format_says(void **state)
{
	const struct auth_app_password *app;
	const struct auth_scram *scram;
	unsigned char salt[AUTH_SCRAM_OCTETS];
	struct auth_users *users;

	(void)state;
	write_text(SEED "alice:" YESCRYPT ":" SCRAM "\nalice:+k3fz:1000:2000:" MAC ":" APP_SCRAM
			":iPhone: blue \xC3\xA4\n");
	users = load();
	assert_string_equal(auth_users_hash(users, alice()), YESCRYPT);
	assert_true(auth_users_salt(users, alice(), salt));
	assert_memory_equal(salt, alice_salt, sizeof(salt));
	scram = auth_users_scram(users, alice());
	assert_non_null(scram);
	assert_memory_equal(scram->stored_key, stored_key, sizeof(stored_key));
	assert_memory_equal(scram->server_key, server_key, sizeof(server_key));
	app = auth_users_app_password(users, alice(), 0);
	assert_non_null(app);
	assert_string_equal(app->id, "k3fz");
	assert_string_equal(app->label, "iPhone: blue \xC3\xA4");
	assert_int_equal(app->created_s, 1000);
	assert_int_equal(app->expires_s, 2000);
	assert_true(app->has_scram);
	assert_memory_equal(app->scram.stored_key, app_stored_key, sizeof(app_stored_key));
	assert_null(auth_users_app_password(users, alice(), 1));
	assert_null(auth_users_app_password(users, span_text("bob"), 0));
	assert_ptr_equal(auth_users_app_password_fits(users, alice(),
						      span_text("abcd-efgh-ijkm-npqr-stuv")),
			 app);
	auth_users_free(&users);
}

static void what_is_made_is_what_the_format_says(void **state)
{
	struct fault fault = { 0 };
	char content[2048];

	(void)state;
	write_text(SEED);
	assert_int_equal(auth_users_add(path, "alice", span_text("wonderland"), &fault), 0);
	read_text(content, sizeof(content));
	assert_non_null(strstr(content, "\nalice:$y$"));
	assert_non_null(strstr(content, ":" SCRAM "\n"));
}

/* "a" and a combining diaeresis, as a Mac may send it, is what a client normalizes to U+00E4. */
static void a_verifier_is_of_the_normal_form(void **state)
{
	static const char *const forms[] = { "a\xCC\x88pfel", "\xC3\xA4pfel" };
	struct auth_scram scrams[2];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct auth_users *users;

		write_text(SEED);
		assert_int_equal(auth_users_add(path, "alice", span_text(forms[i]), NULL), 0);
		users = load();
		scrams[i] = *auth_users_scram(users, alice());
		assert_true(
			auth_password_fits(auth_users_hash(users, alice()), span_text(forms[i])));
		auth_users_free(&users);
	}
	assert_memory_equal(&scrams[0], &scrams[1], sizeof(scrams[0]));
}

/* The same whether or not there is such a user. */
static void a_salt_is_there_for_every_name(void **state)
{
	unsigned char one[AUTH_SCRAM_OCTETS], again[AUTH_SCRAM_OCTETS], other[AUTH_SCRAM_OCTETS];
	struct fault fault = { 0 };
	struct auth_users *users;

	(void)state;
	write_text("alice:" YESCRYPT "\n");
	users = load();
	assert_false(auth_users_salt(users, alice(), one));
	auth_users_free(&users);
	assert_int_equal(auth_users_add(path, "bob", span_text("x"), &fault), 0);
	users = load();
	assert_true(auth_users_salt(users, span_text("eve"), one));
	assert_true(auth_users_salt(users, alice(), other));
	assert_memory_not_equal(one, other, sizeof(one));
	auth_users_free(&users);
	assert_int_equal(auth_users_add(path, "eve", span_text("x"), &fault), 0);
	users = load();
	assert_true(auth_users_salt(users, span_text("eve"), again));
	assert_memory_equal(one, again, sizeof(one));
	auth_users_free(&users);
}

static void a_strange_verifier_is_none(void **state)
{
	static const struct {
		const char *name, *field;
	} cases[] = {
		{ "another salt", "SCRAM-SHA-256$65536$" OTHER_SALT "$" STORED "$" SERVER },
		{ "a short salt", "SCRAM-SHA-256$65536$c2FsdA==$" STORED "$" SERVER },
		{ "another count", "SCRAM-SHA-256$4096$" SALT "$" STORED "$" SERVER },
		{ "none", "" },
		{ "somebody else's", "1000:1000::/home/alice" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[1024];
		struct auth_users *users;

		snprintf(text, sizeof(text), SEED "alice:" YESCRYPT ":%s\n", cases[i].field);
		write_text(text);
		users = load();
		assert_string_equal(auth_users_hash(users, alice()), YESCRYPT);
		if (auth_users_scram(users, alice()))
			fail_msg("%s", cases[i].name);
		auth_users_free(&users);
	}
}

/* A verifier of another seed, or of none, does not match its salt. */
static void without_the_seed_no_verifier(void **state)
{
	struct auth_users *users;

	(void)state;
	write_text("alice:" YESCRYPT ":" SCRAM "\n");
	users = load();
	assert_null(auth_users_scram(users, alice()));
	auth_users_free(&users);
}

static void a_bad_line_is_named(void **state)
{
	static char long_label[200];
	static const struct {
		const char *line, *words;
	} cases[] = {
		{ "alice:" YESCRYPT ":SCRAM-SHA-1$4096$c2FsdA==$" STORED "$" SERVER,
		  "another mechanism" },
		{ "alice:" YESCRYPT ":SCRAM-", "another mechanism" },
		{ "alice:" YESCRYPT ":SCRAM-SHA-256$", "not whole" },
		{ "alice:" YESCRYPT ":SCRAM-SHA-256$65536", "not whole" },
		{ "alice:" YESCRYPT ":SCRAM-SHA-256$65536$" SALT "$" STORED, "not whole" },
		{ "alice:" YESCRYPT ":SCRAM-SHA-256$65536$" SALT "$" STORED "$", "not whole" },
		{ "alice:" YESCRYPT ":" SCRAM "$", "not whole" },
		{ "alice:" YESCRYPT ":SCRAM-SHA-256$0$" SALT "$" STORED "$" SERVER, "not whole" },
		{ "alice:" YESCRYPT ":SCRAM-SHA-256$-1$" SALT "$" STORED "$" SERVER, "not whole" },
		{ "alice:" YESCRYPT ":SCRAM-SHA-256$99999999999999999999$" SALT "$" STORED
		  "$" SERVER,
		  "not whole" },
		{ "alice:" YESCRYPT ":SCRAM-SHA-256$65536$$" STORED "$" SERVER, "not whole" },
		{ "alice:" YESCRYPT ":SCRAM-SHA-256$65536$" SALT "$c2FsdA==$" SERVER, "not whole" },
		{ "alice:+", "id" },
		{ "alice:+:1:0:" MAC "::x", "id" },
		{ "alice:+k/fz:1:0:" MAC "::x", "id" },
		{ "alice:+k3fzk3fzk3fzk3fz:1:0:" MAC "::x", "id" },
		{ "alice:+k3fz", "time" },
		{ "alice:+k3fz::0:" MAC "::x", "time" },
		{ "alice:+k3fz:-1:0:" MAC "::x", "time" },
		{ "alice:+k3fz:1:later:" MAC "::x", "time" },
		{ "alice:+k3fz:1:18446744073709551615:" MAC "::x", "time" },
		{ "alice:+k3fz:1:0", "MAC" },
		{ "alice:+k3fz:1:0:c2FsdA==::x", "MAC" },
		{ "alice:+k3fz:1:0:" MAC ":SCRAM-SHA-256$x:l", "not whole" },
		{ "alice:+k3fz:1:0:" MAC ":plain:l", "another mechanism" },
		{ "alice:+k3fz:1:0:" MAC "::a\x01"
		  "b",
		  "control" },
		{ "alice:+k3fz:1:0:" MAC "::\xFF", "UTF-8" },
		{ long_label, "128" },
		{ ":+k3fz:1:0:" MAC "::x", "name is empty" },
		{ "@seed:" SALT, "stands there already" },
		{ "@seed :" YESCRYPT, "white space" },
	};

	(void)state;
	snprintf(long_label, sizeof(long_label), "alice:+k3fz:1:0:" MAC "::%0129d", 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fault fault = { 0 };
		char text[2048], place[160];

		snprintf(text, sizeof(text), SEED "bob:" YESCRYPT "\n%s\n", cases[i].line);
		write_text(text);
		if (auth_users_load(path, &fault))
			fail_msg("case %zu is taken", i);
		assert_int_equal(fault.code, -EINVAL);
		snprintf(place, sizeof(place), "%s:3: ", path);
		if (strstr(fault.text, place) != fault.text || !strstr(fault.text, cases[i].words))
			fail_msg("case %zu: %s", i, fault.text);
	}
}

static void a_bad_seed_is_named(void **state)
{
	static const char *const seeds[] = { "@seed:\n", "@seed:c2FsdA==\n", "@seed:" YESCRYPT "\n",
					     "@seed:*" SALT "\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++) {
		struct fault fault = { 0 };

		write_text(seeds[i]);
		assert_null(auth_users_load(path, &fault));
		assert_int_equal(fault.code, -EINVAL);
		assert_non_null(strstr(fault.text, ":1: the seed is not"));
		assert_int_equal(auth_users_add(path, "bob", span_text("x"), NULL), -EINVAL);
	}
}

/* Every prefix of a whole file is a file or a fault, never more. */
static void every_prefix_is_judged(void **state)
{
	static const char text[] = SEED "alice:" YESCRYPT ":" SCRAM "\nalice:+k3fz:1000:2000:" MAC
					":" APP_SCRAM ":iPhone\n";

	(void)state;
	for (size_t n = 0; n < sizeof(text); n++) {
		char part[sizeof(text)];
		struct fault fault = { 0 };
		struct auth_users *users;

		memcpy(part, text, n);
		part[n] = '\0';
		write_text(part);
		users = auth_users_load(path, &fault);
		assert_true(users != NULL || fault.code == -EINVAL);
		if (users && n < sizeof(SEED) + 5 + sizeof(YESCRYPT))
			assert_null(auth_users_scram(users, alice()));
		auth_users_free(&users);
	}
}

static void app_passwords_without_the_seed_are_told(void **state)
{
	struct fault fault = { 0 };
	struct made made = { 0 };

	(void)state;
	write_text("alice:" YESCRYPT "\nalice:+k3fz:1:0:" MAC "::x\n");
	assert_null(auth_users_load(path, &fault));
	assert_non_null(strstr(fault.text, ":2: "));
	assert_non_null(strstr(fault.text, "app-password rm alice --all"));
	/* A new seed would make them useless for good. */
	assert_int_equal(auth_users_app_add(path, "alice", "", 1, 0, true, made.id, made.password,
					    &fault),
			 -EINVAL);
	assert_int_equal(auth_users_add(path, "bob", span_text("x"), &fault), -EINVAL);
	assert_non_null(strstr(fault.text, "@seed:"));
	assert_int_equal(auth_users_app_rm(path, "alice", NULL, &fault), 0);
	assert_int_equal(auth_users_add(path, "bob", span_text("x"), &fault), 0);
}

static void an_old_file_gets_a_seed(void **state)
{
	struct auth_users *users;
	char content[2048];

	(void)state;
	write_text("# ours\nalice:" YESCRYPT "\n");
	make("alice", "iPhone");
	read_text(content, sizeof(content));
	assert_ptr_equal(strstr(content, "@seed:"), content);
	assert_non_null(strstr(content, "\n# ours\nalice:" YESCRYPT "\nalice:+"));
	users = load();
	assert_string_equal(auth_users_hash(users, alice()), YESCRYPT);
	assert_null(auth_users_scram(users, alice()));
	auth_users_free(&users);
	/* And keeps it. */
	make("alice", "iPad");
	users = load();
	assert_non_null(auth_users_app_password(users, alice(), 1));
	auth_users_free(&users);
}

static void a_made_one_fits_as_people_type_it(void **state)
{
	struct made made, other;
	char typed[64];
	size_t n = 0;

	(void)state;
	write_text("alice:" YESCRYPT "\nbob:" YESCRYPT "\n");
	made = make("alice", "iPhone");
	other = make("alice", "iPad");
	assert_int_equal(strlen(made.password), 24);
	for (size_t i = 0; i < 24; i++)
		assert_true(i % 5 == 4 ? made.password[i] == '-'
				       : strchr("abcdefghijkmnpqrstuvwxyz23456789",
						made.password[i]) != NULL);
	assert_true(fits("alice", made.password, made.id));
	assert_true(fits("alice", other.password, other.id));
	assert_false(fits("bob", made.password, NULL));
	assert_false(fits("nobody", made.password, NULL));
	assert_false(fits("Alice", made.password, NULL));
	for (const char *c = made.password; *c; c++)
		if (*c != '-')
			typed[n++] = *c >= 'a' ? (char)(*c - 32) : *c;
	typed[n] = '\0';
	assert_true(fits("alice", typed, made.id));
	snprintf(typed, sizeof(typed), " %.4s %.4s %s-", made.password, made.password + 5,
		 made.password + 10);
	assert_true(fits("alice", typed, made.id));
	snprintf(typed, sizeof(typed), "%.23s", made.password);
	assert_false(fits("alice", typed, NULL));
	snprintf(typed, sizeof(typed), "%sa", made.password);
	assert_false(fits("alice", typed, NULL));
	snprintf(typed, sizeof(typed), "%s%s", made.password, made.password);
	assert_false(fits("alice", typed, NULL));
	assert_false(fits("alice", "", NULL));
}

static void odd_passwords_do_not_fit(void **state)
{
	static char huge[20000];
	struct auth_users *users;
	struct made made;

	(void)state;
	made = make("alice", "");
	memset(huge, 'x', sizeof(huge));
	memcpy(huge + sizeof(huge) - 24, made.password, 24);
	users = load();
	assert_non_null(auth_users_app_password_fits(users, alice(), span_text(made.password)));
	assert_null(auth_users_app_password_fits(users, alice(), span_of(huge, sizeof(huge))));
	assert_null(auth_users_app_password_fits(users, alice(), span_of(NULL, 0)));
	assert_null(
		auth_users_app_password_fits(users, alice(), span_of("abcd\0efghijkmnpqrst", 19)));
	auth_users_free(&users);
	write_text("");
	users = load();
	assert_null(auth_users_app_password_fits(users, alice(), span_text(made.password)));
	auth_users_free(&users);
}

/* Another back end has the account: the file knows only what it may log in with besides. */
static void an_account_of_another_back_end(void **state)
{
	struct fault fault = { 0 };
	struct auth_users *users;
	struct made made = { 0 };
	struct stat st;

	(void)state;
	assert_int_equal(auth_users_app_add(path, "alice", "", 1, 0, true, made.id, made.password,
					    &fault),
			 -ENOENT);
	assert_int_equal(access(path, F_OK), -1);
	made = make("alice", "iPhone");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	users = load();
	assert_int_equal(auth_users_count(users), 1);
	assert_string_equal(auth_users_name(users, 0), "alice");
	assert_null(auth_users_hash(users, alice()));
	assert_null(auth_users_scram(users, alice()));
	assert_non_null(auth_users_app_password(users, alice(), 0));
	auth_users_free(&users);
	assert_int_equal(auth_users_app_add(path, "alice", "", 1, 0, true, made.id, made.password,
					    &fault),
			 -ENOENT);
	assert_non_null(strstr(fault.text, "posternctl user add"));
	assert_int_equal(auth_users_passwd(path, "alice", span_text("x"), &fault), -ENOENT);
	assert_int_equal(auth_users_add(path, "alice", span_text("x"), &fault), 0);
	users = load();
	assert_non_null(auth_users_hash(users, alice()));
	assert_non_null(auth_users_app_password(users, alice(), 0));
	auth_users_free(&users);
}

static void anywhere_and_in_order(void **state)
{
	static const char *const labels[] = { "one", "two", "three" };
	struct auth_users *users;

	(void)state;
	write_text("alice:+a1:1:0:" MAC "::one\nbob:+b1:1:0:" MAC "::x\nalice:+a2:1:0:" MAC
		   "::two\n# a comment\nalice:" YESCRYPT "\nbob:" YESCRYPT "\nalice:+a3:1:0:" MAC
		   "::three\n" SEED);
	users = load();
	assert_int_equal(auth_users_count(users), 2);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(auth_users_app_password(users, alice(), i)->label, labels[i]);
	assert_null(auth_users_app_password(users, alice(), 3));
	assert_false(auth_users_app_password(users, alice(), 0)->has_scram);
	assert_string_equal(auth_users_app_password(users, span_text("bob"), 0)->id, "b1");
	assert_non_null(auth_users_hash(users, span_text("bob")));
	auth_users_free(&users);
}

static void an_id_stands_once(void **state)
{
	struct fault fault = { 0 };

	(void)state;
	write_text(SEED "alice:+k3fz:1:0:" MAC "::x\nbob:+k3fz:1:0:" MAC "::x\n");
	{
		struct auth_users *users = load();

		auth_users_free(&users);
	}
	write_text(SEED "alice:+k3fz:1:0:" MAC "::x\nalice:+k3fz:1:0:" MAC "::x\n");
	assert_null(auth_users_load(path, &fault));
	assert_non_null(strstr(fault.text, "alice has two app passwords with the id k3fz"));
}

static void removes_one_or_all(void **state)
{
	struct fault fault = { 0 };
	struct made one, two;

	(void)state;
	write_text("alice:" YESCRYPT "\nbob:" YESCRYPT "\n");
	one = make("alice", "one");
	two = make("alice", "two");
	make("bob", "three");
	assert_int_equal(auth_users_app_rm(path, "bob", one.id, &fault), -ENOENT);
	assert_int_equal(auth_users_app_rm(path, "alice", one.id, &fault), 0);
	assert_false(fits("alice", one.password, NULL));
	assert_true(fits("alice", two.password, two.id));
	assert_int_equal(auth_users_app_rm(path, "alice", one.id, &fault), -ENOENT);
	assert_int_equal(auth_users_app_rm(path, "alice", NULL, &fault), 0);
	assert_false(fits("alice", two.password, NULL));
	assert_int_equal(auth_users_app_rm(path, "alice", NULL, &fault), -ENOENT);
	{
		struct auth_users *users = load();

		assert_non_null(auth_users_hash(users, alice()));
		assert_non_null(auth_users_app_password(users, span_text("bob"), 0));
		auth_users_free(&users);
	}
	assert_int_equal(auth_users_rm(path, "bob", &fault), 0);
	{
		struct auth_users *users = load();

		assert_int_equal(auth_users_count(users), 1);
		auth_users_free(&users);
	}
}

static void a_new_password_leaves_app_passwords(void **state)
{
	struct fault fault = { 0 };
	struct made made;

	(void)state;
	write_text("alice:" YESCRYPT "\n");
	made = make("alice", "one");
	assert_int_equal(auth_users_passwd(path, "alice", span_text("new"), &fault), 0);
	assert_true(fits("alice", made.password, made.id));
}

static void there_is_a_most(void **state)
{
	char text[AUTH_APP_PASSWORDS_MAX * 80 + 200];
	struct fault fault = { 0 };
	struct made made = { 0 };
	size_t n;

	(void)state;
	n = (size_t)snprintf(text, sizeof(text), SEED "alice:" YESCRYPT "\n");
	for (int i = 1; i < AUTH_APP_PASSWORDS_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "alice:+a%d:1:0:" MAC "::\n", i);
	write_text(text);
	make("alice", "the last");
	assert_int_equal(auth_users_app_add(path, "alice", "", 1, 0, true, made.id, made.password,
					    &fault),
			 -E2BIG);
	assert_non_null(strstr(fault.text, "100"));
	assert_int_equal(made.password[0], 0);
	snprintf(text + n, sizeof(text) - n, "alice:+b1:1:0:" MAC "::\nalice:+b2:1:0:" MAC "::\n");
	write_text(text);
	assert_null(auth_users_load(path, &fault));
	assert_non_null(strstr(fault.text, "more than 100"));
}

static void words_are_checked(void **state)
{
	static char long_label[130];
	static const struct {
		const char *name, *label;
	} cases[] = { { "", "x" },	   { "#a", "x" },     { "a:b", "x" },
		      { "@seed", "x" },	   { "a", "x\ny" },   { "a", "\xFF" },
		      { "a", long_label }, { "a", "x\x7Fy" }, { " a", "x" } };

	(void)state;
	memset(long_label, 'l', 129);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fault fault = { 0 };
		struct made made = { 0 };

		if (auth_users_app_add(path, cases[i].name, cases[i].label, 1, 0, false, made.id,
				       made.password, &fault) != -EINVAL)
			fail_msg("case %zu", i);
	}
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(auth_users_add(path, "@seed", span_text("x"), NULL), -EINVAL);
	long_label[128] = '\0';
	make("a", long_label);
}

/* What the file says is whole, and holds all that was told to have been done. */
static void assert_whole(unsigned done)
{
	struct auth_users *users = load();
	unsigned found = 0;

	while (auth_users_app_password(users, alice(), found))
		found++;
	assert_true(found == done || found == done + 1);
	assert_string_equal(auth_users_hash(users, alice()), YESCRYPT);
	auth_users_free(&users);
}

/* A child adds, and is killed at some moment; what it had been told to be there is there. */
static void killed_at_any_moment(void **state)
{
	void *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	_Atomic unsigned *done = shared;

	(void)state;
	assert_true(shared != MAP_FAILED);
	for (unsigned round = 0; round < 8; round++) {
		pid_t pid;
		int status;

		write_text("alice:" YESCRYPT "\n");
		*done = 0;
		pid = fork();
		if (pid == 0) {
			char id[AUTH_APP_ID_MAX], password[AUTH_APP_PASSWORD_TEXT_MAX];

			while (auth_users_app_add(path, "alice", "x", 1, 0, true, id, password,
						  NULL) == 0)
				(*done)++;
			_exit(1);
		}
		/* The moments differ by themselves: this is not to wait for anything. */
		for (unsigned spin = 0; *done < 1 + round / 2 || spin < round * 20000; spin++)
			;
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		assert_whole(*done);
		/* The lock went with it. */
		make("alice", "after");
	}
	munmap(shared, 4096);
}

/* As a full disk does: a write takes only a part, the next none. */
static int add_with_room_for(rlim_t octets, struct fault *fault)
{
	struct rlimit before, limit;
	struct made made = { 0 };
	int r;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = octets;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	r = auth_users_app_add(path, "alice", "x", 1, 0, true, made.id, made.password, fault);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_true(r == 0 || made.password[0] == '\0');
	return r;
}

static void a_full_disk_leaves_the_old_file(void **state)
{
	static const rlim_t rooms[] = { 0, 1, 20, 60, 150, 300 };
	char before[2048], after[2048], left_over[128];

	(void)state;
	write_text(SEED "alice:" YESCRYPT "\n");
	read_text(before, sizeof(before));
	snprintf(left_over, sizeof(left_over), "%s/.users.new", directory);
	for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
		struct fault fault = { 0 };

		assert_int_equal(add_with_room_for(rooms[i], &fault), -EFBIG);
		assert_non_null(strstr(fault.text, "cannot replace the users file"));
		read_text(after, sizeof(after));
		assert_string_equal(after, before);
		assert_int_equal(access(left_over, F_OK), -1);
	}
	assert_int_equal(add_with_room_for(4096, &(struct fault){ 0 }), 0);
}

#define in_directory(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_directory(reads_what_the_format_says),
		in_directory(what_is_made_is_what_the_format_says),
		in_directory(a_verifier_is_of_the_normal_form),
		in_directory(a_salt_is_there_for_every_name),
		in_directory(a_strange_verifier_is_none),
		in_directory(without_the_seed_no_verifier),
		in_directory(a_bad_line_is_named),
		in_directory(a_bad_seed_is_named),
		in_directory(every_prefix_is_judged),
		in_directory(app_passwords_without_the_seed_are_told),
		in_directory(an_old_file_gets_a_seed),
		in_directory(a_made_one_fits_as_people_type_it),
		in_directory(odd_passwords_do_not_fit),
		in_directory(an_account_of_another_back_end),
		in_directory(anywhere_and_in_order),
		in_directory(an_id_stands_once),
		in_directory(removes_one_or_all),
		in_directory(a_new_password_leaves_app_passwords),
		in_directory(there_is_a_most),
		in_directory(words_are_checked),
		in_directory(killed_at_any_moment),
		in_directory(a_full_disk_leaves_the_old_file),
	};

	return cmocka_run_group_tests_name("auth/app_passwords", tests, NULL, NULL);
}
