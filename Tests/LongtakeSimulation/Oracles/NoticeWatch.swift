import LongtakeCore
import LongtakeTesting

/// Whether workers are told of everything that a commit means for them (O4), before something that
/// happens by chance makes up for it. Unchecked, because the simulation has one thread.
final class NoticeWatch: @unchecked Sendable {
    private let disk: Disk
    private let stage: Stagehand
    /// Of the commit that is being told.
    private var events: [CommittedEvent] = []

    init(disk: Disk, stage: Stagehand) {
        self.disk = disk
        self.stage = stage
    }

    /// Begins with a boot. No other commit comes between the two notices of one.
    func observe(_ journal: SimulatedJournal) {
        journal.tail { notice in
            if case .events(let events) = notice.news { self.events += events }
        }
        journal.observeWork { self.look($0) }
    }

    private func look(_ notice: WorkNotice) {
        let paused = disk.durable.queues(of: nil).filter(\.isPaused).map(\.name)
        for event in events {
            let name = "\(event.job) #\(event.sequence) \(event.type.rawValue)"
            func require(_ isNotified: Bool, _ text: String) {
                stage.verdict.check(isNotified, .goesOn, "\(name): workers are not told \(text)")
            }
            if event.type == .jobCancelRequested { require(notice.canceling.contains(event.job), "to stop") }
            if event.type.isFinal { require(notice.ended.contains(event.job), "that the job is over") }
            guard let facts = disk.durable.facts(of: event.job), facts.head == event.sequence else { continue }
            let queue = facts.stage.queue
            if facts.isReady, !paused.contains(queue) {
                require(notice.readyQueues.contains(queue), "that a stage waits on \(queue)")
            } else if let due = facts.dueAt {
                require(notice.delayedQueues[queue].map { $0 <= due } ?? false, "when the next attempt may begin")
            }
        }
        events = []
    }
}
