// What the supervisor of a program needs from Linux and Swift cannot do: the time between fork and
// exec, Landlock, and a fast look at the table of processes.
#ifndef LONGTAKE_PROCESS_H
#define LONGTAKE_PROCESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// MARK: Start

// The step at which a start failed.
enum {
    LONGTAKE_STEP_NONE = 0,
    LONGTAKE_STEP_FORK,
    LONGTAKE_STEP_GROUP,
    LONGTAKE_STEP_CGROUP,
    LONGTAKE_STEP_LIMITS,
    LONGTAKE_STEP_DIRECTORY,
    LONGTAKE_STEP_DESCRIPTORS,
    LONGTAKE_STEP_CONFINEMENT,
    LONGTAKE_STEP_EXECUTE,
};

struct longtake_failure {
    int32_t step;
    // The errno of that step.
    int32_t error;
};

// A program to start. All pointers must stay valid during the call.
struct longtake_start {
    const char *path;
    char *const *arguments;
    char *const *environment;
    const char *working_directory;
    // They become the descriptors 0, 1 and 2. Each must be above 2.
    int standard_input;
    int standard_output;
    int standard_error;
    // A Landlock ruleset; -1 for none.
    int ruleset;
    // The file cgroup.procs of the program's cgroup, open for writing; -1 for none.
    int cgroup_processes;
    // RLIMIT_FSIZE; negative for no limit.
    int64_t file_bytes;
    // The soft RLIMIT_NOFILE.
    uint64_t descriptors;
    int oom_score_adjustment;
};

// Forks and executes. Returns the pid when the program has begun, or -1 with the failure. After a
// failure there is no child.
pid_t longtake_start(const struct longtake_start *start, struct longtake_failure *failure);

// MARK: Confinement

// The version of Landlock's ABI; 0 if the kernel has none or does not let this process use it.
int longtake_landlock_abi(void);

// Makes a ruleset that refuses everything it can. Returns its descriptor, or -1 with errno.
int longtake_landlock_create(int abi);

enum {
    // Read files, list directories, execute.
    LONGTAKE_ALLOW_READ = 1,
    // Also write, create and remove, but no devices.
    LONGTAKE_ALLOW_WRITE = 2,
};

// Allows access to a path and to everything below it. A missing path is skipped.
// Returns 0, or -1 with errno.
int longtake_landlock_allow(int ruleset, int abi, const char *path, int access);

// MARK: Processes

struct longtake_process {
    pid_t pid;
    pid_t parent;
    // In clock ticks since the boot. With the pid it names a process for as long as the machine runs.
    uint64_t start_time;
    // The letter of proc_pid_stat(5), such as R, S, T or Z.
    char state;
};

// Reads /proc. Fills at most `capacity` entries and returns how many processes there are; -1 if /proc
// cannot be read.
ssize_t longtake_processes(struct longtake_process *processes, size_t capacity);

// Reads one process. Returns 0, or -1 if there is none.
int longtake_process_read(pid_t pid, struct longtake_process *process);

// Sends a signal to the process that had this pid and start time, and to no other. Returns 0, or -1 with
// errno (ESRCH if it has ended).
int longtake_process_signal(pid_t pid, uint64_t start_time, int signal);

// pidfd_open(2). Returns a descriptor, or -1 with errno.
int longtake_process_open(pid_t pid);

// Whether an exited child waits to be reaped: its pid, 0 if none has exited, -1 if there are no children.
// It stays unreaped.
pid_t longtake_exited_child(void);

// Blocks all signals in this thread and returns a descriptor that becomes readable when a child has ended;
// -1 with errno.
int longtake_child_signals(void);

// Removes what the descriptor has to read, so that it becomes readable at the next signal only.
void longtake_child_signals_clear(int descriptor);

// prctl(PR_SET_CHILD_SUBREAPER, 1) and prctl(PR_SET_DUMPABLE, 0). Each returns 0, or -1 with errno.
int longtake_become_subreaper(void);
int longtake_become_undumpable(void);

// MARK: Spawn

// posix_spawn(3) with default signals and an empty signal mask.
// descriptors: they become 0, 1, … in the child; each must be at least `count`, or -1 for /dev/null. All
// others are closed.
// With a count of 0 the child inherits all descriptors that are open across exec.
// new_session: whether the child gets its own session, or else its own process group.
// Returns 0 or an errno.
int longtake_spawn(
    pid_t *pid, const char *path, char *const *arguments, char *const *environment, const int *descriptors, int count,
    int new_session);

// A pair of connected sockets, and a pipe whose read end does not block and whose buffer has `size` bytes if
// that is allowed. All ends are closed at exec, and are at least 10, so that longtake_spawn can pass them.
// Each returns 0, or -1 with errno and no descriptor.
int longtake_socket_pair(int ends[2]);
int longtake_pipe(int ends[2], int size);

#endif
