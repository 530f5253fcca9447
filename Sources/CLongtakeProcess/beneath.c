#define _GNU_SOURCE
#include "longtake_beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// O_NONBLOCK: opening a FIFO must not wait for its writer.
static const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW;

// Walks through the path with one open directory at a time. No component may be a link or "..".
static int walk(int directory, const char *path) {
    char name[256];
    int current = directory;
    if (*path == '/' || *path == 0) {
        errno = *path == 0 ? ENOENT : EXDEV;
        return -1;
    }
    for (;;) {
        size_t length = strcspn(path, "/");
        const char *rest = path + length + strspn(path + length, "/");
        int next = -1, error = 0;
        if (length >= sizeof name) {
            error = ENAMETOOLONG;
        } else {
            memcpy(name, path, length);
            name[length] = 0;
            if (strcmp(name, "..") == 0) {
                error = EXDEV;
            } else {
                next = openat(current, name, *rest ? flags | O_DIRECTORY : flags);
                error = errno;
                struct stat status;
                // The kernel says ENOTDIR for a link where a directory must be.
                if (next < 0 && error == ENOTDIR && fstatat(current, name, &status, AT_SYMLINK_NOFOLLOW) == 0
                    && S_ISLNK(status.st_mode)) {
                    error = ELOOP;
                }
            }
        }
        if (current != directory) close(current);
        if (next < 0) {
            errno = error;
            return -1;
        }
        if (!*rest) return next;
        current = next;
        path = rest;
    }
}

int longtake_open_beneath(int directory, const char *path, int uses_openat2) {
#ifdef SYS_openat2
    if (uses_openat2) {
        struct open_how how = {
            .flags = (uint64_t)flags,
            .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
        };
        long result = syscall(SYS_openat2, directory, path, &how, sizeof how);
        // ENOSYS: an old kernel. EPERM: a seccomp filter that does not know the call.
        if (result >= 0 || (errno != ENOSYS && errno != EPERM)) return (int)result;
    }
#endif
    return walk(directory, path);
}
