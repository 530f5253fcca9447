import Glibc

/// Controls the disk and the wall clock of a daemon through a shim library in its process.
///
/// The words are those of `longtake_fault_shim.h`, in the same order, in a file that both processes
/// have mapped.
package final class FaultControl: @unchecked Sendable {
    package enum Word: Int {
        /// Counts the syncs of the WAL.
        case syncs
        /// Counts writes to the database and its WAL.
        case writes
        case killAtSync, killAtWrite
        /// The first sync that fails with EIO, and the number of failing syncs.
        case syncFailsFrom, syncFailures
        case writeFailsFrom, writeFailures
        /// 1 for ENOSPC, or another errno.
        case diskIsFull
        /// Additional microseconds of each sync.
        case syncDelay
        /// The offset of the wall clock, in milliseconds.
        case clockOffset
        /// The process dies in this write to the database, counted from now.
        case killInCheckpoint
        /// While it is set, syncs of the WAL block.
        case holdSyncs
        /// Counts the blocked syncs.
        case held
        /// Counts the injected faults.
        case injected
        /// The errno of failing syncs, instead of EIO.
        case syncError
        /// While it is set, the directory of the backups does not respond.
        case holdBackups
    }

    private let words: UnsafeMutablePointer<Int64>
    private let path: String
    private let undoPath: String
    private static let size = 4096

    /// - Parameter directory: the directory of the test, in which the control file is created.
    package init(directory: String) throws {
        path = directory + "/faults"
        undoPath = directory + "/undo"
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0, ftruncate(file, Self.size) == 0,
            let map = mmap(nil, Self.size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0), map != MAP_FAILED
        else { throw DaemonProcess.DidNotStart(description: "\(path): \(String(cString: strerror(errno)))") }
        close(file)
        words = map.bindMemory(to: Int64.self, capacity: Self.size / 8)
    }

    deinit { munmap(words, Self.size) }

    /// The environment of a daemon under this control.
    package var environment: [String] {
        let folder = DaemonProcess.binary.split(separator: "/", omittingEmptySubsequences: false).dropLast()
        return [
            "LD_PRELOAD=\(folder.joined(separator: "/"))/libLongtakeFaultShim.so", "FAULT_SHIM_CONTROL=\(path)",
            "FAULT_SHIM_NOTES=\(undoPath)",
        ]
    }

    /// Aligned words are atomic on this machine. The other process sees the value at its next read.
    package subscript(word: Word) -> Int64 {
        get { words[word.rawValue] }
        set { words[word.rawValue] = newValue }
    }

    /// Removes all faults and keeps the counters.
    package func calm() {
        for word in [
            Word.killAtSync, .killAtWrite, .syncFailsFrom, .syncFailures, .writeFailsFrom, .writeFailures, .diskIsFull,
            .syncDelay, .clockOffset, .killInCheckpoint, .holdSyncs, .syncError,
            .holdBackups,
        ] { self[word] = 0 }
    }

    /// Changes the files as a power cut might, while no process has them open.
    package func cutPower(_ data: String, using generator: inout some RandomNumberGenerator) throws -> PowerCut {
        let cut = try PowerCut(notes: undoPath)
        try cut.perform(on: data, using: &generator)
        unlink(undoPath)
        return cut
    }
}
