// fork and exec. Between them only async-signal-safe calls are allowed (signal-safety(7)): no memory is
// allocated and no lock is taken, because another thread may have held it at the fork.
#define _GNU_SOURCE
#include "longtake_process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_landlock_restrict_self
#define SYS_landlock_restrict_self 446
#endif

// The descriptor on which the child tells its failure. It is the only one above 2 until exec closes it.
#define STATUS 3

static int write_text(const char *path, const char *text, size_t count) {
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    if (descriptor < 0) return -1;
    ssize_t written = write(descriptor, text, count);
    int saved = errno;
    close(descriptor);
    errno = saved;
    return written == (ssize_t)count ? 0 : -1;
}

// Writes a number from 0 to 1000. snprintf is not async-signal-safe.
static int set_oom_score(int value) {
    char digits[4];
    size_t place = sizeof digits;
    if (value < 0 || value > 1000) {
        errno = EINVAL;
        return -1;
    }
    do {
        digits[--place] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return write_text("/proc/self/oom_score_adj", digits + place, sizeof digits - place);
}

static void reset_signals(void) {
    struct sigaction action = {0};
    action.sa_handler = SIG_DFL;
    // SIGKILL and SIGSTOP refuse, and so do the two signals that glibc keeps for itself. posix_spawn(3) leaves
    // those ignored. Each C library sets them up again.
    for (int number = 1; number < NSIG; number += 1) sigaction(number, &action, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static int set_limits(const struct longtake_start *start) {
    // The supervisor is undumpable, and this child has inherited that. Its files in /proc would belong
    // to root. exec makes the program dumpable anyway.
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    if (set_oom_score(start->oom_score_adjustment) != 0) return -1;
    struct rlimit limit = {0, 0};
    if (setrlimit(RLIMIT_CORE, &limit) != 0) return -1;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return -1;
    if (limit.rlim_cur > start->descriptors) {
        limit.rlim_cur = start->descriptors;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return -1;
    }
    if (start->file_bytes >= 0) {
        if (getrlimit(RLIMIT_FSIZE, &limit) != 0) return -1;
        rlim_t wanted = (rlim_t)start->file_bytes;
        if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max > wanted) limit.rlim_max = wanted;
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return -1;
    }
    umask(077);
    return 0;
}

// Confines this process. A daemon that runs as root has capabilities that Landlock does not restrict, for
// example to read the environment of other processes (CAP_PERFMON). With no_new_privs, exec gives none back.
static int confine(int ruleset) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
    if (ruleset < 0) return 0;
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) return -1;
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    // Without capabilities there is nothing to drop, and a service may not call capset.
    struct __user_cap_data_struct held[2] = {{0}};
    if (syscall(SYS_capget, &header, held) == 0) {
        uint32_t any = 0;
        for (int half = 0; half < 2; half++) any |= held[half].effective | held[half].permitted | held[half].inheritable;
        if (any == 0) return 0;
    }
    return (int)syscall(SYS_capset, &header, none);
}

// Never returns. `status` is the write end of the pipe.
static void run_child(const struct longtake_start *start, int status) __attribute__((noreturn));

static void run_child(const struct longtake_start *start, int status) {
    struct longtake_failure failure = {LONGTAKE_STEP_GROUP, 0};
    if (setpgid(0, 0) != 0) goto failed;

    failure.step = LONGTAKE_STEP_CGROUP;
    if (start->cgroup_processes >= 0 && write(start->cgroup_processes, "0\n", 2) != 2) goto failed;

    reset_signals();
    failure.step = LONGTAKE_STEP_LIMITS;
    if (set_limits(start) != 0) goto failed;

    failure.step = LONGTAKE_STEP_DIRECTORY;
    if (chdir(start->working_directory) != 0) goto failed;

    failure.step = LONGTAKE_STEP_CONFINEMENT;
    if (confine(start->ruleset) != 0) goto failed;

    failure.step = LONGTAKE_STEP_DESCRIPTORS;
    if (dup2(start->standard_input, 0) < 0) goto failed;
    if (dup2(start->standard_output, 1) < 0) goto failed;
    if (dup2(start->standard_error, 2) < 0) goto failed;
    // Before Linux 5.11, close_range cannot mark descriptors instead of closing them.
    if (status != STATUS) {
        if (dup3(status, STATUS, O_CLOEXEC) < 0) goto failed;
        status = STATUS;
    }
    if (syscall(SYS_close_range, (unsigned)STATUS + 1, ~0U, 0) != 0) goto failed;

    failure.step = LONGTAKE_STEP_EXECUTE;
    // ETXTBSY: somebody has just written the file. A process that was forked meanwhile has a copy of
    // the writer's descriptor until it executes its own program. So this waits for up to a second.
    for (int tries = 0; tries < 100; tries++) {
        execve(start->path, start->arguments, start->environment);
        if (errno != ETXTBSY) break;
        const struct timespec pause = {0, 10 * 1000 * 1000};
        nanosleep(&pause, NULL);
    }

failed:
    failure.error = errno;
    // At most PIPE_BUF bytes, so it is written whole.
    while (write(status, &failure, sizeof failure) < 0 && errno == EINTR) {}
    _exit(127);
}

// Waits until the child has executed the program, which closes the pipe, or has told its failure.
static int read_failure(int descriptor, struct longtake_failure *failure) {
    ssize_t count;
    do {
        count = read(descriptor, failure, sizeof *failure);
    } while (count < 0 && errno == EINTR);
    return count == (ssize_t)sizeof *failure;
}

pid_t longtake_start(const struct longtake_start *start, struct longtake_failure *failure) {
    int ends[2];
    failure->step = LONGTAKE_STEP_FORK;
    if (start->standard_input <= 2 || start->standard_output <= 2 || start->standard_error <= 2) {
        failure->error = EINVAL;
        return -1;
    }
    if (pipe2(ends, O_CLOEXEC) != 0) {
        failure->error = errno;
        return -1;
    }
    // No handler of the parent may run in the child before its signals are reset.
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    if (pid == 0) run_child(start, ends[1]);
    int saved = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(ends[1]);
    if (pid < 0) {
        failure->error = saved;
        close(ends[0]);
        return -1;
    }
    // The child does the same, so the group exists no matter who is first.
    setpgid(pid, pid);
    int has_failed = read_failure(ends[0], failure);
    close(ends[0]);
    if (!has_failed) {
        failure->step = LONGTAKE_STEP_NONE;
        failure->error = 0;
        return pid;
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
    return -1;
}
