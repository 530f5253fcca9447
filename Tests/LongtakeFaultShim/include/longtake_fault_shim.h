#ifndef LONGTAKE_FAULT_SHIM_H
#define LONGTAKE_FAULT_SHIM_H

/* The words of the control file, each of 64 bits. The test that started the process has the same file mapped (FaultControl.swift has the
 * same list), so that faults come and go while the process runs. 0 is “never”. */
enum longtake_fault {
    LONGTAKE_SYNCS,           /* counts fdatasync and fsync of the log */
    LONGTAKE_WRITES,          /* counts writes to the database and its log */
    LONGTAKE_KILL_AT_SYNC,    /* dies instead of the first sync of this number or a later one */
    LONGTAKE_KILL_AT_WRITE,   /* dies in the first such write, which is done by half */
    LONGTAKE_SYNC_FAILS_FROM, /* syncs of this number and later fail with EIO … */
    LONGTAKE_SYNC_FAILURES,   /* … so many of them; counts down */
    LONGTAKE_WRITE_FAILS_FROM,
    LONGTAKE_WRITE_FAILURES,
    LONGTAKE_DISK_IS_FULL,    /* writes fail with ENOSPC for 1, or with the error of this number */
    LONGTAKE_SYNC_DELAY,      /* microseconds that each sync takes longer */
    LONGTAKE_CLOCK_OFFSET,    /* milliseconds, signed, by which the wall clock is off */
    LONGTAKE_KILL_IN_CHECKPOINT, /* dies in the so-manieth write to the database from now, which is done by half; counts down */
    LONGTAKE_HOLD_SYNCS,      /* no sync of the log comes back while it is set */
    LONGTAKE_HELD,            /* counts the syncs that were held */
    LONGTAKE_INJECTED,        /* counts what was injected: errors, delays, the death */
    LONGTAKE_SYNC_ERROR,      /* the number of the error that syncs fail with, for EIO */
    LONGTAKE_HOLD_BACKUPS,    /* no listing of the directory of the backups begins while it is set */
    LONGTAKE_FAULT_WORDS
};

#endif
