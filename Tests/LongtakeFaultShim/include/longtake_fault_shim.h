#ifndef LONGTAKE_FAULT_SHIM_H
#define LONGTAKE_FAULT_SHIM_H

/* The words of the control file, 64 bits each. The process and the test map the same file, so the
 * test can change faults while the process runs. 0 means off. FaultControl.swift has the same
 * list. */
enum longtake_fault {
    /* Counts fdatasync and fsync of the WAL. */
    LONGTAKE_SYNCS,
    /* Counts writes to the database and its WAL. */
    LONGTAKE_WRITES,
    /* The process is killed instead of the sync with this number, or the next later one. */
    LONGTAKE_KILL_AT_SYNC,
    /* The process is killed in the write with this number, or the next later one, after half of
     * it. */
    LONGTAKE_KILL_AT_WRITE,
    /* The number of the first sync that fails with EIO. */
    LONGTAKE_SYNC_FAILS_FROM,
    /* The number of syncs that still have to fail. It counts down. */
    LONGTAKE_SYNC_FAILURES,
    LONGTAKE_WRITE_FAILS_FROM,
    LONGTAKE_WRITE_FAILURES,
    /* Writes fail: 1 for ENOSPC, or another errno. */
    LONGTAKE_DISK_IS_FULL,
    /* Additional microseconds of each sync. */
    LONGTAKE_SYNC_DELAY,
    /* The offset of the wall clock in milliseconds, signed. */
    LONGTAKE_CLOCK_OFFSET,
    /* The process is killed in this write to the database, counted from now, after half of it. It
     * counts down. */
    LONGTAKE_KILL_IN_CHECKPOINT,
    /* While it is set, no sync of the WAL returns. */
    LONGTAKE_HOLD_SYNCS,
    /* Counts the calls that were held. */
    LONGTAKE_HELD,
    /* Counts the injected faults: errors, delays, kills. */
    LONGTAKE_INJECTED,
    /* The errno of failing syncs, instead of EIO. */
    LONGTAKE_SYNC_ERROR,
    /* While it is set, the directory of the backups cannot be opened: the call does not return. */
    LONGTAKE_HOLD_BACKUPS,
    LONGTAKE_FAULT_WORDS
};

#endif
