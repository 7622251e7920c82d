#include "password.h"

#include "auth/users.h"
#include "base/mem.h"

#include <errno.h>
#include <nettle/memops.h>
#include <stdlib.h>

#define METHOD "$y$"

/* What an unknown user's password is checked against: as dear as the hashes that password_hash()
 * makes, and nobody's (the octets it was made from were thrown away). */
static const char nobody[] =
	"$y$j9T$ee6N8DprLIwMu2rwevH0V1$4CGjPAtW55oclS5PWLNPv.DIXyv9neMcZqo.97f8IJ0";

/* The methods of crypt(5) that are worth keeping, and how many characters stand behind the last
 * '$'. */
static const struct method {
	const char *prefix;
	size_t digest;
} methods[] = {
	{ "$y$", 43 }, { "$gy$", 43 }, { "$7$", 43 },  { "$6$", 86 },
	{ "$5$", 43 }, { "$2b$", 53 }, { "$2a$", 53 }, { "$2y$", 53 },
};

static const struct method *method_of(struct span hash)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		struct span prefix = span_text(methods[i].prefix);

		if (hash.len > prefix.len && span_eq(span_first(hash, prefix.len), prefix))
			return &methods[i];
	}
	return NULL;
}

static bool is_hash_character(unsigned char c)
{
	return ascii_is_alnum(c) || c == '.' || c == '/' || c == '$' || c == '=' || c == ',';
}

static size_t digest_length(struct span hash)
{
	size_t n = 0;

	while (n < hash.len && hash.at[hash.len - 1 - n] != '$')
		n++;
	return n;
}

const char *password_hash_flaw(struct span hash)
{
	char text[CRYPT_OUTPUT_SIZE];
	const struct method *method;

	if (hash.len == 0)
		return "the hash is missing";
	if (hash.len >= sizeof(text))
		return "the hash is too long";
	if (hash.at[0] != '$')
		return "no hash of crypt(5) (a password in clear is not accepted)";
	method = method_of(hash);
	if (method == NULL)
		return "a method of crypt(5) that is not accepted (only $y$ $gy$ $7$ $6$ $5$ $2b$)";
	for (size_t i = 0; i < hash.len; i++)
		if (!is_hash_character(hash.at[i]))
			return "the hash has a character that no hash has";
	memcpy(text, hash.at, hash.len);
	text[hash.len] = '\0';
	if (digest_length(hash) != method->digest || crypt_checksalt(text) == CRYPT_SALT_INVALID)
		return "the hash is not whole";
	return NULL;
}

static bool is_hashable(struct span password)
{
	return password.len <= PASSWORD_OCTETS_MAX && span_find(password, '\0') == password.len;
}

/* False when crypt(3) fails. */
static bool crypt_it(struct span password, const char *setting, char out[CRYPT_OUTPUT_SIZE])
{
	struct crypt_data *data = mem_new(struct crypt_data);
	const char *made;

	if (password.len)
		memcpy(data->input, password.at, password.len);
	made = crypt_rn(data->input, setting, data, sizeof(*data));
	if (made)
		memcpy(out, made, strlen(made) + 1);
	mem_wipe(data, sizeof(*data));
	free(data);
	return made != NULL;
}

int password_hash(struct span password, char out[CRYPT_OUTPUT_SIZE], struct fault *fault)
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];

	if (password.len == 0)
		return fault_set(fault, -EINVAL, "the password is empty");
	if (!is_hashable(password))
		return fault_set(fault, -EINVAL,
				 "the password holds a NUL or is longer than %d octets",
				 PASSWORD_OCTETS_MAX);
	/* At a login what is not UTF-8 counts as Latin-1: these octets would never fit again. */
	if (!span_is_utf8(password))
		return fault_set(fault, -EINVAL, "the password is not UTF-8");
	if (!crypt_gensalt_rn(METHOD, 0, NULL, 0, setting, sizeof(setting)) ||
	    !crypt_it(password, setting, out))
		return fault_set(fault, -errno, "crypt(3) made no hash: %s", strerror(errno));
	return 0;
}

int password_check(const char *hash, struct span password)
{
	const char *against = hash ? hash : nobody;
	char made[CRYPT_OUTPUT_SIZE] = "";
	size_t n = strlen(against);
	bool fits;

	/* Whether a password can be hashed at all does not depend on the user. */
	if (!is_hashable(password))
		return 0;
	if (!crypt_it(password, against, made))
		return -EIO;
	fits = strlen(made) == n && memeql_sec(made, against, n);
	mem_wipe(made, sizeof(made));
	return fits && hash != NULL;
}

bool auth_password_fits(const char *hash, struct span password)
{
	return password_check(hash, password) > 0;
}
