import Glibc

/// A cgroup (v2) for one program and its descendants. The kernel kills all of its processes at
/// once, also those that fork meanwhile (since Linux 5.14).
struct Cgroup {
    /// Its directory, below one that was delegated to this user.
    let path: String

    /// Makes the directory.
    /// - Throws: ``ProgramStartError/failed(_:)``
    static func make(_ path: String) throws(ProgramStartError) -> Cgroup {
        guard mkdir(path, 0o755) == 0 || errno == EEXIST else {
            throw .failed("the cgroup \(path) cannot be created: \(String(cString: strerror(errno)))")
        }
        return Cgroup(path: path)
    }

    /// Opens the file with which a process enters. Returns −1 with `errno` if that fails.
    func openProcesses() -> CInt { open(path + "/cgroup.procs", O_WRONLY | O_CLOEXEC) }

    /// Kills all processes in it. Older kernels cannot; then the supervisor kills them one by one.
    func kill() {
        let descriptor = open(path + "/cgroup.kill", O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        _ = write(descriptor, "1", 1)
    }

    /// Removes the directory if no process is left.
    func remove() { rmdir(path) }
}
