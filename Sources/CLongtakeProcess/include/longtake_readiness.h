// epoll(7), which Swift's Glibc module does not offer.
#ifndef LONGTAKE_READINESS_H
#define LONGTAKE_READINESS_H

#include <stdint.h>

// Makes an instance. Returns -1 and sets errno if that fails.
int longtake_readiness_make(void);

// Registers a descriptor under an id. It reports nothing until longtake_readiness_arm. Returns -1 and
// sets errno if that fails.
int longtake_readiness_add(int instance, int descriptor, uint64_t id);

// Asks for one report when the descriptor can be read or has ended.
int longtake_readiness_arm(int instance, int descriptor, uint64_t id);

// Ends the registration. Must be called before the descriptor is closed.
int longtake_readiness_remove(int instance, int descriptor);

// Waits without a limit, and writes up to 64 ids. Returns their number, or -1 after a signal.
int longtake_readiness_wait(int instance, uint64_t ids[64]);

#endif
