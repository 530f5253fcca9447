import LongtakeCore
import LongtakeStream

/// All clients of the daemon.
final class Clients {
    let submitters: Submitters
    private(set) var readers: [Reader] = []
    private var pollers: [Poller] = []
    private let chance: Chance
    private let stage: Stagehand

    init(chance: Chance, stage: Stagehand, queuedJobsLimit: Int) {
        self.chance = chance
        self.stage = stage
        submitters = Submitters(chance: chance, stage: stage, queuedJobsLimit: queuedJobsLimit)
    }

    var connections: [ReaderConnection] { readers.compactMap(\.connection) }

    /// A randomly chosen connection.
    var connection: ReaderConnection? { connections.isEmpty ? nil : chance.one(of: connections) }

    /// A reader reconnects, or a new one connects.
    func follow(_ boot: Boot) {
        let away = readers.filter { $0.connection == nil && !$0.isDone }
        if !away.isEmpty, !chance.isOne(in: 3) { return connect(chance.one(of: away), to: boot) }
        let jobs = submitters.acknowledged
        guard readers.count < 8, !jobs.isEmpty else { return }
        let (id, job) = chance.one(of: jobs)
        add(Reader(of: .job(id), tenant: job.tenant), boot)
    }

    /// All readers reconnect at once, and some more connect for one job.
    func reconnectStorm(_ boot: Boot) {
        for reader in readers where reader.connection == nil && !reader.isDone { connect(reader, to: boot) }
        let jobs = submitters.acknowledged
        guard !jobs.isEmpty else { return }
        let (id, job) = chance.one(of: jobs)
        while readers.count < 8 { add(Reader(of: .job(id), tenant: job.tenant), boot) }
    }

    func followFeed(_ boot: Boot) {
        guard readers.filter(\.source.isFeed).count < 2 else { return }
        var filter = FeedFilter()
        if chance.isOne(in: 2) { filter.types = [.stageSucceeded, .jobSucceeded, .jobCanceled] }
        if chance.isOne(in: 4) { filter.pipelines = [PipelineName(unchecked: "clip")] }
        add(Reader(of: .feed(filter), tenant: chance.one(of: SimulatedJob.tenants)), boot)
    }

    func poll(_ boot: Boot) {
        let jobs = submitters.acknowledged
        if pollers.count < 3, !jobs.isEmpty {
            let (id, job) = chance.one(of: jobs)
            pollers.append(Poller(of: id, tenant: job.tenant, stage: stage))
        }
        if !pollers.isEmpty { chance.one(of: pollers).ask(boot) }
    }

    private func add(_ reader: Reader, _ boot: Boot) {
        readers.append(reader)
        connect(reader, to: boot)
    }

    private func connect(_ reader: Reader, to boot: Boot) {
        let connection = ReaderConnection(of: reader, to: boot, on: chance.one(of: boot.loops), stage: stage)
        reader.connection = connection
        connection.open()
    }

    /// The process was killed, so all connections are broken.
    func forgetConnections() { for reader in readers { reader.connection = nil } }

    // MARK: After the faults

    /// All readers that miss events reconnect, and all clients read without delay.
    func catchUp(with boot: Boot) {
        submitters.resubmitUnanswered(to: boot)
        for reader in readers {
            let isComplete = reader.isComplete(stage.book)
            if let connection = reader.connection {
                connection.readOn()
                // If the number of streams is limited, a complete reader would block others.
                if isComplete { connection.cut() }
            } else if !isComplete {
                connect(reader, to: boot)
            }
        }
        for poller in pollers { poller.ask(boot) }
    }

    /// Whether every job is final, and every client has all events.
    var areDone: Bool { unfinished.isEmpty }

    var unfinished: [String] {
        submitters.jobs.filter { $0.key != nil && $0.acknowledged == nil }.map { "no response to \($0.key ?? "")" }
            + stage.book.jobs.filter { $0.value.end == nil }.map { "\($0.key) after \($0.value.entries.count) events" }
            + readers.filter { !$0.isComplete(stage.book) }.map { "a reader of \($0.source) at \($0.cursor)" }
            + pollers.filter { !$0.isDone }.map { _ in "a reader of pages" }
    }
}
