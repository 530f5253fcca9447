import Dispatch
import Glibc
import LongtakeCore

/// The records of running programs, one file for each, in a directory of the daemon's data.
///
/// A record is written before its program starts, and removed when all its processes have ended. So
/// after a crash the records name all programs that may still run.
package struct ProgramRecords: Sendable {
    /// One running program.
    struct Record: Hashable, Sendable, Codable {
        /// The supervisor's.
        let pid: Int32
        /// The supervisor's, in clock ticks since the boot of the machine.
        let startTime: UInt64
        let nonce: String
        /// Of the machine. After a reboot nothing is left to kill.
        let bootID: String
        /// The directory of the program's cgroup, if it has one.
        let cgroup: String?

        enum CodingKeys: String, CodingKey {
            case pid, nonce, cgroup
            case startTime = "start_time"
            case bootID = "boot_id"
        }
    }

    /// What ``killLeftovers(within:)`` did.
    package struct Leftovers: Hashable, Sendable {
        /// The programs whose records were found.
        package var programs = 0
        /// The processes that were killed.
        package var killed = 0
        /// The processes that did not end in time. Their records are kept.
        package var left = 0
    }

    private let directory: String
    private let bootID: String
    private static let suffix = ".json"

    /// - Parameters:
    ///   - directory: created at the first record. Only one daemon may use it.
    ///   - bootID: names the boot of the machine.
    package init(directory: String, bootID: String = Self.machineBootID()) {
        self.directory = directory
        self.bootID = bootID
    }

    /// The id of the machine's boot (random(4)); empty if it cannot be read.
    package static func machineBootID() -> String {
        String(decoding: (try? read("/proc/sys/kernel/random/boot_id")) ?? [], as: UTF8.self)
            .filter { !$0.isWhitespace }
    }

    /// Writes a record. It need not survive a power cut, since no process does.
    /// - Throws: ``ProgramStartError/failed(_:)``
    func write(pid: Int32, startTime: UInt64, nonce: String, cgroup: String?) throws(ProgramStartError) {
        let record = Record(pid: pid, startTime: startTime, nonce: nonce, bootID: bootID, cgroup: cgroup)
        mkdir(directory, 0o700)
        let path = path(of: nonce)
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .failed("\(path): \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        let bytes = Array(((try? JSONText.encode(record)) ?? "{}").utf8)
        guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
            let reason = String(cString: strerror(errno))
            unlink(path)
            throw .failed("\(path): \(reason)")
        }
    }

    /// Removes a record.
    func remove(_ nonce: String) { unlink(path(of: nonce)) }

    /// Kills what an earlier daemon has left, and removes its records. To be called at boot, before
    /// any stage is claimed again.
    /// - Parameter limit: after this time, processes that do not end are given up.
    package func killLeftovers(within limit: Duration = .seconds(10)) async -> Leftovers {
        await withCheckedContinuation { caller in
            // It blocks. The global queue would be wrong: the cooperative pool uses its threads.
            DispatchQueue(label: "longtake.leftovers").async {
                caller.resume(returning: killNow(within: limit))
            }
        }
    }

    private func killNow(within limit: Duration) -> Leftovers {
        let names = self.names
        // A record of an earlier boot has no processes. A torn record cannot be read, but its name
        // is the nonce, and that is enough to find its processes.
        let cgroups = names.compactMap { record($0)?.cgroup }.map(Cgroup.init)
        let search = NonceSearch(nonces: Set(names.filter { isOfThisBoot($0) }), cgroups: cgroups, limit: limit)
        let outcome = search.killAll()
        if outcome.left == 0 { for name in names { remove(name) } }
        return Leftovers(programs: names.count, killed: outcome.killed, left: outcome.left)
    }

    private func isOfThisBoot(_ nonce: String) -> Bool { record(nonce).map { $0.bootID == bootID } ?? true }

    private func record(_ nonce: String) -> Record? {
        guard let bytes = try? Self.read(path(of: nonce)) else { return nil }
        return try? JSONText.decode(Record.self, from: String(decoding: bytes, as: UTF8.self))
    }

    private func path(of nonce: String) -> String { "\(directory)/\(nonce)\(Self.suffix)" }

    /// The nonces of all records.
    private var names: [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { name in
                String(cString: UnsafeRawPointer(name).assumingMemoryBound(to: CChar.self))
            }
            if name.hasSuffix(Self.suffix) { names.append(String(name.dropLast(Self.suffix.count))) }
        }
        return names
    }

    private struct Unreadable: Error {}

    /// Reads a small file.
    private static func read(_ path: String) throws(Unreadable) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Unreadable() }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(descriptor, &buffer, buffer.count)
        guard count >= 0 else { throw Unreadable() }
        return Array(buffer[..<count])
    }
}
