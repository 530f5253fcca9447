import Logging
import LongtakeAPI
import LongtakeCore
import NIOCore

/// Reads pages of the log for a stream that starts or lags, and resets it if the epoch has changed.
extension StreamSubscriber {
    func read(after cursor: LogOffset) {
        switch source {
        case .job(let job):
            let sequence = EventSequence(rawValue: cursor.rawValue)
            let head = EventSequence(rawValue: state.knownHead.rawValue)
            if let page = hub.reader.cachedPage(of: job, of: tenant, after: sequence, expecting: head) {
                pageArrived(page)
            } else {
                readLog(of: job, after: sequence, expecting: head)
            }
        case .feed(let filter):
            readFeed(
                FeedQuery(tenant: tenant, filter: filter, after: EventPosition(rawValue: cursor.rawValue)))
        case .stageLog:
            readText()
        case .diagnostics:
            break
        }
    }

    private func readLog(of job: JobID, after cursor: EventSequence, expecting head: EventSequence) {
        let (reader, tenant) = (hub.reader, tenant)
        startReading {
            try await reader.page(of: job, of: tenant, after: cursor, expecting: head)
        } then: {
            $0.pageArrived($1)
        }
    }

    private func readFeed(_ query: FeedQuery) {
        let reader = hub.reader
        startReading {
            try await reader.page(query)
        } then: {
            $0.pageArrived($1)
        }
    }

    /// Runs one read in a task, because the store is asynchronous and the loop must not wait for
    /// it.
    func startReading<Value: Sendable>(
        _ read: @escaping @Sendable () async throws -> Value,
        then use: @escaping @Sendable (StreamSubscriber, Value) -> Void
    ) {
        let loop = shard.loop
        let subscriber = NIOLoopBound(self, eventLoop: loop)
        reading = hub.tasks.start {
            do {
                let value = try await read()
                loop.execute { use(subscriber.value, value) }
            } catch {
                loop.execute { subscriber.value.readFailed(error) }
            }
        }
    }

    private func pageArrived(_ page: FramePage?) {
        reading = nil
        guard sink != nil, state.phase == .replaying else { return }
        // The job was deleted. When the client reconnects, it gets 404.
        guard let page else { return abort(.removed) }
        guard page.epoch == epoch else { return readForReset() }
        send(page.frames, upTo: LogOffset(page.last ?? page.head))
        continueAfter(last: page.last.map { LogOffset($0) }, head: LogOffset(page.head), isFinal: page.isFinal)
    }

    private func pageArrived(_ page: FeedPage) {
        reading = nil
        guard sink != nil, state.phase == .replaying else { return }
        guard page.epoch == epoch else { return reset(to: page) }
        // Events that the client has not read were removed. When it reconnects, it gets
        // `stream.reset`.
        if page.prunedThrough > prunedThrough, state.cursor < LogOffset(page.prunedThrough) { return abort(.removed) }
        let reached = LogOffset(page.reached)
        send(page.events.map { EventFrame($0) }, upTo: reached)
        continueAfter(last: reached > state.cursor ? reached : nil, head: LogOffset(page.head), isFinal: false)
    }

    private func continueAfter(last: LogOffset?, head: LogOffset, isFinal: Bool) {
        writabilityChanged()
        perform(state.readPage(last: last, head: head, isFinal: isFinal))
    }

    private func readFailed(_ error: any Error) {
        reading = nil
        guard sink != nil else { return }
        hub.logger.warning("stream read failed", metadata: ["log": "\(source.log)", "error": "\(error)"])
        abort(.unreadable)
    }

    // MARK: A new epoch

    /// The history was replaced, so the cursor means nothing. The client gets the job as it is now.
    private func readForReset() {
        guard case .job(let id) = source else { return }
        let (reader, tenant) = (hub.reader, tenant)
        startReading {
            try await reader.job(id, of: tenant)
        } then: {
            $0.reset(to: $1)
        }
    }

    private func reset(to job: Job?) {
        reading = nil
        guard sink != nil, state.phase == .replaying else { return }
        guard let job else { return abort(.removed) }
        let head = job.lastEvent
        // If the two reads disagree about the epoch, the client reconnects and the daemon reads
        // again.
        guard let old = epoch, head.epoch != old else { return abort(.unreadable) }
        let cursor = EventID(epoch: old, sequence: EventSequence(rawValue: state.cursor.rawValue))
        move(to: LogOffset(head.sequence), in: head.epoch)
        mayBeQueued = job.stages.contains { $0.state == .queued }
        let document = JobDocument(
            job, waitingFor: hub.configuration.disk.reason(for: job), links: hub.configuration.links)
        send([
            .reset(reason: .epoch, requested: cursor.description), .snapshot(id: head, job: document.json),
        ])
        if job.state.isFinal { finish(.final) } else { writabilityChanged() }
    }

    /// The history was replaced. The feed continues from now, and the client lists its jobs again.
    private func reset(to page: FeedPage) {
        guard let old = epoch else { return abort(.unreadable) }
        let cursor = FeedID(epoch: old, position: EventPosition(rawValue: state.cursor.rawValue))
        move(to: LogOffset(page.head), in: page.epoch)
        prunedThrough = page.prunedThrough
        send([
            .reset(reason: .epoch, requested: cursor.description),
            .cursor(FeedID(epoch: page.epoch, position: page.head)),
        ])
        writabilityChanged()
    }
}
