import LongtakeCore
import Testing

@testable import LongtakeStorage

@Suite("the lanes of the writer")
struct CommandLanesTests {
    private typealias Lanes = CommandLanes<Int>

    @Test("submissions have a limit, other commands have none, and a batch has at most the configured size")
    func limits() throws {
        var lanes = Lanes(commandsPerCommit: 4, submissionsWaiting: 2)
        #expect(try lanes.add(1, as: .submission) == .start)
        #expect(try lanes.add(2, as: .submission) == .nothing)
        #expect(throws: JournalError.overloaded) { try lanes.add(3, as: .submission) }
        for number in 4...20 { #expect(try lanes.add(number, as: .normal) == .nothing) }
        #expect(lanes.take() == [4, 5, 1, 2])
        #expect(lanes.take() == [6, 7, 8, 9])
    }

    @Test("the writer is started once, and again after it has found no command")
    func waking() throws {
        var lanes = Lanes(commandsPerCommit: 4, submissionsWaiting: 2)
        #expect(try lanes.add(1, as: .normal) == .start)
        #expect(lanes.take() == [1])
        #expect(try lanes.add(2, as: .normal) == .nothing)
        #expect(lanes.take() == [2])
        #expect(lanes.take() == [])
        #expect(try lanes.add(3, as: .normal) == .start)
    }

    @Test("parked commands return in front, in their order")
    func parking() throws {
        var lanes = Lanes(commandsPerCommit: 4, submissionsWaiting: 2)
        lanes.park(1)
        lanes.park(2)
        _ = try lanes.add(3, as: .normal)
        #expect(lanes.hasRunnable)
        _ = lanes.unpark()
        #expect(lanes.take() == [1, 2, 3])
        lanes.park(4)
        #expect(!lanes.hasRunnable && !lanes.isEmpty)
        #expect(lanes.take() == [], "a parked command does not run")
        #expect(lanes.unpark() == .start)
        #expect(lanes.unpark() == .nothing)
    }

    @Test("after a refusal no command is accepted; those that wait run, or are abandoned")
    func refusing() throws {
        var lanes = Lanes(commandsPerCommit: 4, submissionsWaiting: 2)
        _ = try lanes.add(1, as: .normal)
        lanes.refuse(with: .closed)
        for kind in Self.kinds { #expect(throws: JournalError.closed) { try lanes.add(2, as: kind) } }
        #expect(lanes.take() == [1])
        lanes.park(3)
        #expect(lanes.abandon(with: .outcomeUnknown("")) == [3] && lanes.isEmpty)
        #expect(throws: JournalError.outcomeUnknown("")) { try lanes.add(4, as: .critical) }
    }

    @Test("while the store is blocked, only critical commands and maintenance are accepted")
    func blocking() throws {
        var lanes = Lanes()
        lanes.blockError = .cannotPersist("full")
        let accepted = Self.kinds.filter { kind in (try? lanes.add(1, as: kind)) != nil }
        #expect(accepted == [.critical, .maintenance])
        lanes.blockError = nil
        #expect(try lanes.add(2, as: .normal) == .nothing)
    }

    @Test("maintenance runs alone when nothing else waits")
    func maintenance() throws {
        var lanes = Lanes(commandsPerCommit: 4, submissionsWaiting: 2, commitsPerMaintenance: 2)
        #expect(try lanes.add(9, as: .maintenance) == .start)
        #expect(try lanes.add(10, as: .maintenance) == .nothing)
        #expect(lanes.take() == [9])
        _ = try lanes.add(1, as: .submission)
        #expect(lanes.take() == [1])
        #expect(lanes.take() == [10])
        #expect(lanes.take() == [])
    }

    @Test("under load, maintenance runs after the configured number of other transactions")
    func maintenanceShare() throws {
        var lanes = Lanes(commandsPerCommit: 1, submissionsWaiting: 9, commitsPerMaintenance: 2)
        _ = try lanes.add(9, as: .maintenance)
        _ = try lanes.add(10, as: .maintenance)
        for number in 1...3 { _ = try lanes.add(number, as: .normal) }
        for number in 4...6 { _ = try lanes.add(number, as: .submission) }
        #expect((1...8).map { _ in lanes.take() } == [[1], [2], [9], [3], [4], [10], [5], [6]])
        _ = try lanes.add(11, as: .maintenance)
        #expect(lanes.abandon(with: .closed) == [11])
    }

    @Test("the writer waits for more reports only; any other command, or a full batch, ends the wait")
    func gathering() throws {
        /// The results of adding these while the writer waits; `nil` if it does not wait.
        func wakes(_ kinds: CommandKind..., behind: [CommandKind] = [.report]) throws -> [WriterWake]? {
            var lanes = Lanes(commandsPerCommit: 4, submissionsWaiting: 9)
            for kind in behind { _ = try lanes.add(1, as: kind) }
            guard lanes.gather() else { return nil }
            return try kinds.map { try lanes.add(1, as: $0) }
        }
        for kind in [CommandKind.submission, .normal, .probe, .critical] {
            #expect(try wakes(behind: [.report, kind]) == nil, "a caller waits for a \(kind)")
            #expect(try wakes(.report, kind, kind) == [.nothing, .hurry, .nothing])
        }
        #expect(try wakes(.report, .report, .report, .report) == [.nothing, .nothing, .hurry, .nothing])
        #expect(
            try wakes(.maintenance, .report, behind: [.maintenance, .report]) == [.nothing, .nothing],
            "no caller waits for maintenance")
        #expect(try wakes(behind: [.maintenance]) == nil)
        #expect(try wakes(behind: []) == nil, "no report waits")
        #expect(try wakes(behind: [.report, .report, .report, .report]) == nil, "the batch is full")
        var closing = Lanes()
        _ = try closing.add(1, as: .report)
        closing.refuse(with: .closed)
        let gathers = closing.gather()
        #expect(!gathers)
    }

    @Test("withdrawn commands leave every lane but maintenance, and the others keep their order")
    func withdraw() throws {
        var lanes = Lanes(commandsPerCommit: 8, submissionsWaiting: 8)
        for number in 1...2 { lanes.park(number) }
        for number in 3...4 { _ = try lanes.add(number, as: .submission) }
        for number in 5...6 { _ = try lanes.add(number, as: .normal) }
        for number in 7...8 { _ = try lanes.add(number, as: .maintenance) }
        #expect(lanes.withdraw { $0 % 2 == 1 } == [1, 5, 3])
        #expect(lanes.unpark() == .nothing && !lanes.isEmpty)
        #expect(lanes.take() == [2, 6, 4])
        #expect([lanes.take(), lanes.take()] == [[7], [8]] && lanes.isEmpty)
    }

    private static let kinds: [CommandKind] = [.submission, .report, .normal, .probe, .critical, .maintenance]
}
