/* A layer between a daemon and libc (LD_PRELOAD). It makes the daemon's disk and wall clock fail
 * when a test requests it.
 *
 * A kill alone does not test three faults: a sync that fails or is slow, a write that is only half
 * done, and lost writes after a power cut. After a kill, the kernel's cache still has all writes.
 * After a power cut, the disk has all synced writes, and any part of the other writes. So the shim
 * records each write to the database together with the previous content (in FAULT_SHIM_NOTES),
 * until a sync makes the write durable. The test then changes the files to one of the states that
 * the disk might have had (PowerCut.swift).
 *
 * FAULT_SHIM_CONTROL names the control file. Without it, the shim injects nothing. */
#define _GNU_SOURCE
#include "longtake_fault_shim.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile uint64_t *control;
static int undo = -1;
/* For each file, the number of writes that no sync has made durable. */
static uint64_t unsynced[3];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static ssize_t (*real_pwrite)(int, const void *, size_t, off64_t);
static ssize_t (*real_write)(int, const void *, size_t);
static int (*real_fdatasync)(int);
static int (*real_fsync)(int);
static int (*real_ftruncate)(int, off64_t);
static int (*real_clock_gettime)(clockid_t, struct timespec *);
static DIR *(*real_opendir)(const char *);
static int (*real_sem_timedwait)(sem_t *, const struct timespec *);

__attribute__((constructor)) static void begin(void) {
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_write = dlsym(RTLD_NEXT, "write");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    real_opendir = dlsym(RTLD_NEXT, "opendir");
    real_sem_timedwait = dlsym(RTLD_NEXT, "sem_timedwait");
    const char *path = getenv("FAULT_SHIM_CONTROL");
    if (path == NULL) return;
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) abort();
    void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (map == MAP_FAILED) abort();
    close(file);
    const char *notes = getenv("FAULT_SHIM_NOTES");
    if (notes != NULL) {
        undo = open(notes, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (undo < 0) abort();
        /* An earlier process has left unsynced writes. A power cut can still lose them. */
        struct stat status;
        if (fstat(undo, &status) == 0 && status.st_size > 0) unsynced[1] = unsynced[2] = 1;
    }
    control = map;
}

/* Returns 1 for the database, 2 for its WAL, and 0 for any other file. It looks up the name at each
 * call, because descriptors and inodes are reused. */
static int watched(int fd) {
    char link[64], path[4096];
    if (control == NULL) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    const char *name = strrchr(path, '/');
    return name == NULL ? 0 : strcmp(name, "/longtake.db") == 0 ? 1 : strcmp(name, "/longtake.db-wal") == 0 ? 2 : 0;
}

static uint64_t count(int word) { return __atomic_add_fetch(&control[word], 1, __ATOMIC_SEQ_CST); }

static void injected(void) { count(LONGTAKE_INJECTED); }

