import Glibc
import Logging
import LongtakeCommands
import LongtakeEngine
import LongtakeHTTP
import LongtakeSQLite
import NIOCore
import NIOPosix

/// Performs a graceful shutdown: it rejects new work, interrupts running stages and stores that,
/// ends streams, closes connections, and closes the database.
struct Shutdown: Sendable {
    let plan: ShutdownPlan
    let journal: SQLiteJournal
    let engine: Engine
    let commands: CommandRunner
    let server: HTTPServer
    let loops: MultiThreadedEventLoopGroup
    /// The pruner and the cleaner of files.
    let maintenance: [Task<Void, Never>]
    let reloading: Task<Void, Never>
    let backups: SQLiteBackups
    let logger: Logger
    let output: LoggerOutput

    /// How long the exit of the process waits for its last log lines if their reader is blocked.
    static let flushLimit: Duration = .milliseconds(500)

    /// Performs the shutdown. A separate thread exits the process when the grace period is over.
    ///
    /// When it returns, the database, the event loops and the request handlers have ended. This
    /// must hold because `exit(3)` destroys globals, and a thread that still uses them can crash.
    /// One crash in some thousand shutdowns is probably of this kind (docs/reliability.md, F1).
    /// - Throws: the error of the database or the event loops if they cannot be closed.
    func run() async throws {
        let begin = ContinuousClock.now
        exitAfterGracePeriod()
        func left(_ part: ShutdownPlan.Part) -> Duration { plan.left(for: part, after: .now - begin) }
        server.beginDrain()
        for task in maintenance { task.cancel() }
        // The rest of the stages' part is for storing how they ended.
        commands.beginDrain(grace: left(.stages) * 3 / 4)
        await engine.drain(deadline: left(.stages))
        await server.finishStreams(within: left(.streams))
        await server.stop(within: left(.responses))
        for task in maintenance { await Self.wait(for: task, within: left(.maintenance)) }
        await backups.stop(within: left(.maintenance))
        guard try await journal.close(within: left(.database)) else { exit(running: "the database", left(.logger)) }
        guard await server.finishTasks(within: left(.handlers)) else { exit(running: "a request", left(.logger)) }
        reloading.cancel()
        guard await Self.wait(for: reloading, within: left(.handlers)) else {
            exit(running: "a reload of the keys", left(.logger))
        }
        try await loops.shutdownGracefully()
        logger.info("stopped")
        output.flush(within: min(Self.flushLimit, left(.logger)))
    }

    /// Exits the process while `task` still runs, usually because it is blocked in a system call.
    /// All commits are on the disk. Returning from `main` would destroy objects that the task still
    /// uses.
    private func exit(running task: String, _ limit: Duration) -> Never {
        logger.warning(
            "stopped while something was still running; all committed data is on the disk",
            metadata: ["running": "\(task)"])
        output.flush(within: min(Self.flushLimit, limit))
        _exit(0)
    }

    /// Waits for a task that may never end.
    /// - Returns: whether it has ended.
    @discardableResult
    private static func wait(for task: Task<Void, Never>, within limit: Duration) async -> Bool {
        let (ends, end) = AsyncStream.makeStream(of: Bool.self, bufferingPolicy: .bufferingOldest(1))
        // Both tasks are unstructured, because the caller must not wait for the later one.
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

    /// Exits the process when the grace period is over. A shutdown that hangs is worse than a
    /// crash, because the next boot recovers from a crash.
    ///
    /// It has a separate thread and does not log, so blocked log output cannot delay it.
    private func exitAfterGracePeriod() {
        DetachedThread.start { [plan] in
            DetachedThread.sleep(for: plan.grace)
            _exit(1)
        }
    }
}

/// Divides the grace period of a shutdown among its parts. Each part has a deadline, after which
/// the shutdown no longer waits for it. Only the forced exit limits the end of the event loops. It
/// is a pure value.
///
/// ```text
/// 0 %       30 %        60 %        70 %          80 %       90 %       95 %     100 %
/// ├─ stages ─┼─ streams ─┼ responses ┼ maintenance ┼ database ┼ handlers ┼ logger ─┤ forced exit
/// ```
/// A part that ends early leaves its time to the next parts. So all parts together never exceed the
/// grace period, and the database always has time to close.
struct ShutdownPlan: Hashable, Sendable {
    /// The parts in their order.
    enum Part: CaseIterable, Sendable {
        /// The engine interrupts running stages and stores that.
        case stages
        /// Streams end, after a message to their clients.
        case streams
        /// The server sends the last responses and closes the connections.
        case responses
        /// The pruner and a backup finish their current step.
        case maintenance
        /// The database closes.
        case database
        /// The request handlers of clients that have disconnected finish, and a reload of the keys
        /// does. The database is closed by then, so the handlers can only fail.
        case handlers
        /// The last log lines are written.
        case logger

        /// The deadline, in percent of the grace period. The engine and the streams may wait for
        /// stages or clients, so they get the largest shares. The other parts only finish
        /// operations that are already in progress.
        fileprivate var percent: Int {
            switch self {
            case .stages: 30
            case .streams: 60
            case .responses: 70
            case .maintenance: 80
            case .database: 90
            case .handlers: 95
            case .logger: 99
            }
        }
    }

    /// The maximum duration of the shutdown.
    let grace: Duration

    /// The deadline of `part`, from the beginning of the shutdown.
    func end(of part: Part) -> Duration { grace * part.percent / 100 }

    /// The remaining time for `part` when `elapsed` has passed since the beginning of the shutdown.
    func left(for part: Part, after elapsed: Duration) -> Duration { max(.zero, end(of: part) - elapsed) }
}
