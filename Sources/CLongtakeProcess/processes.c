// The table of processes. A supervisor that races with a fork bomb reads it many times.
#define _GNU_SOURCE
#include "longtake_process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

int longtake_process_read(pid_t pid, struct longtake_process *process) {
    char path[32];
    char text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return -1;
    ssize_t count = read(descriptor, text, sizeof text - 1);
    close(descriptor);
    if (count <= 0) return -1;
    text[count] = 0;
    // The name is in parentheses and may contain any character, also a parenthesis.
    const char *end = strrchr(text, ')');
    char state;
    int parent;
    unsigned long long start_time;
    // Field 3 is the state, 4 the parent, 22 the start time (proc_pid_stat(5)).
    if (end == NULL
        || sscanf(
               end + 1,
               " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &state, &parent,
               &start_time)
               != 3) {
        return -1;
    }
    *process = (struct longtake_process){pid, parent, start_time, state};
    return 0;
}

ssize_t longtake_processes(struct longtake_process *processes, size_t capacity) {
    DIR *directory = opendir("/proc");
    if (directory == NULL) return -1;
    size_t count = 0;
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        char *rest;
        long pid = strtol(entry->d_name, &rest, 10);
        if (pid <= 0 || *rest != 0) continue;
        struct longtake_process process;
        if (longtake_process_read((pid_t)pid, &process) != 0) continue;
        if (count < capacity) processes[count] = process;
        count += 1;
    }
    closedir(directory);
    return (ssize_t)count;
}

int longtake_process_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

int longtake_process_signal(pid_t pid, uint64_t start_time, int signal) {
    int descriptor = longtake_process_open(pid);
    if (descriptor < 0) return -1;
    // The pidfd holds on to one process. If that one has the start time, the signal reaches no other.
    struct longtake_process process;
    int result = -1;
    if (longtake_process_read(pid, &process) != 0 || process.start_time != start_time) {
        errno = ESRCH;
    } else {
        result = (int)syscall(SYS_pidfd_send_signal, descriptor, signal, NULL, 0);
    }
    int saved = errno;
    close(descriptor);
    errno = saved;
    return result;
}

pid_t longtake_exited_child(void) {
    siginfo_t information = {0};
    int result;
    do {
        result = waitid(P_ALL, 0, &information, WEXITED | WNOHANG | WNOWAIT);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? information.si_pid : -1;
}

int longtake_child_signals(void) {
    sigset_t all, child;
    sigfillset(&all);
    // The kernel ends a process whose fault is blocked, and a core dump would have no cause.
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGILL);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGTRAP);
    sigdelset(&all, SIGABRT);
    if (sigprocmask(SIG_SETMASK, &all, NULL) != 0) return -1;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    return signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
}

void longtake_child_signals_clear(int descriptor) {
    struct signalfd_siginfo information;
    while (read(descriptor, &information, sizeof information) > 0) {}
}

int longtake_become_subreaper(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }

int longtake_become_undumpable(void) { return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }
