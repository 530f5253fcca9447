import Dispatch
import Glibc

/// Runs work that may block on a new thread, so that it blocks neither the cooperative pool nor
/// Dispatch's threads.
enum DetachedThread {
    private final class Work: Sendable {
        let run: @Sendable () -> Void

        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Runs `work` on a new thread, which ends when `work` returns.
    static func start(_ work: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(Work(work)).toOpaque()
        let result = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            }, argument)
        guard result == 0 else {
            // The system cannot create a thread. Dispatch may still have one, and a shutdown must
            // go on.
            Unmanaged<Work>.fromOpaque(argument).release()
            return DispatchQueue.global().async(execute: work)
        }
        pthread_detach(thread)
    }

    /// Blocks the calling thread for `duration`. Signals do not shorten it.
    static func sleep(for duration: Duration) {
        let end = ContinuousClock.now + duration
        while true {
            let left = end - .now
            guard left > .zero else { return }
            let (seconds, attoseconds) = left.components
            var time = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
            nanosleep(&time, nil)
        }
    }
}
