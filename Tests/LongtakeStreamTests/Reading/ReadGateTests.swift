import LongtakeCore
import LongtakeTesting
import Synchronization
import Testing

@testable import LongtakeStream

@Suite struct ReadGateTests {
    @Test("a bounded number of reads runs, the others wait in order, and a failed read lets the next one run")
    func order() async throws {
        let gate = ReadGate(width: 2)
        let (first, second) = (Signal(), Signal())
        let turns = Turns()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await turns.enter(1, gate, until: first) }
            await until { turns.begun.withLock({ $0.count }) >= 1 }
            group.addTask { await turns.enter(2, gate, until: second) }
            await until { turns.begun.withLock({ $0.count }) >= 2 }
            for number in 3...50 {
                group.addTask { await turns.enter(number, gate, until: nil) }
                await until { gate.waiting >= number - 2 }
            }
            #expect(turns.begun.withLock { $0 } == [1, 2], "no other read runs while two are running")
            first.give()
            await until { turns.begun.withLock({ $0.count }) >= 50 }
            second.give()
            try await group.waitForAll()
        }
        #expect(turns.begun.withLock { $0 } == Array(1...50))
        #expect(gate.waiting == 0)
    }

    // Seen to fail with one queue for all tenants.
    @Test("many waiting reads of one tenant delay a read of another tenant by one read")
    func turns() async throws {
        let gate = ReadGate(width: 1)
        let first = Signal()
        let turns = Turns()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await turns.enter(0, gate, until: first) }
            await until { turns.begun.withLock({ $0.count }) >= 1 }
            let others = TenantName(unchecked: "one")
            for (number, tenant) in [1, 2, 3, 4].map({ ($0, TenantName.anonymous) }) + [(10, others), (11, others)] {
                let before = gate.waiting
                group.addTask { await turns.enter(number, gate, until: nil, as: tenant) }
                await until { gate.waiting != before }
            }
            first.give()
            try await group.waitForAll()
        }
        #expect(turns.begun.withLock { $0 } == [0, 10, 1, 11, 2, 3, 4])
    }
}

/// The reads that had their turn, in order.
private final class Turns: Sendable {
    struct Failed: Error {}

    let begun = Mutex<[Int]>([])

    func enter(_ number: Int, _ gate: ReadGate, until signal: Signal?, as tenant: TenantName = .anonymous) async {
        try? await gate.pass(for: tenant) {
            begun.withLock { $0.append(number) }
            await signal?.wait()
            throw Failed()
        }
    }
}
