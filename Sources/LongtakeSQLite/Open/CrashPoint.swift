import GRDB

/// A point in the code at which a test can end the process, as with `kill -9`.
///
/// Only debug builds contain these points and read the variable. `CRASH_POINT=afterCommit:3` ends
/// the process when it reaches that point for the third time.
enum CrashPoint: String, CaseIterable, Sendable {
    /// The transaction is written but not committed.
    case beforeCommit
    /// The transaction is durable, but no observer and no caller knows.
    case afterCommit
    /// The observers know, and streams may have sent the events. The callers do not know.
    case afterPublishing
    /// Stages are claimed, but no worker has them yet.
    case afterClaim
    /// In the transaction of recovery, once for each stage.
    case inRecovery
    /// Before each statement of a migration.
    case inMigration
    /// In a transaction of pruning, once for each job or part of a job.
    case inPruning
}

#if LONGTAKE_CRASH_POINTS
    import Glibc
    import Synchronization

    extension CrashPoint {
        private struct Plan: Sendable {
            var point: CrashPoint
            /// How many more times the process may reach the point.
            var left: Int
        }

        private static let plan = Mutex<Plan?>(
            getenv("CRASH_POINT").flatMap { text in
                let words = String(cString: text).split(separator: ":")
                guard words.count == 2, let point = CrashPoint(rawValue: String(words[0])), let count = Int(words[1])
                else { return nil }
                return Plan(point: point, left: count - 1)
            })

        /// Ends the process if this point was requested.
        static func reach(_ point: CrashPoint) {
            let isOver = plan.withLock { plan in
                guard let left = plan?.left, plan?.point == point else { return false }
                plan?.left = left - 1
                return left <= 0
            }
            if isOver { kill(getpid(), SIGKILL) }
        }

        /// Reaches ``inMigration`` at each statement that `body` runs on the pool's writer.
        static func watchingStatements(of pool: DatabasePool, _ body: () throws -> Void) throws {
            pool.writeWithoutTransaction { $0.trace { _ in reach(.inMigration) } }
            try body()
            pool.writeWithoutTransaction { $0.trace(options: []) }
        }
    }
#else
    extension CrashPoint {
        @inline(__always) static func reach(_ point: CrashPoint) {}

        static func watchingStatements(of pool: DatabasePool, _ body: () throws -> Void) throws { try body() }
    }
#endif
