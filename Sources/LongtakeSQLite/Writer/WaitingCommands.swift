import Dispatch
import Logging
import LongtakeCore
import Synchronization

/// The commands that wait for the writer, and those that it has under way.
///
/// While there are any it looks once a second, away from the writer, whether that comes back from the disk: whoever waits in vain is told so.
final class WaitingCommands: Sendable {
    private struct State {
        var lanes = CommandLanes<WriteCommand>()
        var watch = WriterWatch()
        var isTold = false
    }

    private let state = Mutex(State())
    private let logger: Logger

    init(logger: Logger) { self.logger = logger }

    static let notAnswering = JournalError.cannotPersist("the disk does not answer")

    /// - Throws: ``JournalError`` where the command is turned away.
    func add(_ command: WriteCommand) throws(JournalError) -> CommandLanes<WriteCommand>.Wake {
        let (wake, isFirst) = try state.withLock { state throws(JournalError) in
            var command = command
            command.arrived = state.watch.looks
            if state.watch.turnsAway(command) { throw Self.notAnswering }
            return (try state.lanes.add(command, as: command.kind), state.watch.start())
        }
        if isFirst { lookLater() }
        return wake
    }

    func gather() -> Bool { state.withLock { $0.lanes.gather() } }

    /// The commands of the next transaction, which are under way until ``done()``.
    func take() -> [WriteCommand] {
        state.withLock { state in
            let batch = state.lanes.take()
            state.watch.take(batch)
            return batch
        }
    }

    func done() { state.withLock { $0.watch.take([]) } }

    /// Around what may not come back from the disk.
    func whileWriting<Value>(_ body: () throws -> Value) rethrows -> Value {
        state.withLock { $0.watch.begin() }
        defer { state.withLock { $0.watch.end() } }
        return try body()
    }

    func park(_ command: WriteCommand) { state.withLock { $0.lanes.park([command]) } }

    func unpark() -> CommandLanes<WriteCommand>.Wake { state.withLock { $0.lanes.unpark() } }

    /// Only what ends work, and chores, are taken in from here on.
    func close(because obstacle: JournalError) { state.withLock { $0.lanes.obstacle = obstacle } }

    /// There is room again.
    func reopen() -> CommandLanes<WriteCommand>.Wake {
        state.withLock { state in
            state.lanes.obstacle = nil
            return state.lanes.unpark()
        }
    }

    /// Refuses every later command, and returns what waits where there is no hope for it.
    func refuse(with error: JournalError, abandoning: Bool) -> [WriteCommand] {
        state.withLock { $0.lanes.refuse(with: error, abandoning: abandoning) }
    }

    private func lookLater() {
        let interval = Int(Limits.writerLookInterval / .milliseconds(1))
        DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(interval)) { self.look() }
    }

    private func look() {
        let (refused, abandoned, held, goesOn) = state.withLock { state in
            state.watch.look()
            let watch = state.watch
            let refused = state.lanes.withdraw { watch.turnsAway($0) }
            let abandoned = state.watch.abandoned()
            let news = watch.isHeld == state.isTold ? nil : watch.isHeld
            state.isTold = watch.isHeld
            let goesOn = !(state.lanes.isEmpty && state.watch.isIdle)
            if !goesOn { state.watch.stop() }
            return (refused, abandoned, news, goesOn)
        }
        if goesOn { lookLater() }
        // Of what no transaction has taken up it is known that it has not happened; and whether a probe has, nobody cares.
        for command in refused { command.fail(Self.notAnswering) }
        for command in abandoned {
            command.fail(command.kind == .probe ? Self.notAnswering : JournalError.unanswered)
        }
        switch held {
        case true?: logger.error("the disk does not answer; new jobs are refused until it does")
        case false?: logger.notice("the disk answers again")
        case nil: break
        }
    }
}
