import CLongtakeProcess
import Glibc

/// Measures and removes a directory whose content a program has made, which may be hostile: deep,
/// large, unreadable, or full of links. No link is followed. The calls wait for the disk.
enum DirectoryTree {
    /// The entries that one measurement looks at.
    static let measuredEntries = 1_000_000

    /// Why a directory is beyond its limit.
    enum Excess: Hashable, Sendable {
        case bytes, entries, depth
    }

    /// Compares a directory with its limit. It stops as soon as the limit is exceeded. The program
    /// can change the directory meanwhile, so the result may be right for no single moment.
    /// - Returns: `nil` if the directory is within its limit, or is gone.
    static func excess(of path: String, overBytes limit: Int64, entries: Int = measuredEntries) -> Excess? {
        let root = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard root >= 0 else { return nil }
        defer { close(root) }
        var (bytes, count, waiting) = (Int64(0), 0, [top])
        while let next = waiting.popLast() {
            // Each directory is opened by its path from the root, so two descriptors are enough.
            let directory = longtake_open_beneath(root, next, 1)
            guard directory >= 0 else {
                if errno == ENAMETOOLONG { return .depth }
                continue
            }
            let excess = forEachEntry(of: directory) { name -> Excess? in
                count += 1
                guard count <= entries else { return .entries }
                var status = stat()
                guard fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return nil }
                bytes += Int64(status.st_blocks) * 512
                guard bytes <= limit else { return .bytes }
                if status.st_mode & S_IFMT == S_IFDIR { waiting.append(next.dropLast() + [slash] + name) }
                return nil
            }
            if let excess { return excess }
        }
        return nil
    }

    /// Removes a directory and all that is in it. It moves each nested directory to the top before
    /// it empties it. So a deep tree needs neither more descriptors nor longer paths.
    /// - Throws: ``SystemFailure`` if something is left. If the directory does not exist, nothing
    ///   happens.
    static func remove(_ path: String) throws(SystemFailure) {
        let root = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard root >= 0 else {
            if errno == ENOENT { return }
            throw SystemFailure(action: "open a directory to remove it", code: errno)
        }
        defer { close(root) }
        var (moved, waiting) = (0, [top])
        while let next = waiting.popLast() {
            // A directory without permissions can neither be read nor moved.
            fchmodat(root, next, 0o700, 0)
            let directory = openat(root, next, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            guard directory >= 0 else { continue }
            defer { close(directory) }
            for name in names(of: dup(directory)) {
                if unlinkat(directory, name, 0) == 0 || unlinkat(directory, name, AT_REMOVEDIR) == 0 { continue }
                guard next != top else {
                    waiting.append(name)
                    continue
                }
                fchmodat(directory, name, 0o700, 0)
                var isMoved = false
                repeat {
                    moved += 1
                    let place = Array(".removed-\(moved)".utf8CString)
                    isMoved = renameat(directory, name, root, place) == 0
                    if isMoved { waiting.append(place) }
                } while !isMoved && [EEXIST, ENOTEMPTY, ENOTDIR].contains(errno)
            }
            if next != top { unlinkat(root, next, AT_REMOVEDIR) }
        }
        guard rmdir(path) == 0 || errno == ENOENT else {
            throw SystemFailure(action: "remove a directory", code: errno)
        }
    }

    /// The names of the entries of a directory of the daemon, which writes only valid UTF-8.
    static func names(in path: String) -> [String] {
        names(of: open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)).map {
            String(decoding: $0.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        }
    }

    /// The bytes of a name or a path, with the zero at the end. They may be no UTF-8, because a
    /// program chooses them.
    private typealias Name = [CChar]

    private static let top: Name = [CChar(bitPattern: UInt8(ascii: ".")), 0]
    private static let slash = CChar(bitPattern: UInt8(ascii: "/"))

    /// - Parameter directory: is closed. If it is negative, there are no names.
    private static func names(of directory: Int32) -> [Name] {
        guard directory >= 0 else { return [] }
        var names: [Name] = []
        _ = forEachEntry(of: directory) { name -> Bool? in
            names.append(name)
            return nil
        }
        return names
    }

    /// Calls `body` with each name until it returns a result.
    /// - Parameter directory: is closed.
    private static func forEachEntry<Result>(of directory: Int32, _ body: (Name) -> Result?) -> Result? {
        guard let stream = fdopendir(directory) else {
            close(directory)
            return nil
        }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            // The length of the record says how much of the name's field exists.
            let name = withUnsafePointer(to: &entry.pointee.d_name) { field in
                field.withMemoryRebound(to: CChar.self, capacity: 1) {
                    Array(UnsafeBufferPointer(start: $0, count: strlen($0) + 1))
                }
            }
            if name == [top[0], 0] || name == [top[0], top[0], 0] { continue }
            if let result = body(name) { return result }
        }
        return nil
    }
}
