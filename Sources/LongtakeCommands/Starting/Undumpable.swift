internal import CLongtakeProcess
import Glibc

/// Protects the memory, the environment and the descriptors of this process from other processes of
/// its user (ptrace(2), `/proc/PID/mem`). Root can still read them.
package enum Undumpable {
    /// Applies the protection. Child processes lose it when they execute a program.
    /// - Returns: whether the kernel accepted it. The process leaves no core dumps from then on.
    @discardableResult
    package static func apply() -> Bool { longtake_become_undumpable() == 0 }
}
