import CLongtakeProcess
import Glibc
import LongtakeCore

/// The directory in which the program of one attempt works:
/// `<root>/<job>/<stage>/<attempt>`, with mode 0700.
///
/// ```text
/// stage.json   the document of the stage
/// inputs/      the files and texts of the input
/// artifacts/   the artifacts of the job
/// home/ tmp/   HOME and TMPDIR of the program
/// ```
/// The calls wait for the disk.
struct WorkingDirectory: Hashable, Sendable {
    let root: String
    let job: JobID
    let stage: StageName
    let attempt: Int

    init(root: String, claim: Claim) {
        self.root = root
        (job, stage, attempt) = (claim.job, claim.stage.name, claim.attempt)
    }

    private var ofJob: String { root + "/" + job.description }
    private var ofStage: String { ofJob + "/" + stage.description }
    var path: String { ofStage + "/\(attempt)" }
    var document: String { path + "/stage.json" }
    var home: String { path + "/home" }
    var temporary: String { path + "/tmp" }

    /// Makes the directory if it does not exist, and removes those of earlier attempts. An attempt
    /// that resumes finds its files again, but `inputs` and `artifacts` are empty.
    func prepare() throws(SystemFailure) {
        for directory in [root, ofJob, ofStage] { try Self.make(directory) }
        for name in DirectoryTree.names(in: ofStage) where name != "\(attempt)" {
            try DirectoryTree.remove(ofStage + "/" + name)
        }
        try Self.make(path)
        for name in ["inputs", "artifacts"] {
            let directory = path + "/" + name
            // The program may have replaced the directory by a link or a file.
            unlink(directory)
            try DirectoryTree.remove(directory)
            try Self.make(directory)
        }
        for directory in [home, temporary] where mkdir(directory, 0o700) != 0 && errno != EEXIST {
            throw SystemFailure(action: "make a directory", code: errno)
        }
    }

    /// Removes the directory of the attempt, and the directories above it that are now empty.
    func remove() throws(SystemFailure) {
        try DirectoryTree.remove(path)
        rmdir(ofStage)
        rmdir(ofJob)
    }

    /// Writes a new file, and replaces one of an earlier run.
    func write(_ bytes: [UInt8], to relative: String) throws(SystemFailure) {
        let target = path + "/" + relative
        unlink(target)
        let descriptor = Glibc.open(target, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SystemFailure(action: "make a file", code: errno) }
        defer { close(descriptor) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw SystemFailure(action: "write a file", code: errno) }
            rest = rest.dropFirst(count)
        }
    }

    private static func make(_ path: String) throws(SystemFailure) {
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
            throw SystemFailure(action: "make a directory", code: errno)
        }
    }
}

extension WorkingDirectory {
    /// Why a file of a program is no artifact.
    enum Refusal: Error, Hashable, Sendable {
        case missing
        case isLink
        case notRegular
        case hasLinks

        var reason: String {
            switch self {
            case .missing: "there is no such file in the working directory"
            case .isLink: "its path contains a symbolic link or leaves the working directory"
            case .notRegular: "it is not a regular file"
            case .hasLinks: "the file has more than one hard link"
            }
        }
    }

    /// Opens a file that the program has made.
    /// - Parameters:
    ///   - relative: the path below the directory.
    ///   - usesOpenat2: `false` walks through the path, as on a kernel without that call.
    /// - Returns: a descriptor of a regular file with one link. The caller closes it.
    func open(_ relative: String, usesOpenat2: Bool = true) throws(Refusal) -> Int32 {
        let directory = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard directory >= 0 else { throw .missing }
        defer { close(directory) }
        let file = longtake_open_beneath(directory, relative, usesOpenat2 ? 1 : 0)
        guard file >= 0 else {
            switch errno {
            case ELOOP, EXDEV: throw .isLink
            // A socket cannot be opened.
            case ENXIO, ENODEV: throw .notRegular
            default: throw .missing
            }
        }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(file)
            throw .notRegular
        }
        guard status.st_nlink == 1 else {
            close(file)
            throw .hasLinks
        }
        return file
    }

    /// Removes the directories of a job.
    static func remove(of job: JobID, below root: String) throws(SystemFailure) {
        try DirectoryTree.remove(root + "/" + job.description)
    }

    /// The jobs that have directories.
    static func jobs(below root: String) -> [JobID] { DirectoryTree.names(in: root).compactMap { JobID($0) } }
}
