import LongtakeCore
import Testing

@testable import LongtakeSQLite

@Suite("the writer's lanes")
struct CommandLanesTests {
    @Test("submissions have a bound and other commands have none")
    func bounds() throws {
        var lanes = CommandLanes<Int>(commandsPerCommit: 4, submissionsWaiting: 2)
        #expect(try lanes.add(1, isSubmission: true))
        #expect(try !lanes.add(2, isSubmission: true))
        #expect(throws: JournalError.overloaded) { try lanes.add(3, isSubmission: true) }
        for number in 4...20 { #expect(try !lanes.add(number, isSubmission: false)) }
        #expect(lanes.take() == [4, 5, 1, 2])
        #expect(lanes.take() == [6, 7, 8, 9])
    }

    @Test("the writer is woken once, and again after it found nothing")
    func waking() throws {
        var lanes = CommandLanes<Int>(commandsPerCommit: 4, submissionsWaiting: 2)
        #expect(try lanes.add(1, isSubmission: false))
        #expect(lanes.take() == [1])
        #expect(try !lanes.add(2, isSubmission: false))
        #expect(lanes.take() == [2])
        #expect(lanes.take() == [])
        #expect(try lanes.add(3, isSubmission: false))
    }

    @Test("what was parked returns in front, and nothing is taken after a refusal")
    func parking() throws {
        var lanes = CommandLanes<Int>(commandsPerCommit: 4, submissionsWaiting: 2)
        lanes.park([1])
        _ = try lanes.add(2, isSubmission: false)
        _ = lanes.unpark()
        #expect(lanes.take() == [1, 2])
        lanes.park([3])
        #expect(lanes.refuse(with: .closed, abandoning: true) == [3])
        #expect(throws: JournalError.closed) { try lanes.add(4, isSubmission: false) }
    }

    @Test("a chore goes alone when nothing else waits")
    func chore() throws {
        var lanes = CommandLanes<Int>(commandsPerCommit: 4, submissionsWaiting: 2, commitsPerChore: 2)
        #expect(try lanes.addChore(9))
        #expect(try !lanes.addChore(10))
        #expect(lanes.take() == [9])
        _ = try lanes.add(1, isSubmission: true)
        #expect(lanes.take() == [1])
        #expect(lanes.take() == [10])
        #expect(lanes.take() == [])
    }

    @Test("a chore gives way to commands, and goes after so many transactions of theirs")
    func choreShare() throws {
        var lanes = CommandLanes<Int>(commandsPerCommit: 1, submissionsWaiting: 9, commitsPerChore: 2)
        _ = try lanes.addChore(9)
        _ = try lanes.addChore(10)
        for number in 1...3 { _ = try lanes.add(number, isSubmission: false) }
        for number in 4...6 { _ = try lanes.add(number, isSubmission: true) }
        #expect((1...8).map { _ in lanes.take() } == [[1], [2], [9], [3], [4], [10], [5], [6]])
        _ = try lanes.addChore(11)
        #expect(lanes.refuse(with: .closed, abandoning: true) == [11])
    }
}
