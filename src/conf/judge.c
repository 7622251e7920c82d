#include "table.h"

#include "base/span.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <strings.h>

#define PATH_OCTETS 4096
#define SOCKET_OCTETS 107 /* sun_path without its NUL */

static bool is_plain(const char *value)
{
	for (; *value; value++)
		if ((unsigned char)*value < 0x20 || *value == 0x7f)
			return false;
	return true;
}

const char *conf_judge_path(const char *value)
{
	if (value[0] != '/' || strlen(value) >= PATH_OCTETS || !is_plain(value))
		return "an absolute path, as \"/etc/postern/...\"";
	return NULL;
}

const char *conf_judge_path_or_none(const char *value)
{
	return *value ? conf_judge_path(value) : NULL;
}

const char *conf_judge_key_file(const char *value)
{
	if (strncmp(value, "pkcs11:", 7) == 0 && is_plain(value))
		return NULL;
	return conf_judge_path(value) ? "an absolute path, or a \"pkcs11:\" URI" : NULL;
}

const char *conf_judge_socket(const char *value)
{
	if (conf_judge_path(value) || strlen(value) > SOCKET_OCTETS)
		return "an absolute path of at most 107 octets";
	return NULL;
}

/* RFC 5321 4.1.2 (sub-domain), RFC 1035 2.3.4 (63 octets a label, 255 with the length octets). */
static bool is_domain(const char *value)
{
	size_t label = 0, len = strlen(value);

	if (len == 0 || len > 253)
		return false;
	for (size_t i = 0; i <= len; i++) {
		if (i == len || value[i] == '.') {
			if (label == 0 || label > 63 || value[i - 1] == '-')
				return false;
			label = 0;
			continue;
		}
		if (!ascii_is_alnum((unsigned char)value[i]) && (value[i] != '-' || label == 0))
			return false;
		label++;
	}
	return true;
}

/* "192.0.2.7" has the form of a name too. */
static bool ends_in_number(const char *value)
{
	const char *dot = strrchr(value, '.');
	uint64_t number;

	return span_number(span_text(dot ? dot + 1 : value), &number) == 0;
}

static bool is_address(const char *value)
{
	unsigned char at[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, value, at) == 1 || inet_pton(AF_INET6, value, at) == 1;
}

const char *conf_judge_hostname(const char *value)
{
	if (!is_domain(value) || strchr(value, '.') == NULL || ends_in_number(value))
		return "a host name with its domain, as \"relay.example.com\" (letters, digits, "
		       "hyphens)";
	return NULL;
}

const char *conf_judge_domain(const char *value)
{
	if (!is_domain(value) || ends_in_number(value))
		return "a domain, as \"example.com\" (letters, digits, hyphens; others as "
		       "\"xn--...\")";
	return NULL;
}

const char *conf_judge_domain_or_none(const char *value)
{
	return *value ? conf_judge_domain(value) : NULL;
}

const char *conf_judge_nt_domain(const char *value)
{
	if (*value == '\0' || strlen(value) > 64 || !is_plain(value) ||
	    strpbrk(value, "\\/@\":*?<>| ") != NULL)
		return "a Windows domain, as \"EXAMPLE\"";
	return NULL;
}

const char *conf_judge_address(const char *value)
{
	if (*value && !is_address(value))
		return "an IPv4 or IPv6 address, as \"192.0.2.7\" or \"2001:db8::1\", or \"\"";
	return NULL;
}

const char *conf_judge_host(const char *value)
{
	if (is_address(value) || (is_domain(value) && !ends_in_number(value)))
		return NULL;
	return "a host name, as \"smtp.example.net\", or an address without brackets";
}

const char *conf_judge_company(const char *value)
{
	if (strlen(value) > 100 || !is_plain(value) || !span_is_utf8(span_text(value)))
		return "a name of at most 100 octets, in UTF-8, without control characters";
	return NULL;
}

const char *conf_judge_system_user(const char *value)
{
	if (strlen(value) > 32 || !is_plain(value) || strpbrk(value, ": /") != NULL)
		return "the name of a user of this system, or \"\"";
	return NULL;
}

const char *conf_judge_login(const char *value)
{
	if (strlen(value) > 255 || !is_plain(value) || !span_is_utf8(span_text(value)))
		return "at most 255 octets, in UTF-8, without control characters";
	return NULL;
}

const char *conf_judge_mechanism(const char *value)
{
	static const char *const known[] = { "PLAIN",	 "LOGIN",    "SCRAM-SHA-256",
					     "CRAM-MD5", "EXTERNAL", "GSSAPI" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(value, known[i]) == 0)
			return NULL;
	return "PLAIN, LOGIN, SCRAM-SHA-256 (which brings SCRAM-SHA-256-PLUS), CRAM-MD5, EXTERNAL, "
	       "GSSAPI";
}

const char *conf_judge_account(const char *value)
{
	if (*value == '\0' || strlen(value) > 255 || !is_plain(value) ||
	    !span_is_utf8(span_text(value)))
		return "the name of an account, as posternctl user ls shows it";
	return NULL;
}

/* Of what a reply line has room for, the reason needs the most. */
const char *conf_judge_footer(const char *value)
{
	if (strlen(value) > 150)
		return "a text of at most 150 octets";
	for (const char *c = value; *c; c++)
		if (*c < ' ' || *c > '~')
			return "printable ASCII: mail programs show nothing else as it is";
	return NULL;
}

const char *conf_judge_network(const char *value)
{
	static const char accepted[] =
		"an address or a network, as \"192.0.2.7\", \"192.0.2.0/24\" or \"2001:db8::/32\"";
	const char *slash = strchr(value, '/');
	char address[64];
	size_t n = slash ? (size_t)(slash - value) : strlen(value);
	char *end;
	long bits;

	if (n == 0 || n >= sizeof(address))
		return accepted;
	memcpy(address, value, n);
	address[n] = '\0';
	if (!is_address(address))
		return accepted;
	if (slash == NULL)
		return NULL;
	bits = strtol(slash + 1, &end, 10);
	if (slash[1] < '0' || slash[1] > '9' || *end || bits > (strchr(address, ':') ? 128 : 32))
		return accepted;
	return NULL;
}

const char *conf_judge_title(const char *value)
{
	size_t n = strlen(value);

	for (size_t i = 0; i < n; i++)
		if (!ascii_is_alnum((unsigned char)value[i]) && !strchr("._-", value[i]))
			n = 0;
	return n == 0 || n > 64 ? "1 to 64 letters, digits, \".\", \"_\", \"-\"" : NULL;
}
