#include "kerberos.h"

#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int cannot(const char *keytab, const char *user, OM_uint32 major, OM_uint32 minor,
		  struct fault *fault)
{
	gss_buffer_desc words = GSS_C_EMPTY_BUFFER;
	OM_uint32 ignored, context = 0;
	bool is_ours = minor != 0;

	gss_display_status(&ignored, is_ours ? minor : major,
			   is_ours ? GSS_C_MECH_CODE : GSS_C_GSS_CODE,
			   (gss_OID)(uintptr_t)gss_mech_krb5, &context, &words);
	fault_set(fault, -EIO, "no Kerberos ticket for %s with the keytab %s: %.*s", user, keytab,
		  (int)words.length, words.length ? (const char *)words.value : "");
	gss_release_buffer(&ignored, &words);
	return -EIO;
}

static OM_uint32 acquire(gss_name_t name, const char *keytab, const char *cache, gss_cred_id_t *out,
			 OM_uint32 *minor)
{
	gss_key_value_element_desc elements[] = { { "client_keytab", keytab },
						  { "ccache", cache } };
	gss_key_value_set_desc store = { 2, elements };
	gss_OID_set_desc mechs = { 1, (gss_OID)(uintptr_t)gss_mech_krb5 };

	return gss_acquire_cred_from(minor, name, GSS_C_INDEFINITE, &mechs, GSS_C_INITIATE, &store,
				     out, NULL, NULL);
}

/* Each user of each keytab has tickets of his own. */
static char *cache_of(const char *keytab, const char *user)
{
	struct buf cache = { 0 };

	buf_printf(&cache, "MEMORY:postern %s %s", user, keytab);
	return buf_take_text(&cache);
}

int kerberos_acquire(const char *keytab, const char *user, gss_cred_id_t *out, struct fault *fault)
{
	gss_buffer_desc text = { strlen(user), (void *)(uintptr_t)user };
	gss_name_t name = GSS_C_NO_NAME;
	OM_uint32 major, minor = 0, ignored;
	char *cache;

	*out = GSS_C_NO_CREDENTIAL;
	if (access(keytab, R_OK) < 0)
		return fault_set(fault, -errno, "cannot read the keytab %s: %s", keytab,
				 strerror(errno));
	cache = cache_of(keytab, user);
	major = gss_import_name(&minor, &text, (gss_OID)(uintptr_t)GSS_KRB5_NT_PRINCIPAL_NAME,
				&name);
	if (major == GSS_S_COMPLETE)
		major = acquire(name, keytab, cache, out, &minor);
	gss_release_name(&ignored, &name);
	free(cache);
	return major == GSS_S_COMPLETE ? 0 : cannot(keytab, user, major, minor, fault);
}

void kerberos_release(gss_cred_id_t *cred)
{
	OM_uint32 ignored;

	gss_release_cred(&ignored, cred);
}
