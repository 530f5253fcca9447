import Glibc

/// The cgroup (v2) of this process, if its service manager has delegated it (`Delegate=yes`). Then
/// each command can have a cgroup of its own below it.
package enum DelegatedCgroup {
    /// The directory of the cgroup; `nil` if there is none in which this process may make others.
    /// - Parameters:
    ///   - membership: the path of `/proc/self/cgroup`, injected for tests.
    ///   - mount: where the hierarchy of cgroup v2 is mounted.
    package static func path(membership: String = "/proc/self/cgroup", mount: String = "/sys/fs/cgroup") -> String? {
        guard let file = fopen(membership, "re") else { return nil }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 4_096)
        while fgets(&line, CInt(line.count), file) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            // The line of cgroup v2 begins with an empty list of controllers (cgroups(7)).
            guard text.hasPrefix("0::/") else { continue }
            let directory = mount + text.dropFirst(3).prefix { $0 != "\n" }
            // The root cgroup belongs to no service, and has no `cgroup.kill`.
            let isOurs = access(directory + "/cgroup.kill", F_OK) == 0 && access(directory + "/cgroup.procs", W_OK) == 0
            return isOurs && access(directory, W_OK) == 0 ? directory : nil
        }
        return nil
    }
}
