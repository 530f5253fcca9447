import LongtakeCore
import Testing

@testable import LongtakeSQLite

@Suite("the writer's lanes")
struct CommandLanesTests {
    @Test("submissions have a bound and other commands have none")
    func bounds() throws {
        var lanes = CommandLanes<Int>(commandsPerCommit: 4, submissionsWaiting: 2)
        #expect(try lanes.add(1, as: .submission) == .start)
        #expect(try lanes.add(2, as: .submission) == .nothing)
        #expect(throws: JournalError.overloaded) { try lanes.add(3, as: .submission) }
        for number in 4...20 { #expect(try lanes.add(number, as: .other) == .nothing) }
        #expect(lanes.take() == [4, 5, 1, 2])
        #expect(lanes.take() == [6, 7, 8, 9])
    }

    @Test("the writer is woken once, and again after it found nothing")
    func waking() throws {
        var lanes = CommandLanes<Int>(commandsPerCommit: 4, submissionsWaiting: 2)
        #expect(try lanes.add(1, as: .other) == .start)
        #expect(lanes.take() == [1])
        #expect(try lanes.add(2, as: .other) == .nothing)
        #expect(lanes.take() == [2])
        #expect(lanes.take() == [])
        #expect(try lanes.add(3, as: .other) == .start)
    }

    @Test("what was parked returns in front, and nothing is taken after a refusal")
    func parking() throws {
        var lanes = CommandLanes<Int>(commandsPerCommit: 4, submissionsWaiting: 2)
        lanes.park([1])
        _ = try lanes.add(2, as: .other)
        _ = lanes.unpark()
        #expect(lanes.take() == [1, 2])
        lanes.park([3])
        #expect(lanes.refuse(with: .closed, abandoning: true) == [3])
        #expect(throws: JournalError.closed) { try lanes.add(4, as: .other) }
    }

    @Test("a chore goes alone when nothing else waits")
    func chore() throws {
        var lanes = CommandLanes<Int>(commandsPerCommit: 4, submissionsWaiting: 2, commitsPerChore: 2)
        #expect(try lanes.add(9, as: .chore) == .start)
        #expect(try lanes.add(10, as: .chore) == .nothing)
        #expect(lanes.take() == [9])
        _ = try lanes.add(1, as: .submission)
        #expect(lanes.take() == [1])
        #expect(lanes.take() == [10])
        #expect(lanes.take() == [])
    }

    @Test("a chore gives way to commands, and goes after so many transactions of theirs")
    func choreShare() throws {
        var lanes = CommandLanes<Int>(commandsPerCommit: 1, submissionsWaiting: 9, commitsPerChore: 2)
        _ = try lanes.add(9, as: .chore)
        _ = try lanes.add(10, as: .chore)
        for number in 1...3 { _ = try lanes.add(number, as: .other) }
        for number in 4...6 { _ = try lanes.add(number, as: .submission) }
        #expect((1...8).map { _ in lanes.take() } == [[1], [2], [9], [3], [4], [10], [5], [6]])
        _ = try lanes.add(11, as: .chore)
        #expect(lanes.refuse(with: .closed, abandoning: true) == [11])
    }

    @Test("only reports are gathered, and whatever else comes, or enough of them, ends that at once")
    func gathering() throws {
        /// What adding these tells the writer that gathers for a first report; `nil` where it would not gather.
        func wakes(_ kinds: CommandKind..., behind: [CommandKind] = [.report]) throws -> [CommandLanes<Int>.Wake]? {
            var lanes = CommandLanes<Int>(commandsPerCommit: 4, submissionsWaiting: 9)
            for kind in behind { _ = try lanes.add(1, as: kind) }
            guard lanes.gather() else { return nil }
            return try kinds.map { try lanes.add(1, as: $0) }
        }
        for kind in [CommandKind.submission, .other] {
            #expect(try wakes(behind: [.report, kind]) == nil, "somebody waits for a \(kind)")
            #expect(try wakes(.report, kind, kind) == [.nothing, .hurry, .nothing])
        }
        #expect(try wakes(.report, .report, .report, .report) == [.nothing, .nothing, .hurry, .nothing])
        #expect(
            try wakes(.chore, .report, behind: [.chore, .report]) == [.nothing, .nothing], "nobody waits for a chore")
        #expect(try wakes(behind: [.chore]) == nil)
        #expect(try wakes(behind: []) == nil, "there is nothing to gather for")
        #expect(try wakes(behind: [.report, .report, .report, .report]) == nil, "there is enough")
        var closing = CommandLanes<Int>()
        _ = try closing.add(1, as: .report)
        _ = closing.refuse(with: .closed, abandoning: false)
        let gathers = closing.gather()
        #expect(!gathers)
    }

    @Test("gathering begins where commands come by the thousand a second, and ends when they no longer do")
    func plan() {
        var plan = GatherPlan()
        func busy(_ perTenth: Int, from second: Double) -> Bool {
            for step in 1...10 { plan.took(perTenth / 10, at: .seconds(second) + .milliseconds(step * 10)) }
            return plan.isBusy
        }
        let busyness = [busy(50, from: 0), busy(200, from: 0.1), busy(110, from: 0.2), busy(40, from: 0.3)]
        #expect(busyness == [false, true, true, false])
        plan.took(512, at: .seconds(60))
        #expect(!plan.isBusy, "many at once, after a long while, are no rate")
    }

    @Test("what is taken back is taken out of every lane but that of chores, and the rest goes on in order")
    func withdraw() throws {
        var lanes = CommandLanes<Int>(commandsPerCommit: 8, submissionsWaiting: 8)
        lanes.park([1, 2])
        for number in 3...4 { _ = try lanes.add(number, as: .submission) }
        for number in 5...6 { _ = try lanes.add(number, as: .other) }
        for number in 7...8 { _ = try lanes.add(number, as: .chore) }
        #expect(lanes.withdraw { $0 % 2 == 1 } == [1, 5, 3])
        #expect(lanes.unpark() == .nothing && !lanes.isEmpty)
        #expect(lanes.take() == [2, 6, 4])
        #expect([lanes.take(), lanes.take()] == [[7], [8]] && lanes.isEmpty)
    }
}
