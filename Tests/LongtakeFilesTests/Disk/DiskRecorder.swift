import Foundation
import LongtakeCore
import Synchronization
import Testing

@testable import LongtakeFiles

/// Watches the steps of a store, and makes images of its directory: what a crash would leave.
///
/// A file's bytes are durable as they were at its last sync, and a directory's names as they were at
/// its last sync. Everything else may be lost.
final class DiskRecorder: Sendable {
    /// What a crash loses.
    enum Crash: CaseIterable {
        /// The process is killed: nothing is lost.
        case kill
        /// All that was not synced is lost.
        case powerCut
        /// The names have reached the disk, but not the bytes that were not synced. File systems
        /// with delayed allocation can leave this.
        case powerCutAfterNames
    }

    private struct State {
        var bytes: [ino_t: [UInt8]] = [:]
        var names: [ino_t: [String: ino_t]] = [:]
        var steps: [DiskStep] = []
    }

    private let root: String
    private let state = Mutex(State())

    init(root: String) { self.root = root }

    /// A probe that records the steps, and calls `visit` between any two.
    func probe(_ visit: @escaping @Sendable () -> Void) -> DiskProbe {
        DiskProbe(
            before: { _ throws(FileStoreError) in visit() },
            after: { [self] step in
                record(step)
                visit()
            })
    }

    var steps: [DiskStep] { state.withLock { $0.steps } }

    private func record(_ step: DiskStep) {
        state.withLock { state in
            state.steps.append(step)
            switch step {
            case .syncFile(let number): state.bytes[Self.inode(number)] = Self.bytes(number)
            case .syncDirectory(let number):
                let path = "/proc/self/fd/\(number)"
                state.names[Self.inode(number)] = Self.names(path)
            case .createFile(let name, let directory):
                // The inode may have belonged to a removed file.
                state.bytes[Self.inode("/proc/self/fd/\(directory)/\(name)")] = nil
            default: break
            }
        }
    }

    /// Builds what a crash at this moment would leave in the directory `root`.
    func image(_ crash: Crash, at path: String) throws {
        guard crash != .kill else { return try FileManager.default.copyItem(atPath: root, toPath: path) }
        try build(root, crash, at: path)
    }

    private func build(_ source: String, _ crash: Crash, at path: String) throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        let inode = Self.inode(source)
        let names =
            crash == .powerCut
            // The directory of the store itself was made by the test, and is durable.
            ? state.withLock { $0.names[inode] } ?? [:] : Self.names(source)
        for (name, inode) in names {
            guard let now = try place(of: inode), now.isDirectory else {
                let bytes = state.withLock { $0.bytes[inode] } ?? []
                try Data(bytes).write(to: URL(fileURLWithPath: path + "/" + name))
                continue
            }
            try build(now.path, crash, at: path + "/" + name)
        }
    }

    /// Where an inode is now; `nil` if it was removed.
    private func place(of inode: ino_t) throws -> (path: String, isDirectory: Bool)? {
        let all = try FileManager.default.subpathsOfDirectory(atPath: root)
        for name in all {
            var information = stat()
            guard lstat(root + "/" + name, &information) == 0, information.st_ino == inode else { continue }
            return (root + "/" + name, information.st_mode & S_IFMT == S_IFDIR)
        }
        return nil
    }

    private static func inode(_ number: Int32) -> ino_t { inode("/proc/self/fd/\(number)/.", or: number) }

    private static func inode(_ path: String, or number: Int32 = -1) -> ino_t {
        var information = stat()
        if number >= 0 { fstat(number, &information) } else { stat(path, &information) }
        return information.st_ino
    }

    private static func names(_ path: String) -> [String: ino_t] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        return Dictionary(uniqueKeysWithValues: names.map { ($0, inode(path + "/" + $0)) })
    }

    private static func bytes(_ number: Int32) -> [UInt8] {
        var information = stat()
        fstat(number, &information)
        var bytes = [UInt8](repeating: 0, count: Int(information.st_size))
        let count = pread(number, &bytes, bytes.count, 0)
        return Array(bytes.prefix(max(count, 0)))
    }
}
