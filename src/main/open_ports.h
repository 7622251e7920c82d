/* main/open_ports.h: where this process listens, as the sockets tell it; and which of these ports has TLS from
 * the first octet, for replies that send clients there.
 *
 * Sections of a configuration that is read anew may name other ports, which open only with a restart; and where
 * systemd hands over the sockets no section names a port at all.
 *
 * Shape    open_ports_look(sockets) before listeners take the descriptors; open_ports_tell(ports, settings) for
 *          each settings before sessions have them
 * Owns     copies of what it keeps
 * Thread   the main one
 */
#pragma once

#include "settings.h"
#include "sockets.h"

struct open_ports;

struct open_ports *open_ports_look(const struct sockets *sockets);
/* Sets the tls_port of each listener: of the first section that serves whoever comes to this one, at the same
 * address, no less safely, by each way of logging in that this one offers, and everybody who has a password; 0
 * where there is none. */
void open_ports_tell(const struct open_ports *ports, struct settings *settings);
void open_ports_free(struct open_ports **ports);
