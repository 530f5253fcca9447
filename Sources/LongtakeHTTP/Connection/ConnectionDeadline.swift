import NIOCore

/// The deadline of a connection. It moves with every request, but its timer rarely does.
///
/// A busy connection sets three deadlines per request, and nearly all of them are replaced before
/// they expire. A timer for each would cost more than reading the clock. So the timer stays where
/// it is as long as it fires early enough, and is then scheduled again.
struct ConnectionDeadline {
    enum Action: Hashable {
        case nothing
        /// Schedule the timer for this time, in place of the previous one.
        case schedule(NIODeadline)
        /// The deadline has expired.
        case expired
    }

    private var deadline: NIODeadline?
    /// When the timer fires; `nil` if it is not scheduled.
    private var timer: NIODeadline?

    /// Sets the deadline and replaces the previous one.
    mutating func start(_ deadline: NIODeadline) -> Action {
        self.deadline = deadline
        if let timer, timer <= deadline { return .nothing }
        timer = deadline
        return .schedule(deadline)
    }

    /// Clears the deadline. The timer may still fire.
    mutating func stop() { deadline = nil }

    mutating func timerFired(at now: NIODeadline) -> Action {
        timer = nil
        guard let deadline else { return .nothing }
        guard deadline <= now else { return start(deadline) }
        self.deadline = nil
        return .expired
    }

    mutating func timerCancelled() { (deadline, timer) = (nil, nil) }
}

/// The connection's deadline and its timer.
extension ConnectionHandler {
    func startDeadline(_ time: TimeAmount) { perform(deadline.start(channel.eventLoop.now + time)) }

    private func perform(_ action: ConnectionDeadline.Action) {
        switch action {
        case .nothing:
            break
        case .schedule(let time):
            timer?.cancel()
            let handler = NIOLoopBound(self, eventLoop: channel.eventLoop)
            timer = channel.eventLoop.scheduleTask(deadline: time) {
                let handler = handler.value
                handler.perform(handler.deadline.timerFired(at: handler.channel.eventLoop.now))
            }
        case .expired:
            if let download { return checkDownload(download) }
            perform(state.deadlinePassed())
        }
    }

    func cancelDeadline() {
        timer?.cancel()
        timer = nil
        deadline.timerCancelled()
    }
}
