/* main/password_file.h: a smarthost's password, from a file that others cannot read.
 *
 * Errors   -EACCES, -ENOENT ..., -EPERM for permissions that are too wide, -EINVAL for an empty file;
 *          each with the path and what to do
 */
#pragma once

#include "base/fault.h"
#include "base/secret.h"

/* The first line, without its line end; at most 4,096 octets. */
int password_file_read(const char *path, struct secret *out, struct fault *fault);
