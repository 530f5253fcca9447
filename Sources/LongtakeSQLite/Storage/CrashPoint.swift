import GRDB

/// A place where the process can be made to end at once, as by `kill -9`, for the tests of what must survive.
///
/// Compiled in for debug builds only: a release has neither the places nor the variable. `CRASH_POINT=afterCommit:3` ends the
/// process when it comes to that place for the third time.
enum CrashPoint: String, CaseIterable, Sendable {
    /// The transaction is written, and nothing of it is committed.
    case beforeCommit
    /// It is durable, and nobody knows.
    case afterCommit
    /// The observers know: streams may have told it. The callers do not.
    case afterPublishing
    /// Stages are claimed, and no worker has them yet.
    case afterClaim
    /// In the transaction that puts back what the last boot had left running: once for each stage.
    case inRecovery
    /// Before each statement of a migration.
    case inMigration
    /// In the transaction that prunes: once for each job or slice of a job.
    case inPruning
}

#if LONGTAKE_CRASH_POINTS
    import Glibc
    import Synchronization

    extension CrashPoint {
        private struct Plan: Sendable {
            var point: CrashPoint
            /// How many more times the place is passed.
            var left: Int
        }

        private static let plan = Mutex<Plan?>(
            getenv("CRASH_POINT").flatMap { text in
                let words = String(cString: text).split(separator: ":")
                guard words.count == 2, let point = CrashPoint(rawValue: String(words[0])), let count = Int(words[1])
                else { return nil }
                return Plan(point: point, left: count - 1)
            })

        /// Ends the process where that was asked for.
        static func reach(_ point: CrashPoint) {
            let isOver = plan.withLock { plan in
                guard let left = plan?.left, plan?.point == point else { return false }
                plan?.left = left - 1
                return left <= 0
            }
            if isOver { kill(getpid(), SIGKILL) }
        }

        /// Reaches ``inMigration`` at each statement that `body` has the pool's writer carry out.
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
