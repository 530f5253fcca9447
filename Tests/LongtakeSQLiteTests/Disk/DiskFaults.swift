import Foundation
import GRDBSQLite
import Synchronization

/// Makes the files below a directory fail as on a bad disk. It is a layer between SQLite and the
/// system (sqlite.org/vfs.html) for the whole process, and touches no other directory.
enum DiskFaults {
    enum Operation: Hashable, Sendable, CaseIterable { case read, write, sync, truncate }

    enum File: Hashable, Sendable { case database, wal, any }

    struct Fault: Sendable {
        var operations: Set<Operation>
        var file = File.any
        /// How many operations of this kind succeed before the fault.
        var after = 0
        /// A result code of SQLite.
        var code = SQLITE_IOERR
        var isOnce = true
    }

    private struct State {
        var faults: [String: Fault] = [:]
        /// How many operations of the fault's kind occurred.
        var seen: [String: Int] = [:]
        /// Open files by their address, with the address of the system's methods for each.
        var files: [UInt: (path: String, methods: UInt)] = [:]
        /// The methods of this layer, by the system's methods.
        var wrapped: [UInt: UInt] = [:]
    }

    private static let state = Mutex(State())

    /// From here on SQLite opens every file through this layer. A second call does nothing.
    static func install() { _ = layer }

    static func set(_ fault: Fault, in directory: String) {
        state.withLock { state in
            state.faults[directory] = fault
            state.seen[directory] = 0
        }
    }

    /// - Returns: how many operations of the fault's kind occurred.
    @discardableResult
    static func clear(_ directory: String) -> Int {
        state.withLock { state in
            state.faults[directory] = nil
            return state.seen.removeValue(forKey: directory) ?? 0
        }
    }

    /// The result code of the fault, or `nil` for the real operation.
    private static func failure(_ operation: Operation, _ file: UnsafeMutablePointer<sqlite3_file>?) -> CInt? {
        let address = UInt(bitPattern: file)
        return state.withLock { state in
            guard let path = state.files[address]?.path,
                let (directory, fault) = state.faults.first(where: { path.hasPrefix($0.key + "/") }),
                fault.operations.contains(operation),
                fault.file == .any || (fault.file == .wal) == path.hasSuffix("-wal")
            else { return nil }
            let number = state.seen[directory, default: 0]
            state.seen[directory] = number + 1
            return number == fault.after || number > fault.after && !fault.isOnce ? fault.code : nil
        }
    }

    private static func methods(of file: UnsafeMutablePointer<sqlite3_file>?) -> sqlite3_io_methods? {
        let address = UInt(bitPattern: file)
        let methods = state.withLock { $0.files[address]?.methods }
        return methods.flatMap { UnsafePointer<sqlite3_io_methods>(bitPattern: $0)?.pointee }
    }

    /// SQLite's code for an I/O error of that operation (sqlite.org/rescode.html).
    private static func extended(_ code: CInt, _ operation: Operation) -> CInt {
        guard code == SQLITE_IOERR else { return code }
        let kinds: [Operation: CInt] = [.read: 1, .write: 3, .sync: 4, .truncate: 6]
        return code | (kinds[operation, default: 0] << 8)
    }

    /// Never freed, because SQLite keeps the pointer.
    private static let layer: Bool = {
        guard let system = sqlite3_vfs_find(nil) else { return false }
        let layer = UnsafeMutablePointer<sqlite3_vfs>.allocate(capacity: 1)
        layer.initialize(to: system.pointee)
        layer.pointee.zName = "longtake-faults".withCString { UnsafePointer(strdup($0)) }
        layer.pointee.xOpen = { layer, name, file, flags, outFlags in
            guard let system = sqlite3_vfs_find("unix"), let file else { return SQLITE_CANTOPEN }
            let code = system.pointee.xOpen(layer, name, file, flags, outFlags)
            if code == SQLITE_OK, let name, let original = file.pointee.pMethods {
                DiskFaults.adopt(file, String(cString: name), original)
            }
            return code
        }
        return sqlite3_vfs_register(layer, 1) == SQLITE_OK
    }()

    private static func adopt(
        _ file: UnsafeMutablePointer<sqlite3_file>, _ path: String, _ original: UnsafePointer<sqlite3_io_methods>
    ) {
        let (address, methods) = (UInt(bitPattern: file), UInt(bitPattern: original))
        let known = state.withLock { state in
            state.files[address] = (path, methods)
            return state.wrapped[methods]
        }
        if let known {
            file.pointee.pMethods = UnsafePointer(bitPattern: known)
        } else {
            let wrapped = wrap(original)
            file.pointee.pMethods = UnsafePointer(wrapped)
            let new = UInt(bitPattern: wrapped)
            state.withLock { $0.wrapped[methods] = new }
        }
    }

    private static func wrap(
        _ original: UnsafePointer<sqlite3_io_methods>
    ) -> UnsafeMutablePointer<sqlite3_io_methods> {
        let wrapped = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
        wrapped.initialize(to: original.pointee)
        wrapped.pointee.xRead = { file, buffer, count, offset in
            if let code = DiskFaults.failure(.read, file) { return DiskFaults.extended(code, .read) }
            return DiskFaults.methods(of: file)?.xRead(file, buffer, count, offset) ?? SQLITE_MISUSE
        }
        wrapped.pointee.xWrite = { file, buffer, count, offset in
            if let code = DiskFaults.failure(.write, file) { return DiskFaults.extended(code, .write) }
            return DiskFaults.methods(of: file)?.xWrite(file, buffer, count, offset) ?? SQLITE_MISUSE
        }
        wrapped.pointee.xSync = { file, flags in
            if let code = DiskFaults.failure(.sync, file) { return DiskFaults.extended(code, .sync) }
            return DiskFaults.methods(of: file)?.xSync(file, flags) ?? SQLITE_MISUSE
        }
        wrapped.pointee.xTruncate = { file, size in
            if let code = DiskFaults.failure(.truncate, file) { return DiskFaults.extended(code, .truncate) }
            return DiskFaults.methods(of: file)?.xTruncate(file, size) ?? SQLITE_MISUSE
        }
        wrapped.pointee.xClose = { file in
            guard let methods = DiskFaults.methods(of: file) else { return SQLITE_MISUSE }
            let address = UInt(bitPattern: file)
            let original = DiskFaults.state.withLock { $0.files.removeValue(forKey: address)?.methods ?? 0 }
            file?.pointee.pMethods = UnsafePointer(bitPattern: original)
            return methods.xClose(file)
        }
        return wrapped
    }
}
