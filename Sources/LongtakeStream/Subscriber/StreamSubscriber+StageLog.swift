import LongtakeAPI
import LongtakeCore
import NIOCore

/// The log of a stage that a stream sends, and how far the client has it.
public struct StageLogPlan: Sendable {
    /// The number of bytes that the client has of the log of ``attempt``.
    public var offset: Int64
    /// `nil` if no attempt has begun a log.
    public var attempt: Int?
    /// Waits for text behind the offset of the attempt.
    ///
    /// It returns text of a newer attempt, or text further on, if there is none at the offset any
    /// more. It returns `nil` if the stage has ended and there is no more text. It throws
    /// ``StageLogRemoved`` if the job is gone. It must end when its task is cancelled.
    public var next: @Sendable (_ offset: Int64, _ attempt: Int?) async throws -> StageLogPart?

    public init(
        offset: Int64, attempt: Int?,
        next: @escaping @Sendable (_ offset: Int64, _ attempt: Int?) async throws -> StageLogPart?
    ) {
        self.offset = offset
        self.attempt = attempt
        self.next = next
    }
}

/// Text of the log of a stage.
public struct StageLogPart: Hashable, Sendable {
    /// Whole lines, if a line is not too long for one part.
    public let text: [UInt8]
    /// The number of bytes that the attempt wrote before the text.
    public let offset: Int64
    public let attempt: Int

    public init(text: [UInt8], offset: Int64, attempt: Int) {
        self.text = text
        self.offset = offset
        self.attempt = attempt
    }
}

/// The job of a log does not exist any more.
public struct StageLogRemoved: Error {
    public init() {}
}

/// Sends the log of a stage: each text in one event, whose id is the offset behind it.
extension StreamSubscriber {
    /// Text that arrives within this time is sent together, so that a program that writes line by
    /// line does not cost one read of its log and one write for each line and each reader.
    private static let textInterval: TimeAmount = .milliseconds(100)

    func readText() {
        guard let plan = stageLog else { return }
        startReading { () async throws -> TextRead in
            do {
                return TextRead.part(try await plan.next(plan.offset, plan.attempt))
            } catch is StageLogRemoved {
                return .removed
            }
        } then: {
            $0.textArrived($1)
        }
    }

    private enum TextRead: Sendable {
        case part(StageLogPart?)
        case removed
    }

    private func textArrived(_ read: TextRead) {
        reading = nil
        guard sink != nil, let plan = stageLog else { return }
        switch read {
        // When the client reconnects, it gets 404.
        case .removed: return abort(.removed)
        case .part(nil): return finish(.complete)
        case .part(let part?):
            send(part, after: plan)
            let offset = part.offset + Int64(part.text.count)
            stageLog = StageLogPlan(offset: offset, attempt: part.attempt, next: plan.next)
        }
        // Sending may find the connection closed.
        guard sink != nil else { return }
        let stream = NIOLoopBound(self, eventLoop: shard.loop)
        // A timer of its own, because the ticks of the shared wheel are longer.
        nextText = shard.loop.scheduleTask(in: Self.textInterval) { stream.value.readMoreText() }
    }

    private func send(_ part: StageLogPart, after plan: StageLogPlan) {
        var frames: [ControlFrame] = []
        let isOtherAttempt = plan.attempt != nil && plan.attempt != part.attempt
        if plan.offset > 0, isOtherAttempt || part.offset != plan.offset {
            frames.append(.reset(reason: isOtherAttempt ? .attempt : .pruned, requested: "\(plan.offset)"))
        }
        send(frames + [.log(text: part.text, end: part.offset + Int64(part.text.count))])
    }

    private func readMoreText() {
        guard sink != nil else { return }
        // The text is no event log, so its head does not move.
        perform(state.readPage(last: nil, head: state.knownHead, isFinal: false))
        writabilityChanged()
        perform(state.readAgain())
    }
}
