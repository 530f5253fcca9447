import LongtakeCore
import LongtakeTesting
import NIOCore
import NIOEmbedded
import Synchronization
import Testing

@testable import LongtakeStream

@Suite("the time left in a stream")
struct EstimateStreamTests {
    private static func estimate(_ seconds: Double) -> JobEstimate {
        JobEstimate(eta: .init(p50: seconds, p90: seconds * 2), queueWait: .zero)
    }

    private static func block(_ p50: Int, _ stage: Stage) -> String {
        "event: job.estimate\ndata: {\"type\":\"job.estimate\",\"job\":\"\(stage.job)\","
            + "\"eta_seconds\":{\"p50\":\(p50),\"p90\":\(p50 * 2)},\"queue_wait_seconds\":{\"p50\":0,\"p90\":0}}\n\n"
    }

    @Test("has no id, comes at once, and again when it moved by more than 10 %, at most every 5 s")
    func estimates() async throws {
        let stage = try await Stage()
        stage.journal.estimate.withLock { $0 = Self.estimate(100) }
        try await stage.open(after: 1, estimates: true)
        let (first, third) = (Self.block(100, stage), Self.block(50, stage))
        try await stage.until { $0.text == "hello\n" + first }
        let begin = stage.loop.now
        stage.journal.estimate.withLock { $0 = Self.estimate(95) }
        // Another heartbeat shows that more than two reads have passed.
        try await stage.until { $0.text == "hello\n" + first + ": hb\n\n" }
        stage.journal.estimate.withLock { $0 = Self.estimate(50) }
        try await stage.until { $0.text.hasSuffix(third) }
        #expect(stage.loop.now - begin >= .seconds(5))
        let text = stage.sink.state.withLock { $0.text }
        #expect(text.ranges(of: "event: job.estimate").count == 2, "\(text)")
    }

    @Test("is absent without the parameter, while there is no estimate, and after the end")
    func absent() async throws {
        let plain = try await Stage()
        plain.journal.estimate.withLock { $0 = Self.estimate(100) }
        try await plain.open(after: 1)
        try await plain.until { $0.text.contains(": hb") }
        #expect(plain.sink.state.withLock { !$0.text.contains("job.estimate") })

        let unknown = try await Stage()
        try await unknown.open(after: 1, estimates: true)
        try await unknown.until { $0.text.contains(": hb") }
        #expect(unknown.sink.state.withLock { !$0.text.contains("job.estimate") })
        unknown.journal.estimate.withLock { $0 = Self.estimate(10) }
        _ = try await unknown.journal.cancel(unknown.job, of: .anonymous)
        try await unknown.until { $0.isFinished }
        try await unknown.hub.tasks.idle(on: unknown.loop)
        await unknown.loop.advanceTime(by: .seconds(20))
        #expect(unknown.sink.state.withLock { !$0.text.contains("job.estimate") })
    }
}
