#define _GNU_SOURCE
#include "longtake_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <unistd.h>

static int set_signals(posix_spawnattr_t *attributes, int new_session) {
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    int flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | (new_session ? POSIX_SPAWN_SETSID : POSIX_SPAWN_SETPGROUP);
    int error = posix_spawnattr_setsigdefault(attributes, &all);
    if (error == 0) error = posix_spawnattr_setsigmask(attributes, &none);
    if (error == 0) error = posix_spawnattr_setflags(attributes, (short)flags);
    return error;
}

static int set_descriptors(posix_spawn_file_actions_t *actions, const int *descriptors, int count) {
    int error = 0;
    for (int target = 0; target < count && error == 0; target += 1) {
        if (descriptors[target] == -1) {
            error = posix_spawn_file_actions_addopen(actions, target, "/dev/null", O_RDWR, 0);
        } else if (descriptors[target] < count) {
            // It would be overwritten before it is copied.
            error = EINVAL;
        } else {
            error = posix_spawn_file_actions_adddup2(actions, descriptors[target], target);
        }
    }
    if (error == 0 && count > 0) error = posix_spawn_file_actions_addclosefrom_np(actions, count);
    return error;
}

int longtake_spawn(
    pid_t *pid, const char *path, char *const *arguments, char *const *environment, const int *descriptors, int count,
    int new_session) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int error = posix_spawn_file_actions_init(&actions);
    if (error != 0) return error;
    error = posix_spawnattr_init(&attributes);
    if (error == 0) {
        error = set_signals(&attributes, new_session);
        if (error == 0) error = set_descriptors(&actions, descriptors, count);
        if (error == 0) error = posix_spawn(pid, path, &actions, &attributes, arguments, environment);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

// The lowest descriptor of what is passed on. longtake_spawn fills those below.
#define LOWEST 10

// Moves both ends. If that fails, both are closed.
static int move_up(int ends[2]) {
    int moved[2] = {fcntl(ends[0], F_DUPFD_CLOEXEC, LOWEST), fcntl(ends[1], F_DUPFD_CLOEXEC, LOWEST)};
    int saved = errno;
    close(ends[0]);
    close(ends[1]);
    ends[0] = moved[0];
    ends[1] = moved[1];
    if (moved[0] >= 0 && moved[1] >= 0) return 0;
    if (moved[0] >= 0) close(moved[0]);
    if (moved[1] >= 0) close(moved[1]);
    errno = saved;
    return -1;
}

int longtake_socket_pair(int ends[2]) {
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return -1;
    return move_up(ends);
}

int longtake_pipe(int ends[2], int size) {
    if (pipe2(ends, O_CLOEXEC) != 0 || move_up(ends) != 0) return -1;
    // Both calls can only fail for a limit of the user, and the pipe works without them.
    fcntl(ends[0], F_SETPIPE_SZ, size);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    return 0;
}
