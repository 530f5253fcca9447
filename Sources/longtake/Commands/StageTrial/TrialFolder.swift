import Glibc
import LongtakeCore
import LongtakeFiles

/// The folder in which `longtake run-stage` works:
///
/// ```text
/// work/       the working directories, as below the data directory of a daemon
/// artifacts/  the artifacts of the stage
/// files/      the store, with the content of inputs and artifacts
/// logs/       the log of the stage
/// commands/   the record of the program while it runs
/// ```
struct TrialFolder: Sendable {
    let path: String
    let store: DirectoryFileStore

    static let tenant = TenantName.anonymous

    /// Opens a folder, and makes it if it does not exist.
    /// - Parameters:
    ///   - path: `nil` for a new folder.
    ///   - temporary: where new folders are made.
    static func open(_ path: String?, temporary: String) async throws(TrialError) -> TrialFolder {
        let folder = if let path { try make(path) } else { try makeTemporary(in: temporary) }
        if mkdir(folder + "/artifacts", 0o700) != 0, errno != EEXIST {
            throw .disk("\(folder)/artifacts cannot be made: \(String(cString: strerror(errno))).")
        }
        do throws(FileStoreError) {
            return TrialFolder(path: folder, store: try await DirectoryFileStore.open(directory: folder + "/files"))
        } catch {
            throw .disk("the folder \(folder) cannot be used: \(error).")
        }
    }

    private static func make(_ path: String) throws(TrialError) -> String {
        if mkdir(path, 0o700) != 0, errno != EEXIST {
            throw .usage("the folder \(path) cannot be made: \(String(cString: strerror(errno))).")
        }
        // The paths of a program must be absolute.
        guard let real = realpath(path, nil) else {
            throw .usage("the folder \(path) cannot be used: \(String(cString: strerror(errno))).")
        }
        defer { free(real) }
        return String(cString: real)
    }

    private static func makeTemporary(in directory: String) throws(TrialError) -> String {
        guard let path = strdup("\(directory)/longtake-stage-XXXXXX") else { throw .disk("the memory is full.") }
        defer { free(path) }
        guard mkdtemp(path) != nil else {
            throw .disk("no folder can be made in \(directory): \(String(cString: strerror(errno))).")
        }
        return String(cString: path)
    }

    /// Copies a file into the store.
    func add(_ path: String) async throws(TrialError) -> any KeptContent {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .usage("\(path) cannot be read: \(String(cString: strerror(errno))).") }
        defer { close(descriptor) }
        do throws(FileStoreError) {
            return try await store.copy(of: descriptor, for: Self.tenant, limit: .max)
        } catch {
            throw .usage("\(path) cannot be copied: \(error).")
        }
    }

    /// Writes an artifact of the stage to a file with its name, and replaces an earlier one.
    /// - Returns: the path of the file.
    func export(_ artifact: Artifact) async throws(FileStoreError) -> String {
        let file = "\(path)/artifacts/\(artifact.name)"
        unlink(file)
        try await store.export(ContentKey(tenant: Self.tenant, hash: artifact.content.hash), to: file)
        return file
    }
}
