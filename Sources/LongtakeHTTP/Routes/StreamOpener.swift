import HTTPTypes
import Hummingbird
import LongtakeCore
import LongtakeStream
import NIOCore

/// Answers a request for a job's log with a stream, or with the reason why there is none.
struct StreamOpener: Sendable {
    let journal: any Journal
    let hub: StreamHub

    /// How the reader wants it.
    struct Wish: Sendable {
        var format: StreamFormat
        var heartbeatEvents: Bool
        /// Whether `Accept` names `text/event-stream`: then a browser may be at the other end, which would give up for good at any status
        /// but 200.
        var mayBeBrowser: Bool
    }

    /// - Parameter status: of an answer with a stream.
    func open(
        _ job: JobID, tenant: TenantName, cursor: Cursor, wish: Wish, status: HTTPResponse.Status = .ok,
        in exchange: RequestExchange
    ) async throws -> Response {
        if hub.isDraining { return try refuse(.draining, Problem.draining, wish, status, job, tenant, exchange) }
        guard let slot = hub.takeSlot() else {
            return try refuse(.limit, Problem.tooManyStreams, wish, status, job, tenant, exchange)
        }
        let after = cursor.sequence ?? .beforeFirst
        guard let page = try await journal.events(of: job, of: tenant, after: after, limit: Limits.eventsPerPage) else {
            throw Problem.noSuchJob
        }
        var opening = StreamOpening(
            job: job, tenant: tenant, format: wish.format, heartbeatEvents: wish.heartbeatEvents, prelude: ByteBuffer(),
            cursor: after, isEnded: false, slot: slot)
        switch cursor.resolve(epoch: journal.epoch, head: page.head) {
        case .after(let sequence):
            if page.isFinal && sequence == page.head { return Response(status: .noContent) }
            resume(&opening, behind: sequence, with: page)
        case .refused(let reason):
            try await reset(&opening, reason: reason, requested: cursor.text)
        }
        exchange.become(opening)
        return Response(status: status, headers: Self.headers(wish.format))
    }

    private func resume(_ opening: inout StreamOpening, behind sequence: EventSequence, with page: EventPage) {
        hello(&opening, cursor: sequence, head: page.head)
        for event in page.events {
            opening.prelude.writeImmutableBuffer(EventFrame(event).bytes(opening.format))
        }
        opening.cursor = page.events.last?.sequence ?? sequence
        opening.isEnded = page.isFinal && opening.cursor == page.head
    }

    private func reset(_ opening: inout StreamOpening, reason: CursorRefusal, requested: String) async throws {
        guard let job = try await journal.job(opening.job, of: opening.tenant) else { throw Problem.noSuchJob }
        hello(&opening, cursor: nil, head: job.lastEvent.sequence)
        let frames: [ControlFrame] = [
            .reset(reason: reason, requested: requested),
            .snapshot(id: job.lastEvent, job: try JSONText.encode(JobDocument(job))),
        ]
        for frame in frames { opening.prelude.writeImmutableBuffer(frame.bytes(opening.format)) }
        opening.cursor = job.lastEvent.sequence
        opening.isEnded = job.state.isFinal
    }

    private func hello(_ opening: inout StreamOpening, cursor: EventSequence?, head: EventSequence) {
        let hello = ControlFrame.hello(
            job: opening.job, cursor: cursor.map { EventID(epoch: journal.epoch, sequence: $0) },
            head: EventID(epoch: journal.epoch, sequence: head),
            heartbeatSeconds: Int(hub.configuration.heartbeat.components.seconds),
            retryMilliseconds: hub.configuration.draw(Limits.retryMilliseconds))
        opening.prelude.writeImmutableBuffer(hello.bytes(opening.format))
    }

    /// A refusal that passes by: a stream that ends at once where a browser may be at the other end, a status for everyone else.
    ///
    /// A job that was just submitted is told as created whatever becomes of its stream.
    private func refuse(
        _ reason: StreamEnd, _ problem: Problem, _ wish: Wish, _ status: HTTPResponse.Status, _ job: JobID,
        _ tenant: TenantName,
        _ exchange: RequestExchange
    ) throws -> Response {
        guard wish.mayBeBrowser else { throw problem }
        let end = ControlFrame.end(reason: reason, retryMilliseconds: hub.configuration.draw(Limits.retryMilliseconds))
        exchange.become(
            StreamOpening(
                job: job, tenant: tenant, format: wish.format, heartbeatEvents: false, prelude: end.bytes(wish.format),
                cursor: .beforeFirst, isEnded: true, slot: nil))
        return Response(status: status, headers: Self.headers(wish.format))
    }

    /// Told to caches and proxies: keep nothing, change nothing, hold nothing back.
    static func headers(_ format: StreamFormat) -> HTTPFields {
        [
            .contentType: format.isServerSentEvents ? "text/event-stream; charset=utf-8" : MediaTypes.lines,
            .cacheControl: "no-store, no-transform",
            .accelBuffering: "no",
        ]
    }
}

extension Cursor {
    /// The number in the cursor, where it has one.
    fileprivate var sequence: EventSequence? {
        switch self {
        case .start, .malformed: nil
        case .event(let id): id.sequence
        case .sequence(let sequence): sequence
        }
    }
}
