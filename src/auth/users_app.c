#include "auth/users.h"

#include "users_edit.h"
#include "base/base64.h"
#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/random.h>

enum { ID_LETTERS = 4, PASSWORD_LETTERS = 20, GROUP = 4 };

_Static_assert(PASSWORD_LETTERS + PASSWORD_LETTERS / GROUP <= AUTH_APP_PASSWORD_TEXT_MAX,
	       "letters, a dash between groups, and a NUL");

/* What is added or removed, and what the walk finds. */
struct app_edit {
	struct span name;
	const char *id; /* that is to go; NULL: all of the user */
	const char *fresh;
	bool is_user, is_taken;
	size_t count;
};

/* None of them looks like another: 32, so 5 bits each. */
static int random_letters(char *out, size_t count)
{
	static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789";
	unsigned char random[PASSWORD_LETTERS];

	_Static_assert(sizeof(letters) == 33, "each as likely as the others");
	if (getrandom(random, count, 0) != (ssize_t)count)
		return -EIO;
	for (size_t i = 0; i < count; i++)
		out[i] = letters[random[i] % 32];
	out[count] = '\0';
	mem_wipe(random, sizeof(random));
	return 0;
}

static int random_password(char out[AUTH_APP_PASSWORD_TEXT_MAX])
{
	char letters[PASSWORD_LETTERS + 1];
	int r = random_letters(letters, PASSWORD_LETTERS);
	size_t n = 0;

	for (size_t i = 0; i < PASSWORD_LETTERS && r == 0; i++) {
		if (i && i % GROUP == 0)
			out[n++] = '-';
		out[n++] = letters[i];
	}
	out[n] = '\0';
	mem_wipe(letters, sizeof(letters));
	return r;
}

static int look_at_line(struct users_edit *e, void *user, const struct users_line *line,
			struct fault *fault)
{
	struct app_edit *a = user;
	bool is_it = line->kind != USERS_LINE_OTHER && span_eq(line->name, a->name);

	(void)fault;
	a->is_user |= is_it && line->kind == USERS_LINE_PASSWORD;
	if (is_it && line->kind == USERS_LINE_APP) {
		a->count++;
		a->is_taken |= a->fresh && span_eq(line->id, span_text(a->fresh));
	}
	users_edit_put_line(e, line->whole);
	return 0;
}

/* What stands before the line of a user's first app password is kept; new ones go to the end. */
static void put_app(struct users_edit *e, const struct app_edit *a, const char *label,
		    int64_t now_s, int64_t expires_s, const char *password)
{
	unsigned char salt[AUTH_SCRAM_OCTETS], mac[AUTH_SCRAM_OCTETS];
	struct auth_scram scram;
	struct buf line = { 0 };

	verifier_salt(e->seed.octets, a->name, salt);
	/* As it is shown: a SCRAM client sends nothing that we could take dashes from. */
	verifier_make(span_text(password), salt, &scram);
	verifier_mac(e->seed.octets, span_text(password), mac);
	buf_put_span(&line, a->name);
	buf_printf(&line, ":+%s:%" PRId64 ":%" PRId64 ":", a->fresh, now_s, expires_s);
	base64_encode(span_of(mac, sizeof(mac)), &line);
	buf_put_char(&line, ':');
	verifier_format(&scram, salt, &line);
	buf_put_char(&line, ':');
	buf_put_text(&line, label);
	users_edit_put_line(e, buf_span(&line));
	buf_wipe(&line);
	mem_wipe(&scram, sizeof(scram));
	mem_wipe(mac, sizeof(mac));
}

static int may_add(const struct users_edit *e, const struct app_edit *a, bool must_exist,
		   struct fault *fault)
{
	int len = (int)a->name.len;
	const char *name = (const char *)a->name.at;

	if (must_exist && !a->is_user)
		return fault_set(fault, -ENOENT,
				 "there is no user %.*s in %s (posternctl user add makes one)", len,
				 name, e->path);
	if (a->count >= AUTH_APP_PASSWORDS_MAX)
		return fault_set(fault, -E2BIG,
				 "%.*s has %zu app passwords already, the most there may be: "
				 "remove one (posternctl app-password ls, rm)",
				 len, name, a->count);
	return 0;
}

/* An id that none of the user's has: by chance, the first. */
static int walk_with_fresh_id(struct users_edit *e, struct app_edit *a, char *id,
			      struct fault *fault)
{
	size_t from = e->after.len;
	int r;

	do {
		e->after.len = from;
		a->count = 0;
		a->is_taken = false;
		if (random_letters(id, ID_LETTERS) < 0)
			return fault_set(fault, -EIO, "the kernel gave no random octets");
		r = users_edit_walk(e, a, look_at_line, fault);
	} while (r == 0 && a->is_taken);
	return r;
}

static int check_words(struct span name, struct span label, struct fault *fault)
{
	const char *flaw = users_name_flaw(name);

	if (flaw == NULL)
		flaw = users_label_flaw(label);
	return flaw ? fault_set(fault, -EINVAL, "%s", flaw) : 0;
}

int auth_users_app_add(const char *path, const char *name, const char *label, int64_t now_s,
		       int64_t expires_s, bool must_exist, char id[AUTH_APP_ID_MAX],
		       char password[AUTH_APP_PASSWORD_TEXT_MAX], struct fault *fault)
{
	struct app_edit a = { .name = span_text(name), .fresh = id };
	struct users_edit e;
	int r = check_words(a.name, span_text(label), fault);

	if (r < 0)
		return r;
	r = users_edit_begin(&e, path, !must_exist, fault);
	if (r == 0)
		r = users_edit_need_seed(&e, fault);
	if (r == 0)
		r = walk_with_fresh_id(&e, &a, id, fault);
	if (r == 0)
		r = may_add(&e, &a, must_exist, fault);
	if (r == 0 && random_password(password) < 0)
		r = fault_set(fault, -EIO, "the kernel gave no random octets");
	if (r == 0) {
		put_app(&e, &a, label, now_s, expires_s, password);
		r = users_edit_commit(&e, fault);
	}
	users_edit_end(&e);
	if (r < 0)
		mem_wipe(password, AUTH_APP_PASSWORD_TEXT_MAX);
	return r;
}

static int leave_out(struct users_edit *e, void *user, const struct users_line *line,
		     struct fault *fault)
{
	struct app_edit *a = user;

	(void)fault;
	if (line->kind == USERS_LINE_APP && span_eq(line->name, a->name) &&
	    (a->id == NULL || span_eq(line->id, span_text(a->id))))
		a->count++;
	else
		users_edit_put_line(e, line->whole);
	return 0;
}

static int nothing_to_remove(const struct users_edit *e, const struct app_edit *a,
			     struct fault *fault)
{
	int len = (int)a->name.len;
	const char *name = (const char *)a->name.at;

	if (a->id)
		return fault_set(fault, -ENOENT,
				 "%.*s has no app password %s in %s (posternctl app-password ls "
				 "names them)",
				 len, name, a->id, e->path);
	return fault_set(fault, -ENOENT, "%.*s has no app password in %s", len, name, e->path);
}

int auth_users_app_rm(const char *path, const char *name, const char *id, struct fault *fault)
{
	struct app_edit a = { .name = span_text(name), .id = id };
	struct users_edit e;
	int r = users_edit_begin(&e, path, false, fault);

	if (r == 0)
		r = users_edit_walk(&e, &a, leave_out, fault);
	if (r == 0 && a.count == 0)
		r = nothing_to_remove(&e, &a, fault);
	if (r == 0)
		r = users_edit_commit(&e, fault);
	users_edit_end(&e);
	return r;
}
