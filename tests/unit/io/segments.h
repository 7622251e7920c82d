/* What TCP counts. Apart, because the kernel's header, which knows more, and libc's exclude each other. */
#pragma once

/* How many segments came on this connection. */
unsigned segments_in(int fd);
