import Dispatch
import Glibc

/// The memory of the process as the system sees it.
enum ProcessMemory {
    private typealias MallocTrim = @convention(c) (Int) -> CInt

    /// `malloc_trim(3)`, which is glibc's and not in the headers that Swift sees; `nil` elsewhere.
    private static let trim = dlsym(nil, "malloc_trim").map { unsafeBitCast($0, to: MallocTrim.self) }

    /// Gives back to the system what the allocator holds for later, on a thread of its own: it takes milliseconds.
    ///
    /// The allocator gives back by itself only what lies at the end of its arenas, so after a great coming and going of streams most of
    /// it would stay.
    @Sendable static func release() {
        guard let trim else { return }
        DispatchQueue.global(qos: .utility).async { _ = trim(0) }
    }
}
