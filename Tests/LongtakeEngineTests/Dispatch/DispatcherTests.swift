import LongtakeCore
import LongtakeTesting
import Synchronization
import Testing

@testable import LongtakeEngine

@Suite("the dispatcher of a queue", .timeLimit(.minutes(1)))
struct DispatcherTests {
    @Test("claims nothing while its gate is closed, and looks again with its backoff")
    func closedGate() async throws {
        let gate = Gate()
        let fixture = EngineFixture(runner: .init { _, _ in nil }, mayClaim: { gate.mayClaim($0) })
        let job = try await fixture.submit(Work.submission())
        fixture.engine.start()
        for milliseconds in [100, 200, 400] {
            await fixture.clock.sleeper(dueIn: .milliseconds(milliseconds))
            #expect(fixture.events.types(of: job) == [.jobQueued])
            fixture.clock.advance(by: .milliseconds(milliseconds))
        }
        await fixture.clock.sleeper(dueIn: .milliseconds(800))
        gate.open()
        fixture.clock.advance(by: .milliseconds(800))
        await fixture.events.wait(for: job) { $0.last?.isFinal == true }
        #expect(gate.asked == [Work.cpu])
        #expect(try await fixture.job(job).state == .succeeded)
        await fixture.engine.drain(deadline: .seconds(5))
    }

    @Test("does not stop the work that runs when its gate closes")
    func runningWork() async throws {
        let gate = Gate()
        gate.open()
        let (begun, end) = (Signal(), Signal())
        let fixture = EngineFixture(
            runner: .init { _, _ in
                begun.give()
                await end.wait()
                return nil
            }, mayClaim: { gate.mayClaim($0) })
        fixture.engine.start()
        let job = try await fixture.submit(Work.submission([Work.stage("a"), Work.stage("b")]))
        await begun.wait()
        gate.close()
        end.give()
        await fixture.events.wait(for: job) { $0.contains(.stageSucceeded) }
        await fixture.clock.sleeper(dueIn: .milliseconds(100))
        #expect(fixture.events.types(of: job).last == .stageSucceeded, "its next stage waits")
        await fixture.engine.drain(deadline: .seconds(5))
    }
}

/// A gate that the test opens and closes. It is closed at first.
private final class Gate: Sendable {
    private let state = Mutex<(isOpen: Bool, asked: Set<QueueName>)>((false, []))

    /// The queues for which it was asked.
    var asked: Set<QueueName> { state.withLock { $0.asked } }

    func open() { state.withLock { $0.isOpen = true } }

    func close() { state.withLock { $0.isOpen = false } }

    func mayClaim(_ queue: QueueName) -> Bool {
        state.withLock { state in
            state.asked.insert(queue)
            return state.isOpen
        }
    }
}
