import GRDB
import Logging
import LongtakeCore

/// Whether the disk has room, and what is done where it has none: the reserve goes to what ends work, and comes back when there is room.
///
/// It is touched on the writer's queue only.
final class RoomKeeper {
    private let reserve: Reserve
    let logger: Logger
    private(set) var isFull = false

    static let retryMilliseconds = Int(Limits.reserveRetryDelay / .milliseconds(1))

    init(reserve: Reserve, logger: Logger) {
        self.reserve = reserve
        self.logger = logger
    }

    /// At the start: whether the reserve is there, or could be made.
    func keep() -> Bool { reserve.keep() }

    /// Gives the reserve up.
    func fill() {
        let freed = reserve.giveUp()
        guard !isFull else { return }
        isFull = true
        logger.error(
            "the disk is full; new jobs are refused until there is room", metadata: ["reserve_freed": "\(freed)"])
    }

    /// Folds the log into the database and cuts it off, which may be all the room that is needed.
    func makeRoom(_ db: Database) { _ = try? db.checkpoint(.truncate) }

    /// Takes the reserve back where the disk has room for it, and as much besides.
    func isThere() -> Bool { reserve.keep(sparing: Limits.reserveBytes) }

    func isBack() {
        isFull = false
        logger.notice("the disk has room again")
    }
}
