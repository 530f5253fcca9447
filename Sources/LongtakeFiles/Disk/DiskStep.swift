import LongtakeCore

/// A system call that changes what a crash leaves. Directories and files are open descriptors.
enum DiskStep: Hashable, Sendable {
    case makeDirectory(String, in: Int32)
    case createFile(String, in: Int32)
    case write(Int32)
    case syncFile(Int32)
    case syncDirectory(Int32)
    case rename(String, to: String, in: Int32)
    case unlink(String, in: Int32)
}

/// Lets tests see and refuse the steps of the disk, to simulate a crash or a failing disk.
struct DiskProbe: Sendable {
    /// Called before a step. If it throws, the step is not done and has failed with this error.
    var before: @Sendable (DiskStep) throws(FileStoreError) -> Void = { _ throws(FileStoreError) in }
    /// Called after a step that has succeeded.
    var after: @Sendable (DiskStep) -> Void = { _ in }
}
