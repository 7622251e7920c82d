#include "auth/gssapi.h"

#include "cyrus.h"

#include <errno.h>
#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <unistd.h>

#define SYSTEM_KEYTAB "/etc/krb5.keytab"

static bool is_listed(const char **names, const char *name)
{
	for (; names && *names; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

static int check_plugin(struct fault *fault)
{
	static const char *const plugins[] = { "libgssapiv2.so", NULL };
	static const struct cyrus_conf conf = { .plugins = plugins };
	struct cyrus cyrus;
	bool is_there = cyrus_start(&cyrus, &conf) == SASL_OK &&
			is_listed(sasl_global_listmech(), "GSSAPI");

	cyrus_stop(&cyrus);
	if (is_there)
		return 0;
	return fault_set(fault, -ENOENT,
			 "Cyrus SASL has no plug-in for GSSAPI; Debian's is in "
			 "libsasl2-modules-gssapi-mit");
}

static int check_keys(const char *keytab, struct fault *fault)
{
	gss_key_value_element_desc element = { "keytab", keytab };
	gss_key_value_set_desc store = { 1, &element };
	gss_OID_set_desc mechs = { 1, (gss_OID)(uintptr_t)gss_mech_krb5 };
	gss_cred_id_t cred = GSS_C_NO_CREDENTIAL;
	OM_uint32 minor, major;

	major = gss_acquire_cred_from(&minor, GSS_C_NO_NAME, GSS_C_INDEFINITE, &mechs, GSS_C_ACCEPT,
				      &store, &cred, NULL, NULL);
	gss_release_cred(&minor, &cred);
	if (major == GSS_S_COMPLETE)
		return 0;
	return fault_set(fault, -ENOKEY,
			 "the keytab %s holds no key; it needs that of smtp/HOSTNAME", keytab);
}

int auth_gssapi_check(const char *keytab, struct fault *fault)
{
	const char *path = keytab[0] ? keytab : SYSTEM_KEYTAB;

	if (check_plugin(fault) < 0)
		return fault->code;
	if (access(path, R_OK) < 0)
		return fault_set(fault, -errno,
				 "cannot read the keytab %s: %s; the user that logins run as must "
				 "be able to, by owner or group",
				 path, strerror(errno));
	return check_keys(path, fault);
}
