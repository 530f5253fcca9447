// Landlock (landlock(7)). The constants are defined here, because the headers of older distributions lack
// them. Their values are part of the kernel's interface and do not change.
#define _GNU_SOURCE
#include "longtake_process.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif
#ifndef SYS_landlock_add_rule
#define SYS_landlock_add_rule 445
#endif

#define CREATE_RULESET_VERSION 1U
#define RULE_PATH_BENEATH 1

#define EXECUTE (1ULL << 0)
#define WRITE_FILE (1ULL << 1)
#define READ_FILE (1ULL << 2)
#define READ_DIR (1ULL << 3)
#define REMOVE_DIR (1ULL << 4)
#define REMOVE_FILE (1ULL << 5)
#define MAKE_CHAR (1ULL << 6)
#define MAKE_DIR (1ULL << 7)
#define MAKE_REG (1ULL << 8)
#define MAKE_SOCK (1ULL << 9)
#define MAKE_FIFO (1ULL << 10)
#define MAKE_BLOCK (1ULL << 11)
#define MAKE_SYM (1ULL << 12)
#define REFER (1ULL << 13)
#define TRUNCATE (1ULL << 14)
#define IOCTL_DEV (1ULL << 15)

#define SCOPE_ABSTRACT_UNIX_SOCKET (1ULL << 0)
#define SCOPE_SIGNAL (1ULL << 1)

struct ruleset_attributes {
    uint64_t handled_files;
    // Since ABI 4. It stays 0, because programs may use the network.
    uint64_t handled_network;
    // Since ABI 6.
    uint64_t scoped;
};

struct path_beneath_attributes {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));

// The rights on files that an ABI knows. The kernel refuses others.
static uint64_t known_rights(int abi) {
    if (abi >= 5) return (IOCTL_DEV << 1) - 1;
    if (abi >= 3) return (TRUNCATE << 1) - 1;
    if (abi >= 2) return (REFER << 1) - 1;
    return (MAKE_SYM << 1) - 1;
}

int longtake_landlock_abi(void) {
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
    return version < 0 ? 0 : (int)version;
}

int longtake_landlock_create(int abi) {
    struct ruleset_attributes attributes = {known_rights(abi), 0, 0};
    size_t size = sizeof attributes.handled_files;
    if (abi >= 6) {
        attributes.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
        size = sizeof attributes;
    }
    return (int)syscall(SYS_landlock_create_ruleset, &attributes, size, 0);
}

int longtake_landlock_allow(int ruleset, int abi, const char *path, int access) {
    const uint64_t read = EXECUTE | READ_FILE | READ_DIR;
    const uint64_t of_files = EXECUTE | READ_FILE | WRITE_FILE | TRUNCATE | IOCTL_DEV;
    uint64_t allowed = access == LONGTAKE_ALLOW_WRITE ? ~(MAKE_CHAR | MAKE_BLOCK) : read;
    allowed &= known_rights(abi);

    int descriptor = open(path, O_PATH | O_CLOEXEC);
    if (descriptor < 0) return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? 0 : -1;
    struct stat status;
    int result = fstat(descriptor, &status);
    if (result == 0) {
        // The kernel refuses the rights of a directory for anything else.
        if (!S_ISDIR(status.st_mode)) allowed &= of_files;
        struct path_beneath_attributes attributes = {allowed, descriptor};
        result = (int)syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &attributes, 0);
    }
    int saved = errno;
    close(descriptor);
    errno = saved;
    return result;
}
