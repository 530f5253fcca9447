import LongtakeCore
import LongtakeTesting

/// Checks that each commit notifies the workers of everything that concerns them (O4). Without this
/// check, a later notice could hide a missing one. Unchecked, because the simulation has one
/// thread.
final class NoticeWatch: @unchecked Sendable {
    private let disk: Disk
    private let stage: Stagehand
    /// The events of the commit that is being announced.
    private var events: [CommittedEvent] = []

    init(disk: Disk, stage: Stagehand) {
        self.disk = disk
        self.stage = stage
    }

    /// Observes a boot. Between the two notices of a commit there is no notice of another commit.
    func observe(_ journal: SimulatedJournal) {
        journal.tail { notice in
            if case .events(let events) = notice.news { self.events += events }
        }
        journal.observeWork { self.check($0) }
    }

    private func check(_ notice: WorkNotice) {
        let paused = disk.durable.queues(of: nil).filter(\.isPaused).map(\.name)
        for event in events {
            let name = "\(event.job) #\(event.sequence) \(event.type.rawValue)"
            func require(_ isNotified: Bool, _ text: String) {
                stage.verdict.check(isNotified, .progress, "\(name): workers are not notified \(text)")
            }
            if event.type == .jobCancelRequested { require(notice.canceling.contains(event.job), "of the cancel") }
            if event.type.isFinal { require(notice.ended.contains(event.job), "that the job has ended") }
            guard let facts = disk.durable.facts(of: event.job), facts.head == event.sequence else { continue }
            let queue = facts.stage.queue
            if facts.isReady, !paused.contains(queue) {
                require(notice.readyQueues.contains(queue), "that a stage waits on \(queue)")
            } else if let due = facts.dueAt {
                require(notice.delayedQueues[queue].map { $0 <= due } ?? false, "when the next attempt is due")
            }
        }
        events = []
    }
}
