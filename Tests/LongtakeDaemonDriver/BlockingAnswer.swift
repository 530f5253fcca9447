import Glibc
import Synchronization

/// A request that is answered while its test does something else.
package final class BlockingAnswer: Sendable {
    private let answer = Mutex<Result<Exchange, any Error>?>(nil)

    package struct Missing: Error {}

    package init(_ body: @escaping @Sendable () throws -> Exchange) {
        BlockingThread.run {
            let result = Result(catching: body)
            self.answer.withLock { $0 = result }
        }
    }

    /// - Throws: what the request threw, or ``Missing`` after a while.
    package func wait(within seconds: Double = 40) throws -> Exchange {
        let deadline = Deadline(seconds)
        while !deadline.isOver {
            if let result = answer.withLock({ $0 }) { return try result.get() }
            poll(nil, 0, 5)
        }
        throw Missing()
    }
}
