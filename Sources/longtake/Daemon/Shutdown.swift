import Glibc
import Logging
import LongtakeEngine
import LongtakeHTTP
import LongtakeSQLite
import NIOCore
import NIOPosix

/// The orderly stop of a daemon: nothing new, work put back and journaled, streams ended, connections closed, database closed.
struct DaemonStop: Sendable {
    let plan: StopPlan
    let journal: SQLiteJournal
    let engine: Engine
    let server: HTTPServer
    let loops: MultiThreadedEventLoopGroup
    let pruning: Task<Void, Never>
    let reloading: Task<Void, Never>
    let backups: SQLiteBackups
    let logger: Logger
    let log: LogWriter

    /// How long the end of the process waits for its last log lines when their reader does not read.
    static let lastLines: Duration = .milliseconds(500)

    /// Performs the stop. A thread of its own ends the process when the grace is over.
    ///
    /// When it returns, no thread of the daemon runs any more. This must hold because `exit(3)` destroys globals, and a thread that still uses
    /// them can crash. That was seen once in some thousand stops.
    /// - Throws: what the database or the event loops say when they cannot be closed.
    func run() async throws {
        let begin = ContinuousClock.now
        startLastResort()
        func left(_ part: StopPlan.Part) -> Duration { plan.left(for: part, after: .now - begin) }
        server.beginDrain()
        pruning.cancel()
        await engine.drain(deadline: left(.work))
        await server.finishStreams(within: left(.streams))
        await server.stop(within: left(.answers))
        await Self.wait(for: pruning, within: left(.chores))
        await backups.stop(within: left(.chores))
        guard try await journal.close(within: left(.close)) else { leave("the database", within: left(.log)) }
        guard await server.finishTasks(within: left(.tasks)) else { leave("a request", within: left(.log)) }
        reloading.cancel()
        guard await Self.wait(for: reloading, within: left(.tasks)) else {
            leave("a reload of the keys", within: left(.log))
        }
        try await loops.shutdownGracefully()
        logger.info("stopped")
        log.flush(within: min(Self.lastLines, left(.log)))
    }

    /// Ends the process if `what` still runs, which is usually blocked in a system call. All commits are on the disk. Returning from `main`
    /// would destroy objects that it still uses.
    private func leave(_ what: String, within limit: Duration) -> Never {
        logger.warning(
            "stopped while something was still running; all committed data is on the disk",
            metadata: ["running": "\(what)"])
        log.flush(within: min(Self.lastLines, limit))
        _exit(0)
    }

    /// Waits for a task that may not end.
    /// - Returns: whether it has ended.
    @discardableResult
    private static func wait(for task: Task<Void, Never>, within limit: Duration) async -> Bool {
        let (ends, end) = AsyncStream.makeStream(of: Bool.self, bufferingPolicy: .bufferingOldest(1))
        // Unstructured, both: the one that is later must not be waited for.
        Task {
            await task.value
            end.yield(true)
        }
        Task {
            try? await ContinuousClock().sleep(for: limit)
            end.yield(false)
        }
        for await hasEnded in ends { return hasEnded }
        return false
    }

    /// A stop that hangs is worse than a crash, from which the next boot recovers: the process ends when the grace is over.
    ///
    /// It has a thread of its own and does not log, so a blocked log cannot delay it.
    private func startLastResort() {
        DetachedThread.start { [plan] in
            DetachedThread.sleep(for: plan.grace)
            _exit(1)
        }
    }
}