static void kill_process(void) {
    injected();
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

static int is_due(uint64_t number, int word) { return control[word] != 0 && number >= control[word]; }

/* Returns whether the operation with this number fails. `word` has the number of the first failure,
 * and the next word has the number of failures. */
static int fails(uint64_t number, int word) {
    if (!is_due(number, word)) return 0;
    uint64_t left = control[word + 1];
    while (left > 0) {
        if (__atomic_compare_exchange_n(&control[word + 1], &left, left - 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) return 1;
    }
    return 0;
}

/* ---- records of the writes that a power cut may lose ---- */

/* The head of a record. The old bytes follow, then the new ones. The kind is 1 for a write, 2 for a
 * truncation, 3 for a sync. */
struct note { uint64_t kind, file, offset, old_size, old_bytes, new_bytes; };

static void put(const void *bytes, size_t size) {
    while (size > 0) {
        ssize_t done = real_write(undo, bytes, size);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) abort();
        bytes = (const char *)bytes + done;
        size -= (size_t)done;
    }
}

/* Called with the lock held, before the write or the truncation. */
static void note(uint64_t kind, int fd, int which, uint64_t offset, const void *bytes, uint64_t size) {
    if (undo < 0) return;
    struct stat status;
    if (fstat(fd, &status) != 0) abort();
    uint64_t end = kind == 2 ? (uint64_t)status.st_size : offset + size;
    uint64_t known = offset >= (uint64_t)status.st_size ? 0 : (uint64_t)status.st_size - offset;
    uint64_t want = end > offset ? end - offset : 0;
    if (known > want) known = want;
    char *old = malloc(known + 1);
    for (uint64_t done = 0; done < known;) {
        ssize_t got = pread64(fd, old + done, known - done, (off64_t)(offset + done));
        if (got <= 0) abort();
        done += (uint64_t)got;
    }
    struct note head = {kind, (uint64_t)which, offset, (uint64_t)status.st_size, known, kind == 2 ? 0 : size};
    put(&head, sizeof head);
    put(old, known);
    if (kind == 1) put(bytes, size);
    free(old);
    unsynced[which]++;
}

/* Called with the lock held, after the sync. */
static void synced(int which) {
    if (undo < 0) return;
    unsynced[which] = 0;
    if (unsynced[1] == 0 && unsynced[2] == 0) {
        if (real_ftruncate(undo, 0) != 0) abort();
        return;
    }
    struct note head = {3, (uint64_t)which, 0, 0, 0, 0};
    put(&head, sizeof head);
}

/* ---- the disk ---- */

static ssize_t watched_write(int fd, int which, const void *bytes, size_t size, off64_t offset) {
    uint64_t number = count(LONGTAKE_WRITES);
    int kills = is_due(number, LONGTAKE_KILL_AT_WRITE)
                || (which == 1 && control[LONGTAKE_KILL_IN_CHECKPOINT] != 0
                    && __atomic_sub_fetch(&control[LONGTAKE_KILL_IN_CHECKPOINT], 1, __ATOMIC_SEQ_CST) == 0);
    if (!kills && (control[LONGTAKE_DISK_IS_FULL] || fails(number, LONGTAKE_WRITE_FAILS_FROM))) {
        injected();
        uint64_t full = control[LONGTAKE_DISK_IS_FULL];
        errno = full == 0 ? EIO : full == 1 ? ENOSPC : (int)full;
        return -1;
    }
    pthread_mutex_lock(&lock);
    if (kills) size = size / 2;
    note(1, fd, which, (uint64_t)offset, bytes, size);
    ssize_t done = real_pwrite(fd, bytes, size, offset);
    int error = errno;
    pthread_mutex_unlock(&lock);
    if (kills) kill_process();
    errno = error;
    return done;
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset) {
    int which = watched(fd);
    return which ? watched_write(fd, which, bytes, size, offset) : real_pwrite(fd, bytes, size, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset) { return pwrite64(fd, bytes, size, offset); }

int ftruncate64(int fd, off64_t length) {
    int which = watched(fd);
    if (which == 0) return real_ftruncate(fd, length);
    pthread_mutex_lock(&lock);
    note(2, fd, which, (uint64_t)length, NULL, 0);
    int result = real_ftruncate(fd, length);
    int error = errno;
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

static int watched_sync(int fd, int which, int (*real)(int)) {
    /* Syncs of the database belong to checkpoints. No response depends on them, so they only matter
     * for power cuts. */
    if (which == 2) {
        uint64_t number = count(LONGTAKE_SYNCS);
        if (is_due(number, LONGTAKE_KILL_AT_SYNC)) kill_process();
        if (control[LONGTAKE_SYNC_DELAY]) {
            injected();
            usleep((useconds_t)control[LONGTAKE_SYNC_DELAY]);
        }
        if (control[LONGTAKE_HOLD_SYNCS]) {
            injected();
            count(LONGTAKE_HELD);
            while (control[LONGTAKE_HOLD_SYNCS]) usleep(1000);
        }
        if (fails(number, LONGTAKE_SYNC_FAILS_FROM)) {
            injected();
            errno = control[LONGTAKE_SYNC_ERROR] ? (int)control[LONGTAKE_SYNC_ERROR] : EIO;
            return -1;
        }
    }
    pthread_mutex_lock(&lock);
    int result = real(fd);
    int error = errno;
    if (result == 0) synced(which);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

int fdatasync(int fd) {
    int which = watched(fd);
    return which ? watched_sync(fd, which, real_fdatasync) : real_fdatasync(fd);
}

int fsync(int fd) {
    int which = watched(fd);
    return which ? watched_sync(fd, which, real_fsync) : real_fsync(fd);
}

/* Simulates a directory on a disk that hangs, such as a network file system whose server is down.
 * It holds only the directory of the backups. */
DIR *opendir(const char *path) {
    if (control != NULL && control[LONGTAKE_HOLD_BACKUPS] && strstr(path, "/backups") != NULL) {
        injected();
        count(LONGTAKE_HELD);
        while (control[LONGTAKE_HOLD_BACKUPS]) usleep(1000);
    }
    return real_opendir(path);
}

/* ---- the wall clock ---- */

static void shift(struct timespec *time, int64_t milliseconds) {
    int64_t seconds = milliseconds / 1000, nanoseconds = time->tv_nsec + milliseconds % 1000 * 1000000;
    if (nanoseconds < 0) seconds -= 1, nanoseconds += 1000000000;
    if (nanoseconds >= 1000000000) seconds += 1, nanoseconds -= 1000000000;
    time->tv_sec += seconds;
    time->tv_nsec = nanoseconds;
}

static int64_t offset(void) { return control == NULL ? 0 : (int64_t)control[LONGTAKE_CLOCK_OFFSET]; }

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = real_clock_gettime ? real_clock_gettime(clock, time) : (int)syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && clock == CLOCK_REALTIME) shift(time, offset());
    return result;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    (void)zone;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}

/* Waits on the wall clock, as the kernel does: if the clock is set during the wait, the wait
 * becomes shorter or longer. */
int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict deadline) {
    if (control == NULL) return real_sem_timedwait(semaphore, deadline);
    for (;;) {
        struct timespec now, slice;
        clock_gettime(CLOCK_REALTIME, &now);
        int64_t left = (deadline->tv_sec - now.tv_sec) * 1000 + (deadline->tv_nsec - now.tv_nsec) / 1000000;
        real_clock_gettime(CLOCK_REALTIME, &slice);
        shift(&slice, left < 1 ? 1 : left < 20 ? left : 20);
        if (real_sem_timedwait(semaphore, &slice) == 0) return 0;
        if (errno != ETIMEDOUT || left < 1) return -1;
    }
}
