import LongtakeTesting
import Synchronization
import Testing

@testable import LongtakeStream

@Suite struct ReadGateTests {
    @Test("so many run at once, the others wait in their order, and an error gives its place on")
    func order() async throws {
        let gate = ReadGate(width: 2)
        let (first, second) = (Signal(), Signal())
        let log = Log()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await log.enter(1, gate, until: first) }
            while log.begun.withLock({ $0.count }) < 1 { await Task.yield() }
            group.addTask { await log.enter(2, gate, until: second) }
            while log.begun.withLock({ $0.count }) < 2 { await Task.yield() }
            for number in 3...50 {
                group.addTask { await log.enter(number, gate, until: nil) }
                while gate.waiting < number - 2 { await Task.yield() }
            }
            #expect(log.begun.withLock { $0 } == [1, 2], "nobody else runs while both places are taken")
            first.give()
            while log.begun.withLock({ $0.count }) < 50 { await Task.yield() }
            second.give()
            try await group.waitForAll()
        }
        #expect(log.begun.withLock { $0 } == Array(1...50))
        #expect(gate.waiting == 0)
    }
}

/// Who had their turn, in order.
private final class Log: Sendable {
    struct Failed: Error {}

    let begun = Mutex<[Int]>([])

    func enter(_ number: Int, _ gate: ReadGate, until signal: Signal?) async {
        try? await gate.pass {
            begun.withLock { $0.append(number) }
            await signal?.wait()
            throw Failed()
        }
    }
}
