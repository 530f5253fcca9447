import GRDB
import Glibc
import Logging
import LongtakeCore

/// Whether the disk has room, and what is done where it has none: the reserve goes to what ends work, and comes back when there is room.
///
/// It is touched on the writer's queue only.
final class RoomKeeper {
    private let reserve: Reserve
    let logger: Logger
    /// Why only what ends work may be written; `nil` while there is room.
    private(set) var obstacle: String?
    var isFull: Bool { obstacle != nil }

    static let retryMilliseconds = Int(Limits.reserveRetryDelay / .milliseconds(1))

    init(reserve: Reserve, logger: Logger) {
        self.reserve = reserve
        self.logger = logger
    }

    /// What a full disk is called.
    static let full = "the disk is full"

    /// At the start: takes the reserve, or makes it.
    /// - Returns: what is in the way.
    func keep() -> String? { obstacle(sparing: 0) }

    /// Gives the reserve up. Each reason is told once.
    func fill(_ reason: String) {
        let freed = reserve.giveUp()
        guard obstacle != reason else { return }
        obstacle = reason
        if reason == Self.full {
            logger.error(
                "the disk is full; new jobs are refused until there is room", metadata: ["reserve_freed": "\(freed)"])
        } else {
            logger.error(
                "the storage cannot be written; new jobs are refused until it can", metadata: ["error": "\(reason)"])
        }
    }

    /// Folds the log into the database and cuts it off, which may be all the room that is needed.
    func makeRoom(_ db: Database) { _ = try? db.checkpoint(.truncate) }

    /// Takes the reserve back where the disk has room for it, and as much besides.
    /// - Returns: what is in the way.
    func takeBack() -> String? { obstacle(sparing: Limits.reserveBytes) }

    func isBack() {
        obstacle = nil
        logger.notice("the disk has room again")
    }

    private func obstacle(sparing bytes: Int64) -> String? {
        do {
            try reserve.keep(sparing: bytes)
            return nil
        } catch {
            return [ENOSPC, EDQUOT].contains(error.code) ? Self.full : "longtake.reserve: \(error.reason)"
        }
    }
}
