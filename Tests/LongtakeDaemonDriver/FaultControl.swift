import Glibc

/// The disk and the wall clock of a daemon, in a test's hands: what the shim that is loaded into the process is told.
///
/// The words are those of `longtake_fault_shim.h`, in their order, in a file that both have mapped.
package final class FaultControl: @unchecked Sendable {
    package enum Word: Int {
        /// Counts the syncs of the log.
        case syncs
        /// Counts writes to the database and its log.
        case writes
        case killAtSync, killAtWrite
        /// From which sync on they fail with EIO, and how many of them.
        case syncFailsFrom, syncFailures
        case writeFailsFrom, writeFailures
        /// 1 for ENOSPC, or the number of another error.
        case diskIsFull
        /// Microseconds that each sync takes longer.
        case syncDelay
        /// Milliseconds by which the wall clock is off.
        case clockOffset
        /// Dies in the so-manieth write to the database from now.
        case killInCheckpoint
        /// While it is set no sync of the log comes back.
        case holdSyncs
        /// Counts the syncs that were held.
        case held
        /// Counts what was injected.
        case injected
        /// The number of the error that syncs fail with, for EIO.
        case syncError
        /// While it is set the directory of the backups does not answer.
        case holdBackups
    }

    private let words: UnsafeMutablePointer<Int64>
    private let path: String
    private let undoPath: String
    private static let size = 4096

    /// - Parameter directory: of the test; the control file is made there.
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

    /// What a daemon is started with, to be under this control.
    package var environment: [String] {
        let folder = DaemonProcess.binary.split(separator: "/", omittingEmptySubsequences: false).dropLast()
        return [
            "LD_PRELOAD=\(folder.joined(separator: "/"))/libLongtakeFaultShim.so", "FAULT_SHIM_CONTROL=\(path)",
            "FAULT_SHIM_NOTES=\(undoPath)",
        ]
    }

    /// Atomic as any aligned word of the machine is; the other process sees it at its next look.
    package subscript(word: Word) -> Int64 {
        get { words[word.rawValue] }
        set { words[word.rawValue] = newValue }
    }

    /// Takes all faults away; what was counted stays.
    package func calm() {
        for word in [
            Word.killAtSync, .killAtWrite, .syncFailsFrom, .syncFailures, .writeFailsFrom, .writeFailures, .diskIsFull,
            .syncDelay, .clockOffset, .killInCheckpoint, .holdSyncs, .syncError,
            .holdBackups,
        ] { self[word] = 0 }
    }

    /// Takes from the files what a power cut might take, while no process has them open.
    package func cutPower(_ data: String, using generator: inout some RandomNumberGenerator) throws -> PowerCut {
        let cut = try PowerCut(notes: undoPath)
        try cut.perform(on: data, using: &generator)
        unlink(undoPath)
        return cut
    }
}
