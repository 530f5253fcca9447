import Foundation
import LongtakeCore
import Synchronization

/// The notification of other nodes about a batch. It is a hint: a node also works without it.
struct Hint: Codable, Sendable {
    let node: Int64
    let epoch: UInt32
    let position: Int64?
    var ready: [QueueName]
    var delayed: [QueueName: Timestamp]
    var canceling: [JobID]
    var ended: [JobID]

    init(node: HolderID, _ batch: BatchWriter.CommittedBatch) {
        self.node = node.rawValue
        epoch = batch.epoch.rawValue
        position = batch.events.last?.position.rawValue
        (ready, delayed) = (Array(batch.work.readyQueues), batch.work.delayedQueues)
        (canceling, ended) = (batch.work.canceling, batch.work.ended)
    }

    /// PostgreSQL refuses payloads of 8,000 bytes and more.
    func text() throws -> String {
        let whole = try JSON.text(self)
        guard whole.utf8.count >= 8_000 else { return whole }
        var short = self
        (short.canceling, short.ended) = ([], [])
        return try JSON.text(short)
    }
}

/// The observers of a node, and the connection that listens to what other nodes have committed.
final class NodeObservers: Sendable {
    private struct State {
        var tail: [@Sendable (TailNotice) -> Void] = []
        var work: [@Sendable (WorkNotice) -> Void] = []
        /// The newest position of which the observers were notified.
        var notified = EventPosition.beforeFirst
        var isClosed = false
    }

    private let state = Mutex(State())

    func add(tail observer: @escaping @Sendable (TailNotice) -> Void) { state.withLock { $0.tail.append(observer) } }
    func add(work observer: @escaping @Sendable (WorkNotice) -> Void) { state.withLock { $0.work.append(observer) } }
    func close() { state.withLock { $0.isClosed = true } }

    /// A batch of this node is durable. Called on the writer's queue, before the callers resume.
    func notify(_ batch: BatchWriter.CommittedBatch) {
        if let last = batch.events.last?.position {
            state.withLock { $0.notified = max($0.notified, last) }
            notify(TailNotice(epoch: batch.epoch, after: batch.after, .events(batch.events)))
        }
        notify(batch.work)
    }

    private func notify(_ notice: TailNotice) { for observer in state.withLock({ $0.tail }) { observer(notice) } }

    private func notify(_ work: WorkNotice) {
        guard !work.isEmpty else { return }
        for observer in state.withLock({ $0.work }) { observer(work) }
    }

    /// Other nodes have committed up to `position`. The observers are notified of it once.
    private func advanced(to position: Int64, _ epoch: Epoch) {
        let position = EventPosition(rawValue: position)
        let isNew = state.withLock { state in
            defer { state.notified = max(state.notified, position) }
            return position > state.notified
        }
        if isNew { notify(TailNotice(epoch: epoch, .advanced(to: position))) }
    }

    /// Listens on a thread of its own, which ends after ``close()``.
    func listen(to conninfo: String, as holder: HolderID) {
        Thread.detachNewThread { [weak self] in
            var connection: Connection?
            while let self, !state.withLock({ $0.isClosed }) {
                do {
                    let open = try connection ?? Connection(conninfo)
                    if connection == nil { try open.run("LISTEN longtake") }
                    connection = open
                    let payloads = try open.notifications(within: 250)
                    for payload in payloads { hear(payload, holder) }
                    // A notification can be lost, so the head is looked at too.
                    if payloads.isEmpty { try look(open) }
                } catch {
                    connection = nil
                    usleep(100_000)
                }
            }
        }
    }

    private func hear(_ payload: String, _ holder: HolderID) {
        guard let hint = try? JSON.value(Hint.self, payload), hint.node != holder.rawValue else { return }
        if let position = hint.position { advanced(to: position, Epoch(rawValue: hint.epoch)) }
        notify(
            WorkNotice(
                readyQueues: Set(hint.ready), delayedQueues: hint.delayed, canceling: hint.canceling,
                ended: hint.ended))
    }

    private func look(_ connection: Connection) throws {
        let row = try connection.rows("SELECT epoch, (SELECT max(position) FROM events) FROM meta").first
        guard let epoch = row?[0].flatMap({ UInt32($0) }), let head = row?[1].flatMap({ Int64($0) }) else { return }
        advanced(to: head, Epoch(rawValue: epoch))
    }
}
