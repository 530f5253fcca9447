import Glibc
import Logging
import LongtakeEngine
import LongtakeHTTP
import LongtakeSQLite

/// The orderly stop of a daemon: nothing new, work put back and journaled, streams ended, connections closed, database closed.
struct DaemonStop: Sendable {
    let plan: StopPlan
    let journal: SQLiteJournal
    let engine: Engine
    let server: HTTPServer
    let pruning: Task<Void, Never>
    let backups: SQLiteBackups
    let logger: Logger
    let log: LogWriter

    /// How long the end of the process waits for its last log lines when their reader does not read.
    static let lastLines: Duration = .milliseconds(500)
    /// The same, when the grace is over.
    private static let lastLinesOfForcedEnd: Duration = .milliseconds(50)

    /// Performs the stop. A thread of its own ends the process when the grace is over.
    /// - Throws: what the database says when it cannot be closed.
    func run() async throws {
        let begin = ContinuousClock.now
        startLastResort()
        func left(_ part: StopPlan.Part) -> Duration { plan.left(for: part, after: .now - begin) }
        server.beginDrain()
        pruning.cancel()
        await engine.drain(deadline: left(.work))
        await server.finishStreams(within: left(.streams))
        await server.stop(within: left(.answers))
        await pruning.value
        await backups.stop()
        try await journal.close()
        logger.info("stopped")
        log.flush(within: min(Self.lastLines, left(.log)))
    }

    /// A stop that hangs is worse than a crash, from which the next boot recovers: it ends when the grace is over.
    ///
    /// It has a thread of its own and never waits for the reader of the log: whatever else hangs, this does not.
    private func startLastResort() {
        DetachedThread.start { [plan, logger, log] in
            DetachedThread.sleep(for: plan.grace)
            logger.critical(
                "the stop took longer than shutdown.grace_seconds; what was running is recovered at the next start")
            log.flush(within: Self.lastLinesOfForcedEnd)
            _exit(1)
        }
    }
}
