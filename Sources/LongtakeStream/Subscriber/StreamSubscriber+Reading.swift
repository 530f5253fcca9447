import Logging
import LongtakeAPI
import LongtakeCore
import NIOCore

/// Pages of the log, for a reader that begins or lags: from memory where a ring has them, from the journal otherwise.
extension StreamSubscriber {
    func read(after cursor: LogPlace) {
        switch source {
        case .job(let job):
            let sequence = EventSequence(rawValue: cursor.rawValue)
            let head = EventSequence(rawValue: state.knownHead.rawValue)
            if let page = hub.log.known(of: job, of: tenant, after: sequence, knowing: head) {
                pageArrived(page)
            } else {
                readLog(of: job, after: sequence, knowing: head)
            }
        case .feed(let filter):
            readFeed(
                FeedQuery(tenant: tenant, filter: filter, after: EventPosition(rawValue: cursor.rawValue)))
        case .diagnostics:
            break
        }
    }

    private func readLog(of job: JobID, after cursor: EventSequence, knowing head: EventSequence) {
        let (log, tenant, loop) = (hub.log, tenant, shard.loop)
        let subscriber = NIOLoopBound(self, eventLoop: loop)
        // A task that lives only for this page: the journal is asynchronous and the loop must not wait for it.
        reading = hub.tasks.start {
            do {
                let page = try await log.page(of: job, of: tenant, after: cursor, knowing: head)
                loop.execute { subscriber.value.pageArrived(page) }
            } catch {
                loop.execute { subscriber.value.readFailed(error) }
            }
        }
    }

    private func readFeed(_ query: FeedQuery) {
        let (log, loop) = (hub.log, shard.loop)
        let subscriber = NIOLoopBound(self, eventLoop: loop)
        // As above, a task for one page.
        reading = hub.tasks.start {
            do {
                let page = try await log.page(query)
                loop.execute { subscriber.value.pageArrived(page) }
            } catch {
                loop.execute { subscriber.value.readFailed(error) }
            }
        }
    }

    private func pageArrived(_ page: FramePage?) {
        reading = nil
        guard sink != nil, state.phase == .replaying else { return }
        // The job was deleted under its reader; a cut makes it come back and get its 404.
        guard let page else { return abort(.removed) }
        guard page.epoch == epoch else { return readForReset() }
        send(page.frames, upTo: LogPlace(page.last ?? page.head))
        arrived(last: page.last.map { LogPlace($0) }, head: LogPlace(page.head), isFinal: page.isFinal)
    }

    private func pageArrived(_ page: FeedPage) {
        reading = nil
        guard sink != nil, state.phase == .replaying else { return }
        guard page.epoch == epoch else { return reset(to: page) }
        // What was removed before the reader got there is missing for ever; a cut makes it come back and be told so.
        if page.prunedThrough > prunedThrough, state.cursor < LogPlace(page.prunedThrough) { return abort(.removed) }
        let reached = LogPlace(page.reached)
        send(page.events.map { EventFrame($0) }, upTo: reached)
        arrived(last: reached > state.cursor ? reached : nil, head: LogPlace(page.head), isFinal: false)
    }

    private func arrived(last: LogPlace?, head: LogPlace, isFinal: Bool) {
        roomChanged()
        perform(state.readPage(last: last, head: head, isFinal: isFinal))
    }

    // MARK: A new epoch

    /// The history was replaced under a reader of a job's log. The reader gets the job as it is now.
    private func readForReset() {
        guard case .job(let id) = source else { return }
        let (log, tenant, loop) = (hub.log, tenant, shard.loop)
        let subscriber = NIOLoopBound(self, eventLoop: loop)
        // As above, a task for one read.
        reading = hub.tasks.start {
            do {
                let job = try await log.job(id, of: tenant)
                loop.execute { subscriber.value.reset(to: job) }
            } catch {
                loop.execute { subscriber.value.readFailed(error) }
            }
        }
    }

    private func reset(to job: Job?) {
        reading = nil
        guard sink != nil, state.phase == .replaying else { return }
        guard let job else { return abort(.removed) }
        let head = job.lastEvent
        // The two reads disagree about the epoch. A cut makes the reader come back.
        guard let old = epoch, head.epoch != old else { return abort(.unreadable) }
        let cursor = EventID(epoch: old, sequence: EventSequence(rawValue: state.cursor.rawValue))
        move(to: LogPlace(head.sequence), in: head.epoch)
        mayWait = job.stages.contains { $0.state == .queued }
        let document = JobDocument(job, links: hub.configuration.links)
        send([
            .reset(reason: .epoch, requested: cursor.description), .snapshot(id: head, job: document.json),
        ])
        if job.state.isFinal { finish(.final) } else { roomChanged() }
    }

    /// The history was replaced under a reader of the feed. The feed goes on from now.
    private func reset(to page: FeedPage) {
        guard let old = epoch else { return abort(.unreadable) }
        let cursor = FeedID(epoch: old, position: EventPosition(rawValue: state.cursor.rawValue))
        move(to: LogPlace(page.head), in: page.epoch)
        prunedThrough = page.prunedThrough
        send([
            .reset(reason: .epoch, requested: cursor.description),
            .movedOn(to: FeedID(epoch: page.epoch, position: page.head)),
        ])
        roomChanged()
    }

    /// Continues at a place of another epoch.
    private func move(to place: LogPlace, in epoch: Epoch) {
        self.epoch = epoch
        state = SubscriberState(after: place)
        told = place
    }

    private func readFailed(_ error: any Error) {
        reading = nil
        guard sink != nil else { return }
        hub.logger.warning("stream read failed", metadata: ["log": "\(source.log)", "error": "\(error)"])
        abort(.unreadable)
    }
}
